"""GraphQL of groups of units that cut across the tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

import strawberry

from server.audit import service as audit
from server.audit.actions import Action
from server.kit.pagination import PageArguments
from server.schema.context import ApiContext, Info
from server.schema.cost import LOADED, PAGED, USER_ERRORS
from server.schema.declarations import readable
from server.schema.nodes import Kind, Node, finder, found, gid, uid, uid_or_none, uids
from server.schema.pages import After, Before, Connection, First, Last, connection
from server.schema.permissions import query
from server.schema.results import UserError, mutation, perform
from server.schema.tenants.types import Unit
from server.tenants import service
from server.tenants.models import LocationGroupRow
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork


@readable(None)
@strawberry.type(
    description="A set of units that cuts across the tree. It belongs to a unit, its members lie under that unit, and only "
    "who reaches that unit sees it."
)
class LocationGroup(Node):
    """A group."""

    name: str = strawberry.field(description="Unique among the groups of its unit.")
    key: strawberry.Private[UUID]
    unit_key: strawberry.Private[UUID]

    @classmethod
    def of(cls, row: LocationGroupRow) -> LocationGroup:
        """Show a group."""
        return cls(id=gid(Kind.GROUP, row.id), name=row.name, key=row.id, unit_key=row.unit_id)

    @strawberry.field(description="The unit that it belongs to.", directives=LOADED)
    async def unit(self, info: Info) -> Unit | None:
        """Resolve the unit."""
        row = await info.context.loaders.units.load(self.unit_key)
        return None if row is None else Unit.of(row)

    @strawberry.field(
        description="How many units are in it, archived ones too. A unit that was moved away is not.", directives=LOADED
    )
    async def members_count(self, info: Info) -> int:
        """Count the members."""
        return await info.context.loaders.member_counts.load(self.key) or 0

    @strawberry.field(description="The units in it, by name, archived ones too.", directives=PAGED)
    async def members(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Unit]:
        """List the members."""
        arguments = PageArguments(first, after, last, before)
        page = await info.context.loaders.members_of_groups.load((self.key, arguments))
        return connection(page, Unit.of)


@strawberry.type
class GroupsQuery:
    """Root fields about groups."""

    @query(None, "Groups whose unit is in reach, by name.", costs=PAGED)
    async def location_groups(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        unit_id: Annotated[strawberry.ID | None, strawberry.argument(description="Only groups of this unit.")] = None,
    ) -> Connection[LocationGroup]:
        """List groups."""
        owner = uid_or_none(Kind.UNIT, unit_id, "unitId")
        async with info.context.read() as uow:
            page = await service.list_groups(uow, PageArguments(first, after, last, before), unit_id=owner)
        return connection(page, LocationGroup.of)

    @query(None, "One group by its id; null if its unit is not in reach.", costs=LOADED)
    async def location_group(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The group.")]
    ) -> LocationGroup | None:
        """Show one group."""
        return await found(info.context, id, LocationGroup)


@strawberry.input(description="A new group, without members yet.")
class LocationGroupCreateInput:
    """What a group needs."""

    unit_id: strawberry.ID = strawberry.field(description="The unit that it belongs to, for good.")
    name: str = strawberry.field(description="1 to 200 printable characters, unique among the groups of the unit.")


@strawberry.input(description="A change of a group.")
class LocationGroupUpdateInput:
    """What may change."""

    group_id: strawberry.ID = strawberry.field(description="The group.")
    name: str = strawberry.field(description="1 to 200 printable characters, unique among the groups of the unit.")


@strawberry.input(description="One group.")
class LocationGroupDeleteInput:
    """Which group."""

    group_id: strawberry.ID = strawberry.field(description="The group.")


@strawberry.input(description="Units to put into a group and to take out of it.")
class LocationGroupMembersInput:
    """Which units."""

    group_id: strawberry.ID = strawberry.field(description="The group.")
    add: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="Units under the group's unit, at most 1,000; those in it already stay."
    )
    remove: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="Units to take out, at most 1,000; those not in it are no error."
    )


@strawberry.type(description="The group, or why it stays as it was.")
class LocationGroupPayload:
    """Result of a change of a group."""

    group: LocationGroup | None = strawberry.field(default=None, description="The group as it is now.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why it stays as it was.", directives=USER_ERRORS
    )


@strawberry.type(description="The id of the deleted group, or why it stays.")
class LocationGroupDeletePayload:
    """Result of locationGroupDelete."""

    deleted_id: strawberry.ID | None = strawberry.field(default=None, description="The id that it had.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why it stays.", directives=USER_ERRORS
    )


@strawberry.type
class GroupsMutation:
    """Root fields that change groups."""

    @mutation(Permission.UNIT_MANAGE, LocationGroupPayload, "Make a group of a unit. Needs unit:manage on the unit.")
    async def location_group_create(
        self, info: Info, input: Annotated[LocationGroupCreateInput, strawberry.argument(description="The group.")]
    ) -> LocationGroupPayload | None:
        """Create a group."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            row = await service.create_group(uow, uid(Kind.UNIT, input.unit_id, "unitId"), input.name)
            await audit.record(uow, Action.GROUP_CREATE, row.id, {"name": row.name, "unit": str(row.unit_id)})
            return {"group": gid(Kind.GROUP, row.id)}

        done = await perform(info, input, effect)
        return LocationGroupPayload(group=await found(info.context, done["group"], LocationGroup))

    @mutation(Permission.UNIT_MANAGE, LocationGroupPayload, "Rename a group. Needs unit:manage on its unit.")
    async def location_group_update(
        self, info: Info, input: Annotated[LocationGroupUpdateInput, strawberry.argument(description="The change.")]
    ) -> LocationGroupPayload | None:
        """Rename a group."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            row = await service.rename_group(uow, uid(Kind.GROUP, input.group_id, "groupId"), input.name)
            await audit.record(uow, Action.GROUP_EDIT, row.id, {"name": row.name})
            return {"group": gid(Kind.GROUP, row.id)}

        done = await perform(info, input, effect)
        return LocationGroupPayload(group=await found(info.context, done["group"], LocationGroup))

    @mutation(
        Permission.UNIT_MANAGE,
        LocationGroupPayload,
        "Put units into a group and take units out. Needs unit:manage on the group's unit.",
    )
    async def location_group_members(
        self, info: Info, input: Annotated[LocationGroupMembersInput, strawberry.argument(description="Which units.")]
    ) -> LocationGroupPayload | None:
        """Change the members."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            group_id = uid(Kind.GROUP, input.group_id, "groupId")
            add, remove = uids(Kind.UNIT, input.add, "add"), uids(Kind.UNIT, input.remove, "remove")
            row = await service.change_members(uow, group_id, add=add, remove=remove)
            await audit.record(uow, Action.GROUP_EDIT, row.id, {"added": len(add), "removed": len(remove)})
            return {"group": gid(Kind.GROUP, row.id)}

        done = await perform(info, input, effect)
        return LocationGroupPayload(group=await found(info.context, done["group"], LocationGroup))

    @mutation(
        Permission.UNIT_MANAGE,
        LocationGroupDeletePayload,
        "Delete a group; the units in it stay. Needs unit:manage on its unit.",
    )
    async def location_group_delete(
        self, info: Info, input: Annotated[LocationGroupDeleteInput, strawberry.argument(description="The group.")]
    ) -> LocationGroupDeletePayload | None:
        """Delete a group."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            row = await service.delete_group(uow, uid(Kind.GROUP, input.group_id, "groupId"))
            await audit.record(uow, Action.GROUP_DELETE, row.id, {"name": row.name})
            return {"deleted": gid(Kind.GROUP, row.id)}

        done = await perform(info, input, effect)
        return LocationGroupDeletePayload(deleted_id=strawberry.ID(str(done["deleted"])))


@finder(Kind.GROUP)
async def _group(context: ApiContext, value: UUID) -> LocationGroup | None:
    row = await context.loaders.groups.load(value)
    return None if row is None else LocationGroup.of(row)
