"""What this X knows: users, tokens, direct messages, webhooks and subscriptions. Touched by one event loop only."""

from dataclasses import dataclass, field, fields

from standin.jsonish import BadBody, Json

SNOWFLAKE_EPOCH_MS = 1_288_834_974_657
SCOPES = ("dm.read", "dm.write", "tweet.read", "users.read", "offline.access", "media.write")


@dataclass(slots=True)
class Settings:
    """How fast, how strict and how patient this X is. Times are in the unit of the name's suffix.

    The quotas are those of the rate-limit page (platforms.md 4.3); 0 means no limit. `duplicate_s` is how long the same words
    to the same person count as a duplicate. `crc_check` off lets webhooks be
    registered whose server does not answer yet. `retry_ms` are the pauses before the second and later
    attempts; X spreads its three over five minutes, which no test waits for.
    """

    code_s: int = 30
    token_s: int = 7_200
    send_limit: int = 15
    send_window_s: int = 900
    user_day_limit: int = 1_440
    app_day_limit: int = 1_440
    list_limit: int = 15
    delete_limit: int = 300
    echo_ms: int = 20
    duplicate_s: int = 60
    retry_ms: list[int] = field(default_factory=lambda: [200, 1_000, 5_000])
    webhook_timeout_ms: int = 3_000
    crc_check: bool = True
    webhook_limit: int = 5
    account_subscription_limit: int = 5_000
    activity_subscription_limit: int = 75_000
    processing_checks: int = 1
    legacy_errors: bool = False

    def apply(self, changes: Json) -> None:
        """Take over the given settings, all or none; `BadBody` names the first that is unknown or of a wrong type."""
        known = {item.name for item in fields(self)}
        for name, value in changes.items():
            if name not in known:
                raise BadBody(f"unknown setting {name}")
            if type(value) is not type(getattr(self, name)):
                raise BadBody(f"{name} has the wrong type")
            if isinstance(value, list) and not all(type(item) is int for item in value):
                raise BadBody(f"{name} has an item of the wrong type")
        for name, value in changes.items():
            setattr(self, name, value)

    def shown(self) -> Json:
        """All of them as JSON."""
        return {item.name: getattr(self, item.name) for item in fields(self)}


@dataclass(slots=True)
class Window:
    """One allowance in use."""

    started_ms: int
    used: int = 0


@dataclass(slots=True)
class User:
    """Somebody on X. `is_account`: one that our app may be connected to.

    `refuses` says with which code messages of which ids are not let in (349 or 150); "*" stands for everybody.
    """

    id: str
    name: str
    username: str
    is_account: bool = False
    callback_url: str | None = None
    refuses: dict[str, int] = field(default_factory=dict)
    windows: dict[str, Window] = field(default_factory=dict)

    def refusal_of(self, sender: str) -> int | None:
        """The code with which a message of this sender is refused; None if it is let in."""
        return self.refuses.get(sender, self.refuses.get("*"))


@dataclass(slots=True)
class Token:
    """An access token of a person. `expires_ms` 0 means never."""

    value: str
    user: str
    scopes: frozenset[str]
    expires_ms: int
    is_dead: bool = False


@dataclass(slots=True)
class Refresh:
    """A refresh token; it works once."""

    value: str
    user: str
    scopes: frozenset[str]
    is_dead: bool = False


@dataclass(slots=True)
class Code:
    """A code of the dialogue on its way back."""

    value: str
    user: str
    scopes: frozenset[str]
    redirect_uri: str
    challenge: str
    method: str
    expires_ms: int


@dataclass(slots=True)
class Media:
    """An upload of a user; `checks_left` is how often STATUS still says that it is being processed."""

    id: str
    user: str
    category: str
    mime_type: str
    total_bytes: int
    received: int = 0
    expires_ms: int = 0
    is_final: bool = False
    checks_left: int = 0


@dataclass(slots=True)
class Dm:
    """One direct message of a conversation, or a change of its people. `hidden` are the users for whom it is deleted."""

    id: str
    conversation: str
    sender: str
    participants: list[str]
    text: str | None
    created_ms: int
    media: Json | None = None
    quick_reply: str | None = None
    app: str | None = None
    hidden: set[str] = field(default_factory=set)
    move: str | None = None
    """ParticipantsJoin or ParticipantsLeave, of `moved`; None for a message."""
    moved: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Post:
    """A public post that concerns an account."""

    id: str
    author: str
    text: str
    created_ms: int
    answers: str | None = None
    answers_user: str | None = None
    mentions: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Told:
    """An event that was sent out once, for a replay: whose it is, the body, where it went and when."""

    account: str
    person: str | None
    body: Json
    url: str
    at_ms: int


@dataclass(slots=True)
class Hook:
    """A registered webhook; `is_valid` ends with a failed CRC. One that the control API made counts for no limit."""

    id: str
    url: str
    created_ms: int
    is_valid: bool = True
    is_seeded: bool = False


@dataclass(slots=True)
class Subscription:
    """Events of one user to one webhook. `event_type` None is the older generation, which sends everything."""

    id: str
    user: str
    webhook: str
    event_type: str | None
    tag: str | None = None
    direction: str | None = None


@dataclass(slots=True)
class Memory:
    """Everything that outlives the process with `--state`."""

    settings: Settings = field(default_factory=Settings)
    users: dict[str, User] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    refreshes: dict[str, Refresh] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    media: dict[str, Media] = field(default_factory=dict)
    dms: dict[str, Dm] = field(default_factory=dict)
    hooks: dict[str, Hook] = field(default_factory=dict)
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    posts: dict[str, Post] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    app_windows: dict[str, Window] = field(default_factory=dict)
    sequence: int = 0

    def new_id(self, now_ms: int) -> str:
        """A fresh id in the style of X, which holds its time of birth."""
        self.sequence += 1
        return str(((now_ms - SNOWFLAKE_EPOCH_MS) << 22) | (self.sequence & 0x3FFFFF))

    def user(self, user_id: str) -> User:
        """The user, made on first use."""
        found = self.users.get(user_id)
        if found is None:
            found = self.users[user_id] = User(user_id, f"Person {user_id[-4:]}", f"person_{user_id[-8:]}")
        return found

    def accounts(self) -> list[User]:
        """The users that our app may be connected to."""
        return [user for user in self.users.values() if user.is_account]


def conversation_of(one: str, other: str) -> str:
    """The id of a one-to-one conversation: the smaller user id first."""
    pair = sorted((one, other), key=lambda item: (len(item), item))
    return "-".join(pair)
