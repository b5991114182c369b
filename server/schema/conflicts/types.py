"""GraphQL types of conflict walls. Only who holds member:manage on the whole tree sees any of them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from server.schema.context import ApiContext, Info
from server.schema.cost import LOADED, loaded
from server.schema.declarations import readable
from server.schema.nodes import Kind, Node, finder, gid
from server.schema.tenants.types import Member, Unit
from server.tenants.conflict_models import ConflictExceptionRow, UnitConflictRow
from server.tenants.rules import Permission


async def _units(info: Info, keys: list[UUID]) -> list[Unit]:
    rows = await info.context.loaders.units.load_many(keys)
    return [Unit.of(row) for row in rows if row is not None]


async def _members(info: Info, keys: list[UUID]) -> list[Member]:
    rows = await info.context.loaders.members.load_many(keys)
    return [Member.of(row) for row in rows if row is not None]


@readable(Permission.MEMBER_MANAGE)
@strawberry.type(
    description="Two units that compete: while it is up, nobody has roles that reach into both, except who has roles on the"
    " root alone and who was excepted by two people."
)
class UnitConflict(Node):
    """A wall."""

    reason: str = strawberry.field(description="Why.")
    flagged_by: str = strawberry.field(description="Who flagged it, as called then.")
    created_at: datetime = strawberry.field(description="Since when.")
    lifted_at: datetime | None = strawberry.field(description="When it ended; null while it is up.")
    unit_keys: strawberry.Private[list[UUID]]

    @classmethod
    def of(cls, row: UnitConflictRow) -> UnitConflict:
        """Show a wall."""
        return cls(
            id=gid(Kind.CONFLICT, row.id),
            reason=row.reason,
            flagged_by=row.flagged_by,
            created_at=row.created_at,
            lifted_at=row.lifted_at,
            unit_keys=[row.first_unit_id, row.second_unit_id],
        )

    @strawberry.field(description="The two units.", directives=loaded(2))
    async def units(self, info: Info) -> list[Unit]:
        """Resolve the units."""
        return await _units(info, self.unit_keys)


@readable(Permission.MEMBER_MANAGE)
@strawberry.type(
    description="One member's leave to work for two units that are kept apart. It counts when two different people agreed."
)
class ConflictException(Node):
    """An exception."""

    reason: str = strawberry.field(description="Why.")
    requested_by: str = strawberry.field(description="Who asked for it, as called then.")
    created_at: datetime = strawberry.field(description="When it was asked for.")
    granted_at: datetime | None = strawberry.field(
        description="Since when it counts; null while somebody has to agree."
    )
    withdrawn_at: datetime | None = strawberry.field(description="When it ended.")
    key: strawberry.Private[UUID]
    member_key: strawberry.Private[UUID]
    unit_keys: strawberry.Private[list[UUID]]

    @classmethod
    def of(cls, row: ConflictExceptionRow) -> ConflictException:
        """Show an exception."""
        return cls(
            id=gid(Kind.CONFLICT_EXCEPTION, row.id),
            reason=row.reason,
            requested_by=row.requested_by,
            created_at=row.created_at,
            granted_at=row.granted_at,
            withdrawn_at=row.withdrawn_at,
            key=row.id,
            member_key=row.member_id,
            unit_keys=[row.first_unit_id, row.second_unit_id],
        )

    @strawberry.field(description="The member concerned.", directives=LOADED)
    async def member(self, info: Info) -> Member | None:
        """Resolve the member."""
        row = await info.context.loaders.members.load(self.member_key)
        return None if row is None else Member.of(row)

    @strawberry.field(description="The two units.", directives=loaded(2))
    async def units(self, info: Info) -> list[Unit]:
        """Resolve the units."""
        return await _units(info, self.unit_keys)

    @strawberry.field(description="Who agreed, the first one first.", directives=loaded(2))
    async def granted_by(self, info: Info) -> list[Member]:
        """Resolve the people who agreed."""
        return await _members(info, await info.context.loaders.granters_of.load(self.key) or [])


@finder(Kind.CONFLICT)
async def _conflict(context: ApiContext, value: UUID) -> UnitConflict | None:
    row = await context.loaders.conflicts.load(value)
    return None if row is None else UnitConflict.of(row)


@finder(Kind.CONFLICT_EXCEPTION)
async def _exception(context: ApiContext, value: UUID) -> ConflictException | None:
    row = await context.loaders.conflict_exceptions.load(value)
    return None if row is None else ConflictException.of(row)
