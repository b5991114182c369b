"""GraphQL types of channels: pages, and the dialogues that connect them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from server.channels.models import ConnectionRow, PageRow
from server.channels.service import OfferedPage, next_step
from server.inbox.views import PagePart
from server.schema.context import ApiContext, Info
from server.schema.cost import LOADED, held
from server.schema.declarations import readable
from server.schema.enums import Channel, ConnectionState, Health, Permission
from server.schema.nodes import Kind, Node, finder, gid
from server.schema.partial import partial
from server.schema.tenants.types import Member, Unit


@readable(Permission.CHANNEL_READ)
@strawberry.type(description="One social page that Switchboard receives and sends messages for.")
class Page(Node):
    """A page."""

    name: str = strawberry.field(description="The page's name on its platform.")
    channel: Channel = strawberry.field(description="The network it lives on.")
    external_id: str = strawberry.field(description="The platform's own id of the page.")
    health: Health = strawberry.field(
        description="Whether we may still act for it. While it is not HEALTHY or EXPIRING, what is queued waits."
    )
    health_reason: str | None = strawberry.field(description="What the platform said about it.")
    health_since: datetime = strawberry.field(description="Since when its health is what it is.")
    next_step: str | None = strawberry.field(
        description="What a person has to do, as one sentence; null while nothing has to be done. `connectedBy` is whom to ask."
    )
    missing_permissions: list[str] = strawberry.field(
        description="What its login lacks, in the platform's words; empty if nothing is missing.", directives=held(40)
    )
    paused_until: datetime | None = strawberry.field(
        description="Nothing is sent before this time: the platform asked us to wait."
    )
    subscribed_at: datetime | None = strawberry.field(
        description="Since when the platform sends us its messages; null until that is arranged."
    )
    disconnected_at: datetime | None = strawberry.field(
        description="Since when it is disconnected and kept for its history only."
    )
    page_id: strawberry.Private[UUID]

    @strawberry.field(description="The unit that it belongs to.", directives=LOADED)
    async def unit(self, info: Info) -> Unit | None:
        """Resolve the unit."""
        row = await info.context.loaders.pages.load(self.page_id)
        owner = None if row is None else await info.context.loaders.units.load(row.unit_id)
        return None if owner is None else Unit.of(owner)

    @strawberry.field(
        description="Who connected it last and can connect it again: null for a page that was connected before this was noted,"
        " and for a person whom the caller does not see.",
        directives=LOADED,
    )
    async def connected_by(self, info: Info) -> Member | None:
        """Resolve the person to ask."""
        row = await info.context.loaders.pages.load(self.page_id)
        if row is None or row.connected_by is None:
            return None
        member = await info.context.loaders.members.load(row.connected_by)
        return None if member is None else Member.of(member)

    @strawberry.field(
        description="From the time of `subscribedAt` up to this one, everything that the platform lists for the page is in the"
        " inbox. It moves with each comparison, every few minutes; null before the first one, and it stays while there is a gap.",
        directives=LOADED,
    )
    async def complete_until(self, info: Info) -> datetime | None:
        """Resolve how far the page was compared."""
        row = await info.context.loaders.page_syncs.load(self.page_id)
        return None if row is None else row.complete_until

    @strawberry.field(
        description="How many events the platform had not told us and that were found by comparing.", directives=LOADED
    )
    async def gaps_filled(self, info: Info) -> int:
        """Resolve the count."""
        row = await info.context.loaders.page_syncs.load(self.page_id)
        return 0 if row is None else row.gaps_filled

    @strawberry.field(
        description="Why the last comparison proved nothing; null if it proved that all is there.", directives=LOADED
    )
    async def completeness_note(self, info: Info) -> str | None:
        """Resolve the note."""
        row = await info.context.loaders.page_syncs.load(self.page_id)
        return None if row is None else row.note

    @classmethod
    def of(cls, row: PageRow) -> Page:
        """Show a page."""
        return cls(
            id=gid(Kind.PAGE, row.id),
            name=row.name,
            channel=row.channel,
            external_id=row.external_id,
            health=row.health,
            health_reason=row.health_reason,
            health_since=row.health_since,
            next_step=next_step(row.health, is_disconnected=row.disconnected_at is not None),
            missing_permissions=list(row.missing_permissions),
            paused_until=row.paused_until,
            subscribed_at=row.subscribed_at,
            disconnected_at=row.disconnected_at,
            page_id=row.id,
        )

    @classmethod
    def part(cls, part: PagePart) -> Page:
        """Show what a page of conversations fetched of it: id, name, channel, externalId."""
        return partial(
            cls,
            id=gid(Kind.PAGE, part.id),
            name=part.name,
            channel=part.channel,
            external_id=part.external_id,
            page_id=part.id,
        )


@readable(Permission.CHANNEL_CONNECT)
@strawberry.type(description="A page that a consent dialogue found and that may be connected.")
class FoundPage:
    """One page of a grant."""

    external_id: str = strawberry.field(description="The platform's own id; give it to channelConnectFinish.")
    name: str = strawberry.field(description="The page's name on its platform.")
    tasks: list[str] = strawberry.field(
        description="What the person may do on the page, in the platform's words.", directives=held(20)
    )
    has_ad_account: bool = strawberry.field(description="Whether paid marketing messages can be sent from it.")
    missing_permissions: list[str] = strawberry.field(
        description="What the consent lacks to serve it, in the platform's words; empty if nothing is missing.",
        directives=held(40),
    )

    @classmethod
    def of(cls, page: OfferedPage) -> FoundPage:
        """Show a found page."""
        return cls(
            external_id=page.external_id,
            name=page.name,
            tasks=list(page.tasks),
            has_ad_account=page.has_ad_account,
            missing_permissions=list(page.missing_permissions),
        )


@readable(Permission.CHANNEL_CONNECT)
@strawberry.type(description="One run of a platform's consent dialogue. Seen only by the caller who began it.")
class ChannelConnection(Node):
    """A connection attempt."""

    channel: Channel = strawberry.field(description="The network.")
    state: ConnectionState = strawberry.field(description="Where the dialogue stands.")
    failure: str | None = strawberry.field(description='Why it was refused, for example "access_denied".')
    expires_at: datetime = strawberry.field(description="Until when it can go on.")
    pages: list[FoundPage] = strawberry.field(
        description="The pages found, by name. Filled only by the query channelConnection with its completion code.",
        directives=held(500),
    )

    @classmethod
    def of(cls, row: ConnectionRow, pages: list[FoundPage] | None = None) -> ChannelConnection:
        """Show a connection attempt."""
        return cls(
            id=gid(Kind.CONNECTION, row.id),
            channel=row.channel,
            state=row.state,
            failure=row.failure,
            expires_at=row.expires_at,
            pages=pages or [],
        )


@finder(Kind.PAGE)
async def _page(context: ApiContext, value: UUID) -> Page | None:
    row = await context.loaders.pages.load(value)
    if row is None or not context.scope.may(Permission.CHANNEL_READ, row.unit_id):
        return None
    return Page.of(row)


@finder(Kind.CONNECTION)
async def _connection(context: ApiContext, value: UUID) -> ChannelConnection | None:
    row = await context.loaders.connections.load(value)
    return None if row is None else ChannelConnection.of(row)
