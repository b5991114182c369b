"""What people may do: giving and taking roles, and ending and restoring a person's access.

Nobody gives or takes more than they hold themselves, and the organization is never left without an OWNER of its root.
All of it takes the lock of `tenants.lock_people`, so that two changes which are harmless one by one see each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from server.audit import service as audit
from server.audit.actions import Action
from server.auth.errors import LastOwner, MemberDeactivated, TooManyGrants
from server.auth.repository import people as repository
from server.auth.service import family
from server.auth.service.family import UNDECIDED, Choice
from server.auth.service.given import (
    GivenRole,
    permissions_of,
    permissions_taken,
    require_everywhere,
    require_giving,
)
from server.kit.errors import InvalidInput, NotFound, Problems
from server.kit.ids import new_id
from server.tenants import service as tenants
from server.tenants.errors import AlreadyExists
from server.tenants.models import MemberRow, MembershipRow
from server.tenants.rules import Permission, Role, name_problems
from server.tenants.uow import UnitOfWork

MOST_GRANTS = 1_000


async def grant_membership(uow: UnitOfWork, member_id: UUID, unit_id: UUID, given: GivenRole) -> MembershipRow:
    """Give a member a role on a unit and everything under it.

    Needs member:manage on the unit and every permission of the role there. Raises NotFound for a unit or a member out of
    sight, PermissionDenied, MemberDeactivated, RoleArchived, AlreadyExists, TooManyGrants, and Separated when the member
    would work for two units that are kept apart.
    """
    await require_giving(uow, unit_id, await permissions_of(uow, given))
    await tenants.lock_people(uow)
    member = await _seen(uow, member_id)
    if member.deactivated_at is not None:
        raise MemberDeactivated(path=("memberId",))
    organization_id = uow.scope.organization_id
    if await repository.same_grant(uow.session, organization_id, member_id, unit_id, given.role, given.custom_role_id):
        raise AlreadyExists("The member has this role there already.", path=("role",))
    async with uow.whole_organization():
        count = await repository.count_grants(uow.session, organization_id, member_id)
    if count >= MOST_GRANTS:
        raise TooManyGrants(MOST_GRANTS)
    row = MembershipRow(
        organization_id=organization_id,
        id=new_id(),
        member_id=member_id,
        unit_id=unit_id,
        role=given.role,
        custom_role_id=given.custom_role_id,
    )
    uow.session.add(row)
    await uow.session.flush()
    await tenants.check_separation(uow, [member_id], path=("memberId",))
    await audit.record(uow, Action.MEMBERSHIP_GRANT, member_id, await _told(uow, unit_id, given))
    return row


async def revoke_membership(
    uow: UnitOfWork, membership_id: UUID, choice: Choice = UNDECIDED
) -> tuple[UUID, Sequence[UUID]]:
    """Take a role away, with effect on the next request and on open subscriptions.

    Return the member's id, and the service tokens and apps that may now more than the member who answers for them; for
    these a choice is needed. Needs member:manage on the role's unit and every permission of the role there. Raises
    NotFound, PermissionDenied, CredentialHasDependents, and LastOwner for the last active OWNER of the root.
    """
    await tenants.lock_people(uow)
    row = await repository.membership(uow.session, uow.scope.organization_id, membership_id)
    if row is None or not uow.scope.reaches(row.unit_id):
        raise NotFound(path=("membershipId",))
    if row.member_id != uow.scope.actor.id:  # one's own roles are shown without it
        uow.scope.require_on(Permission.MEMBER_MANAGE, row.unit_id, "membershipId", read_with=Permission.MEMBER_READ)
    given = GivenRole(row.role, row.custom_role_id)
    await require_giving(uow, row.unit_id, await permissions_taken(uow, given), "membershipId")
    if row.role is Role.OWNER and await _is_root(uow, row.unit_id):
        await _check_other_owner(uow, row.member_id, "membershipId")
    covered = await family.covered_by(uow, [row.member_id])
    await uow.session.delete(row)
    await uow.session.flush()
    hanging = await family.outgrown(uow, covered)
    await family.settle(uow, hanging, choice)
    tenants.announce_access(uow)
    await audit.record(uow, Action.MEMBERSHIP_REVOKE, row.member_id, await _told(uow, row.unit_id, given))
    return row.member_id, [one.id for one in hanging]


async def update_member(uow: UnitOfWork, member_id: UUID, name: str) -> None:
    """Change a member's name: one's own, or with member:manage on the whole tree anybody's."""
    member = await _seen(uow, member_id)
    if member_id != uow.scope.actor.id:
        uow.scope.require(Permission.MEMBER_MANAGE, None)
    problems = name_problems(name)
    if problems:
        raise Problems(problems)
    if member.name == name:
        return
    member.name = name
    await uow.session.flush()
    await audit.record(uow, Action.MEMBER_EDIT, member_id, {"name": name})


