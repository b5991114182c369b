"""Mutations of the spine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import strawberry

from server.audit import service as audit
from server.audit.actions import Action
from server.schema.context import Info
from server.schema.cost import USER_ERRORS
from server.schema.enums import UnitKind
from server.schema.nodes import Kind, found, gid, uid
from server.schema.results import UserError, mutation, perform
from server.schema.tenants.attributes import UnitAttributesInput
from server.schema.tenants.types import Unit
from server.tenants import service
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork


@strawberry.input(description="A new unit.")
class UnitCreateInput:
    """What a unit needs."""

    parent_id: strawberry.ID = strawberry.field(description="The unit it stands under.")
    kind: UnitKind = strawberry.field(description="What it stands for.")
    name: str = strawberry.field(description="1 to 200 characters, unique among its siblings.")
    external_code: str | None = strawberry.field(
        default=None, description="Your own number, unique in the organization: 1 to 64 printable characters."
    )
    attributes: UnitAttributesInput | None = strawberry.field(
        default=None, description="Address, phone, hours and texts of your own."
    )


@strawberry.type(description="The new unit, or why there is none.")
class UnitCreatePayload:
    """Result of unitCreate."""

    unit: Unit | None = strawberry.field(default=None, description="The new unit.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why there is none.", directives=USER_ERRORS
    )


@strawberry.type
class TenantsMutation:
    """Root fields that change the spine."""

    @mutation(Permission.UNIT_MANAGE, UnitCreatePayload, "Create a unit. Needs unit:manage on its parent.")
    async def unit_create(
        self, info: Info, input: Annotated[UnitCreateInput, strawberry.argument(description="The unit.")]
    ) -> UnitCreatePayload | None:
        """Create a unit."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            row = await service.create_unit(
                uow,
                parent_id=uid(Kind.UNIT, input.parent_id, "parentId"),
                kind=input.kind,
                name=input.name,
                external_code=input.external_code,
                attributes=None if input.attributes is None else input.attributes.read(),
            )
            await audit.record(uow, Action.UNIT_CREATE, row.id, {"name": row.name})
            return {"unit": gid(Kind.UNIT, row.id)}

        done = await perform(info, input, effect)
        await info.context.reach_anew()
        return UnitCreatePayload(unit=await found(info.context, done["unit"], Unit))
