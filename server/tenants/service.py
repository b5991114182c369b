"""Organizations, their unit tree, their people, and the scope of each."""

from __future__ import annotations

import zoneinfo
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from server.kit.errors import DomainError, InvalidInput, NotFound, Problems
from server.kit.ids import new_id
from server.kit.pagination import Keyset, Page, PageArguments, SortKey
from server.tenants import repository
from server.tenants.errors import AlreadyExists, UnitMisplaced
from server.tenants.models import MemberRow, MembershipRow, OrganizationRow, UnitRow
from server.tenants.rules import (
    MAX_NAME,
    ROLE_PERMISSIONS,
    OrganizationKind,
    Permission,
    Role,
    UnitKind,
    may_stand_under,
)
from server.tenants.scope import Actor, Reach, Scope, member_scope
from server.tenants.uow import UnitOfWork


@dataclass(frozen=True, slots=True)
class Grant:
    """One role of a member, and the units that it reaches; None when it stands on the root and reaches them all."""

    role: Role
    unit_ids: Collection[UUID] | None


async def create_organization(uow: UnitOfWork, kind: OrganizationKind, name: str, time_zone: str = "UTC") -> UnitRow:
    """Create the organization that the scope names, with its HEADQUARTERS unit, and return that unit.

    The scope must be the worker scope of a fresh id: nobody belongs to an organization before it exists.
    """
    problems: list[DomainError] = [*_name_problems(name)]
    if time_zone not in zoneinfo.available_timezones():
        problems.append(InvalidInput("This is not a time zone of the IANA database.", path=("timeZone",)))
    if problems:
        raise Problems(problems)
    organization_id = uow.scope.organization_id
    uow.session.add(OrganizationRow(organization_id=organization_id, kind=kind, name=name, time_zone=time_zone))
    await uow.session.flush()
    return await _insert_unit(uow, UnitKind.HEADQUARTERS, name, None, None, {})


async def create_unit(
    uow: UnitOfWork,
    *,
    parent_id: UUID,
    kind: UnitKind,
    name: str,
    external_code: str | None = None,
    attributes: Mapping[str, object] | None = None,
) -> UnitRow:
    """Create a unit under a parent; raise UnitMisplaced or AlreadyExists. Needs unit:manage on the parent."""
    uow.scope.require(Permission.UNIT_MANAGE, parent_id)
    parent = await repository.unit(uow.session, uow.scope.organization_id, parent_id)
    if parent is None:
        raise NotFound(path=("parentId",))
    problems: list[DomainError] = [*_name_problems(name)]
    if not may_stand_under(kind, parent.kind):
        problems.append(UnitMisplaced(f"A {kind} cannot stand under a {parent.kind}.", path=("kind",)))
    if await repository.has_sibling_named(uow.session, uow.scope.organization_id, parent_id, name):
        problems.append(AlreadyExists("A unit of this name stands there already.", path=("name",)))
    if external_code is not None and await repository.has_unit_coded(
        uow.session, uow.scope.organization_id, external_code
    ):
        problems.append(AlreadyExists("Another unit has this external code.", path=("externalCode",)))
    if problems:
        raise Problems(problems)
    return await _insert_unit(uow, kind, name, parent_id, external_code, dict(attributes or {}))


