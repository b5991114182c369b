"""GraphQL types of consent: topics, what a person said about them, and who must be left alone."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from server.consent.models import ConsentRow, SuppressionRow, TopicRow
from server.schema.channels.types import Page
from server.schema.context import ApiContext, Info
from server.schema.cost import LOADED
from server.schema.declarations import readable
from server.schema.enums import SuppressionReason
from server.schema.nodes import Kind, Node, finder, gid
from server.schema.tenants.types import Unit
from server.tenants.rules import Permission


@readable(None)
@strawberry.type(description="A kind of marketing that a person can accept or decline.")
class Topic(Node):
    """A topic."""

    key: str = strawberry.field(description="The payload of the platform's opt-in request; unique at its unit.")
    name: str = strawberry.field(description="What people call it.")
    unit_uuid: strawberry.Private[UUID]

    @strawberry.field(description="The unit that offers it, to itself and everything under it.", directives=LOADED)
    async def unit(self, info: Info) -> Unit | None:
        """Resolve the unit."""
        row = await info.context.loaders.units.load(self.unit_uuid)
        return None if row is None else Unit.of(row)

    @classmethod
    def of(cls, row: TopicRow) -> Topic:
        """Show a topic."""
        return cls(id=gid(Kind.TOPIC, row.id), key=row.key, name=row.name, unit_uuid=row.unit_id)


@readable(Permission.CONTACT_READ)
@strawberry.type(description="A person's last word on one topic at one page.")
class Consent:
    """A yes or a no."""

    is_opted_in: bool = strawberry.field(description="Whether the last word was yes.")
    occurred_at: datetime = strawberry.field(description="When the person said it.")
    expires_at: datetime | None = strawberry.field(description="Until when a yes counts; null for no end.")
    topic_id: strawberry.Private[UUID]
    page_id: strawberry.Private[UUID]

    @strawberry.field(description="The topic.", directives=LOADED)
    async def topic(self, info: Info) -> Topic | None:
        """Resolve the topic."""
        row = await info.context.loaders.topics.load(self.topic_id)
        return None if row is None else Topic.of(row)

    @strawberry.field(description="The page at which it was said; it counts there only.", directives=LOADED)
    async def page(self, info: Info) -> Page | None:
        """Resolve the page."""
        row = await info.context.loaders.pages.load(self.page_id)
        return None if row is None else Page.of(row)

    @classmethod
    def of(cls, row: ConsentRow) -> Consent:
        """Show a last word."""
        return cls(
            is_opted_in=row.is_opted_in,
            occurred_at=row.occurred_at,
            expires_at=row.expires_at,
            topic_id=row.topic_id,
            page_id=row.page_id,
        )


@readable(Permission.CONTACT_READ)
@strawberry.type(description="Nothing is sent to the person from any page of the organization until this is lifted.")
class Suppression:
    """Why somebody is left alone."""

    reason: SuppressionReason = strawberry.field(description="Why.")
    created_at: datetime = strawberry.field(description="Since when.")

    @classmethod
    def of(cls, row: SuppressionRow) -> Suppression:
        """Show a suppression."""
        return cls(reason=row.reason, created_at=row.created_at)


@finder(Kind.TOPIC)
async def _topic(context: ApiContext, value: UUID) -> Topic | None:
    row = await context.loaders.topics.load(value)
    return None if row is None else Topic.of(row)
