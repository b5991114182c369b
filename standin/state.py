"""What the stand-in knows: people, pages, customers, messages, tokens. Held in memory, touched by one event loop only."""

import secrets
import time
from collections import deque
from dataclasses import dataclass, field

from standin.config import StandinConfig
from standin.jsonish import Json
from standin.ledger import Calls, Ledger

PAGE_TASKS = ("MODERATE", "MESSAGING", "ADVERTISE", "ANALYZE", "CREATE_CONTENT", "MANAGE")
TOKEN_LIFE_MS = 365 * 86_400_000
OF_THIS_PROCESS = {"of_this_process": True}  # marks fields that mean nothing to a later process


@dataclass(slots=True)
class Person:
    """A login user of the dialogue: someone of an agency or a franchise."""

    id: str
    name: str
    permissions: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Business:
    """A business portfolio; its people reach its pages through owned_pages and client_pages."""

    id: str
    name: str
    people: set[str] = field(default_factory=set)


@dataclass(slots=True)
class AdAccount:
    """An ad account that marketing messages are billed to."""

    id: str
    name: str
    currency: str


@dataclass(slots=True)
class Message:
    """One message of a thread, of either side."""

    mid: str
    page: str
    psid: str
    from_page: bool
    text: str | None
    attachments: list[object]
    created_ms: int
    metadata: str | None = None
    is_deleted: bool = False
    edits: int = 0


@dataclass(slots=True)
class Customer:
    """A person who writes to a page; the id is scoped to that page.

    `owner_app` is set while another app owns the thread; `signals` are the sender actions that the person saw; `moved` grows
    with each message of any thread, so that threads of one millisecond have an order.
    """

    page: str
    psid: str
    first_name: str
    last_name: str
    last_action_ms: int | None = None
    is_blocked: bool = False
    echo_ms: int | None = None
    delivery_ms: int | None = None
    read_ms: int | None = None
    own_timing: frozenset[str] = frozenset()
    messages: list[Message] = field(default_factory=list)
    owner_app: str | None = None
    signals: list[str] = field(default_factory=list)
    moved: int = 0

    @property
    def name(self) -> str:
        """First and last name as one text."""
        return f"{self.first_name} {self.last_name}".strip()


@dataclass(slots=True)
class Page:
    """A Facebook page with what the app may and did do on it. Deques hold seconds of the monotonic clock."""

    id: str
    name: str
    people: set[str] = field(default_factory=set)
    business: str | None = None
    relation: str = "owned"
    ad_account: str | None = None
    tasks: tuple[str, ...] = PAGE_TASKS
    fields: set[str] = field(default_factory=set)
    callback_url: str | None = None
    is_restricted: bool = False
    failing_since: float | None = field(default=None, metadata=OF_THIS_PROCESS)
    customers: dict[str, Customer] = field(default_factory=dict)
    windows: dict[str, deque[float]] = field(default_factory=dict, metadata=OF_THIS_PROCESS)


@dataclass(slots=True)
class Token:
    """A user or page token; `dead` holds the subcode of error 190 once it no longer works. `expires_s` 0 means never."""

    value: str
    kind: str
    person: str | None
    page: str | None
    scopes: frozenset[str] | None
    issued_s: int
    expires_s: int
    dead: int | None = None
    granted_pages: frozenset[str] | None = None
    parent: str | None = None

    def has_scope(self, scope: str) -> bool:
        """True when the scope was granted; tokens of the control API hold all."""
        return self.scopes is None or scope in self.scopes

    def may_use(self, page: str) -> bool:
        """False when the person left the page out in the dialogue."""
        return self.granted_pages is None or page in self.granted_pages


@dataclass(slots=True)
class OptinToken:
    """The permission of one person to get marketing messages of one page."""

    value: str
    page: str
    psid: str
    title: str
    payload: str
    timezone: str
    created_ms: int
    expires_ms: int
    is_stopped: bool = False
    last_sent_ms: int | None = None


@dataclass(slots=True)
class Campaign:
    """A message campaign of an ad account, with the counts of its insights."""

    id: str
    account: str
    page: str
    name: str
    created_ms: int
    sent: int = 0
    delivered: int = 0
    read: int = 0
    clicks: int = 0


@dataclass(slots=True)
class Comment:
    """A comment under a post of the page, by a person or (`from_page`) by the page to that person.

    It may get one private reply within seven days.
    """

    id: str
    page: str
    psid: str
    created_ms: int
    is_answered: bool = False
    post_id: str = ""
    parent_id: str = ""
    text: str = ""
    from_page: bool = False
    is_gone: bool = False


@dataclass(slots=True)
class Template:
    """A utility template of a page. `body` has its parameters as {{1}} or {{name}}."""

    id: str
    page: str
    name: str
    language: str
    body: str
    status: str


