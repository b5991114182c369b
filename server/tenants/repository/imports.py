"""SQL of imports: lines wait in `unit_import_row`, are checked together, and are applied together.

Everything is set-based: the number of statements does not depend on the number of lines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from server.kit.errors import InvalidInput
from server.tenants.attributes import KNOWN, MAX_CUSTOM, too_many
from server.tenants.errors import AlreadyExists, UnitArchived, UnitCycle, UnitMisplaced, UnitTooDeep
from server.tenants.models import OperationProblemRow, OperationRow, UnitImportRow
from server.tenants.rules import MAX_DEPTH, kinds_that_fit

_FIRST_SEQ = 1_000
"""Problems of lines by themselves are numbered from 0, those of lines together from here."""


async def forget(session: AsyncSession, operation: OperationRow) -> None:
    """Delete what waits for an operation, and what was found wrong so far."""
    for table in (UnitImportRow, OperationProblemRow):
        await session.execute(
            delete(table).where(table.organization_id == operation.organization_id, table.operation_id == operation.id)
        )


async def forget_rows(session: AsyncSession, operation: OperationRow) -> None:
    """Delete what waits for an operation."""
    await session.execute(
        delete(UnitImportRow).where(
            UnitImportRow.organization_id == operation.organization_id, UnitImportRow.operation_id == operation.id
        )
    )


_STAGE = text("""
INSERT INTO unit_import_row (organization_id, operation_id, line, unit_id, external_code, name, kind, parent_code,
  attributes, is_sound, is_new, target_id)
SELECT :organization, :operation, r.line, :unit, r.code, r.name, r.kind, r.parent, r.attributes, r.sound, true, r.id
FROM jsonb_to_recordset(cast(:rows AS jsonb)) AS r (
  line int, code text, name text, kind text, parent text, attributes jsonb, sound boolean, id uuid)
ON CONFLICT DO NOTHING
""")


async def stage(session: AsyncSession, operation: OperationRow, rows: Sequence[Mapping[str, Any]]) -> None:
    """Let lines wait; one that waits already is left, because the same file says the same again."""
    values = _of(operation) | {"unit": operation.unit_id, "rows": orjson.dumps(list(rows)).decode()}
    await session.execute(_STAGE, values)


def _of(operation: OperationRow) -> dict[str, Any]:
    return {"organization": operation.organization_id, "operation": operation.id}


async def plan_for_many_rows(session: AsyncSession) -> None:
    """Make PostgreSQL plan the statements of this transaction for many rows.

    A foreign key's check is planned once per session. If `unit` was nearly empty then, the plan reads all of it for every
    row, and 10,000 new units compare themselves with each other: minutes instead of a second. So the plans that the
    session has are dropped, and new ones may not scan. Statistics tell nothing of lines that were put aside a moment ago
    either; joins are planned as for a handful, row by row, and that is the same trap.
    """
    await session.execute(text("SET LOCAL enable_seqscan = off"))
    await session.execute(text("SET LOCAL enable_nestloop = off"))
    await session.execute(text("SET LOCAL statement_timeout = '120s'"))
    await session.execute(text("DISCARD PLANS"))


_RESOLVE = text("""
UPDATE unit_import_row r SET target_id = u.id, is_new = false
FROM unit u
WHERE r.organization_id = :organization AND r.operation_id = :operation
  AND u.organization_id = :organization AND u.external_code = r.external_code
""")
# Where no line and no unit has the code there is no parent; a check tells.
_PLACE = text("""
UPDATE unit_import_row r SET parent_id = CASE
  WHEN me.parent_code IS NULL AND me.is_new THEN :unit
  WHEN me.parent_code IS NULL THEN own.parent_id
  ELSE coalesce(line.target_id, known.id)
END
FROM unit_import_row me
LEFT JOIN unit own ON own.organization_id = :organization AND own.id = me.target_id
LEFT JOIN (
  SELECT DISTINCT ON (p.external_code) p.external_code, p.target_id FROM unit_import_row p
  WHERE p.organization_id = :organization AND p.operation_id = :operation ORDER BY p.external_code, p.line
) line ON line.external_code = me.parent_code
LEFT JOIN (
  SELECT u.external_code, u.id FROM unit u JOIN unit_closure c ON c.organization_id = :organization
    AND c.ancestor_id = :unit AND c.descendant_id = u.id WHERE u.organization_id = :organization
) known ON known.external_code = me.parent_code
WHERE me.organization_id = :organization AND me.operation_id = :operation
  AND r.organization_id = :organization AND r.operation_id = :operation AND r.line = me.line
