"""Settings, read once from the environment: one frozen class per concern."""

from __future__ import annotations

import ipaddress
from enum import StrEnum
from functools import lru_cache
from typing import Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Environment(StrEnum):
    """Where this process runs. Development and test show introspection and GraphiQL; production shows neither."""

    DEVELOPMENT = "development"
    TEST = "test"
    PRODUCTION = "production"


class Pooler(StrEnum):
    """What stands between us and PostgreSQL: nothing, or a pooler that lends a connection for one transaction at a time."""

    NONE = "none"
    TRANSACTION = "transaction"


class DocumentMode(StrEnum):
    """Which GraphQL documents are run: any text, or only those that are shipped or that the organization registered."""

    OPEN = "open"
    KNOWN = "known"


class _Settings(BaseSettings):
    # What is refused is often an address with a password in it.
    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class DatabaseSettings(_Settings):
    """Addresses of the ledger, one per role.

    `app` may read and write rows of one organization at a time; `system` sees only what crosses organizations (jobs,
    page routes, unread events); `owner` owns the tables and is used by migrations alone. Behind a pooler of
    transactions `app` and `system` go through it, and the direct addresses past it: LISTEN and a worker's lock need a
    connection that stays theirs.
    """

    app: SecretStr = Field(alias="DATABASE_URL")
    system: SecretStr = Field(alias="SYSTEM_DATABASE_URL")
    owner: SecretStr | None = Field(default=None, alias="OWNER_DATABASE_URL")
    pooler: Pooler = Field(default=Pooler.NONE, alias="DATABASE_POOLER")
    direct_app: SecretStr | None = Field(default=None, alias="DATABASE_DIRECT_URL")
    direct_system: SecretStr | None = Field(default=None, alias="SYSTEM_DATABASE_DIRECT_URL")
    pool_size: int = Field(default=10, alias="DATABASE_POOL_SIZE", ge=1, le=200)
    pool_timeout_s: float = Field(default=5.0, alias="DATABASE_POOL_TIMEOUT_S", gt=0)
    statement_timeout_ms: int = Field(default=15_000, alias="DATABASE_STATEMENT_TIMEOUT_MS", ge=100)

    @model_validator(mode="after")
    def _names_direct_addresses(self) -> Self:
        if self.pooler is Pooler.TRANSACTION and (self.direct_app is None or self.direct_system is None):
            raise ValueError(
                "DATABASE_POOLER=transaction needs DATABASE_DIRECT_URL and SYSTEM_DATABASE_DIRECT_URL, past the pooler:"
                " it would take LISTEN and a worker's lock and silently lose both."
            )
        return self

    @property
    def served_app_dsn(self) -> str:
        """Return libpq's address of the application role for what is served, through a pooler where one stands."""
        return _dsn(self.app)

    @property
    def served_system_dsn(self) -> str:
        """Return libpq's address of the system role for what is served, through a pooler where one stands."""
        return _dsn(self.system)

    @property
    def app_dsn(self) -> str:
        """Return libpq's address of the application role for a connection that is kept, never through a pooler."""
        return _dsn(self.direct_app or self.app)

    @property
    def system_dsn(self) -> str:
        """Return libpq's address of the system role for a connection that is kept, never through a pooler."""
        return _dsn(self.direct_system or self.system)


def _dsn(url: SecretStr) -> str:
    return url.get_secret_value().replace("postgresql+psycopg://", "postgresql://", 1)


class BrokerSettings(_Settings):
    """The doorbell. Empty means: the same PostgreSQL, reached with the system role."""

    url: SecretStr | None = Field(default=None, alias="BROKER_URL")


class SecuritySettings(_Settings):
    """Keys: `keys` is the ring `name:base64(32 bytes)[,…]`, the first seals and all open; `pepper` keys token hashes."""

    keys: SecretStr = Field(alias="SWITCHBOARD_KEYS")
    pepper: SecretStr = Field(alias="SWITCHBOARD_PEPPER", min_length=32)


