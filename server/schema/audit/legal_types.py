"""GraphQL types of legal access and legal holds."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from server.audit.models import LegalAccessRow, LegalHoldRow
from server.inbox.views import ConversationView
from server.schema.context import ApiContext
from server.schema.declarations import readable
from server.schema.enums import LegalAccessState, LegalBasis
from server.schema.nodes import Kind, Node, finder, gid


@readable(None)
@strawberry.type(
    description="One request to read a conversation, or all of one contact, under a legal basis, and what became of it. Seen "
    "by whoever asked and by those with legal:grant, legal:request or audit:read on its unit; while it is secret only by "
    "whoever asked and by those with legal:grant on the whole organization. Never changed but by a decision and an end."
)
class LegalAccess(Node):
    """A legal access."""

    unit_id: strawberry.ID = strawberry.field(description="The unit that the conversations belong to.")
    contact_id: strawberry.ID | None = strawberry.field(description="The contact whose conversations are named.")
    conversation_id: strawberry.ID | None = strawberry.field(description="The one conversation that is named.")
    basis: LegalBasis = strawberry.field(description="The kind of basis.")
    reference: str = strawberry.field(description="The file number or the like, at most 200 characters.")
    reason: str = strawberry.field(description="Why, at most 2,000 characters.")
    hours: int = strawberry.field(description="For how long it was asked, from the decision on: 1 to 72.")
    is_secret_until: datetime | None = strawberry.field(
        description="Until when the law forbids to tell those concerned; null: they are told at once."
    )
    state: LegalAccessState = strawberry.field(description="Where it stands.")
    requested_by: str = strawberry.field(description="Who asked, as called then.")
    requested_by_id: strawberry.ID = strawberry.field(description="The member who asked.")
    created_at: datetime = strawberry.field(description="When it was asked for.")
    decided_by: str | None = strawberry.field(description="Who decided, as called then; null before.")
    decided_at: datetime | None = strawberry.field(description="When it was decided.")
    comment: str | None = strawberry.field(description="What was said with the decision.")
    expires_at: datetime | None = strawberry.field(description="When it is over; null unless it was granted.")
    ended_by: str | None = strawberry.field(description="Who withdrew or ended it before its time.")
    ended_at: datetime | None = strawberry.field(description="When it was withdrawn or ended.")

    @classmethod
    def of(cls, row: LegalAccessRow) -> LegalAccess:
        """Show a legal access."""
        return cls(
            id=gid(Kind.LEGAL_ACCESS, row.id),
            unit_id=gid(Kind.UNIT, row.unit_id),
            contact_id=None if row.contact_id is None else gid(Kind.CONTACT, row.contact_id),
            conversation_id=None if row.conversation_id is None else gid(Kind.CONVERSATION, row.conversation_id),
            basis=row.basis,
            reference=row.reference,
            reason=row.reason,
            hours=row.hours,
            is_secret_until=row.secret_until,
            state=row.state,
            requested_by=row.requester_name,
            requested_by_id=gid(Kind.MEMBER, row.requester_id),
            created_at=row.created_at,
            decided_by=row.decided_by_name,
            decided_at=row.decided_at,
            comment=row.comment,
            expires_at=row.expires_at,
            ended_by=row.ended_by_name,
            ended_at=row.ended_at,
        )


@readable(None)
@strawberry.type(
    description="One order to erase nothing of a unit and what lies under it, or of one contact. Seen with legal:request or "
    "legal:grant on its unit."
)
class LegalHold(Node):
    """A legal hold."""

    unit_id: strawberry.ID = strawberry.field(description="The unit that is held; of a contact its own.")
    contact_id: strawberry.ID | None = strawberry.field(
        description="The contact that is held; null for the whole unit."
    )
    basis: LegalBasis = strawberry.field(description="The kind of basis.")
    reference: str = strawberry.field(description="The file number or the like, at most 200 characters.")
    reason: str = strawberry.field(description="Why, at most 2,000 characters.")
    set_by: str = strawberry.field(description="Who set it, as called then.")
    created_at: datetime = strawberry.field(description="When it was set.")
    lifted_by: str | None = strawberry.field(description="Who lifted it; null while it stands.")
    lifted_at: datetime | None = strawberry.field(description="When it was lifted; null while it stands.")
    lift_reason: str | None = strawberry.field(description="Why it was lifted.")

    @classmethod
    def of(cls, row: LegalHoldRow) -> LegalHold:
        """Show a legal hold."""
        return cls(
            id=gid(Kind.LEGAL_HOLD, row.id),
            unit_id=gid(Kind.UNIT, row.unit_id),
            contact_id=None if row.contact_id is None else gid(Kind.CONTACT, row.contact_id),
            basis=row.basis,
            reference=row.reference,
            reason=row.reason,
            set_by=row.set_by_name,
            created_at=row.created_at,
            lifted_by=row.lifted_by_name,
            lifted_at=row.lifted_at,
            lift_reason=row.lift_reason,
        )


@readable(None)
@strawberry.type(description="One conversation that a legal access names. Read its messages with legalAccessMessages.")
class LegalConversation:
    """A conversation as the law shows it."""

    conversation_id: strawberry.ID = strawberry.field(description="The conversation.")
    contact_name: str | None = strawberry.field(description="Who it is with, as far as known.")
    page_name: str | None = strawberry.field(description="The page that holds it.")
    created_at: datetime = strawberry.field(description="When it began.")
    last_message_at: datetime = strawberry.field(description="The platform's time of the newest message.")

    @classmethod
    def of(cls, view: ConversationView) -> LegalConversation:
        """Show a conversation."""
        return cls(
            conversation_id=gid(Kind.CONVERSATION, view.id),
            contact_name=None if view.contact is None else view.contact.name,
            page_name=None if view.page is None else view.page.name,
            created_at=view.created_at,
            last_message_at=view.last_message_at,
        )


@finder(Kind.LEGAL_ACCESS)
async def _access(context: ApiContext, value: UUID) -> LegalAccess | None:
    row = await context.loaders.legal_accesses.load(value)
    return None if row is None else LegalAccess.of(row)


@finder(Kind.LEGAL_HOLD)
async def _hold(context: ApiContext, value: UUID) -> LegalHold | None:
    row = await context.loaders.legal_holds.load(value)
    return None if row is None else LegalHold.of(row)