""")


async def resolve(session: AsyncSession, operation: OperationRow) -> None:
    """Find which unit each line is about and where it stands."""
    await session.execute(_RESOLVE, _of(operation))
    await session.execute(_PLACE, _of(operation) | {"unit": operation.unit_id})


@dataclass(frozen=True, slots=True)
class _Check:
    """One rule over all lines: a SELECT of the lines that break it, told with one refusal."""

    refusal: InvalidInput | AlreadyExists | UnitArchived | UnitCycle | UnitMisplaced | UnitTooDeep
    broken: str


_MINE = "r.organization_id = :organization AND r.operation_id = :operation AND r.is_sound"
_ROWS = f"SELECT r.line FROM unit_import_row r WHERE {_MINE}"
_WITH_UNIT = f"""
SELECT r.line FROM unit_import_row r JOIN unit u ON u.organization_id = :organization AND u.id = r.target_id
WHERE {_MINE} AND NOT r.is_new
"""
# The levels of the new units, from those that stand under a unit that exists; what is not reached goes round in a circle.
_LEVELS = """
WITH RECURSIVE level (id, depth) AS (
  SELECT n.target_id, 1 + above.depth
  FROM unit_import_row n JOIN (
    SELECT c.descendant_id, max(c.depth) AS depth FROM unit_closure c
    WHERE c.organization_id = :organization GROUP BY c.descendant_id
  ) above ON above.descendant_id = n.parent_id
  WHERE n.organization_id = :organization AND n.operation_id = :operation AND n.is_new
  UNION ALL
  SELECT n.target_id, level.depth + 1
  FROM level JOIN unit_import_row n ON n.organization_id = :organization AND n.operation_id = :operation
    AND n.is_new AND n.parent_id = level.id
)
"""

CHECKS: tuple[_Check, ...] = (
    _Check(
        AlreadyExists("Another line of the file has this external code.", path=("external_code",)),
        f"""SELECT twice.line FROM (SELECT r.line, min(r.line) OVER (PARTITION BY r.external_code) AS first
        FROM unit_import_row r WHERE r.organization_id = :organization AND r.operation_id = :operation) twice
        JOIN unit_import_row r ON {_MINE} AND r.line = twice.line WHERE twice.line > twice.first""",
    ),
    _Check(
        AlreadyExists(
            "Another unit has this external code, and it does not stand under the unit of the import.",
            path=("external_code",),
        ),
        f"""{_WITH_UNIT} AND NOT EXISTS (SELECT FROM unit_closure c WHERE c.organization_id = :organization
        AND c.ancestor_id = :unit AND c.descendant_id = u.id AND c.depth > 0)""",
    ),
    _Check(UnitArchived(path=("external_code",)), f"{_WITH_UNIT} AND u.archived_at IS NOT NULL"),
    _Check(
        UnitMisplaced("The unit is of another kind, and a kind does not change.", path=("kind",)),
        f"{_WITH_UNIT} AND r.kind <> u.kind",
    ),
    _Check(
        InvalidInput("No line and no unit under the unit of the import has this code.", path=("parent_code",)),
        f"{_ROWS} AND r.parent_code IS NOT NULL AND r.parent_id IS NULL",
    ),
    _Check(
        UnitMisplaced("The unit stands elsewhere. An import moves no units: use unitMove.", path=("parent_code",)),
        f"{_WITH_UNIT} AND r.parent_code IS NOT NULL AND r.parent_id <> u.parent_id",
    ),
    _Check(
        UnitArchived(path=("parent_code",)),
        f"""{_ROWS} AND r.is_new AND EXISTS (SELECT FROM unit p WHERE p.organization_id = :organization
        AND p.id = r.parent_id AND p.archived_at IS NOT NULL)""",
    ),
    _Check(
        UnitMisplaced("A unit of this kind cannot stand under that parent.", path=("kind",)),
        f"""SELECT r.line FROM unit_import_row r
        LEFT JOIN unit u ON u.organization_id = :organization AND u.id = r.parent_id
        LEFT JOIN unit_import_row p ON p.organization_id = :organization AND p.operation_id = :operation
          AND p.target_id = r.parent_id AND p.is_new
        WHERE {_MINE} AND r.is_new AND r.parent_id IS NOT NULL
          AND coalesce(r.kind, 'LOCATION') || '>' || coalesce(u.kind, p.kind, 'LOCATION')
            <> ALL (cast(:fitting AS text[]))""",
    ),
    _Check(
        UnitCycle("The parents of this line lead back to itself.", path=("parent_code",)),
        f"""{_LEVELS} {_ROWS} AND r.is_new AND EXISTS (SELECT FROM unit_import_row p
        WHERE p.organization_id = :organization AND p.operation_id = :operation AND p.target_id = r.parent_id
          AND p.is_new AND p.parent_id IS NOT NULL) AND r.target_id <> ALL (ARRAY(SELECT id FROM level))""",
    ),
    _Check(
        UnitTooDeep(f"A unit stands at most {MAX_DEPTH} levels below headquarters.", path=("parent_code",)),
        f"{_LEVELS} {_ROWS} AND r.target_id = ANY (ARRAY(SELECT id FROM level WHERE depth > {MAX_DEPTH}))",
    ),
    _Check(
        AlreadyExists("Two units of this name would stand under the same parent.", path=("name",)),
        f"""SELECT same.line FROM (SELECT r.line, count(*) OVER (PARTITION BY r.parent_id, r.name) AS times
        FROM unit_import_row r WHERE {_MINE} AND r.parent_id IS NOT NULL) same WHERE same.times > 1
        UNION {_ROWS} AND EXISTS (SELECT FROM unit u WHERE u.organization_id = :organization
          AND u.parent_id = r.parent_id AND u.name = r.name AND u.id <> r.target_id
          AND NOT EXISTS (SELECT FROM unit_import_row o WHERE o.organization_id = :organization
            AND o.operation_id = :operation AND o.target_id = u.id AND o.is_sound))""",
    ),
    _Check(
        too_many(),
        f"""{_WITH_UNIT} AND r.attributes <> '{{}}' AND (SELECT count(*)
        FROM jsonb_object_keys(jsonb_strip_nulls(u.attributes || r.attributes)) AS name
        WHERE name <> ALL (cast(:known AS text[]))) > {MAX_CUSTOM}""",
    ),
)


async def check(session: AsyncSession, operation: OperationRow) -> None:
    """Write down every line that breaks a rule which takes the other lines or the tree to be seen."""
    values = _of(operation) | {"unit": operation.unit_id, "known": list(KNOWN)}
    values |= {"fitting": [f"{kind}>{parent}" for kind, parent in kinds_that_fit()]}
    for number, one in enumerate(CHECKS, _FIRST_SEQ):
        told = {
            "seq": number,
            "code": one.refusal.code,
            "message": one.refusal.message,
            "path": orjson.dumps(list(one.refusal.path)).decode(),
        }
        await session.execute(_noting(one), _used(values, one) | told)


def _noting(one: _Check) -> Any:
    return text(f"""
    INSERT INTO operation_problem (organization_id, operation_id, line, seq, unit_id, code, message, path)
    SELECT :organization, :operation, broken.line, :seq, :unit, :code, :message, cast(:path AS jsonb)
    FROM ({one.broken}) AS broken ON CONFLICT DO NOTHING""")


def _used(values: Mapping[str, Any], one: _Check) -> dict[str, Any]:
    always = {"organization", "operation", "unit"}
    return {name: value for name, value in values.items() if name in always or f":{name}" in one.broken}


async def count_wrong_lines(session: AsyncSession, operation: OperationRow) -> int:
    """Count the lines in which something is wrong."""
    statement = select(func.count(OperationProblemRow.line.distinct())).where(
        OperationProblemRow.organization_id == operation.organization_id,
        OperationProblemRow.operation_id == operation.id,
    )
    return (await session.execute(statement)).scalar_one()


_CHANGES = "(u.name <> r.name OR u.attributes <> jsonb_strip_nulls(u.attributes || r.attributes))"
_COUNT = text(f"""
SELECT count(*) FILTER (WHERE r.is_new) AS created, count(*) FILTER (WHERE {_CHANGES}) AS updated,
  count(*) FILTER (WHERE NOT r.is_new AND NOT {_CHANGES}) AS unchanged