class WebSettings(_Settings):
    """How the API is reached and what it refuses."""

    environment: Environment = Field(default=Environment.PRODUCTION, alias="SWITCHBOARD_ENV")
    public_url: str = Field(default="http://127.0.0.1:8000", alias="SWITCHBOARD_PUBLIC_URL")
    allowed_origins: str = Field(default="", alias="SWITCHBOARD_ALLOWED_ORIGINS")
    trusted_proxies: str = Field(default="", alias="SWITCHBOARD_TRUSTED_PROXIES")
    max_graphql_bytes: int = Field(default=1_000_000, alias="SWITCHBOARD_MAX_GRAPHQL_BYTES", ge=1_000)
    max_webhook_bytes: int = Field(default=3_000_000, alias="SWITCHBOARD_MAX_WEBHOOK_BYTES", ge=1_000)
    max_file_bytes: int = Field(default=20_000_000, alias="SWITCHBOARD_MAX_FILE_BYTES", ge=1_000)
    file_days: float = Field(default=7.0, alias="SWITCHBOARD_FILE_DAYS", gt=0)
    media_hosts: str = Field(default="", alias="SWITCHBOARD_MEDIA_HOSTS")
    media_days: float = Field(default=400.0, alias="SWITCHBOARD_MEDIA_DAYS", gt=0)
    documents: DocumentMode | None = Field(default=None, alias="SWITCHBOARD_DOCUMENTS")
    receive_timeout_s: float = Field(default=14.0, alias="SWITCHBOARD_RECEIVE_TIMEOUT_S", gt=0)

    @field_validator("trusted_proxies")
    @classmethod
    def _names_proxies(cls, value: str) -> str:
        _networks(value)
        return value

    @property
    def trusted_networks(self) -> tuple[Network, ...]:
        """Return the networks of the proxies that are believed about their clients' addresses; none by default."""
        return _networks(self.trusted_proxies)

    @property
    def is_open_for_development(self) -> bool:
        """Say whether introspection and GraphiQL are served."""
        return self.environment is not Environment.PRODUCTION

    @property
    def document_mode(self) -> DocumentMode:
        """Return which documents are run: as set, else only known ones in production and any elsewhere."""
        if self.documents is not None:
            return self.documents
        return DocumentMode.OPEN if self.is_open_for_development else DocumentMode.KNOWN

    @property
    def trusted_media(self) -> tuple[str, ...]:
        """Return the "host:port" places inbound media is fetched from although they are not public; never in production."""
        if not self.is_open_for_development:
            return ()
        return tuple(place.strip() for place in self.media_hosts.split(",") if place.strip())

    @property
    def origins(self) -> tuple[str, ...]:
        """Return the origins allowed to open browser connections."""
        return tuple(origin.strip() for origin in self.allowed_origins.split(",") if origin.strip())


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(_network(entry.strip()) for entry in text.split(",") if entry.strip())


def _network(entry: str) -> Network:
    try:
        found = ipaddress.ip_network(entry)
    except ValueError as error:
        raise ValueError(
            f"SWITCHBOARD_TRUSTED_PROXIES: {entry!r} is neither an address nor a network ({error})."
            " Write addresses or networks with commas between them, such as 10.0.0.5, 10.1.0.0/16 or 2001:db8::/64."
        ) from None
    if found.prefixlen == 0:
        raise ValueError(
            f"SWITCHBOARD_TRUSTED_PROXIES: {entry!r} would let everybody choose an address. Name the proxies."
        )
    return found


class OperationSettings(_Settings):
    """What one GraphQL operation may take, in points (see limits.json), seconds and bytes of its answer.

    A mutation may take longer than a query, because some of them ask a platform.
    """

    max_price: int = Field(default=20_000, alias="OPERATION_MAX_PRICE", ge=100)
    max_anonymous_price: int = Field(default=8_000, alias="OPERATION_MAX_ANONYMOUS_PRICE", ge=100)
    deadline_s: float = Field(default=10.0, alias="OPERATION_DEADLINE_S", gt=0)
    mutation_deadline_s: float = Field(default=60.0, alias="OPERATION_MUTATION_DEADLINE_S", gt=0)
    max_bytes: int = Field(default=4_000_000, alias="OPERATION_MAX_BYTES", ge=10_000)


