"""Changing units: name, code and attributes, their place in the tree, and whether they are at work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from server.kit.errors import DomainError, NotFound, PermissionDenied, Problems
from server.tenants.attributes import changed
from server.tenants.errors import AlreadyExists, UnitArchived, UnitCycle, UnitMisplaced
from server.tenants.models import UnitRow
from server.tenants.repository import tree as repository
from server.tenants.repository import units
from server.tenants.rules import MAX_DEPTH, Permission, UnitKind, may_stand_under, name_problems
from server.tenants.service.units import code_problems, too_deep, under_attributes
from server.tenants.uow import UnitOfWork


@dataclass(frozen=True, slots=True)
class UnitChange:
    """What changes about a unit. `name` None keeps it; a code changes with `sets_code`; attributes that are None go."""

    name: str | None = None
    sets_code: bool = False
    external_code: str | None = None
    attributes: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Counted:
    """A unit, and how many units changed with it."""

    row: UnitRow
    count: int


async def update_unit(uow: UnitOfWork, unit_id: UUID, change: UnitChange) -> UnitRow:
    """Change a unit. Needs unit:manage on it; raises TreeBusy, or Problems with all that is wrong."""
    row = await _managed(uow, unit_id)
    after, wrong = changed(row.attributes, change.attributes)
    problems = under_attributes(wrong)
    if change.name is not None:
        problems += [*name_problems(change.name), *await _name_taken(uow, row, row.parent_id, change.name)]
    if change.sets_code:
        problems += await code_problems(uow, change.external_code, row.id)
    if problems:
        raise Problems(problems)
    row.name = row.name if change.name is None else change.name
    row.external_code = change.external_code if change.sets_code else row.external_code
    row.attributes = after
    await uow.session.flush()
    return row


async def _managed(uow: UnitOfWork, unit_id: UUID) -> UnitRow:
    """Return a unit that the scope manages, behind the lock of the tree."""
    uow.scope.require(Permission.UNIT_MANAGE, unit_id)
    await repository.lock_tree(uow.session, uow.scope.organization_id)
    row = await units.unit(uow.session, uow.scope, unit_id)
    if row is None:
        raise NotFound(path=("unitId",))
    return row


async def _name_taken(uow: UnitOfWork, row: UnitRow, parent_id: UUID | None, name: str) -> list[DomainError]:
    if parent_id is None or not await units.has_sibling_named(
        uow.session, row.organization_id, parent_id, name, row.id
    ):
        return []
    return [AlreadyExists("A unit of this name stands there already.", path=("name",))]


async def move_unit(uow: UnitOfWork, unit_id: UUID, parent_id: UUID) -> UnitRow:
    """Put a unit with all that stands under it under another parent. Who reaches it changes with the next request.

    Needs unit:manage on the unit, on the parent that it has and on the new one. Raises TreeBusy, or Problems with all
    that is wrong: UnitMisplaced, UnitCycle, UnitTooDeep, UnitArchived, AlreadyExists.
    """
    row = await _managed(uow, unit_id)
    if row.parent_id is None:
        raise UnitMisplaced("Headquarters stand at the top and cannot be moved.", path=("unitId",))
    if not uow.scope.may(Permission.UNIT_MANAGE, row.parent_id):
        raise PermissionDenied(Permission.UNIT_MANAGE.value, path=("unitId",))
    parent = await units.unit(uow.session, uow.scope, parent_id)
    if parent is None:
        raise NotFound(path=("parentId",))
    if not uow.scope.may(Permission.UNIT_MANAGE, parent_id):
        raise PermissionDenied(Permission.UNIT_MANAGE.value, path=("parentId",))
    if row.parent_id == parent_id:
        return row
    problems = await _move_problems(uow, row, parent)
    if problems:
        raise Problems(problems)
    await repository.graft(uow.session, row.organization_id, unit_id, parent_id)
    moved = await units.unit(uow.session, uow.scope, unit_id)
    return row if moved is None else moved


async def _move_problems(uow: UnitOfWork, row: UnitRow, parent: UnitRow) -> list[DomainError]:
    if await repository.lies_under(uow.session, row.organization_id, parent.id, row.id):
        return [UnitCycle("A unit cannot be moved to itself or to what stands under it.", path=("parentId",))]
    problems: list[DomainError] = []
    if not may_stand_under(row.kind, parent.kind):
        problems.append(UnitMisplaced(f"A {row.kind} cannot stand under a {parent.kind}.", path=("parentId",)))
    if parent.archived_at is not None:
        problems.append(UnitArchived(path=("parentId",)))
    above = await repository.depth_of(uow.session, row.organization_id, parent.id)
    if above + 1 + await repository.height_of(uow.session, row.organization_id, row.id) > MAX_DEPTH:
        problems.append(too_deep("parentId"))
    return [*problems, *await _name_taken(uow, row, parent.id, row.name)]


async def archive_unit(uow: UnitOfWork, unit_id: UUID) -> Counted:
    """Take a unit and all that stands under it out of work: nothing is sent from there, released or connected to it.

    Connections and history stay. Needs unit:manage on it; headquarters cannot be archived. Repeatable: an archived one
    counts 0.
    """
    row = await _managed(uow, unit_id)
    if row.kind is UnitKind.HEADQUARTERS:
        raise UnitMisplaced("Headquarters cannot be archived.", path=("unitId",))
    count = 0
    if row.archived_at is None:
        count = await repository.archive(uow.session, row.organization_id, unit_id, await uow.now())
    return Counted(await _again(uow, row), count)


async def restore_unit(uow: UnitOfWork, unit_id: UUID) -> Counted:
    """Take a unit back into work, with all that was archived together with it; what was archived before it stays so.

    Needs unit:manage on it; raises UnitArchived while the unit above is archived. Repeatable.
    """
    row = await _managed(uow, unit_id)
    if row.archived_at is None:
        return Counted(row, 0)
    above = None if row.parent_id is None else await units.unit(uow.session, uow.scope, row.parent_id)
    if above is not None and above.archived_at is not None:
        raise UnitArchived(path=("unitId", "parentId"))
    count = await repository.restore(uow.session, row.organization_id, unit_id, row.archived_at)
    return Counted(await _again(uow, row), count)


async def _again(uow: UnitOfWork, row: UnitRow) -> UnitRow:
    found = await units.unit(uow.session, uow.scope, row.id)
    return row if found is None else found
