"""A platform without a wire: a connector that keeps what it was given, so that what leaves us can be read in a test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from server.config import Settings
from server.consent import service as consent
from server.contacts import service as contacts
from server.kit.db import Database
from server.kit.ids import new_id
from server.kit.locks import WorkerLock
from server.platforms.port import (
    AccountCredentials,
    AuthorizeRequest,
    Backfill,
    Channel,
    CodeExchange,
    Event,
    FoundPage,
    Grant,
    GrantState,
    Listing,
    MediaFile,
    Outcome,
    OutgoingMessage,
    PageCredentials,
    RawEvent,
    Sent,
    Signal,
    UploadedMedia,
)
from server.platforms.registry import Registry
from server.platforms.wire.base import Unoffering
from server.tenants.uow import begin
from tests.factories.channels import a_page
from tests.factories.sends import AShop
from tests.factories.tenants import a_franchise
from tests.workshop import Workshop
from workers.actors.registry import ACTORS
from workers.run import Runtime


@dataclass
class PostOffice(Unoffering):
    """Takes every message, unless `says` answers otherwise; `listing` is what its list shows."""

    channel: Channel
    app: str = field(default_factory=lambda: f"app-{new_id().hex}")
    says: Callable[[OutgoingMessage], Outcome | None] = lambda message: None
    listing: Listing = field(default_factory=lambda: Listing((), is_complete=False))
    sent: list[OutgoingMessage] = field(default_factory=list)
    uploads: list[MediaFile] = field(default_factory=list)
    signals: list[Signal] = field(default_factory=list)
    unsent: list[str] = field(default_factory=list)
    media_expire_at: datetime | None = None

    def verify(self, headers: Mapping[str, str], body: bytes) -> None:
        """Trust everybody."""

    def split(self, body: bytes) -> list[RawEvent]:
        """Find nothing."""
        return []

    def parse(self, kind: str, page_external_id: str, payload: dict[str, object]) -> list[Event]:
        """Find nothing."""
        return []

    def authorize_url(self, wanted: AuthorizeRequest) -> str:
        """Ask nowhere."""
        return ""

    async def exchange_code(self, exchange: CodeExchange) -> Grant:
        """Give nothing."""
        raise AssertionError

    async def inspect(self, account: AccountCredentials) -> GrantState:
        """Find it well."""
        return GrantState(True)

    async def list_pages(self, account: AccountCredentials) -> list[FoundPage]:
        """Find none."""
        return []

    async def subscribe(self, page: PageCredentials) -> None:
        """Do nothing."""

    async def is_subscribed(self, page: PageCredentials) -> bool:
        """Say yes."""
        return True

    async def unsubscribe(self, page: PageCredentials) -> None:
        """Do nothing."""

    async def revoke(self, account: AccountCredentials) -> None:
        """Do nothing."""

    async def send(self, page: PageCredentials, message: OutgoingMessage, deadline_s: float) -> Outcome:
        """Keep the message and answer."""
        self.sent.append(message)
        return self.says(message) or Sent(f"m_{new_id().hex}")

    async def upload_media(self, page: PageCredentials, media: MediaFile) -> UploadedMedia:
        """Keep the file and name it."""
        self.uploads.append(media)
        return UploadedMedia(f"media-{len(self.uploads)}", self.media_expire_at)

    async def signal(self, page: PageCredentials, signal: Signal) -> None:
        """Keep the signal."""
        self.signals.append(signal)

    async def unsend(self, page: PageCredentials, platform_message_id: str) -> None:
        """Keep what was taken back."""
        self.unsent.append(platform_message_id)

    async def list_messages(self, page: PageCredentials, since: datetime) -> Listing:
        """Show the list."""
        return self.listing

    async def backfill(self, page: PageCredentials, since: datetime) -> Backfill:
        """Have nothing."""
        raise AssertionError

    async def aclose(self) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class ACounter:
    """A shop at a post office, and a worker that serves it."""

    shop: AShop
    office: PostOffice
    workshop: Workshop


async def a_counter(
    database: Database, settings: Settings, lock: WorkerLock, channel: Channel, office: PostOffice | None = None
) -> ACounter:
    """Connect a page of a channel to a post office."""
    office = office or PostOffice(channel)
    organization = await a_franchise(database, locations=1)
    page = await a_page(database, organization, organization.units["location 1"], channel=channel)
    runtime = Runtime(database, Registry({channel: office}), settings, lock)
    return ACounter(AShop(organization, page, new_id()), office, Workshop(runtime, ACTORS))


async def people_of(database: Database, shop: AShop, count: int = 1) -> Sequence[tuple[UUID, str]]:
    """Let people write to the page just now."""
    found: list[tuple[UUID, str]] = []
    for _ in range(count):
        external_id = f"person-{new_id().hex}"
        async with begin(database, shop.organization.scope) as uow:
            contact_id = await contacts.identify(uow, shop.page, external_id)
            await consent.note_action(uow, shop.page, contact_id, datetime.now(UTC))
        found.append((contact_id, external_id))
    return found
