"""Mutations of members, roles and invitations. Nobody gives or takes more than they hold themselves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated
from uuid import UUID

import strawberry

from server.auth import service
from server.auth.service import GivenRole, NewInvitation
from server.kit.errors import InvalidInput
from server.schema.auth.credentials import choice_of, hung
from server.schema.context import Info
from server.schema.nodes import Kind, found, gid, uid, uid_or_none
from server.schema.people.inputs import (
    InvitationCreateInput,
    InvitationInput,
    InvitationPayload,
    MemberInput,
    MemberPayload,
    MembershipGrantInput,
    MembershipGrantPayload,
    MembershipRevokeInput,
    MembershipRevokePayload,
    MemberUpdateInput,
    RoleArchiveInput,
    RoleCreateInput,
    RolePayload,
    RoleUpdateInput,
)
from server.schema.people.types import Invitation
from server.schema.results import mutation, perform
from server.schema.tenants.types import CustomRole, Member, Membership
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork


def _given(input: MembershipGrantInput | InvitationCreateInput) -> GivenRole:
    return GivenRole(input.role, uid_or_none(Kind.ROLE, input.custom_role_id, "customRoleId"))


@strawberry.type
class PeopleMutation:
    """Root fields that change who may do what."""

    @mutation(
        Permission.MEMBER_MANAGE,
        MembershipGrantPayload,
        "Give a member a role. Needs member:manage on the unit and every permission of the role there; refused with"
        " CONFLICT_SEPARATED when the member would work for two units that are kept apart.",
    )
    async def membership_grant(
        self, info: Info, input: Annotated[MembershipGrantInput, strawberry.argument(description="The grant.")]
    ) -> MembershipGrantPayload | None:
        """Grant a role."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            row = await service.grant_membership(
                uow,
                uid(Kind.MEMBER, input.member_id, "memberId"),
                uid(Kind.UNIT, input.unit_id, "unitId"),
                _given(input),
            )
            return {"membership": gid(Kind.MEMBERSHIP, row.id), "member": gid(Kind.MEMBER, row.member_id)}

        done = await perform(info, input, effect)
        return MembershipGrantPayload(
            membership=await found(info.context, done["membership"], Membership),
            member=await found(info.context, done["member"], Member),
        )

    @mutation(
        Permission.MEMBER_MANAGE,
        MembershipRevokePayload,
        "Take a role away, with effect on the next request and within 2 seconds on open subscriptions. Needs member:manage on"
        " its unit and every permission of the role there; the last OWNER of the organization keeps it.",
    )
    async def membership_revoke(
        self, info: Info, input: Annotated[MembershipRevokeInput, strawberry.argument(description="Which grant.")]
    ) -> MembershipRevokePayload | None:
        """Revoke a role."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            membership_id = uid(Kind.MEMBERSHIP, input.membership_id, "membershipId")
            choice = choice_of(input.credentials, input.hand_over_to_id)
            member_id, hanging = await service.revoke_membership(uow, membership_id, choice)
            return {"member": gid(Kind.MEMBER, member_id), "credentials": [str(one) for one in hanging]}

        done = await perform(info, input, effect)
        return MembershipRevokePayload(
            member=await found(info.context, done["member"], Member), credentials=await hung(info, done)
        )

    @mutation(
        None, MemberPayload, "Change a member's name: one's own, or with member:manage on the whole tree anybody's."
    )
    async def member_update(
        self, info: Info, input: Annotated[MemberUpdateInput, strawberry.argument(description="The change.")]
    ) -> MemberPayload | None:
        """Rename a member."""
        return await _member(info, input, lambda uow, one: service.update_member(uow, one, input.name))

    @mutation(
        Permission.MEMBER_MANAGE,
        MemberPayload,
        "End everything that a member may do, with effect on the next request and within 2 seconds on open subscriptions;"
        " their tokens are revoked for good. Refused with CREDENTIAL_HAS_DEPENDENTS while they answer for service tokens or"
        " apps and nothing is said about these. Needs member:manage and all that the member holds, on the whole tree; the last"
        " OWNER of the organization stays.",
    )
    async def member_deactivate(
        self, info: Info, input: Annotated[MemberInput, strawberry.argument(description="Whom.")]
    ) -> MemberPayload | None:
        """Deactivate a member."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            member_id = uid(Kind.MEMBER, input.member_id, "memberId")
            choice = choice_of(input.credentials, input.hand_over_to_id)
            hanging = await service.deactivate_member(uow, member_id, choice)
            return {"member": gid(Kind.MEMBER, member_id), "credentials": [str(one) for one in hanging]}

        done = await perform(info, input, effect)
        return MemberPayload(
            member=await found(info.context, done["member"], Member), credentials=await hung(info, done)
        )

    @mutation(
        Permission.MEMBER_MANAGE,
        MemberPayload,
        "Give a deactivated member their roles back; tokens are made anew. Needs what memberDeactivate needs.",
    )
    async def member_reactivate(
        self, info: Info, input: Annotated[MemberInput, strawberry.argument(description="Whom.")]
    ) -> MemberPayload | None:
        """Reactivate a member."""
        if input.credentials is not None or input.hand_over_to_id is not None:
            raise InvalidInput("Nothing hangs on somebody who comes back: leave it out.", path=("credentials",))
        return await _member(info, input, service.reactivate_member)

    @mutation(
        Permission.ROLE_MANAGE,
        RolePayload,
        "Make a role from the list of permissions. Needs role:manage and each of them on the whole tree. At most 200 roles.",
    )
    async def role_create(
        self, info: Info, input: Annotated[RoleCreateInput, strawberry.argument(description="The role.")]
    ) -> RolePayload | None:
        """Make a role."""

        async def effect(uow: UnitOfWork) -> tuple[UUID, Sequence[UUID]]:
            return (await service.create_role(uow, input.name, input.permissions)).id, ()

        return await _role(info, input, effect)

    @mutation(
        Permission.ROLE_MANAGE,
        RolePayload,
        "Rename a role or change what it gives to all who have it. Needs role:manage and, on the whole tree, each permission"
        " that is put in or taken out. Refused with CREDENTIAL_HAS_DEPENDENTS while service tokens or apps would then do more"
        " than the members who answer for them, and nothing is said about these.",
    )
    async def role_update(
        self, info: Info, input: Annotated[RoleUpdateInput, strawberry.argument(description="The change.")]
    ) -> RolePayload | None:
        """Change a role."""

        async def effect(uow: UnitOfWork) -> tuple[UUID, Sequence[UUID]]:
            role_id = uid(Kind.ROLE, input.role_id, "roleId")
            choice = choice_of(input.credentials, input.hand_over_to_id)
            return role_id, await service.update_role(
                uow, role_id, name=input.name, permissions=input.permissions, choice=choice
            )

        return await _role(info, input, effect)

    @mutation(
        Permission.ROLE_MANAGE,
        RolePayload,
        "End a role for good: all who have it lose what it gives. Needs role:manage and its permissions on the whole tree."
        " Refused as roleUpdate is while service tokens or apps hang on it.",
    )
    async def role_archive(
        self, info: Info, input: Annotated[RoleArchiveInput, strawberry.argument(description="Which role.")]
    ) -> RolePayload | None:
        """Archive a role."""

        async def effect(uow: UnitOfWork) -> tuple[UUID, Sequence[UUID]]:
            role_id = uid(Kind.ROLE, input.role_id, "roleId")
            choice = choice_of(input.credentials, input.hand_over_to_id)
            return role_id, await service.archive_role(uow, role_id, choice)

        return await _role(info, input, effect)

    @mutation(
        Permission.MEMBER_MANAGE,
        InvitationPayload,
        "Mail a link that makes its reader a member with a role. Needs member:manage on the unit and every permission of the"
        " role there; only people invite, at most 50 times an hour.",
    )
    async def invitation_create(
        self, info: Info, input: Annotated[InvitationCreateInput, strawberry.argument(description="The offer.")]
    ) -> InvitationPayload | None:
        """Invite somebody."""

        async def effect(uow: UnitOfWork) -> UUID:
            unit_id = uid(Kind.UNIT, input.unit_id, "unitId")
            offer = NewInvitation(input.email, input.name, unit_id, _given(input))
            return (await service.create_invitation(uow, offer)).id

        return await _invitation(info, input, effect)

    @mutation(
        Permission.MEMBER_MANAGE, InvitationPayload, "End an open invitation at once. Needs member:manage on its unit."
    )
    async def invitation_revoke(
        self, info: Info, input: Annotated[InvitationInput, strawberry.argument(description="Which one.")]
    ) -> InvitationPayload | None:
        """Revoke an invitation."""

        async def effect(uow: UnitOfWork) -> UUID:
            invitation_id = uid(Kind.INVITATION, input.invitation_id, "invitationId")
            await service.revoke_invitation(uow, invitation_id)
            return invitation_id

        return await _invitation(info, input, effect)

    @mutation(
        Permission.MEMBER_MANAGE,
        InvitationPayload,
        "Mail a new link for an open invitation, good for 7 days; the earlier link stops. Needs what invitationCreate needs;"
        " at most 5 mails for one invitation.",
    )
    async def invitation_resend(
        self, info: Info, input: Annotated[InvitationInput, strawberry.argument(description="Which one.")]
    ) -> InvitationPayload | None:
        """Mail an invitation again."""

        async def effect(uow: UnitOfWork) -> UUID:
            invitation_id = uid(Kind.INVITATION, input.invitation_id, "invitationId")
            await service.resend_invitation(uow, invitation_id)
            return invitation_id

        return await _invitation(info, input, effect)


