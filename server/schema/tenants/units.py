"""Mutations of the organization and its units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import strawberry

from server.audit import service as audit
from server.audit.actions import Action
from server.auth import service as auth
from server.schema.context import Info
from server.schema.cost import USER_ERRORS
from server.schema.nodes import Kind, found, gid, uid
from server.schema.results import UserError, mutation, perform
from server.schema.tenants.attributes import UnitAttributesInput
from server.schema.tenants.types import Organization, Unit
from server.tenants import service
from server.tenants.rules import Permission
from server.tenants.service import UnitChange
from server.tenants.uow import UnitOfWork


@strawberry.input(description="A change of the organization. What is left out or null stays.")
class OrganizationUpdateInput:
    """What may change."""

    name: str | None = strawberry.field(default=None, description="1 to 200 printable characters.")
    time_zone: str | None = strawberry.field(default=None, description="IANA time zone of its reports.")


@strawberry.type(description="The organization, or why it stays as it was.")
class OrganizationPayload:
    """Result of organizationUpdate."""

    organization: Organization | None = strawberry.field(default=None, description="The organization.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why it stays as it was.", directives=USER_ERRORS
    )


@strawberry.input(description="A change of a unit. What is left out stays.")
class UnitUpdateInput:
    """What may change."""

    unit_id: strawberry.ID = strawberry.field(description="The unit.")
    name: str | None = strawberry.field(
        default=None, description="1 to 200 characters, unique among its siblings; null keeps it."
    )
    external_code: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Your own number, unique in the organization: 1 to 64 printable characters; null takes it away.",
    )
    attributes: UnitAttributesInput | None = strawberry.field(
        default=None, description="Attributes to set or take away."
    )


@strawberry.input(description="Another place for a unit and all that stands under it.")
class UnitMoveInput:
    """What a move needs."""

    unit_id: strawberry.ID = strawberry.field(description="The unit.")
    parent_id: strawberry.ID = strawberry.field(description="The unit that it will stand under.")


@strawberry.input(description="A unit to take out of work.")
class UnitArchiveInput:
    """Which unit."""

    unit_id: strawberry.ID = strawberry.field(description="The unit.")


@strawberry.input(description="A unit to take back into work.")
class UnitRestoreInput:
    """Which unit."""

    unit_id: strawberry.ID = strawberry.field(description="The unit.")


@strawberry.type(description="The unit, or why it stays as it was.")
class UnitPayload:
    """Result of every change of a unit."""

    unit: Unit | None = strawberry.field(default=None, description="The unit as it is now.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why it stays as it was.", directives=USER_ERRORS
    )


@strawberry.type
class UnitsMutation:
    """Root fields that change the tree."""

    @mutation(
        Permission.ORGANIZATION_MANAGE,
        OrganizationPayload,
        "Rename the organization or set its time zone. Needs organization:manage on the whole organization.",
    )
    async def organization_update(
        self, info: Info, input: Annotated[OrganizationUpdateInput, strawberry.argument(description="The change.")]
    ) -> OrganizationPayload | None:
        """Change the organization."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            row = await service.update_organization(uow, name=input.name, time_zone=input.time_zone)
            details = {"name": row.name, "timeZone": row.time_zone}
            await audit.record(uow, Action.ORGANIZATION_EDIT, row.organization_id, details)
            return {}

        await perform(info, input, effect)
        async with info.context.read() as uow:
            return OrganizationPayload(organization=Organization.of(await service.organization(uow)))

    @mutation(
        Permission.UNIT_MANAGE, UnitPayload, "Rename a unit, set its code or its attributes. Needs unit:manage on it."
    )
    async def unit_update(
        self, info: Info, input: Annotated[UnitUpdateInput, strawberry.argument(description="The change.")]
    ) -> UnitPayload | None:
        """Change a unit."""
        sets_code = input.external_code is not strawberry.UNSET
        attributes = {} if input.attributes is None else input.attributes.read()
        change = UnitChange(input.name, sets_code, input.external_code if sets_code else None, attributes)

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            row = await service.update_unit(uow, uid(Kind.UNIT, input.unit_id, "unitId"), change)
            details = {"name": row.name, "externalCode": row.external_code, "attributes": sorted(attributes)}
            await audit.record(uow, Action.UNIT_EDIT, row.id, details)
            return {"unit": gid(Kind.UNIT, row.id)}

        done = await perform(info, input, effect)
        return UnitPayload(unit=await found(info.context, done["unit"], Unit))

    @mutation(
        Permission.UNIT_MANAGE,
        UnitPayload,
        "Move a unit with all that stands under it. Needs unit:manage on the unit, on the one that it stands under and on "
        "the new one. Who reaches it changes with the next request.",
    )
    async def unit_move(
        self, info: Info, input: Annotated[UnitMoveInput, strawberry.argument(description="The move.")]
    ) -> UnitPayload | None:
        """Move a unit."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            before = await service.unit(uow, uid(Kind.UNIT, input.unit_id, "unitId"))
            origin = before.parent_id
            row = await service.move_unit(uow, before.id, uid(Kind.UNIT, input.parent_id, "parentId"))
            if row.parent_id != origin:
                details = {"from": str(origin), "to": str(row.parent_id)}
                await audit.record(uow, Action.UNIT_MOVE, row.id, details)
                await auth.check_separation(uow, path=("parentId",))
                service.announce_access(uow)
            return {"unit": gid(Kind.UNIT, row.id)}

        done = await perform(info, input, effect)
        await info.context.reach_anew()
        return UnitPayload(unit=await found(info.context, done["unit"], Unit))

    @mutation(
        Permission.UNIT_MANAGE,
        UnitPayload,
        "Take a unit and all that stands under it out of work: nothing is sent from there, released or connected to it. "
        "Connections and history stay. Needs unit:manage on it; headquarters cannot be archived.",
    )
    async def unit_archive(
        self, info: Info, input: Annotated[UnitArchiveInput, strawberry.argument(description="The unit.")]
    ) -> UnitPayload | None:
        """Archive a unit."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            changed = await service.archive_unit(uow, uid(Kind.UNIT, input.unit_id, "unitId"))
            if changed.count:
                await audit.record(uow, Action.UNIT_ARCHIVE, changed.row.id, {"units": changed.count})
            return {"unit": gid(Kind.UNIT, changed.row.id)}

        done = await perform(info, input, effect)
        return UnitPayload(unit=await found(info.context, done["unit"], Unit))

    @mutation(
        Permission.UNIT_MANAGE,
        UnitPayload,
        "Take a unit back into work, with all that was archived together with it. Needs unit:manage on it.",
    )
    async def unit_restore(
        self, info: Info, input: Annotated[UnitRestoreInput, strawberry.argument(description="The unit.")]
    ) -> UnitPayload | None:
        """Restore a unit."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            changed = await service.restore_unit(uow, uid(Kind.UNIT, input.unit_id, "unitId"))
            if changed.count:
                await audit.record(uow, Action.UNIT_RESTORE, changed.row.id, {"units": changed.count})
            return {"unit": gid(Kind.UNIT, changed.row.id)}

        done = await perform(info, input, effect)
        return UnitPayload(unit=await found(info.context, done["unit"], Unit))
