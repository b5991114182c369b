"""GraphQL types of sends that wait for certainty."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from server.schema.channels.types import Page
from server.schema.contacts.types import Contact
from server.schema.context import ApiContext, Info
from server.schema.cost import LOADED
from server.schema.declarations import readable
from server.schema.enums import Purpose, SendState
from server.schema.nodes import Kind, Node, finder, gid
from server.sends.models import SendIntentRow
from server.tenants.rules import Permission


@readable(Permission.INBOX_REPLY)
@strawberry.type(
    description="An outgoing message of which nobody knows whether it left. UNKNOWN is still being looked for at the "
    "platform; NEEDS_HUMAN waits for sendSettle. Needs inbox:reply."
)
class OpenSend(Node):
    """A send whose outcome is open."""

    state: SendState = strawberry.field(description="Where it stands; another state once it was settled.")
    purpose: Purpose = strawberry.field(description="A reply or marketing.")
    text: str = strawberry.field(description="What was to be said.")
    reason: str | None = strawberry.field(description="What is known, in one word.")
    detail: str | None = strawberry.field(description="What the platform or the connection said.")
    attempt: int = strawberry.field(description="How often it was tried.")
    claimed_at: datetime | None = strawberry.field(description="When it was tried last.")
    page_id: strawberry.Private[UUID]
    contact_id: strawberry.Private[UUID]

    @strawberry.field(description="The page that it is sent from.", directives=LOADED)
    async def page(self, info: Info) -> Page | None:
        """Resolve the page."""
        row = await info.context.loaders.pages.load(self.page_id)
        return None if row is None else Page.of(row)

    @strawberry.field(description="The person whom it is for.", directives=LOADED)
    async def contact(self, info: Info) -> Contact | None:
        """Resolve the contact."""
        row = await info.context.loaders.contacts.load(self.contact_id)
        return None if row is None else Contact.of(row)

    @classmethod
    def of(cls, row: SendIntentRow) -> OpenSend:
        """Show a send."""
        return cls(
            id=gid(Kind.SEND, row.id),
            state=row.state,
            purpose=row.purpose,
            text=row.text,
            reason=row.reason,
            detail=row.detail,
            attempt=row.attempt,
            claimed_at=row.claimed_at,
            page_id=row.page_id,
            contact_id=row.contact_id,
        )


@finder(Kind.SEND)
async def _send(context: ApiContext, value: UUID) -> OpenSend | None:
    row = await context.loaders.sends.load(value)
    return None if row is None else OpenSend.of(row)
