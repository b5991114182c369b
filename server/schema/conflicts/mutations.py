"""Mutations of conflict walls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated
from uuid import UUID

import strawberry

from server.auth import service
from server.schema.conflicts.types import ConflictException, UnitConflict
from server.schema.context import Info
from server.schema.cost import USER_ERRORS
from server.schema.nodes import Kind, found, gid, uid
from server.schema.results import UserError, mutation, perform
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork


@strawberry.input(description="Two units that compete.")
class UnitConflictFlagInput:
    """Which units, and why."""

    unit_id: strawberry.ID = strawberry.field(description="One of them.")
    other_unit_id: strawberry.ID = strawberry.field(description="The other one; neither may stand under the other.")
    reason: str = strawberry.field(description="Why: 1 to 500 printable characters.")


@strawberry.input(description="The end of a wall.")
class UnitConflictLiftInput:
    """Which wall."""

    conflict_id: strawberry.ID = strawberry.field(description="The wall.")


@strawberry.input(description="A member who is to work for both units.")
class ConflictExceptionRequestInput:
    """Who, for which units, and why."""

    member_id: strawberry.ID = strawberry.field(description="Who.")
    unit_id: strawberry.ID = strawberry.field(description="One unit of the pair, kept apart already or about to be.")
    other_unit_id: strawberry.ID = strawberry.field(description="The other one.")
    reason: str = strawberry.field(description="Why: 1 to 500 printable characters.")


@strawberry.input(description="One exception.")
class ConflictExceptionInput:
    """Which exception."""

    exception_id: strawberry.ID = strawberry.field(description="The exception.")


@strawberry.type(description="The wall as it is now, or why nothing was done.")
class UnitConflictPayload:
    """Result of what is done to one wall."""

    conflict: UnitConflict | None = strawberry.field(default=None, description="The wall as it is now.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list,
        description="Why nothing was done. CONFLICT_SHARED_STAFF lists memberIds and tokenIds that reach both units.",
        directives=USER_ERRORS,
    )


@strawberry.type(description="The exception as it is now, or why nothing was done.")
class ConflictExceptionPayload:
    """Result of what is done to one exception."""

    exception: ConflictException | None = strawberry.field(default=None, description="The exception as it is now.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why nothing was done.", directives=USER_ERRORS
    )


@strawberry.type
class ConflictsMutation:
    """Root fields that put up, open and end walls between units."""

    @mutation(
        Permission.MEMBER_MANAGE,
        UnitConflictPayload,
        "Keep two units apart: from now on nobody gets roles, and no app a token, that reach into both. Refused while anybody"
        " has them. Needs member:manage on the whole tree.",
    )
    async def unit_conflict_flag(
        self, info: Info, input: Annotated[UnitConflictFlagInput, strawberry.argument(description="The two units.")]
    ) -> UnitConflictPayload | None:
        """Put up a wall."""

        async def effect(uow: UnitOfWork) -> UUID:
            unit_id, other_id = _pair(input)
            return (await service.flag_conflict(uow, unit_id, other_id, input.reason)).id

        return await _conflict(info, input, effect)

    @mutation(
        Permission.ORGANIZATION_MANAGE,
        UnitConflictPayload,
        "End a wall. Needs organization:manage on the whole tree.",
    )
    async def unit_conflict_lift(
        self, info: Info, input: Annotated[UnitConflictLiftInput, strawberry.argument(description="Which wall.")]
    ) -> UnitConflictPayload | None:
        """Take a wall down."""

        async def effect(uow: UnitOfWork) -> UUID:
            conflict_id = uid(Kind.CONFLICT, input.conflict_id, "conflictId")
            await service.lift_conflict(uow, conflict_id)
            return conflict_id

        return await _conflict(info, input, effect)

    @mutation(
        Permission.MEMBER_MANAGE,
        ConflictExceptionPayload,
        "Ask that a member may work for two units that are kept apart. Needs member:manage on the whole tree.",
    )
    async def conflict_exception_request(
        self,
        info: Info,
        input: Annotated[ConflictExceptionRequestInput, strawberry.argument(description="The exception.")],
    ) -> ConflictExceptionPayload | None:
        """Ask for an exception."""

        async def effect(uow: UnitOfWork) -> UUID:
            member_id = uid(Kind.MEMBER, input.member_id, "memberId")
            unit_id, other_id = _pair(input)
            return (await service.request_exception(uow, member_id, unit_id, other_id, input.reason)).id

        return await _exception(info, input, effect)

    @mutation(
        Permission.MEMBER_MANAGE,
        ConflictExceptionPayload,
        "Agree to an exception. It counts when two different people agreed, neither of them the member concerned. Needs"
        " member:manage on the whole tree; an app cannot agree.",
    )
    async def conflict_exception_grant(
        self, info: Info, input: Annotated[ConflictExceptionInput, strawberry.argument(description="Which one.")]
    ) -> ConflictExceptionPayload | None:
        """Agree to an exception."""
        return await _done(info, input, service.grant_exception)

    @mutation(
        Permission.MEMBER_MANAGE,
        ConflictExceptionPayload,
        "End an exception or a request for one. Refused while the member works on both sides. Needs member:manage on the whole"
        " tree.",
    )
    async def conflict_exception_withdraw(
        self, info: Info, input: Annotated[ConflictExceptionInput, strawberry.argument(description="Which one.")]
    ) -> ConflictExceptionPayload | None:
        """End an exception."""
        return await _done(info, input, service.withdraw_exception)


def _pair(input: UnitConflictFlagInput | ConflictExceptionRequestInput) -> tuple[UUID, UUID]:
    return uid(Kind.UNIT, input.unit_id, "unitId"), uid(Kind.UNIT, input.other_unit_id, "otherUnitId")


async def _conflict(info: Info, input: object, act: Callable[[UnitOfWork], Awaitable[UUID]]) -> UnitConflictPayload:
    async def effect(uow: UnitOfWork) -> Mapping[str, object]:
        return {"conflict": gid(Kind.CONFLICT, await act(uow))}

    done = await perform(info, input, effect)
    return UnitConflictPayload(conflict=await found(info.context, done["conflict"], UnitConflict))


async def _done(
    info: Info, input: ConflictExceptionInput, act: Callable[[UnitOfWork, UUID], Awaitable[None]]
) -> ConflictExceptionPayload:
    async def effect(uow: UnitOfWork) -> UUID:
        exception_id = uid(Kind.CONFLICT_EXCEPTION, input.exception_id, "exceptionId")
        await act(uow, exception_id)
        return exception_id

    return await _exception(info, input, effect)


async def _exception(
    info: Info, input: object, act: Callable[[UnitOfWork], Awaitable[UUID]]
) -> ConflictExceptionPayload:
    async def effect(uow: UnitOfWork) -> Mapping[str, object]:
        return {"exception": gid(Kind.CONFLICT_EXCEPTION, await act(uow))}

    done = await perform(info, input, effect)
    return ConflictExceptionPayload(exception=await found(info.context, done["exception"], ConflictException))
