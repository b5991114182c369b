"""SQL of conflict walls and their exceptions, over the tables of `tenants`."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import exists, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from server.kit.pagination import Keyset, PageArguments
from server.tenants.conflict_models import ConflictExceptionGrantRow, ConflictExceptionRow, UnitConflictRow

# As for people (tenants/repository/separation.py): a token of an app concerns what it reaches in whole or in part, and one
# that was made for the root alone is the headquarters' own.
_SHARED_APPS = text("""
WITH related AS (
  SELECT p.first, p.second, side.number,
    CASE WHEN k.ancestor_id = side.unit_id THEN k.descendant_id ELSE k.ancestor_id END AS unit_id
  FROM unnest(cast(:firsts AS uuid[]), cast(:seconds AS uuid[])) AS p(first, second)
  CROSS JOIN LATERAL (VALUES (1, p.first), (2, p.second)) AS side(number, unit_id)
  JOIN unit_closure AS k ON k.organization_id = :organization
    AND (k.ancestor_id = side.unit_id OR k.descendant_id = side.unit_id)
)
SELECT t.id
FROM access_token AS t
CROSS JOIN LATERAL unnest(t.unit_ids) AS at(unit_id)
JOIN related AS r ON r.unit_id = at.unit_id
JOIN unit AS u ON u.organization_id = :organization AND u.id = at.unit_id
WHERE t.organization_id = :organization AND t.member_id IS NULL AND t.revoked_at IS NULL
  AND (t.expires_at IS NULL OR t.expires_at > clock_timestamp())
  AND (cast(:token AS uuid) IS NULL OR t.id = cast(:token AS uuid))
GROUP BY t.id, r.first, r.second
HAVING count(DISTINCT r.number) = 2 AND bool_or(u.parent_id IS NOT NULL)
ORDER BY t.id
LIMIT 100
""")


async def shared_apps(
    session: AsyncSession, organization_id: UUID, pairs: Sequence[tuple[UUID, UUID]], token_id: UUID | None
) -> Sequence[UUID]:
    """Return live tokens of apps that reach both units of a pair, at most 100; or that one token, if it does."""
    rows = await session.execute(
        _SHARED_APPS,
        {
            "organization": organization_id,
            "firsts": [first for first, _ in pairs],
            "seconds": [second for _, second in pairs],
            "token": token_id,
        },
    )
    return list(dict.fromkeys(row.id for row in rows))


async def is_flagged(session: AsyncSession, organization_id: UUID, pair: tuple[UUID, UUID]) -> bool:
    """Say whether the pair is kept apart."""
    found = exists().where(
        UnitConflictRow.organization_id == organization_id,
        UnitConflictRow.first_unit_id == pair[0],
        UnitConflictRow.second_unit_id == pair[1],
        UnitConflictRow.lifted_at.is_(None),
    )
    return bool((await session.execute(select(found))).scalar_one())


async def conflict(session: AsyncSession, organization_id: UUID, conflict_id: UUID) -> UnitConflictRow | None:
    """Return a conflict, as the table has it now."""
    return await session.get(UnitConflictRow, (organization_id, conflict_id), populate_existing=True)


async def conflicts_by_id(
    session: AsyncSession, organization_id: UUID, ids: Sequence[UUID]
) -> Sequence[UnitConflictRow]:
    """Return the conflicts with these ids."""
    statement = select(UnitConflictRow).where(
        UnitConflictRow.organization_id == organization_id, UnitConflictRow.id.in_(ids)
    )
    return (await session.scalars(statement)).all()


async def list_conflicts(
    session: AsyncSession, organization_id: UUID, keyset: Keyset, arguments: PageArguments
) -> Sequence[UnitConflictRow]:
    """Return up to `size + 1` conflicts of the page."""
    statement = (
        select(UnitConflictRow)
        .where(UnitConflictRow.organization_id == organization_id, *keyset.beyond(arguments))
        .order_by(*keyset.order(arguments))
        .limit(arguments.size + 1)
    )
    return (await session.scalars(statement)).all()


async def has_exception(session: AsyncSession, organization_id: UUID, member_id: UUID, pair: tuple[UUID, UUID]) -> bool:
    """Say whether an exception of this member for this pair is asked for or granted."""
    found = exists().where(
        ConflictExceptionRow.organization_id == organization_id,
        ConflictExceptionRow.member_id == member_id,
        ConflictExceptionRow.first_unit_id == pair[0],
        ConflictExceptionRow.second_unit_id == pair[1],
        ConflictExceptionRow.withdrawn_at.is_(None),
    )
    return bool((await session.execute(select(found))).scalar_one())


async def exception(session: AsyncSession, organization_id: UUID, exception_id: UUID) -> ConflictExceptionRow | None:
    """Return an exception, as the table has it now."""
    return await session.get(ConflictExceptionRow, (organization_id, exception_id), populate_existing=True)


async def exceptions_by_id(
    session: AsyncSession, organization_id: UUID, ids: Sequence[UUID]
) -> Sequence[ConflictExceptionRow]:
    """Return the exceptions with these ids."""
    statement = select(ConflictExceptionRow).where(
        ConflictExceptionRow.organization_id == organization_id, ConflictExceptionRow.id.in_(ids)
    )
    return (await session.scalars(statement)).all()


async def list_exceptions(
    session: AsyncSession, organization_id: UUID, keyset: Keyset, arguments: PageArguments, member_id: UUID | None
) -> Sequence[ConflictExceptionRow]:
    """Return up to `size + 1` exceptions of the page."""
    statement = select(ConflictExceptionRow).where(
        ConflictExceptionRow.organization_id == organization_id, *keyset.beyond(arguments)
    )
    if member_id is not None:
        statement = statement.where(ConflictExceptionRow.member_id == member_id)
    ordered = statement.order_by(*keyset.order(arguments)).limit(arguments.size + 1)
    return (await session.scalars(ordered)).all()


async def granted_by(
    session: AsyncSession, organization_id: UUID, exception_ids: Sequence[UUID]
) -> Sequence[ConflictExceptionGrantRow]:
    """Return who agreed to these exceptions, the first one first."""
    statement = (
        select(ConflictExceptionGrantRow)
        .where(
            ConflictExceptionGrantRow.organization_id == organization_id,
            ConflictExceptionGrantRow.exception_id.in_(exception_ids),
        )
        .order_by(ConflictExceptionGrantRow.created_at, ConflictExceptionGrantRow.member_id)
    )
    return (await session.scalars(statement)).all()
