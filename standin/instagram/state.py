"""What the stand-in knows of Instagram: accounts, the people who write to them, messages, comments, tokens."""

import base64
import secrets
from collections import deque
from dataclasses import dataclass, field

from standin.controlling import UnknownId
from standin.jsonish import Json
from standin.runtime import Runtime
from standin.state import OF_THIS_PROCESS, Page

THREAD = "aWdfdGhyZWFk"
ALL_SCOPES = (
    "instagram_business_basic",
    "instagram_business_manage_messages",
    "instagram_business_manage_comments",
)
FIELDS = frozenset(
    {
        *("messages", "message_reactions", "message_edit", "messaging_seen", "messaging_postbacks", "comments"),
        *("messaging_referral", "messaging_optins", "messaging_handover", "standby", "live_comments", "mentions"),
        *("story_insights",),
    }
)


@dataclass(slots=True)
class Message:
    """One message of a thread, of either side. The media of a deleted one are gone."""

    mid: str
    account: str
    person: str
    from_account: bool
    text: str | None
    attachments: list[object]
    created_ms: int
    is_deleted: bool = False
    edits: int = 0


@dataclass(slots=True)
class Person:
    """Somebody who writes to an account; the id is scoped to that account. `moved` grows with each message of any thread."""

    account: str
    id: str
    username: str
    name: str
    last_action_ms: int | None = None
    is_blocked: bool = False
    echo_ms: int | None = None
    read_ms: int | None = None
    own_timing: set[str] = field(default_factory=set)
    messages: list[Message] = field(default_factory=list)
    moved: int = 0


@dataclass(slots=True)
class Comment:
    """A comment below a post of the account; it may get one private reply within seven days, live ones while it lasts."""

    id: str
    account: str
    person: str
    media: str
    text: str
    created_ms: int
    parent: str | None = None
    is_answered: bool = False
    is_live: bool = False
    is_over: bool = False


@dataclass(slots=True)
class Account:
    """A professional account. `page` is the Facebook page that it hangs on, `scoped` its id for our app alone."""

    id: str
    username: str
    name: str
    scoped: str
    page: str | None = None
    fields: set[str] = field(default_factory=set)
    callback_url: str | None = None
    is_restricted: bool = False
    gives_access: bool = True
    people: dict[str, Person] = field(default_factory=dict)
    failing_since: int | None = field(default=None, metadata=OF_THIS_PROCESS)
    windows: dict[str, deque[float]] = field(default_factory=dict, metadata=OF_THIS_PROCESS)

    def row(self) -> Json:
        """How answers name the account."""
        return {"id": self.id, "username": self.username}


@dataclass(slots=True)
class Token:
    """A token of the direct login; `dead` holds the subcode of error 190 once it no longer works, `expires_s` 0 means never."""

    value: str
    account: str
    is_long: bool
    scopes: list[str]
    issued_s: int
    expires_s: int
    dead: int | None = None


@dataclass(slots=True)
class Code:
    """What a code of the dialogue stands for."""

    account: str
    redirect_uri: str
    scopes: list[str]
    expires_ms: int


@dataclass(slots=True)
class Choices:
    """Which of the documented variants is played: both forms of the token's answer, of comments, and of edits and reactions."""

    callback_url: str | None = None
    token_in_list: bool = True
    flat_comments: bool = False
    edits_as_changes: bool = False
    private_replies_per_h: int = 750


@dataclass(slots=True)
class Kept:
    """Everything that a later process must know."""

    accounts: list[Account] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    codes: dict[str, Code] = field(default_factory=dict)
    uploads: dict[str, str] = field(default_factory=dict)
    choices: Choices = field(default_factory=Choices)


