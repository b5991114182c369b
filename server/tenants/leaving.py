"""How rows leave: each slice declares for each of its tables whose rows they are, and what becomes of them.

The declarations are data, so that one test can insist that no table is forgotten, and one engine exports and erases all of
them in committed slices. Which rows belong to a unit or a contact is SQL of the slice that owns the table.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    LargeBinary,
    Table,
    Uuid,
    any_,
    delete,
    func,
    inspect,
    literal,
    literal_column,
    select,
)
from sqlalchemy.orm import InstrumentedAttribute

from server.kit.db import Base
from server.tenants.uow import UnitOfWork

OfUnits = Callable[[Sequence[UUID]], ColumnElement[bool]]
OfContact = Callable[[UUID], ColumnElement[bool]]
_AT_ONCE = 1_000
_SECRETS = ("_sealed", "_hash")


class How(StrEnum):
    """What becomes of the rows of a unit that leaves."""

    ROWS = "ROWS"
    """Exported and erased in batches, children before parents."""
    STAFF = "STAFF"
    """Exported, and erased as soon as the staff is removed."""
    TREE = "TREE"
    """Exported, and erased last: the place that everything else hangs on."""
    APART = "APART"
    """Erased by a function of its own; `note` says by which."""
    STAYS = "STAYS"
    """Kept; `note` says why."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """One table. `of_units` and `of_contact` choose its rows inside of the organization; None: it has none of them."""

    model: type[Base]
    how: How
    of_units: OfUnits | None = None
    of_contact: OfContact | None = None
    note: str = ""
    is_first: bool = False
    """Erased before all others, because its rows are found by rows of other tables without a foreign key."""
    at_once: int = _AT_ONCE
    """How many rows the export holds in memory; few where a row holds a file."""

    @property
    def table(self) -> Table:
        """Return the table."""
        found = inspect(self.model).local_table
        if not isinstance(found, Table):
            raise TypeError(f"{self.model} has no table of its own")
        return found

    @property
    def name(self) -> str:
        """Return the table's name as plain text, fit for a key of JSON."""
        return str(self.table.name)


def of_units(column: InstrumentedAttribute[UUID] | InstrumentedAttribute[UUID | None]) -> OfUnits:
    """Choose rows by the column that names their unit."""
    return lambda ids: column == among(ids)


def of_contact(column: InstrumentedAttribute[UUID] | InstrumentedAttribute[UUID | None]) -> OfContact:
    """Choose rows by the column that names their contact."""
    return lambda contact_id: column == contact_id


def among(ids: Sequence[UUID]) -> ColumnElement[Any]:
    """Return the right side of `column == …` for any number of ids, as one parameter."""
    return any_(literal(list(ids), ARRAY(Uuid())))


async def export_rows(
    uow: UnitOfWork, part: Leaving, unit_ids: Sequence[UUID]
) -> AsyncIterator[Sequence[Mapping[str, object]]]:
    """Yield a table's rows of these units in the order of their keys, `at_once` at a time; nothing that is secret."""
    if part.of_units is None:
        return
    columns = [one for one in part.table.columns if not one.name.endswith(_SECRETS)]
    statement = (
        select(*columns).where(*_of(uow, part, part.of_units(unit_ids))).order_by(*part.table.primary_key.columns)
    )
    found = await uow.session.stream(statement, execution_options={"yield_per": part.at_once})
    binary = [one.name for one in columns if isinstance(one.type, LargeBinary)]
    async for rows in found.mappings().partitions():
        yield [dict(row) | {name: _hex(row[name]) for name in binary} for row in rows]


async def count_rows(uow: UnitOfWork, part: Leaving, unit_ids: Sequence[UUID]) -> int:
    """Count a table's rows of these units."""
    if part.of_units is None:
        return 0
    statement = select(func.count()).select_from(part.table).where(*_of(uow, part, part.of_units(unit_ids)))
    return (await uow.session.execute(statement)).scalar_one()


async def owned_ids(uow: UnitOfWork, part: Leaving, unit_ids: Sequence[UUID], ids: Sequence[UUID]) -> set[UUID]:
    """Return those of `ids` that name rows of these units."""
    if part.of_units is None or "id" not in part.table.columns:
        return set()
    key = part.table.columns["id"]
    statement = select(key).where(*_of(uow, part, part.of_units(unit_ids)), key == among(ids))
    return set(await uow.session.scalars(statement))


async def erase_units(uow: UnitOfWork, part: Leaving, unit_ids: Sequence[UUID], limit: int | None) -> int:
    """Delete up to `limit` rows of these units; return how many. None: all, in one statement."""
    return 0 if part.of_units is None else await _erase(uow, part, part.of_units(unit_ids), limit)


async def erase_contact(uow: UnitOfWork, part: Leaving, contact_id: UUID, limit: int) -> int:
    """Delete up to `limit` rows of one contact; return how many."""
    return 0 if part.of_contact is None else await _erase(uow, part, part.of_contact(contact_id), limit)


async def _erase(uow: UnitOfWork, part: Leaving, chosen: ColumnElement[bool], limit: int | None) -> int:
    conditions = _of(uow, part, chosen)
    statement = delete(part.table).where(*conditions)
    if limit is not None:
        place: ColumnElement[Any] = literal_column(f"{part.table.name}.ctid")
        some = select(place).select_from(part.table).where(*conditions).limit(limit)
        statement = delete(part.table).where(place == any_(func.array(some.scalar_subquery())))
    gone = await uow.session.execute(statement.execution_options(synchronize_session=False))
    return int(gone.rowcount)  # type: ignore[attr-defined]  # a DELETE gives a cursor result


def _of(uow: UnitOfWork, part: Leaving, chosen: ColumnElement[bool]) -> tuple[ColumnElement[bool], ...]:
    return part.table.columns["organization_id"] == uow.scope.organization_id, chosen


def _hex(value: bytes | None) -> str | None:
    return None if value is None else bytes(value).hex()
