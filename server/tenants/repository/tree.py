"""SQL that changes the tree: the lock, the closure of a moved branch, archiving and restoring, and what it looks like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import errors as pg
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from server.tenants.cuts import is_one_of
from server.tenants.errors import TreeBusy
from server.tenants.models import OrganizationRow, UnitClosureRow, UnitRow
from server.tenants.repository.units import seen_by
from server.tenants.scope import Scope


async def lock_tree(session: AsyncSession, organization_id: UUID) -> None:
    """Let changes of one organization's tree come one after the other, until the transaction ends; raise TreeBusy.

    The lock is on the organization's row and does not stop rows that refer to it. Read the units behind it, not before.
    """
    # The weaker of the two locks that exclude themselves: a foreign key's check takes FOR KEY SHARE and passes.
    statement = (
        select(OrganizationRow.organization_id)
        .where(OrganizationRow.organization_id == organization_id)
        .with_for_update(key_share=True)
    )
    try:
        await session.execute(statement)
    except OperationalError as error:
        if isinstance(error.orig, pg.LockNotAvailable):
            raise TreeBusy from error
        raise


async def depth_of(session: AsyncSession, organization_id: UUID, unit_id: UUID) -> int:
    """Return how many units stand above one."""
    statement = select(func.max(UnitClosureRow.depth)).where(
        UnitClosureRow.organization_id == organization_id, UnitClosureRow.descendant_id == unit_id
    )
    return (await session.execute(statement)).scalar_one() or 0


async def height_of(session: AsyncSession, organization_id: UUID, unit_id: UUID) -> int:
    """Return how many levels stand under a unit."""
    statement = select(func.max(UnitClosureRow.depth)).where(
        UnitClosureRow.organization_id == organization_id, UnitClosureRow.ancestor_id == unit_id
    )
    return (await session.execute(statement)).scalar_one() or 0


async def lies_under(session: AsyncSession, organization_id: UUID, unit_id: UUID, above_id: UUID) -> bool:
    """Say whether a unit is another one or lies under it."""
    return await session.get(UnitClosureRow, (organization_id, above_id, unit_id), populate_existing=True) is not None


_CUT = text("""
DELETE FROM unit_closure AS line USING unit_closure AS above, unit_closure AS below
WHERE line.organization_id = :organization AND above.organization_id = :organization
  AND below.organization_id = :organization
  AND above.descendant_id = :unit AND above.depth > 0 AND below.ancestor_id = :unit
  AND line.ancestor_id = above.ancestor_id AND line.descendant_id = below.descendant_id
""")
_GRAFT = text("""
INSERT INTO unit_closure (organization_id, ancestor_id, descendant_id, depth)
SELECT :organization, above.ancestor_id, below.descendant_id, above.depth + below.depth + 1
FROM unit_closure AS above CROSS JOIN unit_closure AS below
WHERE above.organization_id = :organization AND below.organization_id = :organization
  AND above.descendant_id = :parent AND below.ancestor_id = :unit
""")


async def graft(session: AsyncSession, organization_id: UUID, unit_id: UUID, parent_id: UUID) -> None:
    """Put a unit with all that stands under it under another parent: three statements, whatever its size."""
    values: Mapping[str, Any] = {"organization": organization_id, "unit": unit_id, "parent": parent_id}
    await session.execute(_CUT, values)
    await session.execute(_GRAFT, values)
    await session.execute(
        update(UnitRow)
        .where(UnitRow.organization_id == organization_id, UnitRow.id == unit_id)
        .values(parent_id=parent_id)
    )


async def archive(session: AsyncSession, organization_id: UUID, unit_id: UUID, moment: datetime) -> int:
    """Mark a unit and all under it that is not archived; return how many."""
    statement = (
        update(UnitRow)
        .where(
            UnitRow.organization_id == organization_id,
            UnitRow.archived_at.is_(None),
            UnitRow.id.in_(_below(organization_id, unit_id)),
        )
        .values(archived_at=moment)
        .returning(UnitRow.id)
        .execution_options(synchronize_session=False)
    )
    return len((await session.scalars(statement)).all())


async def restore(session: AsyncSession, organization_id: UUID, unit_id: UUID, archived_at: datetime) -> int:
    """Take the mark from a unit and from all under it that was archived in the same moment; return how many."""
    statement = (
        update(UnitRow)
        .where(
            UnitRow.organization_id == organization_id,
            UnitRow.archived_at == archived_at,
            UnitRow.id.in_(_below(organization_id, unit_id)),
        )
        .values(archived_at=None)
        .returning(UnitRow.id)
        .execution_options(synchronize_session=False)
    )
    return len((await session.scalars(statement)).all())


def _below(organization_id: UUID, unit_id: UUID) -> Any:
    return select(UnitClosureRow.descendant_id).where(
        UnitClosureRow.organization_id == organization_id, UnitClosureRow.ancestor_id == unit_id
    )


async def lines_above(session: AsyncSession, scope: Scope, unit_ids: Sequence[UUID]) -> Sequence[tuple[UUID, UnitRow]]:
    """Return, for each of the units, those above it that the scope sees, the root first."""
    statement = (
        select(UnitClosureRow.descendant_id, UnitRow)
        .join(
            UnitRow,
            (UnitRow.organization_id == UnitClosureRow.organization_id) & (UnitRow.id == UnitClosureRow.ancestor_id),
        )
        .where(
            UnitClosureRow.organization_id == scope.organization_id,
            is_one_of(UnitClosureRow.descendant_id, unit_ids),
            UnitClosureRow.depth > 0,
            *seen_by(scope),
        )
        .order_by(UnitClosureRow.descendant_id, UnitClosureRow.depth.desc())
    )
    return [(descendant, row) for descendant, row in await session.execute(statement)]


async def count_children(session: AsyncSession, scope: Scope, unit_ids: Sequence[UUID]) -> Mapping[UUID, int]:
    """Count, for each of the units, those right under it that the scope sees and that are not archived."""
    child = aliased(UnitRow)
    statement = (
        select(child.parent_id, func.count())
        .where(
            *seen_by(scope, child),
            is_one_of(child.parent_id, unit_ids),
            child.archived_at.is_(None),
        )
        .group_by(child.parent_id)
    )
    return {parent: count for parent, count in await session.execute(statement) if parent is not None}