class BudgetSettings(_Settings):
    """How many points may be spent at once (`capacity`), and how many come back a second, by whom."""

    organization: float = Field(default=400_000, alias="BUDGET_ORGANIZATION", gt=0, le=2e9)
    organization_per_s: float = Field(default=10_000, alias="BUDGET_ORGANIZATION_PER_S", gt=0, le=2e9)
    token: float = Field(default=200_000, alias="BUDGET_TOKEN", gt=0, le=2e9)
    token_per_s: float = Field(default=5_000, alias="BUDGET_TOKEN_PER_S", gt=0, le=2e9)
    network: float = Field(default=20_000, alias="BUDGET_NETWORK", gt=0, le=2e9)
    network_per_s: float = Field(default=500, alias="BUDGET_NETWORK_PER_S", gt=0, le=2e9)


class AdmissionSettings(_Settings):
    """Who may work at once in one API process, by connections of its pool.

    `reserved_connections` are left to what takes no such turn; an organization gets at most `tenant_share` of the others, and has
    `line` requests waiting at most, of `most_waiting` in all, each for at most `patience` seconds. It has
    at most `downloads` open, of `most_downloads` in all; more of them wait in a line of the same length.
    """

    reserved_connections: int = Field(default=2, alias="ADMISSION_RESERVED_CONNECTIONS", ge=0)
    tenant_share: float = Field(default=0.5, alias="ADMISSION_TENANT_SHARE", gt=0, le=1)
    line: int = Field(default=64, alias="ADMISSION_LINE", ge=0)
    most_waiting: int = Field(default=512, alias="ADMISSION_MOST_WAITING", ge=0)
    patience_s: float = Field(default=5.0, alias="ADMISSION_PATIENCE_S", gt=0)
    downloads: int = Field(default=16, alias="ADMISSION_DOWNLOADS", ge=1)
    most_downloads: int = Field(default=128, alias="ADMISSION_MOST_DOWNLOADS", ge=1)


MOST_HEADERS = 100
LONGEST_TARGET = 8_192
"""Of one request: its headers, and the bytes of its address."""


class SocketSettings(_Settings):
    """How long a connection may take and how much of it is kept, whoever is at its other end.

    `header` is for the head of a request, from the connection or its first byte; `idle` between two requests; `init` for
    the first message on a WebSocket, `close` for the answer to our close; an answer of which nothing is taken for `write`
    ends. `grace` is what requests are given when the process is asked to end. `ready_nonce` is told in every answer, so that
    who started this process knows that it is this one that answers.
    """

    header_timeout_s: float = Field(default=10.0, alias="SWITCHBOARD_HEADER_TIMEOUT_S", gt=0)
    idle_timeout_s: int = Field(default=10, alias="SWITCHBOARD_IDLE_TIMEOUT_S", ge=1)
    init_timeout_s: float = Field(default=10.0, alias="SWITCHBOARD_INIT_TIMEOUT_S", gt=0)
    close_timeout_s: float = Field(default=3.0, alias="SWITCHBOARD_CLOSE_TIMEOUT_S", gt=0)
    write_timeout_s: float = Field(default=14.0, alias="SWITCHBOARD_WRITE_TIMEOUT_S", gt=0)
    ping_s: float = Field(default=20.0, alias="SWITCHBOARD_PING_S", gt=0)
    max_header_bytes: int = Field(default=32_768, alias="SWITCHBOARD_MAX_HEADER_BYTES", ge=4_096, le=1_000_000)
    max_connections: int = Field(default=4_000, alias="SWITCHBOARD_MAX_CONNECTIONS", ge=10)
    grace_s: int = Field(default=20, alias="SWITCHBOARD_GRACE_S", ge=1)
    ready_nonce: str = Field(default="", alias="SWITCHBOARD_READY_NONCE", pattern="^[A-Za-z0-9_-]{0,64}$")