class World:
    """The whole memory. `reset` forgets all of it but the configuration."""

    def __init__(self, config: StandinConfig) -> None:
        self.config = config
        self.ledger = Ledger(config.ledger_file)
        self.calls = Calls()
        self.last_number = 0
        self.forget()

    def forget(self) -> None:
        """Drop every object, and what was done to the clock."""
        self.offset_ms = 0
        self.held_ms: int | None = None
        self.people: dict[str, Person] = {}
        self.businesses: dict[str, Business] = {}
        self.ad_accounts: dict[str, AdAccount] = {}
        self.pages: dict[str, Page] = {}
        self.tokens: dict[str, Token] = {}
        self.page_tokens: dict[tuple[str, str], Token] = {}
        self.codes: dict[str, Json] = {}
        self.messages: dict[str, Message] = {}
        self.optins: dict[str, OptinToken] = {}
        self.campaigns: dict[str, Campaign] = {}
        self.comments: dict[str, Comment] = {}
        self.templates: dict[str, Template] = {}
        self.attachments: dict[str, str] = {}
        self.revocations: list[Json] = []
        self.ledger.reset()
        self.calls.reset()

    def note_revocation(self, what: str, subject: str) -> None:
        """Record that somebody took an app's rights back: the record that tests compare the product against."""
        seq = len(self.revocations) + 1
        self.revocations.append({"seq": seq, "what": what, "subject": subject, "at": self.now_ms()})

    def now_ms(self) -> int:
        """The stand-in's clock in Unix milliseconds, with the offset of the control API or held by it."""
        return time.time_ns() // 1_000_000 + self.offset_ms if self.held_ms is None else self.held_ms

    def hold_clock(self, is_held: bool) -> None:
        """Let the clock stand still, so that everything happens within one millisecond, or let it go on."""
        self.held_ms = None
        self.held_ms = self.now_ms() if is_held else None

    def next_number(self) -> int:
        """A number that is greater than all before, also after a restart; `forget` does not start over."""
        self.last_number += 1
        return self.last_number

    def new_id(self, prefix: str = "") -> str:
        """A fresh numeric id in the style of Graph."""
        return f"{prefix}{120_200_000_000_000_000 + self.next_number()}"

    def new_mid(self) -> str:
        """A fresh message id."""
        return f"m_{self.next_number():06d}{secrets.token_urlsafe(24)}"

    def customer(self, page: Page, psid: str) -> Customer:
        """The person of that page, made on first use."""
        found = page.customers.get(psid)
        if found is None:
            found = page.customers[psid] = Customer(page.id, psid, "Customer", psid[-4:])
        return found

    def add_message(self, customer: Customer, message: Message) -> None:
        """Append to the thread, which is the newest from here on, and make it findable by its mid."""
        customer.messages.append(message)
        customer.moved = self.next_number()
        self.messages[message.mid] = message

    def issue(self, token: Token) -> Token:
        """Make the token valid for calls."""
        self.tokens[token.value] = token
        return token

    def page_token(self, user: Token, page: Page) -> Token:
        """The page token that this user token yields: the same one until it dies. Long-lived users give endless ones."""
        key = (user.value, page.id)
        known = self.page_tokens.get(key)
        if known is not None and known.dead is None:
            return known
        endless = user.expires_s == 0 or user.expires_s - user.issued_s > self.config.user_token_s
        token = Token(
            value=f"EAAP{secrets.token_urlsafe(48)}",
            kind="PAGE",
            person=user.person,
            page=page.id,
            scopes=user.scopes,
            issued_s=self.now_ms() // 1000,
            expires_s=0 if endless else user.expires_s,
            granted_pages=user.granted_pages,
            parent=user.value,
        )
        self.page_tokens[key] = token
        return self.issue(token)

    def control_token(self, page: Page, value: str | None = None) -> Token:
        """An endless page token with every scope for seeding; the page's earlier live one unless a value is given."""
        key = ("control", page.id)
        known = self.page_tokens.get(key)
        if known is not None and known.dead is None and value in (None, known.value):
            return known
        issued = self.now_ms() // 1000
        fresh = value or f"EAAP{secrets.token_urlsafe(48)}"
        token = Token(fresh, "PAGE", None, page.id, None, issued, 0)
        self.page_tokens[key] = token
        return self.issue(token)

    def add_optin(self, customer: Customer, title: str, payload: str, timezone: str, life_ms: int) -> OptinToken:
        """A fresh marketing token of the person."""
        now = self.now_ms()
        value = f"notification_messages_{self.next_number()}{secrets.token_hex(8)}"
        token = OptinToken(value, customer.page, customer.psid, title, payload, timezone, now, now + life_ms)
        self.optins[value] = token
        return token

    def thread_of(self, page: str, psid: str) -> str:
        """The id of the conversation of that person with that page."""
        return f"t_{page}_{psid}"
