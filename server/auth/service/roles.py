"""The roles that an organization makes for itself, from the list of permissions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from server.audit import service as audit
from server.audit.actions import Action
from server.auth.errors import RoleArchived
from server.auth.repository import people
from server.auth.repository import roles as repository
from server.auth.repository.family import CredentialView
from server.auth.repository.tokens import known
from server.auth.service import family
from server.auth.service.family import UNDECIDED, Choice
from server.auth.service.given import require_everywhere
from server.kit.errors import DomainError, InvalidInput, NotFound, Problems
from server.kit.ids import new_id
from server.kit.pagination import Keyset, Page, PageArguments, SortKey
from server.tenants import service as tenants
from server.tenants.errors import AlreadyExists
from server.tenants.models import CustomRoleRow
from server.tenants.rules import Permission, name_problems
from server.tenants.uow import UnitOfWork

MOST_ROLES = 200


async def create_role(uow: UnitOfWork, name: str, permissions: Collection[Permission]) -> CustomRoleRow:
    """Make a role. Needs role:manage and each of the permissions on the whole tree.

    Raises PermissionDenied, InvalidInput for no permission or more than 200 roles, AlreadyExists for a name in use.
    """
    require_everywhere(uow, Permission.ROLE_MANAGE, permissions, "permissions")
    await tenants.lock_people(uow)
    problems = await _problems(uow, name, permissions)
    if await repository.count(uow.session, uow.scope.organization_id) >= MOST_ROLES:
        problems.append(InvalidInput(f"An organization has at most {MOST_ROLES} roles of its own.", path=("name",)))
    if problems:
        raise Problems(problems)
    row = CustomRoleRow(
        organization_id=uow.scope.organization_id, id=new_id(), name=name, permissions=_written(permissions)
    )
    uow.session.add(row)
    await uow.session.flush()
    await audit.record(uow, Action.ROLE_CREATE, row.id, {"name": name, "permissions": row.permissions})
    return row


async def update_role(
    uow: UnitOfWork,
    role_id: UUID,
    *,
    name: str | None = None,
    permissions: Collection[Permission] | None = None,
    choice: Choice = UNDECIDED,
) -> Sequence[UUID]:
    """Rename a role or change what it gives, for all who have it, from their next request on.

    Return the service tokens and apps that may now more than the members who answer for them; for these a choice is needed.
    Needs role:manage and, on the whole tree, each permission that is put in or taken out. Raises NotFound,
    PermissionDenied, RoleArchived, InvalidInput, AlreadyExists, CredentialHasDependents.
    """
    choice.check()
    row = await _governed(uow, role_id)
    before = known(row.permissions)
    after = before if permissions is None else frozenset(permissions)
    require_everywhere(uow, Permission.ROLE_MANAGE, before ^ after, "permissions")
    wanted = row.name if name is None else name
    problems = await _problems(uow, wanted, after, besides=role_id)
    if problems:
        raise Problems(problems)
    if (wanted, after) == (row.name, before):
        return []
    covered = await family.covered_by_holders(uow, role_id) if before - after else []
    row.name, row.permissions = wanted, _written(after)
    hanging = await _settled(uow, covered, choice)
    await audit.record(uow, Action.ROLE_EDIT, role_id, {"name": wanted, "permissions": row.permissions})
    return hanging


async def archive_role(uow: UnitOfWork, role_id: UUID, choice: Choice = UNDECIDED) -> Sequence[UUID]:
    """End a role for good: it gives nothing any more, from the next request on, and is not granted again.

    Return what `update_role` returns. Needs role:manage and each of its permissions on the whole tree. Raises NotFound,
    PermissionDenied, RoleArchived, CredentialHasDependents.
    """
    choice.check()
    row = await _governed(uow, role_id)
    require_everywhere(uow, Permission.ROLE_MANAGE, known(row.permissions), "roleId")
    covered = await family.covered_by_holders(uow, role_id)
    row.archived_at = await uow.now()
    hanging = await _settled(uow, covered, choice)
    await audit.record(uow, Action.ROLE_ARCHIVE, role_id, {"name": row.name})
    return hanging


async def list_roles(uow: UnitOfWork, arguments: PageArguments) -> Page[CustomRoleRow]:
    """List the organization's own roles by name, archived ones too. Needs member:read."""
    uow.scope.require_anywhere(Permission.MEMBER_READ)
    keyset = Keyset((SortKey(CustomRoleRow.name, str), SortKey(CustomRoleRow.id, UUID)), ["roles"])
    rows = await repository.list_roles(uow.session, uow.scope.organization_id, keyset, arguments)
    return keyset.page(rows, arguments, lambda row: (row.name, row.id))


async def roles_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Mapping[UUID, CustomRoleRow]:
    """Return the organization's own roles with these ids; every scope of the organization sees them."""
    return {row.id: row for row in await repository.by_ids(uow.session, uow.scope.organization_id, ids)}


async def _governed(uow: UnitOfWork, role_id: UUID) -> CustomRoleRow:
    require_everywhere(uow, Permission.ROLE_MANAGE)
    await tenants.lock_people(uow)
    row = await people.custom_role(uow.session, uow.scope.organization_id, role_id)
    if row is None:
        raise NotFound(path=("roleId",))
    if row.archived_at is not None:
        raise RoleArchived(path=("roleId",))
    return row


async def _settled(uow: UnitOfWork, covered: Sequence[CredentialView], choice: Choice) -> Sequence[UUID]:
    await uow.session.flush()
    hanging = await family.outgrown(uow, covered)
    await family.settle(uow, hanging, choice)
    tenants.announce_access(uow)
    return [one.id for one in hanging]


async def _problems(
    uow: UnitOfWork, name: str, permissions: Collection[Permission], besides: UUID | None = None
) -> list[DomainError]:
    problems: list[DomainError] = [*name_problems(name)]
    if not permissions:
        problems.append(InvalidInput("Name at least one permission.", path=("permissions",)))
    if not problems and await repository.is_named(uow.session, uow.scope.organization_id, name, besides):
        problems.append(AlreadyExists("A role, perhaps an archived one, has this name.", path=("name",)))
    return problems


def _written(permissions: Collection[Permission]) -> list[str]:
    return sorted({one.value for one in permissions})
