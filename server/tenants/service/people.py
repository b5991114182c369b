"""People of an organization and their roles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from server.kit.errors import DomainError, InvalidInput, Problems
from server.kit.ids import new_id
from server.kit.pagination import Keyset, Page, PageArguments, SortKey
from server.tenants.errors import AlreadyExists
from server.tenants.models import MemberRow, MembershipRow
from server.tenants.reach import units_below
from server.tenants.repository import people as repository
from server.tenants.rules import Permission, Role, address_key, name_problems
from server.tenants.scope import Scope
from server.tenants.uow import UnitOfWork

ACCESS = "access"
"""The hint that somebody's rights changed: open subscriptions resolve their tokens again."""


async def lock_people(uow: UnitOfWork) -> None:
    """Put changes of who may do what in this organization in one order, until the unit of work ends."""
    await repository.lock_organization(uow.session, uow.scope.organization_id)


def announce_access(uow: UnitOfWork) -> None:
    """Tell open subscriptions, after the commit, that somebody may do less than before."""
    uow.announce(ACCESS)


async def create_member(uow: UnitOfWork, *, name: str, email: str, user_id: UUID | None = None) -> MemberRow:
    """Add a person to the organization; raise AlreadyExists for an address that a member has."""
    problems: list[DomainError] = [*name_problems(name)]
    address = address_key(email)
    if address is None:
        problems.append(InvalidInput("This is not an e-mail address.", path=("email",)))
    elif await repository.has_member(uow.session, uow.scope.organization_id, address):
        problems.append(AlreadyExists("A member has this e-mail address.", path=("email",)))
    if problems or address is None:
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
    """Give a member a role on a unit and everything under it. Needs member:manage there.

    For an organization in the making: nothing else is checked. What people ask for goes through `auth.grant_membership`.
    """
    uow.scope.require(Permission.MEMBER_MANAGE, unit_id)
    row = MembershipRow(
        organization_id=uow.scope.organization_id, id=new_id(), member_id=member_id, unit_id=unit_id, role=role
    )
    uow.session.add(row)
    await uow.session.flush()
    return row


async def members_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Mapping[UUID, MemberRow]:
    """Return the members with these ids that the scope sees."""
    return {row.id: row for row in await repository.members_by_id(uow.session, uow.scope, ids)}


def may_find_member(scope: Scope, member_id: UUID) -> bool:
    """Say whether the scope finds this member by id: oneself, and others only with what lists or manages people."""
    others = scope.may(Permission.MEMBER_READ) or scope.may(Permission.MEMBER_MANAGE)
    return others or member_id == scope.actor.id


async def memberships_of(uow: UnitOfWork, member_ids: Sequence[UUID]) -> Mapping[UUID, list[MembershipRow]]:
    """Return the roles of each member at units that the scope reaches and above them, the oldest first."""
    found: dict[UUID, list[MembershipRow]] = {one: [] for one in member_ids}
    for row in await repository.memberships_of(uow.session, uow.scope, member_ids):
        found[row.member_id].append(row)
    return found


async def memberships_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Mapping[UUID, MembershipRow]:
    """Return the roles with these ids at units that the scope reaches and above them."""
    return {row.id: row for row in await repository.memberships_by_id(uow.session, uow.scope, ids)}


async def list_members(
    uow: UnitOfWork, arguments: PageArguments, *, unit_id: UUID | None = None, is_active: bool | None = None
) -> Page[MemberRow]:
    """List the people that the scope sees, by name: who works at its units or above them. Needs member:read.

    With a unit, only who has a role on it or under it; raises NotFound for a unit that the scope does not see.
    """
    uow.scope.require_anywhere(Permission.MEMBER_READ)
    if unit_id is not None:
        await units_below(uow, unit_id)
    keyset = Keyset((SortKey(MemberRow.name, str), SortKey(MemberRow.id, UUID)), ["members", unit_id, is_active])
    rows = await repository.list_members(
        uow.session, uow.scope, keyset, arguments, unit_id=unit_id, is_active=is_active
    )
    return keyset.page(rows, arguments, lambda row: (row.name, row.id))
