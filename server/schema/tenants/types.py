"""GraphQL types of the spine."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from server.kit import ids
from server.schema.context import ApiContext, Info
from server.schema.cost import LOADED, held, loaded
from server.schema.declarations import readable
from server.schema.enums import OrganizationKind, Permission, Role, UnitKind
from server.schema.nodes import Kind, Node, finder, gid
from server.schema.tenants.attributes import UnitAttributes
from server.schema.tenants.settings import UnitSetting
from server.tenants.models import CustomRoleRow, MemberRow, MembershipRow, OrganizationRow, UnitRow
from server.tenants.service import may_find_member

_PERMISSIONS = frozenset(one.value for one in Permission)


@readable(None)
@strawberry.type(description="The tenant: one customer of Switchboard. Every token belongs to exactly one.")
class Organization(Node):
    """The acting organization."""

    name: str = strawberry.field(description="What people call it.")
    kind: OrganizationKind = strawberry.field(description="Agency, franchisor or business.")
    time_zone: str = strawberry.field(description="IANA time zone of its reports.")

    @classmethod
    def of(cls, row: OrganizationRow) -> Organization:
        """Show an organization."""
        return cls(
            id=gid(Kind.ORGANIZATION, row.organization_id), name=row.name, kind=row.kind, time_zone=row.time_zone
        )


@readable(None)
@strawberry.type(description="One node of the organization's tree: headquarters, brand, region, client or location.")
class Unit(Node):
    """A unit."""

    name: str = strawberry.field(description="Unique among its siblings.")
    kind: UnitKind = strawberry.field(description="What it stands for.")
    external_code: str | None = strawberry.field(description="The organization's own number for it.")
    parent_id: strawberry.ID | None = strawberry.field(description="The unit above; null for the root.")
    attributes: UnitAttributes = strawberry.field(description="Address, phone, hours and texts of your own.")
    archived_at: datetime | None = strawberry.field(
        description="Since when it is out of work: nothing is sent from it, released or connected to it."
    )
    key: strawberry.Private[UUID]

    @strawberry.field(description="The unit above; null for the root.", directives=LOADED)
    async def parent(self, info: Info) -> Unit | None:
        """Resolve the unit above."""
        above = await info.context.loaders.lines_above.load(self.key)
        return Unit.of(above[-1]) if above else None

    @strawberry.field(description="The units above it, headquarters first.", directives=loaded(10))
    async def ancestors(self, info: Info) -> list[Unit]:
        """Resolve the line above."""
        return [Unit.of(row) for row in await info.context.loaders.lines_above.load(self.key) or ()]

    @strawberry.field(description="The names from headquarters down to the unit itself.", directives=loaded(30))
    async def path(self, info: Info) -> list[str]:
        """Resolve the path."""
        return [row.name for row in await info.context.loaders.lines_above.load(self.key) or ()] + [self.name]

    @strawberry.field(
        description="What is set here or above and what counts, one entry for each setting.", directives=loaded(20)
    )
    async def settings(self, info: Info) -> list[UnitSetting]:
        """Resolve the settings."""
        found = await info.context.loaders.settings_of_units.load(self.key) or {}
        return [UnitSetting.of(one, self.key) for one in found.values()]

    @strawberry.field(
        description="How many units in reach stand right under it; archived ones do not count.", directives=LOADED
    )
    async def children_count(self, info: Info) -> int:
        """Count the children."""
        return await info.context.loaders.children_counts.load(self.key) or 0

    @classmethod
    def of(cls, row: UnitRow) -> Unit:
        """Show a unit."""
        return cls(
            key=row.id,
            attributes=UnitAttributes.of(row.attributes),
            archived_at=row.archived_at,
            id=gid(Kind.UNIT, row.id),
            name=row.name,
            kind=row.kind,
            external_code=row.external_code,
            parent_id=None if row.parent_id is None else gid(Kind.UNIT, row.parent_id),
        )

    @strawberry.field(
        description="What the caller may do on this unit, sorted; empty for one that is only seen as the line above others.",
        directives=held(60),
    )
    def viewer_permissions(self, info: Info) -> list[Permission]:
        """Show the caller's rights here."""
        return info.context.scope.held_on(ids.decode_as(Kind.UNIT.value, self.id))


@readable(None)
@strawberry.type(
    description="A bundle of permissions that the organization made for itself. Everybody of it may see its name."
)
class CustomRole(Node):
    """A role of the organization's own."""

    name: str = strawberry.field(description="Unique in the organization, archived ones included.")
    permissions: list[Permission] = strawberry.field(
        description="What it gives, unless it is archived.", directives=held(60)
    )
    archived_at: datetime | None = strawberry.field(description="Since when it gives nothing and cannot be granted.")

    @classmethod
    def of(cls, row: CustomRoleRow) -> CustomRole:
        """Show a role; a permission that this release does not know gives nothing and is not shown."""
        known = [Permission(one) for one in row.permissions if one in _PERMISSIONS]
        return cls(id=gid(Kind.ROLE, row.id), name=row.name, permissions=known, archived_at=row.archived_at)