class MailSettings(_Settings):
    """How mail leaves. Without a host, mail is kept in the database and shown at /dev/mail, in development only."""

    host: str = Field(default="", alias="SMTP_HOST")
    port: int = Field(default=587, alias="SMTP_PORT", ge=1, le=65_535)
    user: str = Field(default="", alias="SMTP_USER")
    password: SecretStr = Field(default=SecretStr(""), alias="SMTP_PASSWORD")
    starts_tls: bool = Field(default=True, alias="SMTP_STARTTLS")
    sender: str = Field(default="Switchboard <no-reply@localhost>", alias="SMTP_SENDER")
    timeout_s: float = Field(default=10.0, alias="SMTP_TIMEOUT_S", gt=0)


class SignInSettings(_Settings):
    """How long a sign-in lasts, and who else may vouch for people.

    `providers` is a JSON list of {"name", "title", "issuer", "client_id", "client_secret"}: OpenID providers, found by discovery.
    """

    session_idle_h: float = Field(default=12.0, alias="SESSION_IDLE_H", gt=0)
    session_life_h: float = Field(default=720.0, alias="SESSION_LIFE_H", gt=0)
    providers: SecretStr = Field(default=SecretStr("[]"), alias="OIDC_PROVIDERS")


class MessengerSettings(_Settings):
    """Our app at Meta. The addresses point at the stand-in in development and in tests."""

    app_id: str = Field(default="", alias="MESSENGER_APP_ID")
    app_secret: SecretStr = Field(default=SecretStr(""), alias="MESSENGER_APP_SECRET")
    verify_token: SecretStr = Field(default=SecretStr(""), alias="MESSENGER_VERIFY_TOKEN")
    graph_url: str = Field(default="https://graph.facebook.com", alias="MESSENGER_GRAPH_URL")
    dialog_url: str = Field(default="https://www.facebook.com", alias="MESSENGER_DIALOG_URL")
    graph_version: str = Field(default="v25.0", alias="MESSENGER_GRAPH_VERSION")


class InstagramSettings(_Settings):
    """Our Instagram app, for people who sign in at Instagram itself. Accounts behind Facebook pages use Messenger's app."""

    app_id: str = Field(default="", alias="INSTAGRAM_APP_ID")
    app_secret: SecretStr = Field(default=SecretStr(""), alias="INSTAGRAM_APP_SECRET")
    verify_token: SecretStr = Field(default=SecretStr(""), alias="INSTAGRAM_VERIFY_TOKEN")
    graph_url: str = Field(default="https://graph.instagram.com", alias="INSTAGRAM_GRAPH_URL")
    token_url: str = Field(default="https://api.instagram.com", alias="INSTAGRAM_TOKEN_URL")
    dialog_url: str = Field(default="https://www.instagram.com", alias="INSTAGRAM_DIALOG_URL")


class XSettings(_Settings):
    """Our app at X: OAuth 2 client, the consumer secret that signs webhooks, and the app-only token that registers them.

    `events` says which generation of webhooks the app has: "activity" (X Activity API) or "account" (Account Activity API).
    """

    client_id: str = Field(default="", alias="X_CLIENT_ID")
    client_secret: SecretStr = Field(default=SecretStr(""), alias="X_CLIENT_SECRET")
    consumer_secret: SecretStr = Field(default=SecretStr(""), alias="X_CONSUMER_SECRET")
    bearer_token: SecretStr = Field(default=SecretStr(""), alias="X_BEARER_TOKEN")
    events: str = Field(default="activity", alias="X_EVENTS", pattern="^(activity|account)$")
    api_url: str = Field(default="https://api.x.com", alias="X_API_URL")
    dialog_url: str = Field(default="https://x.com", alias="X_DIALOG_URL")