async def _member(
    info: Info, input: MemberInput | MemberUpdateInput, act: Callable[[UnitOfWork, UUID], Awaitable[None]]
) -> MemberPayload:
    async def effect(uow: UnitOfWork) -> Mapping[str, object]:
        member_id = uid(Kind.MEMBER, input.member_id, "memberId")
        await act(uow, member_id)
        return {"member": gid(Kind.MEMBER, member_id)}

    done = await perform(info, input, effect)
    return MemberPayload(member=await found(info.context, done["member"], Member))


async def _role(
    info: Info, input: object, act: Callable[[UnitOfWork], Awaitable[tuple[UUID, Sequence[UUID]]]]
) -> RolePayload:
    async def effect(uow: UnitOfWork) -> Mapping[str, object]:
        role_id, hanging = await act(uow)
        return {"role": gid(Kind.ROLE, role_id), "credentials": [str(one) for one in hanging]}

    done = await perform(info, input, effect)
    return RolePayload(role=await found(info.context, done["role"], CustomRole), credentials=await hung(info, done))


async def _invitation(info: Info, input: object, act: Callable[[UnitOfWork], Awaitable[UUID]]) -> InvitationPayload:
    async def effect(uow: UnitOfWork) -> Mapping[str, object]:
        return {"invitation": gid(Kind.INVITATION, await act(uow))}

    done = await perform(info, input, effect)
    return InvitationPayload(invitation=await found(info.context, done["invitation"], Invitation))
