"""Organizations, units and people, in the words of the business."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from server.auth import service as auth
from server.config import Settings
from server.kit.db import Database
from server.kit.ids import new_id
from server.tenants import service as tenants
from server.tenants.rules import OrganizationKind, Role, UnitKind
from server.tenants.scope import Scope, worker_scope
from server.tenants.uow import begin


@dataclass(frozen=True, slots=True)
class AnOrganization:
    """A fresh tenant: its root unit and the units under it by name."""

    id: UUID
    root_id: UUID
    units: dict[str, UUID]

    @property
    def scope(self) -> Scope:
        """Return the scope that reaches everything in it."""
        return worker_scope(self.id)


@dataclass(frozen=True, slots=True)
class APerson:
    """A member with one role on one unit, and a bearer token."""

    member_id: UUID
    token: str
    scope: Scope


async def an_organization(
    database: Database, kind: OrganizationKind, units: dict[str, UnitKind], name: str = "Test"
) -> AnOrganization:
    """Create a tenant with the given units under its root."""
    organization_id = new_id()
    async with begin(database, worker_scope(organization_id)) as uow:
        root = await tenants.create_organization(uow, kind, name)
        made = {
            unit_name: (await tenants.create_unit(uow, parent_id=root.id, kind=unit_kind, name=unit_name)).id
            for unit_name, unit_kind in units.items()
        }
    return AnOrganization(organization_id, root.id, made)


async def an_agency(database: Database, clients: int = 2, name: str = "Agency") -> AnOrganization:
    """Create an agency with clients called "client 1" and so on."""
    return await an_organization(
        database, OrganizationKind.AGENCY, {f"client {n + 1}": UnitKind.CLIENT for n in range(clients)}, name
    )


async def a_franchise(database: Database, locations: int = 3, name: str = "Franchise") -> AnOrganization:
    """Create a franchisor with locations called "location 1" and so on."""
    return await an_organization(
        database, OrganizationKind.FRANCHISOR, {f"location {n + 1}": UnitKind.LOCATION for n in range(locations)}, name
    )


async def a_person(
    database: Database,
    settings: Settings,
    organization: AnOrganization,
    unit_id: UUID,
    role: Role,
    name: str = "Ada",
    also: Sequence[tuple[UUID, Role]] = (),
) -> APerson:
    """Create a member with a role on a unit (`also` gives more of them), and a personal token."""
    async with begin(database, organization.scope) as uow:
        member = await tenants.create_member(uow, name=name, email=f"{new_id().hex}@example.test")
        for at, held in ((unit_id, role), *also):
            await tenants.grant_role(uow, member.id, at, held)
        _, secret = await auth.issue_personal_token(uow, settings.security, member_id=member.id, name="test")
    scope = await auth.authenticate(database, settings.security, secret)
    assert scope is not None
    return APerson(member.id, secret, scope)
