"""GraphQL types of the spine."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from server.schema.context import ApiContext, Info
from server.schema.enums import OrganizationKind, Permission, UnitKind
from server.schema.nodes import Kind, Node, finder, gid
from server.tenants import service
from server.tenants.models import MemberRow, OrganizationRow, UnitRow
from server.tenants.scope import Scope


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


@strawberry.type(description="One node of the organization's tree: headquarters, brand, region, client or location.")
class Unit(Node):
    """A unit."""

    name: str = strawberry.field(description="Unique among its siblings.")
    kind: UnitKind = strawberry.field(description="What it stands for.")
    external_code: str | None = strawberry.field(description="The organization's own number for it.")
    parent_id: strawberry.ID | None = strawberry.field(description="The unit above; null for the root.")

    @classmethod
    def of(cls, row: UnitRow) -> Unit:
        """Show a unit."""
        return cls(
            id=gid(Kind.UNIT, row.id),
            name=row.name,
            kind=row.kind,
            external_code=row.external_code,
            parent_id=None if row.parent_id is None else gid(Kind.UNIT, row.parent_id),
        )


@strawberry.type(description="A person of the organization.")
class Member(Node):
    """A member."""

    name: str = strawberry.field(description="The person's name.")
    deactivated_at: datetime | None = strawberry.field(description="Since when the person may do nothing.")

    @classmethod
    def of(cls, row: MemberRow) -> Member:
        """Show a member."""
        return cls(id=gid(Kind.MEMBER, row.id), name=row.name, deactivated_at=row.deactivated_at)


@strawberry.type(description="What the caller may do on one unit and everything that the grant reaches.")
class Reach:
    """Permissions per unit, so that a front end need not guess."""

    unit_id: strawberry.ID | None = strawberry.field(description="The unit; null means the whole organization.")
    permissions: list[Permission] = strawberry.field(description="What may be done there.")


@strawberry.type(description="Who is asking, for which organization, and what they may do.")
class Viewer:
    """The caller."""

    name: str = strawberry.field(description="The person or the app.")
    member_id: strawberry.ID | None = strawberry.field(description="The member, unless an app asks.")
    reaches_everything: bool = strawberry.field(description="Whether every unit is in reach.")
    scope: strawberry.Private[Scope]

    @strawberry.field(description="The acting organization.")
    async def organization(self, info: Info) -> Organization:
        """Resolve the organization."""
        async with info.context.read() as uow:
            return Organization.of(await service.organization(uow))

    @strawberry.field(description="Permissions: first those on everything, then per unit, at most 250 units.")
    def reaches(self) -> list[Reach]:
        """Show the resolved grants."""
        shown = [Reach(unit_id=None, permissions=sorted(self.scope.everywhere))] if self.scope.everywhere else []
        units = sorted(self.scope.by_unit.items())[:250]
        return shown + [Reach(unit_id=gid(Kind.UNIT, unit), permissions=sorted(held)) for unit, held in units]


@finder(Kind.UNIT)
async def _unit(context: ApiContext, value: UUID) -> Unit | None:
    row = await context.loaders.units.load(value)
    return None if row is None else Unit.of(row)


@finder(Kind.MEMBER)
async def _member(context: ApiContext, value: UUID) -> Member | None:
    row = await context.loaders.members.load(value)
    return None if row is None else Member.of(row)
