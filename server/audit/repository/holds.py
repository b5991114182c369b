"""SQL of legal holds."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.audit.models import LegalHoldRow
from server.kit.pagination import Keyset, PageArguments
from server.tenants.cuts import at, is_one_of
from server.tenants.models import UnitClosureRow
from server.tenants.scope import Scope


async def lock_holds(session: AsyncSession, organization_id: UUID, *, shared: bool) -> None:
    """Keep a new hold and a running erasure of one organization apart until the transaction ends; erasures do not wait."""
    lock = func.pg_advisory_xact_lock_shared if shared else func.pg_advisory_xact_lock
    await session.execute(select(lock(func.hashtextextended(f"legal hold {organization_id}", 0))))


async def stands(
    session: AsyncSession, organization_id: UUID, unit_ids: Collection[UUID], contact_ids: Collection[UUID]
) -> bool:
    """Say whether a hold stands on the contacts, on a unit at or above one of the units, or on anything under them.

    With contacts, the units are where they belong, and what is held beside them does not count.
    """
    above = select(UnitClosureRow.ancestor_id).where(
        UnitClosureRow.organization_id == organization_id, is_one_of(UnitClosureRow.descendant_id, unit_ids)
    )
    under = select(UnitClosureRow.descendant_id).where(
        UnitClosureRow.organization_id == organization_id, is_one_of(UnitClosureRow.ancestor_id, unit_ids)
    )
    forbids: list[ColumnElement[bool]] = [
        and_(LegalHoldRow.contact_id.is_(None), LegalHoldRow.unit_id.in_(above)),
        LegalHoldRow.contact_id.in_(contact_ids) if contact_ids else LegalHoldRow.unit_id.in_(under),
    ]
    statement = select(LegalHoldRow.id).where(
        LegalHoldRow.organization_id == organization_id, LegalHoldRow.lifted_at.is_(None), or_(*forbids)
    )
    return (await session.execute(statement.limit(1))).first() is not None


async def lock_hold(session: AsyncSession, organization_id: UUID, hold_id: UUID) -> LegalHoldRow | None:
    """Return one hold and lock it until the transaction ends."""
    statement = (
        select(LegalHoldRow)
        .where(LegalHoldRow.organization_id == organization_id, LegalHoldRow.id == hold_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(statement)).one_or_none()


async def list_holds(
    session: AsyncSession, scope: Scope, keyset: Keyset, arguments: PageArguments, unit_ids: Collection[UUID] | None
) -> Sequence[LegalHoldRow]:
    """Return up to `size + 1` holds of the page at the units; None for all units."""
    statement = select(LegalHoldRow).where(
        LegalHoldRow.organization_id == scope.organization_id, *keyset.beyond(arguments)
    )
    statement = statement.where(at(LegalHoldRow.unit_id, unit_ids))
    return (await session.scalars(statement.order_by(*keyset.order(arguments)).limit(arguments.size + 1))).all()


async def holds_by_id(session: AsyncSession, organization_id: UUID, ids: Sequence[UUID]) -> Sequence[LegalHoldRow]:
    """Return the holds with these ids."""
    statement = select(LegalHoldRow).where(LegalHoldRow.organization_id == organization_id, LegalHoldRow.id.in_(ids))
    return (await session.scalars(statement)).all()
