"""SQL of the walls between competing units. All of it is meant for a session that sees the whole organization."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from server.tenants.conflict_models import UnitConflictRow


@dataclass(frozen=True, slots=True)
class Shared:
    """One member who reaches both units of a pair without an exception."""

    member_id: UUID
    first_unit_id: UUID
    second_unit_id: UUID


# A grant concerns a unit that it reaches, in whole or in part: one on the unit, above it or under it. Who has grants on the
# root alone runs the organization and stands over its walls; together with a grant on one side the root counts as any other.
_SHARED = text("""
WITH related AS (
  SELECT p.first, p.second, side.number,
    CASE WHEN k.ancestor_id = side.unit_id THEN k.descendant_id ELSE k.ancestor_id END AS unit_id
  FROM unnest(cast(:firsts AS uuid[]), cast(:seconds AS uuid[])) AS p(first, second)
  CROSS JOIN LATERAL (VALUES (1, p.first), (2, p.second)) AS side(number, unit_id)
  JOIN unit_closure AS k ON k.organization_id = :organization
    AND (k.ancestor_id = side.unit_id OR k.descendant_id = side.unit_id)
)
SELECT g.member_id, r.first AS first_unit_id, r.second AS second_unit_id
FROM related AS r
JOIN membership AS g ON g.organization_id = :organization AND g.unit_id = r.unit_id
JOIN member AS m ON m.organization_id = :organization AND m.id = g.member_id AND m.deactivated_at IS NULL
JOIN unit AS u ON u.organization_id = :organization AND u.id = g.unit_id
WHERE (cast(:members AS uuid[]) IS NULL OR m.id = ANY (cast(:members AS uuid[])))
  AND NOT EXISTS (SELECT FROM conflict_exception AS e
    WHERE e.organization_id = :organization AND e.member_id = m.id AND e.first_unit_id = r.first
      AND e.second_unit_id = r.second AND e.granted_at IS NOT NULL AND e.withdrawn_at IS NULL)
GROUP BY g.member_id, r.first, r.second
HAVING count(DISTINCT r.number) = 2 AND bool_or(u.parent_id IS NOT NULL)
ORDER BY g.member_id, r.first, r.second
LIMIT 100
""")


async def open_pairs(session: AsyncSession, organization_id: UUID) -> Sequence[tuple[UUID, UUID]]:
    """Return the pairs of units that are kept apart."""
    rows = await session.execute(
        select(UnitConflictRow.first_unit_id, UnitConflictRow.second_unit_id).where(
            UnitConflictRow.organization_id == organization_id, UnitConflictRow.lifted_at.is_(None)
        )
    )
    return [(row.first_unit_id, row.second_unit_id) for row in rows]


async def shared(
    session: AsyncSession,
    organization_id: UUID,
    pairs: Sequence[tuple[UUID, UUID]],
    member_ids: Collection[UUID] | None,
) -> Sequence[Shared]:
    """Return active members who reach both units of a pair without an exception, at most 100; of all or of some members."""
    rows = await session.execute(
        _SHARED,
        {
            "organization": organization_id,
            "firsts": [first for first, _ in pairs],
            "seconds": [second for _, second in pairs],
            "members": None if member_ids is None else list(member_ids),
        },
    )
    return [Shared(row.member_id, row.first_unit_id, row.second_unit_id) for row in rows]
