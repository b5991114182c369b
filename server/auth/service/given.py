"""What a grant gives, and the rule that nobody hands on more than they hold themselves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from server.auth.errors import RoleArchived
from server.auth.repository import people as repository
from server.auth.repository.tokens import known
from server.kit.errors import InvalidInput, NotFound, PermissionDenied
from server.tenants import service as tenants
from server.tenants.rules import ROLE_PERMISSIONS, Permission, Role
from server.tenants.uow import UnitOfWork


@dataclass(frozen=True, slots=True)
class GivenRole:
    """One role to be given: a built-in one, or one of the organization's own."""

    role: Role | None = None
    custom_role_id: UUID | None = None


async def permissions_of(uow: UnitOfWork, given: GivenRole) -> frozenset[Permission]:
    """Return what a role gives; raise InvalidInput unless exactly one is named, NotFound, or RoleArchived."""
    if (given.role is None) == (given.custom_role_id is None):
        raise InvalidInput("Give either a role or a customRoleId.", path=("role",))
    if given.role is not None:
        return ROLE_PERMISSIONS[given.role]
    row = await repository.custom_role(uow.session, uow.scope.organization_id, _id(given))
    if row is None:
        raise NotFound(path=("customRoleId",))
    if row.archived_at is not None:
        raise RoleArchived(path=("customRoleId",))
    return known(row.permissions)


async def permissions_taken(uow: UnitOfWork, given: GivenRole) -> frozenset[Permission]:
    """Return what a role that was given gives now; an archived one gives nothing."""
    if given.role is not None:
        return ROLE_PERMISSIONS[given.role]
    row = await repository.custom_role(uow.session, uow.scope.organization_id, _id(given))
    return frozenset() if row is None or row.archived_at is not None else known(row.permissions)


def _id(given: GivenRole) -> UUID:
    if given.custom_role_id is None:
        raise NotFound(path=("customRoleId",))
    return given.custom_role_id


async def require_giving(uow: UnitOfWork, unit_id: UUID, permissions: Iterable[Permission], *path: str) -> None:
    """Check that the actor may give or take these permissions on the unit: member:manage there, and each of them.

    Raises NotFound for a unit out of reach and PermissionDenied for what the actor (or the actor's token) lacks there.
    """
    try:
        uow.scope.require(Permission.MEMBER_MANAGE, unit_id)
        await tenants.unit(uow, unit_id)  # a scope that reaches every unit also reaches ids that are none
    except NotFound as error:
        raise NotFound(path=("unitId",)) from error
    for permission in sorted(permissions):
        if not uow.scope.may(permission, unit_id):
            raise PermissionDenied(permission.value, path=path or ("role",))


def require_everywhere(uow: UnitOfWork, permission: Permission, more: Iterable[Permission] = (), *path: str) -> None:
    """Check that the actor holds a permission on the whole tree, and `more` too; raise PermissionDenied."""
    uow.scope.require(permission, None)
    for one in sorted(more):
        if one not in uow.scope.everywhere:
            raise PermissionDenied(one.value, path=path)