class Studio:
    """The whole memory of Instagram, beside the world that it shares with the other platforms."""

    def __init__(self, run: Runtime) -> None:
        self.run = run
        self.choices = Choices()
        self.forget()

    def forget(self) -> None:
        """Drop every object."""
        self.accounts: dict[str, Account] = {}
        self.comments: dict[str, Comment] = {}
        self.messages: dict[str, Message] = {}
        self.tokens: dict[str, Token] = {}
        self.codes: dict[str, Code] = {}
        self.uploads: dict[str, str] = {}

    @property
    def app(self) -> dict[str, str]:
        """Our app of the direct login."""
        return {name: str(value) for name, value in self.run.world.config.apps.get("instagram", {}).items()}

    def url_of(self, account: Account) -> str | None:
        """Where the account's webhooks go."""
        return account.callback_url or self.choices.callback_url or self.app.get("callback_url")

    def now_ms(self) -> int:
        """The stand-in's clock."""
        return self.run.world.now_ms()

    def of_page(self, page: Page | None) -> Account | None:
        """The account that hangs on a Facebook page."""
        if page is None:
            return None
        return next((account for account in self.accounts.values() if account.page == page.id), None)

    def page_of(self, account: Account) -> Page | None:
        """The Facebook page that the account hangs on."""
        return self.run.world.pages.get(account.page or "")

    def person(self, account: Account, person_id: str) -> Person:
        """That person, made on first use."""
        found = account.people.get(person_id)
        if found is None:
            name = f"customer{person_id[-4:]}"
            found = account.people[person_id] = Person(account.id, person_id, name, name.title())
        return found

    def add(self, person: Person, message: Message) -> None:
        """Append to the thread, which is the newest from here on, and make it findable by its mid."""
        person.messages.append(message)
        person.moved = self.run.world.next_number()
        self.messages[message.mid] = message

    def new_mid(self) -> str:
        """A fresh message id, as long as the real ones."""
        return f"aWdfZAG1faXRlbTox{self.run.world.new_id()}{secrets.token_urlsafe(90)}"

    def thread_of(self, person: Person) -> str:
        """The id of the conversation of that person."""
        named = f"{person.account}:{person.id}".encode()
        return THREAD + base64.urlsafe_b64encode(named).decode().rstrip("=")

    def of_thread(self, thread: str) -> Person | None:
        """Whose conversation it is."""
        packed = thread.removeprefix(THREAD)
        try:
            named = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)).decode()
        except ValueError:
            return None
        account, _, person = named.partition(":")
        found = self.accounts.get(account)
        return found.people.get(person) if found is not None and thread.startswith(THREAD) else None

    def issue(
        self, account: Account, *, is_long: bool, scopes: list[str], life_s: int, value: str | None = None
    ) -> Token:
        """A fresh token of the account. A life of 0 never ends."""
        issued_s = self.now_ms() // 1000
        expires_s = issued_s + life_s if life_s else 0
        token = Token(value or f"IGAA{secrets.token_urlsafe(60)}", account.id, is_long, scopes, issued_s, expires_s)
        self.tokens[token.value] = token
        return token

    def kept(self) -> Kept:
        """What a later process must know."""
        return Kept(
            accounts=list(self.accounts.values()),
            comments=list(self.comments.values()),
            tokens=list(self.tokens.values()),
            codes=self.codes,
            uploads=self.uploads,
            choices=self.choices,
        )

    def take(self, kept: Kept) -> None:
        """Take over what an earlier process kept."""
        self.accounts = {account.id: account for account in kept.accounts}
        self.comments = {comment.id: comment for comment in kept.comments}
        self.tokens = {token.value: token for token in kept.tokens}
        self.codes, self.uploads, self.choices = kept.codes, kept.uploads, kept.choices
        people = [person for account in kept.accounts for person in account.people.values()]
        self.messages = {message.mid: message for person in people for message in person.messages}

    def account_named(self, account_id: str) -> Account:
        """The account; `BadBody` for an unknown one."""
        account = self.accounts.get(account_id)
        if account is None:
            raise UnknownId(f"unknown account {account_id}")
        return account


def studio_of(run: Runtime) -> Studio | None:
    """The memory of this run, for what the Graph knows of Instagram."""
    found = (getattr(plugin, "studio", None) for plugin in run.plugins)
    return next((studio for studio in found if isinstance(studio, Studio)), None)