class LinkedInSettings(_Settings):
    """Our app at LinkedIn. `partner` switches member messages on, for apps that LinkedIn approved for them."""

    client_id: str = Field(default="", alias="LINKEDIN_CLIENT_ID")
    client_secret: SecretStr = Field(default=SecretStr(""), alias="LINKEDIN_CLIENT_SECRET")
    application_urn: str = Field(default="", alias="LINKEDIN_APPLICATION_URN")
    version: str = Field(default="202607", alias="LINKEDIN_VERSION", pattern="^[0-9]{6}$")
    partner: bool = Field(default=False, alias="LINKEDIN_PARTNER")
    api_url: str = Field(default="https://api.linkedin.com", alias="LINKEDIN_API_URL")
    dialog_url: str = Field(default="https://www.linkedin.com", alias="LINKEDIN_DIALOG_URL")


class TikTokSettings(_Settings):
    """Our app at TikTok's business API, which calls it client key, client id or app id."""

    client_key: str = Field(default="", alias="TIKTOK_CLIENT_KEY")
    client_secret: SecretStr = Field(default=SecretStr(""), alias="TIKTOK_CLIENT_SECRET")
    api_url: str = Field(default="https://business-api.tiktok.com", alias="TIKTOK_API_URL")
    dialog_url: str = Field(default="https://www.tiktok.com", alias="TIKTOK_DIALOG_URL")


class SendSettings(_Settings):
    """The clockwork of sends and jobs, in seconds; `deadline` bounds one call and stays below half the lease."""

    batch: int = Field(default=40, alias="SEND_BATCH", ge=1, le=500)
    deadline_s: float = Field(default=10.0, alias="SEND_DEADLINE_S", gt=0)
    lease_s: float = Field(default=30.0, alias="SEND_LEASE_S", gt=0)
    grace_s: float = Field(default=20.0, alias="SEND_GRACE_S", gt=0)
    sweep_s: float = Field(default=2.0, alias="SWEEP_S", gt=0)
    rering_s: float = Field(default=10.0, alias="RERING_S", gt=0)
    cost_import_s: float = Field(default=60.0, alias="COST_IMPORT_S", gt=0)


class ChannelSettings(_Settings):
    """How grants are kept alive and pages compared with their platforms, in seconds.

    `sync` is the pause between two comparisons of one page; what is younger than `skew` is left to the next one. `lease` is
    how long one worker may ask for new tokens before another one does; `wait` how long a worker waits for that other one.
    """

    sync_s: float = Field(default=300.0, alias="CHANNEL_SYNC_S", gt=0)
    skew_s: float = Field(default=30.0, alias="CHANNEL_SYNC_SKEW_S", ge=0)
    subscription_check_s: float = Field(default=3_600.0, alias="CHANNEL_SUBSCRIPTION_CHECK_S", gt=0)
    grant_check_s: float = Field(default=86_400.0, alias="CHANNEL_GRANT_CHECK_S", gt=0)
    refresh_lease_s: float = Field(default=40.0, alias="CHANNEL_REFRESH_LEASE_S", gt=0)
    refresh_wait_s: float = Field(default=5.0, alias="CHANNEL_REFRESH_WAIT_S", gt=0)


class Settings:
    """All concerns of one process."""

    def __init__(self) -> None:
        self.database = DatabaseSettings()
        self.broker = BrokerSettings()
        self.security = SecuritySettings()
        self.web = WebSettings()
        self.operations = OperationSettings()
        self.budgets = BudgetSettings()
        self.admission = AdmissionSettings()
        self.sockets = SocketSettings()
        self.mail = MailSettings()
        self.sign_in = SignInSettings()
        self.messenger = MessengerSettings()
        self.instagram = InstagramSettings()
        self.x = XSettings()
        self.linkedin = LinkedInSettings()
        self.tiktok = TikTokSettings()
        self.sends = SendSettings()
        self.channels = ChannelSettings()


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Read the environment once per process; raise pydantic's ValidationError that names what is missing."""
    return Settings()


def mistakes() -> list[tuple[str, str]]:
    """Return the name of every setting that is missing or cannot be read, and why; never its value."""
    found: list[tuple[str, str]] = []
    for concern in _Settings.__subclasses__():
        try:
            concern()
        except ValidationError as error:
            found += [
                (".".join(map(str, one["loc"])) or "DATABASE_POOLER", one["msg"])
                for one in error.errors(include_url=False)
            ]
    return found
