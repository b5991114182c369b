"""What TikTok knows: accounts, people, conversations, comments, media, tokens. Held in memory, touched by one event loop only."""

import base64
import secrets
import time
from collections import deque
from dataclasses import dataclass, field

from standin.jsonish import Json

EEA_CH_UK = "AT BE BG CH CY CZ DE DK EE ES FI FR GB GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK UK"
EUROPE = frozenset(EEA_CH_UK.split())
OF_THIS_PROCESS = {"of_this_process": True}  # marks fields that mean nothing to a later process


@dataclass(slots=True)
class Settings:
    """How fast and how strict TikTok is. Times are in the unit of the name's suffix; a rate of 0 means no limit."""

    echo_ms: int = 20
    read_ms: int | None = None
    rate_per_s: int = 10
    window_s: int = 48 * 3600
    window_messages: int = 10
    code_s: int = 600
    access_s: int = 86_400
    refresh_s: int = 31_536_000
    media_s: int = 30 * 86_400
    webhook_retry_ms: list[int] = field(default_factory=lambda: [200, 500, 1_000, 2_000, 5_000, 10_000, 30_000])
    webhook_give_up_s: int = 72 * 3600
    webhook_timeout_ms: int = 5_000
    webhook_lanes: int = 4


@dataclass(slots=True)
class Reaction:
    """One reaction to a message."""

    unique_identifier: str
    emoji: str
    timestamp: int


@dataclass(slots=True)
class Message:
    """One message of a conversation, of either side. `type` is lower case; `block` is what stands under the type's name."""

    id: str
    from_account: bool
    type: str
    block: Json
    timestamp: int
    source: str
    referenced: str | None = None
    reactions: list[Reaction] = field(default_factory=list)

    @property
    def text(self) -> str | None:
        """The words of a text or of a card."""
        found = self.block.get("body") or self.block.get("title")
        return found if isinstance(found, str) else None


@dataclass(slots=True)
class Conversation:
    """One person with one account. It is STRANGER until the account answers; `sent` counts since the person last wrote.

    `moved` grows with each message of any conversation, so that those of one millisecond have an order.
    """

    id: str
    account: str
    person: str
    is_single: bool = False
    last_inbound_ms: int | None = None
    sent: int = 0
    messages: list[Message] = field(default_factory=list)
    moved: int = 0

    @property
    def updated_ms(self) -> int:
        """When the last message came."""
        return self.messages[-1].timestamp if self.messages else 0


@dataclass(slots=True)
class Person:
    """Somebody with a personal account."""

    id: str
    username: str
    region: str = "ID"
    is_adult: bool = True
    is_follower: bool = True


@dataclass(slots=True)
class Comment:
    """A public comment below a video of an account."""

    id: int
    account: str
    person: str
    video: int
    parent: int | None
    text: str
    created_ms: int
    is_answered: bool = False


@dataclass(slots=True)
class Media:
    """A picture or film; `content` is base64."""

    id: str
    account: str
    kind: str
    mime: str
    content: str
    created_ms: int


@dataclass(slots=True)
class Token:
    """An access or refresh token of an account."""

    value: str
    account: str
    is_refresh: bool
    scopes: list[str]
    expires_ms: int
    is_dead: bool = False


@dataclass(slots=True)
class Code:
    """An authorisation code that has not been traded."""

    value: str
    account: str
    redirect_uri: str
    scopes: list[str]
    expires_ms: int


@dataclass(slots=True)
class Account:
    """An account that an app can ask for."""

    id: str
    username: str
    display_name: str
    type: str = "BUSINESS"
    region: str = "ID"
    images: bool = True
    comment_to_message: bool = True
    callback_url: str | None = None
    people: dict[str, Person] = field(default_factory=dict)
    conversations: dict[str, Conversation] = field(default_factory=dict)
    windows: dict[str, deque[float]] = field(default_factory=dict, metadata=OF_THIS_PROCESS)

    def person(self, person: str) -> Person:
        """The person, made on first use."""
        found = self.people.get(person)
        if found is None:
            found = self.people[person] = Person(person, f"user_{person.strip('+/=')[-6:].lower()}")
        return found

    def conversation_of(self, person: str) -> Conversation | None:
        """The conversation with this person, if there is one."""
        return next((one for one in self.conversations.values() if one.person == person), None)

    def conversation(self, person: str) -> Conversation:
        """The conversation with this person, made on first use."""
        found = self.conversation_of(person)
        if found is None:
            found = Conversation(new_id("u5J"), self.id, self.person(person).id)
            self.conversations[found.id] = found
        return found


@dataclass(slots=True)
class Memory:
    """All of it. `webhooks` maps an event type to the app's callback."""

    settings: Settings = field(default_factory=Settings)
    webhooks: dict[str, str] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    comments: dict[str, Comment] = field(default_factory=dict)
    media: dict[str, Media] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    last_number: int = 0

    def number(self) -> int:
        """A fresh number for videos and comments, larger than what a double holds exactly."""
        self.last_number += 1
        return 7_400_000_000_000_000_000 + self.last_number

    def issue(self, account: str, scopes: list[str], now_ms: int, is_refresh: bool, value: str | None = None) -> Token:
        """A token that works from now on."""
        life_s = self.settings.refresh_s if is_refresh else self.settings.access_s
        made = value or f"{'rft' if is_refresh else 'act'}.{secrets.token_urlsafe(40)}!1"
        token = Token(made, account, is_refresh, list(scopes), now_ms + life_s * 1000)
        self.tokens[made] = token
        return token

    def live(self, value: str, now_ms: int, is_refresh: bool = False) -> Token | None:
        """The token if it works now."""
        token = self.tokens.get(value)
        if token is None or token.is_dead or token.is_refresh is not is_refresh or token.expires_ms <= now_ms:
            return None
        return token


def new_id(prefix: str) -> str:
    """A fresh id as messages and conversations have it: base64 with every awkward character."""
    return f"{prefix}+/{base64.b64encode(secrets.token_bytes(16)).decode()}"


def is_crowded(account: Account, kind: str, per_second: int) -> bool:
    """Count the call in the account's sliding second; True when the second is full."""
    now = time.monotonic()
    window = account.windows.setdefault(kind, deque())
    while window and now - window[0] >= 1.0:
        window.popleft()
    if per_second > 0 and len(window) >= per_second:
        return True
    window.append(now)
    return False
