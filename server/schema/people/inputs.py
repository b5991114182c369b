"""Inputs and payloads of members, roles and invitations."""

from __future__ import annotations

import strawberry

from server.schema.auth.credential_types import Credential
from server.schema.cost import USER_ERRORS, held
from server.schema.enums import CredentialFate, Permission, Role
from server.schema.people.types import Invitation
from server.schema.results import UserError
from server.schema.tenants.types import CustomRole, Member, Membership


@strawberry.input(description="A role for a member.")
class MembershipGrantInput:
    """Who, where and what."""

    member_id: strawberry.ID = strawberry.field(description="Who gets it.")
    unit_id: strawberry.ID = strawberry.field(description="Where; it holds on everything under this unit too.")
    role: Role | None = strawberry.field(default=None, description="A built-in role; give this or customRoleId.")
    custom_role_id: strawberry.ID | None = strawberry.field(default=None, description="A role of your own.")


@strawberry.input(description="The end of one role of one member.")
class MembershipRevokeInput:
    """Which grant."""

    membership_id: strawberry.ID = strawberry.field(description="The grant.")
    credentials: CredentialFate | None = strawberry.field(
        default=None,
        description="What becomes of service tokens and apps that may more than their owner does then; needed if there are any.",
    )
    hand_over_to_id: strawberry.ID | None = strawberry.field(
        default=None, description="With HAND_OVER: an active member who holds all that they may, on all their units."
    )


@strawberry.input(description="A change of a member.")
class MemberUpdateInput:
    """Whom and what."""

    member_id: strawberry.ID = strawberry.field(description="Whom.")
    name: str = strawberry.field(description="The new name: 1 to 200 printable characters.")


@strawberry.input(description="One member.")
class MemberInput:
    """Whom."""

    member_id: strawberry.ID = strawberry.field(description="Whom.")
    credentials: CredentialFate | None = strawberry.field(
        default=None,
        description="memberDeactivate: what becomes of the service tokens and apps they answer for; needed if there are any.",
    )
    hand_over_to_id: strawberry.ID | None = strawberry.field(
        default=None, description="With HAND_OVER: an active member who holds all that they may, on all their units."
    )


@strawberry.input(description="A new role.")
class RoleCreateInput:
    """What a role needs."""

    name: str = strawberry.field(
        description="1 to 200 printable characters, unique, archived roles included. Everybody of the organization sees it:"
        " name no client in it."
    )
    permissions: list[Permission] = strawberry.field(description="What it gives: at least one permission.")


@strawberry.input(description="A change of a role. What is not given stays.")
class RoleUpdateInput:
    """Which role and what."""

    role_id: strawberry.ID = strawberry.field(description="The role.")
    name: str | None = strawberry.field(default=None, description="The new name.")
    permissions: list[Permission] | None = strawberry.field(default=None, description="All that it gives from now on.")
    credentials: CredentialFate | None = strawberry.field(
        default=None,
        description="What becomes of service tokens and apps that may more than their owner does then; needed if there are any.",
    )
    hand_over_to_id: strawberry.ID | None = strawberry.field(
        default=None, description="With HAND_OVER: an active member who holds all that they may, on all their units."
    )


@strawberry.input(description="The end of a role.")
class RoleArchiveInput:
    """Which role."""

    role_id: strawberry.ID = strawberry.field(description="The role.")
    credentials: CredentialFate | None = strawberry.field(
        default=None,
        description="What becomes of service tokens and apps that may more than their owner does then; needed if there are any.",
    )
    hand_over_to_id: strawberry.ID | None = strawberry.field(
        default=None, description="With HAND_OVER: an active member who holds all that they may, on all their units."
    )


@strawberry.input(description="An offer to an e-mail address.")
class InvitationCreateInput:
    """Whom, where and what."""

    email: str = strawberry.field(description="The address; only who has proved it can accept.")
    name: str = strawberry.field(description="What to call the person in the mail: 1 to 200 printable characters.")
    unit_id: strawberry.ID = strawberry.field(description="Where; the role holds on everything under this unit too.")
    role: Role | None = strawberry.field(default=None, description="A built-in role; give this or customRoleId.")
    custom_role_id: strawberry.ID | None = strawberry.field(default=None, description="A role of your own.")


@strawberry.input(description="One invitation.")
class InvitationInput:
    """Which invitation."""

    invitation_id: strawberry.ID = strawberry.field(description="The invitation.")


@strawberry.type(description="The grant, or why there is none.")
class MembershipGrantPayload:
    """Result of membershipGrant."""

    membership: Membership | None = strawberry.field(default=None, description="The grant.")
    member: Member | None = strawberry.field(default=None, description="The member with it.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why there is none.", directives=USER_ERRORS
    )


@strawberry.type(description="The member without the role, or why nothing was done.")
class MembershipRevokePayload:
    """Result of membershipRevoke."""

    member: Member | None = strawberry.field(
        default=None, description="The member as it is now; null if the caller does not see that person any more."
    )
    credentials: list[Credential] = strawberry.field(
        default_factory=list,
        description="The service tokens and apps that hung on the role, as they are now.",
        directives=held(10),
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why nothing was done.", directives=USER_ERRORS
    )


@strawberry.type(description="The member as it is now, or why nothing was done.")
class MemberPayload:
    """Result of what is done to one member."""

    member: Member | None = strawberry.field(default=None, description="The member as it is now.")
    credentials: list[Credential] = strawberry.field(
        default_factory=list,
        description="The service tokens and apps of a member who was deactivated, as they are now.",
        directives=held(10),
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why nothing was done.", directives=USER_ERRORS
    )


@strawberry.type(description="The role as it is now, or why nothing was done.")
class RolePayload:
    """Result of what is done to one role."""

    role: CustomRole | None = strawberry.field(default=None, description="The role as it is now.")
    credentials: list[Credential] = strawberry.field(
        default_factory=list,
        description="The service tokens and apps that hung on what was taken out, as they are now.",
        directives=held(10),
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why nothing was done.", directives=USER_ERRORS
    )


@strawberry.type(description="The invitation as it is now, or why nothing was done.")
class InvitationPayload:
    """Result of what is done to one invitation."""

    invitation: Invitation | None = strawberry.field(default=None, description="The invitation as it is now.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why nothing was done.", directives=USER_ERRORS
    )
