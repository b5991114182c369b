"""What the stand-in remembers of LinkedIn: people, organisations, posts, comments, notifications, subscriptions, tokens."""

from collections import Counter, deque
from dataclasses import dataclass, field, fields

from standin.jsonish import BadBody, Json
from standin.runtime import Runtime
from standin.stored import built

DAY_MS = 86_400_000
NAME = "linkedin"
READERS = {"ADMINISTRATOR", "CONTENT_ADMINISTRATOR", "DIRECT_SPONSORED_CONTENT_POSTER"}
WRITERS = READERS | {"RECRUITING_POSTER"}


@dataclass(slots=True)
class Settings:
    """How strict and how fast LinkedIn is here; a limit of 0 means none. `tier` development has small limits and no webhooks."""

    tier: str = "standard"
    member_day: int = 0
    app_day: int = 0
    comments_per_minute: int = 0
    token_s: int = 5_184_000
    refresh_s: int = 31_536_000
    code_s: int = 1_800
    issues_refresh: bool = True
    is_partner: bool = False
    subscription_s: int = 5_184_000
    validation_ms: int = 7_200_000
    retry_ms: int = 300_000
    give_up_ms: int = 28_800_000
    batch_size: int = 10
    answer_s: int = 5
    versions: list[str] = field(default_factory=list)
    redirect_uris: list[str] = field(default_factory=list)

    def day_limits(self) -> tuple[int, int]:
        """Calls a day of one member, and of the whole app."""
        if self.tier == "development":
            return self.member_day or 100, self.app_day or 500
        return self.member_day, self.app_day

    def apply(self, changes: Json) -> None:
        """Take over the given settings, all or none; `BadBody` names the first that is unknown or of a wrong type."""
        known = {item.name for item in fields(self)}
        unknown = changes.keys() - known
        if unknown:
            raise BadBody(f"unknown setting {sorted(unknown)[0]}")
        changed = built(Settings, {item: getattr(self, item) for item in known} | changes)
        if changed.tier not in ("standard", "development"):
            raise BadBody("tier must be standard or development")
        for item in changes:
            setattr(self, item, getattr(changed, item))


@dataclass(slots=True)
class Person:
    """A member. `scopes` are those granted to the app; `consented_ms` is the first consent, from which refreshing counts."""

    id: str
    name: str
    scopes: list[str] = field(default_factory=list)
    consented_ms: int = 0


@dataclass(slots=True)
class Organization:
    """A company page, and the roles that people have on it."""

    id: str
    name: str
    roles: dict[str, list[str]] = field(default_factory=dict)


@dataclass(slots=True)
class Post:
    """A share, with the activity that comments stand below."""

    id: str
    activity: str
    owner: str
    text: str
    created_ms: int
    is_public: bool = True


@dataclass(slots=True)
class Comment:
    """A comment or a reply to one."""

    id: str
    number: str
    post: str
    actor: str
    text: str
    created_ms: int
    modified_ms: int
    parent: str | None = None
    is_deleted: bool = False


@dataclass(slots=True)
class Notice:
    """A notification as it is pushed and listed."""

    id: int
    organization: str
    action: str
    at_ms: int
    is_public: bool
    item: dict[str, object]


@dataclass(slots=True)
class Subscription:
    """Whose grant brings which organisation's notifications where, and until when."""

    application: str
    user: str
    entity: str
    webhook: str
    expires_ms: int

    @property
    def key(self) -> str:
        """What it is stored under."""
        return f"{self.application},{self.user},{self.entity}"


@dataclass(slots=True)
class Hook:
    """A callback address, and how its validations went."""

    url: str
    failures: int = 0
    is_blocked: bool = False
    checked_ms: int = 0


@dataclass(slots=True)
class Token:
    """An access or a refresh token. `code` of a dead one says why."""

    value: str
    kind: str
    person: str
    scopes: list[str]
    expires_ms: int
    dead: str | None = None


@dataclass(slots=True)
class Code:
    """A code of the dialogue."""

    person: str
    redirect_uri: str
    scopes: list[str]
    expires_ms: int


@dataclass(slots=True)
class MemberMessage:
    """A message from member to member."""

    id: str
    sender: str
    recipient: str
    thread: str
    text: str
    at_ms: int


@dataclass(slots=True)
class Stored:
    """All that a later process must know."""

    settings: Settings = field(default_factory=Settings)
    people: dict[str, Person] = field(default_factory=dict)
    organizations: dict[str, Organization] = field(default_factory=dict)
    posts: dict[str, Post] = field(default_factory=dict)
    comments: dict[str, Comment] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    hooks: dict[str, Hook] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    messages: list[MemberMessage] = field(default_factory=list)
    last_number: int = 0


class Network:
    """LinkedIn's memory. `kept` outlives a restart; the counters of limits do not."""

    def __init__(self, run: Runtime) -> None:
        self.run = run
        self.kept = Stored()
        self.spent: Counter[tuple[int, str]] = Counter()
        self.created: deque[int] = deque()

    @property
    def app(self) -> Json:
        """Our app as the command line gives it: client_id, client_secret, application_urn, callback_url."""
        return self.run.world.config.apps.get(NAME, {})

    @property
    def secret(self) -> bytes:
        """The client's secret, which is also the key of every signature."""
        return str(self.app.get("client_secret", "")).encode()

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.kept.settings

    def now_ms(self) -> int:
        """The stand-in's time."""
        return self.run.world.now_ms()

    def forget(self, keep_app: bool) -> None:
        """Forget everything but, when asked so, the settings."""
        settings = self.kept.settings
        self.kept = Stored()
        if keep_app:
            self.kept.settings = settings
        self.spent.clear()
        self.created.clear()

    def number(self) -> int:
        """A new id: the time in its upper bits, as LinkedIn's ids have it."""
        self.kept.last_number = max(self.kept.last_number + 1, self.now_ms() << 22)
        return self.kept.last_number

    def post_of(self, name: str) -> Post | None:
        """A post by the URN of its share or of its activity."""
        found = self.kept.posts.get(name)
        if found is not None:
            return found
        return next((post for post in self.kept.posts.values() if post.activity == name), None)

    def may(self, person: str, organization: str, roles: set[str]) -> bool:
        """Whether the person has one of these roles there."""
        found = self.kept.organizations.get(organization)
        return found is not None and bool(roles.intersection(found.roles.get(person, [])))


def urn_of(kind: str, name: str) -> str:
    """A URN; what is one already stays."""
    return name if name.startswith("urn:li:") else f"urn:li:{kind}:{name}"