async def _insert_unit(
    uow: UnitOfWork,
    kind: UnitKind,
    name: str,
    parent_id: UUID | None,
    external_code: str | None,
    attributes: dict[str, object],
) -> UnitRow:
    row = UnitRow(
        organization_id=uow.scope.organization_id,
        id=new_id(),
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


def _name_problems(name: str) -> list[DomainError]:
    if not name.strip() or len(name) > MAX_NAME:
        return [InvalidInput(f"A name has 1 to {MAX_NAME} characters.", path=("name",))]
    return []


async def create_member(uow: UnitOfWork, *, name: str, email: str, user_id: UUID | None = None) -> MemberRow:
    """Add a person to the organization; raise AlreadyExists for an address that a member has."""
    problems = _name_problems(name)
    address = email.strip().lower()
    if "@" not in address.strip("@") or len(address) > 254:
        problems.append(InvalidInput("This is not an e-mail address.", path=("email",)))
    elif await repository.has_member(uow.session, uow.scope.organization_id, address):
        problems.append(AlreadyExists("A member has this e-mail address.", path=("email",)))
    if problems:
        raise Problems(problems)
    row = MemberRow(
        organization_id=uow.scope.organization_id,
        id=new_id(),
        user_id=user_id or new_id(),
        name=name,
        email=address,
    )
    uow.session.add(row)
    await uow.session.flush()
    return row


async def grant_role(uow: UnitOfWork, member_id: UUID, unit_id: UUID, role: Role) -> MembershipRow:
    """Give a member a role on a unit and everything under it. Needs member:manage there."""
    uow.scope.require(Permission.MEMBER_MANAGE, unit_id)
    row = MembershipRow(
        organization_id=uow.scope.organization_id, id=new_id(), member_id=member_id, unit_id=unit_id, role=role
    )
    uow.session.add(row)
    await uow.session.flush()
    return row


async def scope_of_member(
    uow: UnitOfWork,
    actor: Actor,
    grants: Iterable[Grant],
    *,
    within: Collection[UUID] | None = None,
    limit: frozenset[Permission] | None = None,
) -> Scope:
    """Resolve what a member's grants add up to; `within` (units) and `limit` cut it to what a token was given."""
    everywhere: frozenset[Permission] = frozenset()
    by_unit: dict[UUID, frozenset[Permission]] = {}
    for grant in grants:
        held = ROLE_PERMISSIONS[grant.role]
        if grant.unit_ids is None:
            everywhere |= held
            continue
        for one in grant.unit_ids:
            by_unit[one] = by_unit.get(one, frozenset()) | held
    if within is not None:
        by_unit = {one: held for one in within if (held := by_unit.get(one, frozenset()) | everywhere)}
        everywhere = frozenset()
    return await _scope(uow, actor, everywhere, by_unit, limit)


async def scope_of_app(
    uow: UnitOfWork, actor: Actor, unit_ids: Collection[UUID] | None, permissions: frozenset[Permission]
) -> Scope:
    """Resolve what an app's token reaches: the units given, which are one and everything under it; None for the root."""
    if unit_ids is None:
        return await _scope(uow, actor, permissions, {}, None)
    return await _scope(uow, actor, frozenset(), dict.fromkeys(unit_ids, permissions), None)


async def _scope(
    uow: UnitOfWork,
    actor: Actor,
    everywhere: frozenset[Permission],
    by_unit: Mapping[UUID, frozenset[Permission]],
    limit: frozenset[Permission] | None,
) -> Scope:
    lineage: Sequence[UUID] = ()
    if by_unit and not everywhere:
        lineage = await repository.ancestors_of(uow.session, uow.scope.organization_id, list(by_unit))
    return member_scope(
        actor,
        uow.scope.organization_id,
        everywhere=everywhere,
        reaches=[Reach(one, held) for one, held in by_unit.items()],
        lineage_ids=lineage,
        limit=limit,
    )


async def organization(uow: UnitOfWork) -> OrganizationRow:
    """Return the acting organization."""
    row = await repository.organization(uow.session, uow.scope.organization_id)
    if row is None:
        raise NotFound
    return row


async def unit(uow: UnitOfWork, unit_id: UUID) -> UnitRow:
    """Return one unit of the scope or above it; raise NotFound."""
    row = await repository.unit(uow.session, uow.scope.organization_id, unit_id)
    if row is None:
        raise NotFound
    return row


async def units_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Mapping[UUID, UnitRow]:
    """Return the units with these ids that the scope sees."""
    rows = await repository.units_by_id(uow.session, uow.scope.organization_id, ids)
    return {row.id: row for row in rows}


async def members_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Mapping[UUID, MemberRow]:
    """Return the members with these ids."""
    rows = await repository.members_by_id(uow.session, uow.scope.organization_id, ids)
    return {row.id: row for row in rows}


async def list_units(
    uow: UnitOfWork, arguments: PageArguments, *, kind: UnitKind | None = None, parent_id: UUID | None = None
) -> Page[UnitRow]:
    """List units that the scope sees, by name."""
    keyset = Keyset((SortKey(UnitRow.name, str), SortKey(UnitRow.id, UUID)), ["units", kind, parent_id])
    rows = await repository.list_units(uow.session, uow.scope.organization_id, keyset, arguments, kind, parent_id)
    return keyset.page(rows, arguments, lambda row: (row.name, row.id))


async def list_members(uow: UnitOfWork, arguments: PageArguments) -> Page[MemberRow]:
    """List the people of the organization, by name. Needs member:read."""
    uow.scope.require_anywhere(Permission.MEMBER_READ)
    keyset = Keyset((SortKey(MemberRow.name, str), SortKey(MemberRow.id, UUID)), ["members"])
    rows = await repository.list_members(uow.session, uow.scope.organization_id, keyset, arguments)
    return keyset.page(rows, arguments, lambda row: (row.name, row.id))
