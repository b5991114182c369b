"""Groups of units that cut across the tree, such as all shops in stations. A group belongs to a unit; only who reaches
that unit knows of it, and its members lie under it. A member that is moved away counts no more, until it comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from server.kit.errors import DomainError, InvalidInput, NotFound, PermissionDenied, Problems
from server.kit.ids import new_id
from server.kit.pagination import Keyset, Page, PageArguments, SortKey
from server.tenants.errors import AlreadyExists
from server.tenants.models import LocationGroupRow
from server.tenants.repository import groups as repository
from server.tenants.rules import Permission, name_problems
from server.tenants.service.units import unit, working_unit
from server.tenants.uow import UnitOfWork

MAX_MEMBERS_PER_CALL = 1_000


async def create_group(uow: UnitOfWork, unit_id: UUID, name: str) -> LocationGroupRow:
    """Make an empty group of a unit. Needs unit:manage there; raises UnitArchived, or Problems with AlreadyExists."""
    uow.scope.require(Permission.UNIT_MANAGE, unit_id)
    await working_unit(uow, unit_id)
    await _check_name(uow, unit_id, name)
    row = LocationGroupRow(organization_id=uow.scope.organization_id, id=new_id(), unit_id=unit_id, name=name)
    uow.session.add(row)
    await uow.session.flush()
    return row


async def _check_name(uow: UnitOfWork, unit_id: UUID, name: str, but: UUID | None = None) -> None:
    problems: list[DomainError] = [*name_problems(name)]
    if await repository.has_group_named(uow.session, uow.scope.organization_id, unit_id, name, but):
        problems.append(AlreadyExists("A group of this name belongs to the unit already.", path=("name",)))
    if problems:
        raise Problems(problems)


async def rename_group(uow: UnitOfWork, group_id: UUID, name: str) -> LocationGroupRow:
    """Give a group another name. Needs unit:manage on its unit."""
    row = await _managed(uow, group_id)
    await _check_name(uow, row.unit_id, name, row.id)
    row.name = name
    await uow.session.flush()
    return row


async def delete_group(uow: UnitOfWork, group_id: UUID) -> LocationGroupRow:
    """Delete a group; the units that were in it stay. Needs unit:manage on its unit. Returns what it was."""
    row = await _managed(uow, group_id)
    await uow.session.delete(row)
    await uow.session.flush()
    return row


async def change_members(
    uow: UnitOfWork, group_id: UUID, *, add: Sequence[UUID] = (), remove: Sequence[UUID] = ()
) -> LocationGroupRow:
    """Put up to 1,000 units in and take up to 1,000 out; what is so already stays. Needs unit:manage on the group's unit.

    Raises InvalidInput for too many, and NotFound for a unit to add that does not lie under the group's unit.
    """
    row = await _managed(uow, group_id)
    for path, ids in (("add", add), ("remove", remove)):
        if len(ids) > MAX_MEMBERS_PER_CALL:
            raise InvalidInput(f"Give at most {MAX_MEMBERS_PER_CALL} units at once.", path=(path,))
    wanted = list(dict.fromkeys(add))
    missing = await repository.strangers(uow.session, row.organization_id, row.unit_id, wanted)
    if missing:
        raise NotFound(path=("add", str(next(place for place, one in enumerate(add) if one in missing))))
    await repository.add_members(uow.session, row, wanted)
    await repository.remove_members(uow.session, row, list(remove))
    return row


async def _managed(uow: UnitOfWork, group_id: UUID) -> LocationGroupRow:
    row = await repository.lock_group(uow.session, uow.scope, group_id)
    if row is None:
        raise NotFound(path=("groupId",))
    if not uow.scope.may(Permission.UNIT_MANAGE, row.unit_id):
        raise PermissionDenied(Permission.UNIT_MANAGE.value, path=("groupId",))
    return row


async def list_groups(
    uow: UnitOfWork, arguments: PageArguments, *, unit_id: UUID | None = None
) -> Page[LocationGroupRow]:
    """List the groups whose unit the scope reaches, by name; `unit_id` keeps those of one unit."""
    if unit_id is not None:
        await unit(uow, unit_id)
    keyset = Keyset((SortKey(LocationGroupRow.name, str), SortKey(LocationGroupRow.id, UUID)), ["groups", str(unit_id)])
    rows = await repository.list_groups(uow.session, uow.scope, keyset, arguments, unit_id)
    return keyset.page(rows, arguments, lambda row: (row.name, row.id))


async def groups_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Mapping[UUID, LocationGroupRow]:
    """Return the groups with these ids whose unit the scope reaches."""
    return {row.id: row for row in await repository.groups_by_id(uow.session, uow.scope, ids)}


async def count_members(uow: UnitOfWork, ids: Sequence[UUID]) -> Mapping[UUID, int]:
    """Count the members of each group whose unit the scope reaches."""
    counted = await repository.count_members(uow.session, uow.scope, ids)
    return {one: counted.get(one, 0) for one in ids}
