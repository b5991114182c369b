"""Imports in the words of the tests: a stored file, asked for and carried out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

from server.kit.db import Database
from server.kit.pagination import PageArguments
from server.tenants import service as tenants
from server.tenants.models import OperationRow, UnitRow
from server.tenants.rules import UnitFilter
from server.tenants.service import NewFile
from server.tenants.sheets import SheetFormat
from server.tenants.uow import begin, begin_read
from tests.factories.tenants import AnOrganization
from tests.workshop import Workshop


async def a_file(database: Database, made: AnOrganization, content: bytes, unit_id: UUID | None = None) -> UUID:
    """Store a file at a unit (the root)."""

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 700_000):
            yield content[start : start + 700_000]

    new = NewFile(unit_id or made.root_id, "units.csv", "text/csv", timedelta(days=1))
    async with begin(database, made.scope) as uow:
        return (await tenants.store_file(uow, new, chunks())).id


async def an_import(
    database: Database,
    made: AnOrganization,
    content: bytes | str,
    *,
    under: UUID | None = None,
    form: SheetFormat = SheetFormat.CSV,
    is_dry_run: bool = False,
) -> UUID:
    """Ask for an import under a unit (the root); return its operation."""
    raw = content.encode() if isinstance(content, str) else content
    file_id = await a_file(database, made, raw)
    async with begin(database, made.scope) as uow:
        row = await tenants.start_import(uow, file_id, form, under or made.root_id, is_dry_run=is_dry_run)
    return row.id


async def ended(database: Database, workshop: Workshop, made: AnOrganization, operation_id: UUID) -> OperationRow:
    """Let the workers finish, and return the operation as it ended."""
    await workshop.settle(made.id)
    assert await workshop.dead_jobs(made.id) == []
    return await operation(database, made, operation_id)


async def operation(database: Database, made: AnOrganization, operation_id: UUID) -> OperationRow:
    """Return an operation as it is."""
    async with begin_read(database, made.scope) as uow:
        return (await tenants.operations_by_id(uow, [operation_id]))[operation_id]


async def problems(database: Database, made: AnOrganization, operation_id: UUID) -> list[tuple[int, str, list[str]]]:
    """Return line, code and column of what was wrong."""
    async with begin_read(database, made.scope) as uow:
        page = await tenants.list_problems(uow, operation_id, PageArguments(first=100))
    return [(one.line, one.code, list(one.path)) for one in page.items]


async def units_of(database: Database, made: AnOrganization) -> dict[str, UnitRow]:
    """Return the first hundred units by name."""
    async with begin_read(database, made.scope) as uow:
        page = await tenants.list_units(uow, PageArguments(first=100), UnitFilter(is_archived=None))
    return {one.name: one for one in page.items}
