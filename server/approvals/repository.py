"""SQL of approvals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncSession

from server.approvals.models import ApprovalDecisionRow, ApprovalRequestRow, ApprovalState, Verdict
from server.kit.pagination import Keyset, PageArguments
from server.tenants.cuts import at, is_one_of
from server.tenants.rules import Permission
from server.tenants.scope import Scope


async def insert_request(session: AsyncSession, row: dict[str, object]) -> ApprovalRequestRow | None:
    """Insert a pending request; None if the subject has one (the partial unique index decides a race)."""
    statement = (
        insert(ApprovalRequestRow)
        .values(row)
        .on_conflict_do_nothing(
            index_elements=["organization_id", "subject_id"],
            index_where=text("state = 'PENDING'"),
        )
        .returning(ApprovalRequestRow)
    )
    return (await session.scalars(statement)).one_or_none()


async def lock_request(session: AsyncSession, organization_id: UUID, request_id: UUID) -> ApprovalRequestRow | None:
    """Return a request as it is now and lock it until the transaction ends."""
    statement = (
        select(ApprovalRequestRow)
        .where(ApprovalRequestRow.organization_id == organization_id, ApprovalRequestRow.id == request_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(statement)).one_or_none()


async def requests_by_id(
    session: AsyncSession, organization_id: UUID, ids: Sequence[UUID]
) -> Sequence[ApprovalRequestRow]:
    """Return the requests with these ids that the scope sees."""
    statement = select(ApprovalRequestRow).where(
        ApprovalRequestRow.organization_id == organization_id, is_one_of(ApprovalRequestRow.id, ids)
    )
    return (await session.scalars(statement)).all()


async def insert_decision(session: AsyncSession, row: dict[str, object]) -> bool:
    """Insert a verdict; False if the member has given one on this request."""
    statement = (
        insert(ApprovalDecisionRow)
        .values(row)
        .on_conflict_do_nothing(index_elements=["organization_id", "request_id", "member_id"])
        .returning(ApprovalDecisionRow.id)
    )
    return (await session.execute(statement)).first() is not None


async def count_approvals(session: AsyncSession, organization_id: UUID, request_id: UUID) -> int:
    """Count the members who approved."""
    statement = select(func.count()).where(
        ApprovalDecisionRow.organization_id == organization_id,
        ApprovalDecisionRow.request_id == request_id,
        ApprovalDecisionRow.verdict == Verdict.APPROVE,
    )
    return (await session.execute(statement)).scalar_one()


async def settle(
    session: AsyncSession, organization_id: UUID, request_id: UUID, state: ApprovalState, at: datetime
) -> None:
    """Give a locked request its outcome."""
    await session.execute(
        update(ApprovalRequestRow)
        .where(ApprovalRequestRow.organization_id == organization_id, ApprovalRequestRow.id == request_id)
        .values(state=state, decided_at=at)
    )


async def void(session: AsyncSession, organization_id: UUID, subject_id: UUID) -> Sequence[UUID]:
    """Void what is pending or approved for a subject; return the requests that were."""
    statement = (
        update(ApprovalRequestRow)
        .where(
            ApprovalRequestRow.organization_id == organization_id,
            ApprovalRequestRow.subject_id == subject_id,
            ApprovalRequestRow.state.in_([ApprovalState.PENDING, ApprovalState.APPROVED]),
        )
        .values(state=ApprovalState.VOIDED)
        .returning(ApprovalRequestRow.id)
    )
    return (await session.scalars(statement)).all()


async def newest(
    session: AsyncSession, organization_id: UUID, subject_ids: Sequence[UUID]
) -> Sequence[ApprovalRequestRow]:
    """Return the newest request of each subject."""
    statement = (
        select(ApprovalRequestRow)
        .ext(distinct_on(ApprovalRequestRow.subject_id))
        .where(ApprovalRequestRow.organization_id == organization_id, ApprovalRequestRow.subject_id.in_(subject_ids))
        .order_by(ApprovalRequestRow.subject_id, ApprovalRequestRow.created_at.desc(), ApprovalRequestRow.id.desc())
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(statement)).all()


async def decisions(
    session: AsyncSession, organization_id: UUID, request_ids: Sequence[UUID]
) -> Sequence[ApprovalDecisionRow]:
    """Return the verdicts on these requests, oldest first."""
    statement = (
        select(ApprovalDecisionRow)
        .where(ApprovalDecisionRow.organization_id == organization_id, ApprovalDecisionRow.request_id.in_(request_ids))
        .order_by(ApprovalDecisionRow.created_at, ApprovalDecisionRow.id)
    )
    return (await session.scalars(statement)).all()


async def list_requests(
    session: AsyncSession,
    scope: Scope,
    keyset: Keyset,
    arguments: PageArguments,
    state: ApprovalState | None,
    unit_id: UUID | None,
) -> Sequence[ApprovalRequestRow]:
    """Return up to `size + 1` requests of the page, of units where campaigns may be read."""
    statement = select(ApprovalRequestRow).where(
        ApprovalRequestRow.organization_id == scope.organization_id, *keyset.beyond(arguments)
    )
    statement = statement.where(at(ApprovalRequestRow.unit_id, scope.units_with(Permission.CAMPAIGN_READ)))
    if state is not None:
        statement = statement.where(ApprovalRequestRow.state == state)
    if unit_id is not None:
        statement = statement.where(ApprovalRequestRow.unit_id == unit_id)
    ordered = statement.order_by(*keyset.order(arguments)).limit(arguments.size + 1)
    return (await session.scalars(ordered)).all()
