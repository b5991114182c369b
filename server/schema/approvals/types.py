"""GraphQL types of approvals."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from server.approvals.models import ApprovalDecisionRow, ApprovalRequestRow
from server.schema.audit.types import NamedValue
from server.schema.context import ApiContext, Info
from server.schema.cost import LOADED, held, loaded
from server.schema.declarations import readable
from server.schema.enums import ApprovalState, Verdict
from server.schema.nodes import Kind, Node, find, finder, gid
from server.schema.tenants.types import Member, Unit
from server.tenants.rules import Permission

_SUBJECTS = {"CAMPAIGN": Kind.CAMPAIGN}


@readable(Permission.CAMPAIGN_READ)
@strawberry.type(description="One verdict of one person on one request. It never changes.")
class ApprovalDecision:
    """A verdict."""

    verdict: Verdict = strawberry.field(description="What the person said.")
    comment: str | None = strawberry.field(description="Why, in the person's words.")
    decided_at: datetime = strawberry.field(description="When the person said it.")
    member_key: strawberry.Private[UUID]

    @classmethod
    def of(cls, row: ApprovalDecisionRow) -> ApprovalDecision:
        """Show a verdict."""
        return cls(verdict=row.verdict, comment=row.comment, decided_at=row.created_at, member_key=row.member_id)

    @strawberry.field(description="Who said it.", directives=LOADED)
    async def member(self, info: Info) -> Member | None:
        """Resolve the member."""
        return await _member(info, self.member_key)


@readable(Permission.CAMPAIGN_READ)
@strawberry.type(description="A question: may exactly this content go out? Any edit of the content voids it.")
class ApprovalRequest(Node):
    """A request for approval."""

    state: ApprovalState = strawberry.field(description="Where it stands.")
    content_digest: str = strawberry.field(
        description="SHA-256 of the content in hexadecimal digits: what a decision signs."
    )
    quorum: int = strawberry.field(description="How many people have to approve; one rejection is enough.")
    summary: list[NamedValue] = strawberry.field(description="What the approver reads first.", directives=held(20))
    created_at: datetime = strawberry.field(description="When it was asked for.")
    decided_at: datetime | None = strawberry.field(description="When it got its outcome; null while it is pending.")
    key: strawberry.Private[UUID]
    unit_key: strawberry.Private[UUID]
    requester_key: strawberry.Private[UUID]
    subject_gid: strawberry.Private[strawberry.ID | None]

    @classmethod
    def of(cls, row: ApprovalRequestRow) -> ApprovalRequest:
        """Show a request."""
        kind = _SUBJECTS.get(row.subject_kind)
        return cls(
            id=gid(Kind.APPROVAL, row.id),
            state=row.state,
            content_digest=bytes(row.content_digest).hex(),
            quorum=row.quorum,
            summary=NamedValue.all_of(row.summary),
            created_at=row.created_at,
            decided_at=row.decided_at,
            key=row.id,
            unit_key=row.unit_id,
            requester_key=row.requested_by,
            subject_gid=None if kind is None else gid(kind, row.subject_id),
        )

    @strawberry.field(description="What is to go out, for example a Campaign.", directives=LOADED)
    async def subject(self, info: Info) -> Node | None:
        """Resolve the subject."""
        return None if self.subject_gid is None else await find(info.context, self.subject_gid)

    @strawberry.field(description="The unit that it is about.", directives=LOADED)
    async def unit(self, info: Info) -> Unit | None:
        """Resolve the unit."""
        row = await info.context.loaders.units.load(self.unit_key)
        return None if row is None else Unit.of(row)

    @strawberry.field(description="Who asked; null when an app did.", directives=LOADED)
    async def requested_by(self, info: Info) -> Member | None:
        """Resolve the one who asked."""
        return await _member(info, self.requester_key)

    @strawberry.field(
        description="The verdicts so far, oldest first; at most one of each person.", directives=loaded(5)
    )
    async def decisions(self, info: Info) -> list[ApprovalDecision]:
        """List verdicts."""
        return [ApprovalDecision.of(row) for row in await info.context.loaders.decisions.load(self.key) or ()]


async def _member(info: Info, value: UUID) -> Member | None:
    row = await info.context.loaders.members.load(value)
    return None if row is None else Member.of(row)


@finder(Kind.APPROVAL)
async def _request(context: ApiContext, value: UUID) -> ApprovalRequest | None:
    row = await context.loaders.approval_requests.load(value)
    return None if row is None else ApprovalRequest.of(row)
