"""Rows of every tenant table, made from the metadata alone: a new table or column is filled without anyone's doing."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Enum,
    Integer,
    LargeBinary,
    String,
    Table,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession

from server.kit.db import Database, Wall
from server.kit.ids import new_id
from server.models import metadata
from server.tenants.uow import begin, begin_read, system_scope
from tests.factories.tenants import AnOrganization
from tests.tenancy.canaries import Canary, a_canary

_numbers = itertools.count(1_000_000_000)
Row = dict[str, object]

TABLES = tuple(metadata.sorted_tables)
TENANT_TABLES = tuple(table for table in TABLES if table.info["wall"] is not Wall.SYSTEM)
SHARED = frozenset({"organization", "custom_role"})
"""What everybody of an organization may see of it by design: not a secret between its units."""
ALTERNATIVES: Mapping[str, Row] = {
    "invitation": {"custom_role_id": None},
    "legal_access": {"contact_id": None},
    "membership": {"custom_role_id": None},
}
"""Columns of which a row may not fill all."""


def is_marked(column: Column[object]) -> bool:
    """Say whether the column holds text or JSON that people or platforms wrote; enums hold our own words."""
    return isinstance(column.type, (String, JSONB)) and not isinstance(column.type, Enum)


@dataclass(slots=True)
class Territory:
    """The rows that are not for the caller's eyes: a whole organization, or one unit of it with rows of nobody else."""

    database: Database
    organization: AnOrganization
    unit_id: UUID
    is_whole: bool
    made: dict[str, Row] = field(default_factory=dict)

    def tables(self) -> list[Table]:
        """Return the tables that can hold rows of it."""
        return [table for table in TENANT_TABLES if self.is_whole or table.name not in SHARED]

    def condition(self, table: Table) -> str:
        """Return the SQL that chooses its rows, inside of the organization's scope."""
        if self.is_whole:
            return f"organization_id = '{self.organization.id}'"  # it must not lean on the wall that is tested
        if "unit_id" in table.columns:
            return f"unit_id = '{self.unit_id}'"
        if table.name == "unit":
            return f"id = '{self.unit_id}'"
        made = self.made.get(table.name, {})
        key = [one.name for one in table.primary_key.columns if one.name != "organization_id"]
        return " AND ".join(f"{name} = '{_quoted(made[name])}'" for name in key) if made and key else "false"

    async def add_bare_rows(self, canary: Canary) -> None:
        """Insert one row into every table with the mark in every text column, also where no service leads to it."""
        organization: Row = {"organization_id": self.organization.id}
        known: dict[str, Row] = {"organization": organization, "unit": organization | {"id": self.unit_id}}
        harmless = a_canary()
        async with begin(self.database, self.organization.scope) as uow:
            for table in TENANT_TABLES:
                if table.name not in known:
                    mark = canary if table in self.tables() else harmless
                    known[table.name] = self.made[table.name] = _a_row(table, known, mark)
                    # Rows of which there is one, such as the head of the audit trail, exist already.
                    await uow.session.execute(insert(table).values(known[table.name]).on_conflict_do_nothing())
        if self.is_whole:
            async with system_scope(self.database) as session:
                for table in [one for one in TABLES if one not in TENANT_TABLES]:  # what is referred to comes first
                    known[table.name] = _a_row(table, known, canary)
                    await session.execute(insert(table).values(known[table.name]))

    async def mark_all_rows(self, canary: Canary) -> None:
        """Write the mark into every text column of every row that may be changed at all."""
        async with begin(self.database, self.organization.scope) as uow:
            for table in self.tables():
                changes = [_marking(column, canary) for column in table.columns if is_marked(column)]
                has_others = self.is_whole or "unit_id" in table.columns or table.name == "unit"
                if changes and has_others and await _may_update(uow.session, table):
                    await uow.session.execute(
                        text(f"UPDATE {table.name} SET {', '.join(changes)} WHERE {self.condition(table)}")
                    )

    async def unmarked(self, canary: Canary) -> list[str]:
        """Return the text columns in which no row of it holds the mark."""
        missing = []
        async with begin_read(self.database, self.organization.scope) as uow:
            for table in self.tables():
                for column in filter(is_marked, table.columns):
                    statement = (
                        f"SELECT EXISTS (SELECT FROM {table.name} WHERE {self.condition(table)}"
                        f" AND {column.name}::text LIKE :mark)"
                    )
                    found = await uow.session.execute(text(statement), {"mark": f"%{canary.mark}%"})
                    if not found.scalar_one():
                        missing.append(f"{table.name}.{column.name}")
        return missing

    async def ids(self) -> frozenset[UUID]:
        """Return the ids of all its rows."""
        found: set[UUID] = set()
        async with begin_read(self.database, self.organization.scope) as uow:
            for table in self.tables():
                if "id" in table.columns:
                    found.update(
                        await uow.session.scalars(text(f"SELECT id FROM {table.name} WHERE {self.condition(table)}"))
                    )
        return frozenset(found)

    async def one_id_a_table(self) -> list[UUID]:
        """Return the newest id of every table."""
        found: list[UUID] = []
        async with begin_read(self.database, self.organization.scope) as uow:
            for table in self.tables():
                if "id" in table.columns:
                    statement = f"SELECT id FROM {table.name} WHERE {self.condition(table)} ORDER BY id DESC LIMIT 1"
                    found.extend(await uow.session.scalars(text(statement)))
        return found

    async def checksums(self) -> dict[str, str]:
        """Return a digest of its rows, by table."""
        found = {}
        async with begin_read(self.database, self.organization.scope) as uow:
            for table in self.tables():
                statement = (
                    f"SELECT count(*) || ':' || coalesce(md5(string_agg(one::text, '|' ORDER BY one::text)), '')"
                    f" FROM {table.name} AS one WHERE {self.condition(table)}"
                )
                found[table.name] = str((await uow.session.execute(text(statement))).scalar_one())
        return found


