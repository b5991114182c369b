"""GraphQL types of roles and invitations; members and their roles are in the types of the spine."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from server.auth.service import InvitationView
from server.schema.context import ApiContext, Info
from server.schema.cost import LOADED, held
from server.schema.declarations import readable
from server.schema.enums import InvitationState, Permission, Role
from server.schema.nodes import Kind, Node, finder, gid
from server.schema.tenants.types import CustomRole, Member, Unit
from server.tenants.rules import ROLE_PERMISSIONS


@readable(None)
@strawberry.type(description="One of the roles that every organization has, and what it gives.")
class BuiltInRole:
    """A built-in role."""

    role: Role = strawberry.field(description="The role.")
    permissions: list[Permission] = strawberry.field(description="What it gives, sorted.", directives=held(60))

    @classmethod
    def every(cls) -> list[BuiltInRole]:
        """Show all of them, the widest first."""
        return [cls(role=role, permissions=sorted(held)) for role, held in ROLE_PERMISSIONS.items()]


@readable(Permission.MEMBER_MANAGE)
@strawberry.type(
    description="An offer of a role on a unit to an e-mail address. Its link is mailed and shown nowhere; it works once, for"
    " 7 days, for this address, and while its inviter may give the role."
)
class Invitation(Node):
    """An invitation."""

    email: str = strawberry.field(description="Who is invited.")
    name: str = strawberry.field(description="What the person is called in the mail.")
    state: InvitationState = strawberry.field(description="Where it stands.")
    role: Role | None = strawberry.field(description="The offered built-in role; null for a custom one.")
    created_at: datetime = strawberry.field(description="When it was made.")
    expires_at: datetime = strawberry.field(description="When it ends by itself.")
    mailed_at: datetime | None = strawberry.field(
        description="When the last mail was handed over; null while it is owed."
    )
    bounced_at: datetime | None = strawberry.field(description="When the address was refused for good.")
    accepted_at: datetime | None = strawberry.field(description="When it was accepted.")
    unit_key: strawberry.Private[UUID]
    role_key: strawberry.Private[UUID | None]
    inviter_key: strawberry.Private[UUID]
    member_key: strawberry.Private[UUID | None]

    @classmethod
    def of(cls, view: InvitationView) -> Invitation:
        """Show an invitation."""
        row = view.row
        return cls(
            id=gid(Kind.INVITATION, row.id),
            email=row.email,
            name=row.name,
            state=view.state,
            role=row.role,
            created_at=row.created_at,
            expires_at=row.expires_at,
            mailed_at=row.mailed_at,
            bounced_at=row.bounced_at,
            accepted_at=row.accepted_at,
            unit_key=row.unit_id,
            role_key=row.custom_role_id,
            inviter_key=row.invited_by,
            member_key=row.member_id,
        )

    @strawberry.field(description="Where the role is offered.", directives=LOADED)
    async def unit(self, info: Info) -> Unit | None:
        """Resolve the unit."""
        row = await info.context.loaders.units.load(self.unit_key)
        return None if row is None else Unit.of(row)

    @strawberry.field(description="The offered custom role; null for a built-in one.", directives=LOADED)
    async def custom_role(self, info: Info) -> CustomRole | None:
        """Resolve the role."""
        row = None if self.role_key is None else await info.context.loaders.custom_roles.load(self.role_key)
        return None if row is None else CustomRole.of(row)

    @strawberry.field(description="Who invited; null if the caller does not see that person.", directives=LOADED)
    async def invited_by(self, info: Info) -> Member | None:
        """Resolve the inviter."""
        row = await info.context.loaders.members.load(self.inviter_key)
        return None if row is None else Member.of(row)

    @strawberry.field(
        description="Who accepted; null if nobody did or the caller does not see that person.", directives=LOADED
    )
    async def member(self, info: Info) -> Member | None:
        """Resolve the member."""
        row = None if self.member_key is None else await info.context.loaders.members.load(self.member_key)
        return None if row is None else Member.of(row)


@finder(Kind.INVITATION)
async def _invitation(context: ApiContext, value: UUID) -> Invitation | None:
    view = await context.loaders.invitations.load(value)
    return None if view is None else Invitation.of(view)