FROM unit_import_row r LEFT JOIN unit u ON u.organization_id = :organization AND u.id = r.target_id
WHERE {_MINE}
""")


async def count_changes(session: AsyncSession, operation: OperationRow) -> dict[str, int]:
    """Count what applying the lines makes, changes and leaves."""
    row = (await session.execute(_COUNT, _of(operation))).one()
    return {"created": row.created, "updated": row.updated, "unchanged": row.unchanged}


_UPDATE = text(f"""
UPDATE unit u SET name = r.name, attributes = jsonb_strip_nulls(u.attributes || r.attributes)
FROM unit_import_row r
WHERE {_MINE} AND NOT r.is_new AND u.organization_id = :organization AND u.id = r.target_id AND {_CHANGES}
""")
_INSERT = text(f"""
INSERT INTO unit (organization_id, id, parent_id, kind, name, external_code, attributes)
SELECT r.organization_id, r.target_id, r.parent_id, coalesce(r.kind, 'LOCATION'), r.name, r.external_code,
  jsonb_strip_nulls(r.attributes)
FROM unit_import_row r WHERE {_MINE} AND r.is_new ORDER BY r.target_id
""")
# Each new unit climbs through the new ones above it, and takes over the line of the first that existed before.
_INSERT_CLOSURE = text(f"""
WITH RECURSIVE climb (descendant, ancestor, depth, next) AS (
  SELECT r.target_id, r.target_id, 0, r.parent_id FROM unit_import_row r WHERE {_MINE} AND r.is_new
  UNION ALL
  SELECT climb.descendant, n.target_id, climb.depth + 1, n.parent_id
  FROM climb JOIN unit_import_row n ON n.organization_id = :organization AND n.operation_id = :operation
    AND n.target_id = climb.next AND n.is_new
)
INSERT INTO unit_closure (organization_id, ancestor_id, descendant_id, depth)
SELECT :organization, climb.ancestor, climb.descendant, climb.depth FROM climb
UNION ALL
SELECT :organization, c.ancestor_id, climb.descendant, climb.depth + 1 + c.depth
FROM climb JOIN unit_closure c ON c.organization_id = :organization AND c.descendant_id = climb.next
""")


async def apply(session: AsyncSession, operation: OperationRow) -> None:
    """Change and make the units of all lines: three statements."""
    for statement in (_UPDATE, _INSERT, _INSERT_CLOSURE):
        await session.execute(statement, _of(operation))