def _quoted(value: object) -> str:
    return f"\\x{value.hex()}" if isinstance(value, bytes) else str(value)


def _a_row(table: Table, known: Mapping[str, Row], canary: Canary) -> Row:
    row: Row = {}
    for constraint in table.foreign_key_constraints:
        for column, element in zip(constraint.columns, constraint.elements, strict=True):
            target = element.column
            if target.table is table and table.name not in known:  # the first of its table hangs on no other
                row[column.name] = None
                continue
            row[column.name] = known[target.table.name][target.name]
    row |= {name: known["organization"][name] for name in ("organization_id",) if name in table.columns}
    row |= {"unit_id": known["unit"]["id"]} if "unit_id" in table.columns else {}
    row |= ALTERNATIVES.get(table.name, {})
    row |= {one.name: [known["unit"]["id"]] for one in table.columns if isinstance(one.type, ARRAY)}
    return {column.name: row[column.name] if column.name in row else _value(column, canary) for column in table.columns}


def _value(column: Column[object], canary: Canary) -> object:  # noqa: PLR0911 - one line per type
    match column.type:
        case Enum():
            return column.type.enums[0]
        case Uuid():
            return new_id()
        case String():
            return canary.of(column.table.name, column.name) + str(next(_numbers))
        case JSONB():
            return {canary.of(column.table.name, column.name): canary.of(column.table.name, column.name)}
        case Boolean():
            return True
        case Integer() | Double():
            return next(_numbers)
        case DateTime():
            return datetime.now(UTC)
        case Date():
            return datetime.now(UTC).date()
        case LargeBinary():
            return os.urandom(32)
        case _:
            raise LookupError(f"no value is known for {column} of type {column.type!r}; teach this function one")


def _marking(column: Column[object], canary: Canary) -> str:
    mark, name = f"'{canary.of(column.table.name, column.name)}'", column.name
    if isinstance(column.type, JSONB):
        return (
            f"{name} = CASE jsonb_typeof({name}) WHEN 'object' THEN {name} || jsonb_build_object({mark}, {mark})"
            f" WHEN 'array' THEN {name} || to_jsonb({mark}::text) ELSE {name} END"
        )
    return f"{name} = {mark} || md5(random()::text)"


async def _may_update(session: AsyncSession, table: Table) -> bool:
    found = await session.execute(text("SELECT has_table_privilege(:name, 'UPDATE')"), {"name": table.name})
    return bool(found.scalar_one())