@readable(Permission.MEMBER_READ)
@strawberry.type(
    description="One role of one member on a unit and everything under it: a built-in one or a custom one."
)
class Membership(Node):
    """A grant."""

    role: Role | None = strawberry.field(description="The built-in role; null for one of the organization's own.")
    created_at: datetime = strawberry.field(description="Since when the member has it.")
    unit_key: strawberry.Private[UUID]
    member_key: strawberry.Private[UUID]
    role_key: strawberry.Private[UUID | None]

    @classmethod
    def of(cls, row: MembershipRow) -> Membership:
        """Show a grant."""
        return cls(
            id=gid(Kind.MEMBERSHIP, row.id),
            role=row.role,
            created_at=row.created_at,
            unit_key=row.unit_id,
            member_key=row.member_id,
            role_key=row.custom_role_id,
        )

    @strawberry.field(description="The unit; the role holds on everything under it too.", directives=LOADED)
    async def unit(self, info: Info) -> Unit | None:
        """Resolve the unit."""
        row = await info.context.loaders.units.load(self.unit_key)
        return None if row is None else Unit.of(row)

    @strawberry.field(description="The organization's own role; null for a built-in one.", directives=LOADED)
    async def custom_role(self, info: Info) -> CustomRole | None:
        """Resolve the role."""
        row = None if self.role_key is None else await info.context.loaders.custom_roles.load(self.role_key)
        return None if row is None else CustomRole.of(row)


@readable(None)
@strawberry.type(description="A person of the organization.")
class Member(Node):
    """A member."""

    name: str = strawberry.field(description="The person's name.")
    deactivated_at: datetime | None = strawberry.field(description="Since when the person may do nothing.")
    key: strawberry.Private[UUID]
    address: strawberry.Private[str]

    @classmethod
    def of(cls, row: MemberRow) -> Member:
        """Show a member."""
        return cls(
            id=gid(Kind.MEMBER, row.id),
            name=row.name,
            deactivated_at=row.deactivated_at,
            key=row.id,
            address=row.email,
        )

    @strawberry.field(
        description="The e-mail address; null unless it is the caller's own, or the caller holds member:manage on the whole"
        " tree or on a unit where the person has a role.",
        directives=LOADED,
    )
    async def email(self, info: Info) -> str | None:
        """Show the address to those who manage the person."""
        scope = info.context.scope
        if scope.actor.id == self.key or Permission.MEMBER_MANAGE in scope.everywhere:
            return self.address
        held = await info.context.loaders.memberships_of.load(self.key) or []
        return self.address if any(scope.may(Permission.MEMBER_MANAGE, one.unit_id) for one in held) else None

    @strawberry.field(
        description="The person's roles on units that the caller reaches or that lie above these, the oldest first; at most 1000."
        " Roles elsewhere are not shown. Empty without member:read.",
        directives=loaded(10),
    )
    async def memberships(self, info: Info) -> list[Membership]:
        """Resolve the grants in sight."""
        if not info.context.scope.may(Permission.MEMBER_READ):
            return []
        held = await info.context.loaders.memberships_of.load(self.key) or []
        return [Membership.of(row) for row in held]


@finder(Kind.UNIT)
async def _unit(context: ApiContext, value: UUID) -> Unit | None:
    row = await context.loaders.units.load(value)
    return None if row is None else Unit.of(row)


@finder(Kind.MEMBER)
async def _member(context: ApiContext, value: UUID) -> Member | None:
    row = await context.loaders.members.load(value)
    return None if row is None or not may_find_member(context.scope, value) else Member.of(row)


@finder(Kind.MEMBERSHIP)
async def _membership(context: ApiContext, value: UUID) -> Membership | None:
    row = await context.loaders.memberships.load(value)
    return None if row is None or not context.scope.may(Permission.MEMBER_READ) else Membership.of(row)


@finder(Kind.ROLE)
async def _role(context: ApiContext, value: UUID) -> CustomRole | None:
    # One's own roles lead to what they give; by its id a role is found by those who may list or make roles.
    if not (context.scope.may(Permission.MEMBER_READ) or context.scope.may(Permission.ROLE_MANAGE)):
        return None
    row = await context.loaders.custom_roles.load(value)
    return None if row is None else CustomRole.of(row)