async def deactivate_member(uow: UnitOfWork, member_id: UUID, choice: Choice = UNDECIDED) -> Sequence[UUID]:
    """End everything that a member may do: from the next request on, on open subscriptions, and for all their tokens.

    Needs member:manage and everything that the member holds anywhere, on the whole tree. Roles stay, for `reactivate`;
    tokens are revoked for good. Doing it again changes nothing. Return the service tokens and apps that the member
    answered for; for these a choice is needed. Raises NotFound, PermissionDenied, LastOwner, CredentialHasDependents.
    """
    choice.check()
    member = await _governed(uow, member_id)
    if member.deactivated_at is not None:
        return []
    await _check_other_owner(uow, member_id, "memberId")
    if choice.to_member_id == member_id:
        raise InvalidInput("Name somebody else: this person is deactivated.", path=("handOverToId",))
    # Before anything ends: what hangs is what lives until now.
    hanging = await family.owned_by(uow, [member_id])
    await family.settle(uow, hanging, choice)
    member.deactivated_at = await uow.now()
    await uow.session.flush()
    revoked = await repository.revoke_tokens(uow.session, uow.scope.organization_id, member_id)
    tenants.announce_access(uow)
    await audit.record(uow, Action.MEMBER_DEACTIVATE, member_id, {"tokens": revoked})
    return [one.id for one in hanging]


async def reactivate_member(uow: UnitOfWork, member_id: UUID) -> None:
    """Give a deactivated member their roles back; tokens must be made anew. Doing it again changes nothing.

    Needs what `deactivate_member` needs. Raises Separated when two units of the member are kept apart since.
    """
    member = await _governed(uow, member_id)
    if member.deactivated_at is None:
        return
    member.deactivated_at = None
    await uow.session.flush()
    await tenants.check_separation(uow, [member_id], path=("memberId",))
    await audit.record(uow, Action.MEMBER_REACTIVATE, member_id)


async def _seen(uow: UnitOfWork, member_id: UUID) -> MemberRow:
    if not tenants.may_find_member(uow.scope, member_id) or not await tenants.members_by_id(uow, [member_id]):
        raise NotFound(path=("memberId",))
    row = await repository.member(uow.session, uow.scope.organization_id, member_id)
    if row is None:
        raise NotFound(path=("memberId",))
    return row


async def _governed(uow: UnitOfWork, member_id: UUID) -> MemberRow:
    """Return a member of whom the actor holds every permission; whoever may do more is ended by their equals only."""
    require_everywhere(uow, Permission.MEMBER_MANAGE)
    await tenants.lock_people(uow)
    member = await _seen(uow, member_id)
    held = await repository.held_anywhere(uow.session, uow.scope.organization_id, member_id)
    require_everywhere(uow, Permission.MEMBER_MANAGE, held, "memberId")
    return member


async def _is_root(uow: UnitOfWork, unit_id: UUID) -> bool:
    return (await tenants.unit(uow, unit_id)).parent_id is None


async def _check_other_owner(uow: UnitOfWork, member_id: UUID, path: str) -> None:
    organization_id = uow.scope.organization_id
    member = await repository.member(uow.session, organization_id, member_id)
    is_active = member is not None and member.deactivated_at is None
    if not is_active or not await repository.is_owner(uow.session, organization_id, member_id):
        return
    if not await repository.has_other_owner(uow.session, organization_id, member_id):
        raise LastOwner(path=(path,))


async def _told(uow: UnitOfWork, unit_id: UUID, given: GivenRole) -> dict[str, object]:
    name = given.role.value if given.role is not None else ""
    if given.custom_role_id is not None:
        custom = await repository.custom_role(uow.session, uow.scope.organization_id, given.custom_role_id)
        name = "" if custom is None else custom.name
    return {"unit": str(unit_id), "role": name}
