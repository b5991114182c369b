"""Organizations and their unit tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from uuid import UUID

from server.kit.errors import DomainError, InvalidInput, NotFound, Problems
from server.kit.ids import new_id
from server.kit.nested import Listing, Nested
from server.kit.pagination import Keyset, Page, PageArguments, SortKey
from server.tenants.attributes import ADDRESS_LINES, HOURS, KNOWN, changed, is_time_zone
from server.tenants.errors import AlreadyExists, UnitArchived, UnitMisplaced, UnitTooDeep
from server.tenants.models import OrganizationRow, UnitRow
from server.tenants.repository import groups, tree
from server.tenants.repository import units as repository
from server.tenants.rules import (
    MAX_CODE,
    MAX_DEPTH,
    MAX_NAME,
    OrganizationKind,
    Permission,
    UnitFilter,
    UnitKind,
    is_external_code,
    may_stand_under,
    name_problems,
)
from server.tenants.uow import UnitOfWork

_PLACES: Mapping[str, tuple[str, ...]] = {name: (name,) for name in KNOWN} | {
    "postal_code": ("postalCode",),
    "time_zone": ("timeZone",),
    HOURS: ("openingHours",),
}
EVERY_UNIT = UnitFilter()
"""All that are not archived."""


async def create_organization(uow: UnitOfWork, kind: OrganizationKind, name: str, time_zone: str = "UTC") -> UnitRow:
    """Create the organization that the scope names, with its HEADQUARTERS unit, and return that unit.

    The scope must be the worker scope of a fresh id: nobody belongs to an organization before it exists.
    """
    problems: list[DomainError] = [*name_problems(name), *_zone_problems(time_zone)]
    if problems:
        raise Problems(problems)
    organization_id = uow.scope.organization_id
    uow.session.add(OrganizationRow(organization_id=organization_id, kind=kind, name=name, time_zone=time_zone))
    await uow.session.flush()
    return await _insert_unit(uow, UnitKind.HEADQUARTERS, name, None, None, {})


async def update_organization(
    uow: UnitOfWork, *, name: str | None = None, time_zone: str | None = None
) -> OrganizationRow:
    """Rename the organization or set the time zone of its reports; None keeps. Needs organization:manage."""
    uow.scope.require(Permission.ORGANIZATION_MANAGE, None)
    problems: list[DomainError] = [] if name is None else [*name_problems(name)]
    if time_zone is not None:
        problems += _zone_problems(time_zone)
    if problems:
        raise Problems(problems)
    row = await organization(uow)
    row.name = row.name if name is None else name
    row.time_zone = row.time_zone if time_zone is None else time_zone
    await uow.session.flush()
    return row


def _zone_problems(time_zone: str) -> list[InvalidInput]:
    if is_time_zone(time_zone):
        return []
    return [InvalidInput("This is not a time zone of the IANA database.", path=("timeZone",))]


async def create_unit(
    uow: UnitOfWork,
    *,
    parent_id: UUID,
    kind: UnitKind,
    name: str,
    external_code: str | None = None,
    attributes: Mapping[str, object] | None = None,
) -> UnitRow:
    """Create a unit under a parent. Needs unit:manage on the parent; from then on the unit of work reaches the new unit.

    Raises TreeBusy, or Problems: UnitMisplaced, UnitTooDeep, UnitArchived, AlreadyExists, and what attributes refuse.
    """
    uow.scope.require(Permission.UNIT_MANAGE, parent_id)
    await tree.lock_tree(uow.session, uow.scope.organization_id)
    parent = await repository.unit(uow.session, uow.scope, parent_id)
    if parent is None:
        raise NotFound(path=("parentId",))
    known, problems = changed({}, attributes or {})
    problems = [*name_problems(name), *under_attributes(problems)]
    if not may_stand_under(kind, parent.kind):
        problems.append(UnitMisplaced(f"A {kind} cannot stand under a {parent.kind}.", path=("kind",)))
    if parent.archived_at is not None:
        problems.append(UnitArchived(path=("parentId",)))
    if await tree.depth_of(uow.session, uow.scope.organization_id, parent_id) >= MAX_DEPTH:
        problems.append(too_deep("parentId"))
    if await repository.has_sibling_named(uow.session, uow.scope.organization_id, parent_id, name):
        problems.append(AlreadyExists("A unit of this name stands there already.", path=("name",)))
    problems += await code_problems(uow, external_code)
    if problems:
        raise Problems(problems)
    return await _insert_unit(uow, kind, name, parent_id, external_code, known)


def under_attributes(problems: Sequence[DomainError]) -> list[DomainError]:
    """Return what is wrong with attributes as it is told of an input that has them in a field."""
    return [InvalidInput(one.message, path=("attributes", *_place_of(*one.path))) for one in problems]


def _place_of(name: str) -> tuple[str, ...]:
    if name in ADDRESS_LINES:
        return "addressLines", str(ADDRESS_LINES.index(name))
    if name == "custom":
        return (name,)
    return _PLACES.get(name, ("custom", name))


def too_deep(path: str) -> UnitTooDeep:
    """Return the refusal of a unit that would stand too far down."""
    return UnitTooDeep(f"A unit stands at most {MAX_DEPTH} levels below headquarters.", path=(path,))


async def code_problems(uow: UnitOfWork, code: str | None, but: UUID | None = None) -> list[DomainError]:
    """Return why a code cannot be given to a unit (`but` that it may have already): nothing, or one problem."""
    if code is not None and not is_external_code(code):
        message = f"An external code has 1 to {MAX_CODE} printable characters and no blanks around it."
        return [InvalidInput(message, path=("externalCode",))]
    if code is None or not await repository.has_unit_coded(uow.session, uow.scope.organization_id, code, but):
        return []
    return [AlreadyExists("Another unit has this external code.", path=("externalCode",))]


async def _insert_unit(
    uow: UnitOfWork,
    kind: UnitKind,
    name: str,
    parent_id: UUID | None,
    external_code: str | None,
    attributes: dict[str, object],
) -> UnitRow:
    unit_id = new_id()
    if parent_id is not None:
        await uow.reach(unit_id, under=parent_id)
    row = UnitRow(
        organization_id=uow.scope.organization_id,
        id=unit_id,
        parent_id=parent_id,
        kind=kind,
        name=name,
        external_code=external_code,
        attributes=attributes,
    )
    uow.session.add(row)
    await uow.session.flush()
    await repository.insert_closure(uow.session, uow.scope.organization_id, row.id, parent_id)
    return row


async def organization(uow: UnitOfWork) -> OrganizationRow:
    """Return the acting organization."""
    row = await repository.organization(uow.session, uow.scope.organization_id)
    if row is None:
        raise NotFound
    return row


async def organizations_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Mapping[UUID, OrganizationRow]:
    """Return the acting organization, if it is among the ids; there is never another."""
    own = uow.scope.organization_id
    row = await repository.organization(uow.session, own) if own in ids else None
    return {} if row is None else {own: row}


async def unit(uow: UnitOfWork, unit_id: UUID) -> UnitRow:
    """Return one unit of the scope or above it; raise NotFound."""
    row = await repository.unit(uow.session, uow.scope, unit_id)
    if row is None:
        raise NotFound
    return row


async def working_unit(uow: UnitOfWork, unit_id: UUID, *, path: str = "unitId") -> UnitRow:
    """Return one unit of the scope or above it for something new; raise NotFound, or UnitArchived for an archived one."""
    row = await unit(uow, unit_id)
    if row.archived_at is not None:
        raise UnitArchived(path=(path,))
    return row


async def units_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Mapping[UUID, UnitRow]:
    """Return the units with these ids that the scope sees."""
    rows = await repository.units_by_id(uow.session, uow.scope, ids)
    return {row.id: row for row in rows}


async def list_units(uow: UnitOfWork, arguments: PageArguments, wanted: UnitFilter = EVERY_UNIT) -> Page[UnitRow]:
    """List units that the scope sees, by name; those that are archived only if they are asked for.

    Raises NotFound for a unit to look under, or a group, that the scope does not see.
    """
    if wanted.search is not None and not 1 <= len(wanted.search) <= MAX_NAME:
        raise InvalidInput(f"A search has 1 to {MAX_NAME} characters.", path=("filter", "search"))
    if wanted.under_id is not None and await repository.unit(uow.session, uow.scope, wanted.under_id) is None:
        raise NotFound(path=("filter", "underId"))
    if wanted.group_id is not None and not await groups.groups_by_id(uow.session, uow.scope, [wanted.group_id]):
        raise NotFound(path=("filter", "groupId"))
    keyset = _by_name(wanted)
    rows = await repository.list_units(uow.session, uow.scope, keyset, arguments, wanted)
    return keyset.page(rows, arguments, _name_of)


def _by_name(wanted: UnitFilter) -> Keyset:
    return Keyset((SortKey(UnitRow.name, str), SortKey(UnitRow.id, UUID)), ["units", asdict(wanted)])


def _name_of(row: UnitRow) -> tuple[str, UUID]:
    return row.name, row.id


_MEMBERS: Nested[UnitRow] = Nested(
    keyset=lambda group_id: _by_name(UnitFilter(group_id=group_id, is_archived=None)), values=_name_of
)


async def members_of_groups(
    uow: UnitOfWork, wanted: Sequence[Listing]
) -> Mapping[Listing, Page[UnitRow] | DomainError]:
    """List the units of groups, archived ones too, by name; NotFound for a group that the scope does not see.

    Two statements for any number of groups that are asked with the same arguments.
    """
    seen = {row.id for row in await groups.groups_by_id(uow.session, uow.scope, [parent for parent, _ in wanted])}
    refused = {parent: NotFound() for parent, _ in wanted if parent not in seen}
    return await _MEMBERS.pages(wanted, partial(repository.members_of_groups, uow.session, uow.scope), refused)


async def lines_above(uow: UnitOfWork, ids: Sequence[UUID]) -> Mapping[UUID, list[UnitRow]]:
    """Return, for each of the units, those above it that the scope sees, the root first."""
    found: dict[UUID, list[UnitRow]] = {one: [] for one in ids}
    for descendant, row in await tree.lines_above(uow.session, uow.scope, ids):
        found[descendant].append(row)
    return found


async def count_children(uow: UnitOfWork, ids: Sequence[UUID]) -> Mapping[UUID, int]:
    """Count, for each of the units, those right under it that the scope sees and that are not archived."""
    counted = await tree.count_children(uow.session, uow.scope, ids)
    return {one: counted.get(one, 0) for one in ids}
