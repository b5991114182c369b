"""SQL of legal access."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.audit.models import LegalAccessRow
from server.audit.rules import LegalAccessState
from server.kit.pagination import Keyset, PageArguments
from server.tenants.cuts import at, in_reach
from server.tenants.rules import Permission
from server.tenants.scope import Scope

_LOOK_ON = (Permission.LEGAL_GRANT, Permission.LEGAL_REQUEST, Permission.AUDIT_READ)


def _seen_by(scope: Scope) -> ColumnElement[bool]:
    """Select what the scope sees: its own requests, all with legal:grant on the whole tree, else none that is secret."""
    same = LegalAccessRow.organization_id == scope.organization_id
    reached = in_reach(scope, LegalAccessRow.unit_id)
    if Permission.LEGAL_GRANT in scope.everywhere:
        return same
    told = or_(LegalAccessRow.secret_until.is_(None), LegalAccessRow.secret_until <= func.clock_timestamp())
    there = [at(LegalAccessRow.unit_id, scope.units_with(permission)) for permission in _LOOK_ON]
    return and_(same, reached, or_(LegalAccessRow.requester_id == scope.actor.id, and_(told, or_(*there))))


async def insert_access(session: AsyncSession, values: dict[str, Any]) -> None:
    """Insert one request."""
    await session.execute(insert(LegalAccessRow).values(**values))


async def accesses_by_id(session: AsyncSession, scope: Scope, ids: Sequence[UUID]) -> Sequence[LegalAccessRow]:
    """Return those of the accesses that the scope sees."""
    statement = (
        select(LegalAccessRow)
        .where(_seen_by(scope), LegalAccessRow.id.in_(ids))
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(statement)).all()


async def lock_access(session: AsyncSession, scope: Scope, access_id: UUID) -> LegalAccessRow | None:
    """Return one access that the scope sees and lock it until the transaction ends."""
    statement = select(LegalAccessRow).where(_seen_by(scope), LegalAccessRow.id == access_id).with_for_update()
    return (await session.scalars(statement.execution_options(populate_existing=True))).one_or_none()


async def is_open(session: AsyncSession, organization_id: UUID, access_id: UUID) -> bool:
    """Say whether an access stands at this moment; its end waits for the transaction that asked."""
    statement = (
        select(LegalAccessRow.id)
        .where(
            LegalAccessRow.organization_id == organization_id,
            LegalAccessRow.id == access_id,
            LegalAccessRow.state == LegalAccessState.GRANTED,
            LegalAccessRow.expires_at > func.clock_timestamp(),
        )
        .with_for_update(read=True)
    )
    return (await session.execute(statement)).first() is not None


async def change(session: AsyncSession, row: LegalAccessRow, values: dict[str, Any]) -> None:
    """Write a decision or an end."""
    await session.execute(
        update(LegalAccessRow)
        .where(LegalAccessRow.organization_id == row.organization_id, LegalAccessRow.id == row.id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    await session.refresh(row)


async def list_accesses(
    session: AsyncSession, scope: Scope, keyset: Keyset, arguments: PageArguments
) -> Sequence[LegalAccessRow]:
    """Return up to `size + 1` accesses of the page that the scope sees."""
    statement = select(LegalAccessRow).where(_seen_by(scope), *keyset.beyond(arguments))
    return (await session.scalars(statement.order_by(*keyset.order(arguments)).limit(arguments.size + 1))).all()
