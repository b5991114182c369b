"""Mutations of settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import strawberry

from server.audit import service as audit
from server.audit.actions import Action
from server.kit.errors import InvalidInput
from server.schema.context import Info
from server.schema.cost import USER_ERRORS
from server.schema.enums import SettingName, Weekday
from server.schema.nodes import Kind, found, gid, uid
from server.schema.results import UserError, mutation, perform
from server.schema.tenants.types import Unit
from server.tenants import service
from server.tenants.rules import Permission
from server.tenants.settings import (
    ApprovalPolicy,
    FirstResponse,
    MarketingCap,
    Tone,
    Value,
    name_of,
    quiet_hours,
    stored,
)
from server.tenants.uow import UnitOfWork


@strawberry.input(description="How people write for the unit. It has no order: the nearest one counts.")
class UnitToneInput:
    """A tone."""

    text: str = strawberry.field(description="Guidance for people: 1 to 2,000 characters.")
    is_locked: bool = strawberry.field(default=False, description="true: nobody under the unit has another one.")


@strawberry.input(
    description="How often a page may send marketing to one person. Fewer messages or more hours are stricter."
)
class UnitMarketingCapInput:
    """A cap."""

    messages: int = strawberry.field(description="0 or 1; more than the system allows is refused.")
    hours: int = strawberry.field(description="24 to 8,760.")


@strawberry.input(description="When campaigns send nothing, in the time zone of each unit. More is stricter.")
class QuietIntervalInput:
    """A quiet span."""

    weekdays: list[Weekday] = strawberry.field(
        default_factory=lambda: list(Weekday), description="The days on which it starts; every day if left out."
    )
    start: str = strawberry.field(description="Local time such as 22:00.")
    end: str = strawberry.field(
        description="Local time such as 07:00, at most 24:00; of the next day if it is not after `start`."
    )


@strawberry.input(description="A setting of a unit. Give exactly one value besides the unit.")
class UnitSettingSetInput:
    """What is set where."""

    unit_id: strawberry.ID = strawberry.field(description="The unit.")
    first_response_minutes: int | None = strawberry.field(
        default=None, description="FIRST_RESPONSE_SLA: 1 to 43,200 minutes; fewer are stricter."
    )
    tone: UnitToneInput | None = strawberry.field(default=None, description="TONE.")
    marketing_cap: UnitMarketingCapInput | None = strawberry.field(default=None, description="MARKETING_CAP.")
    quiet_hours: list[QuietIntervalInput] | None = strawberry.field(
        default=None, description="QUIET_HOURS: 1 to 28 spans, all that the units above have among them."
    )
    approval_quorum: int | None = strawberry.field(
        default=None, description="APPROVAL_POLICY: 1 to 5 people; more are stricter."
    )

    def read(self) -> tuple[Value, str]:
        """Return the one value and the field that it was given in; raise InvalidInput."""
        values: list[tuple[Value, str]] = []
        if self.first_response_minutes is not None:
            values.append((FirstResponse(self.first_response_minutes), "firstResponseMinutes"))
        if self.tone is not None:
            values.append((Tone(self.tone.text, self.tone.is_locked), "tone"))
        if self.marketing_cap is not None:
            values.append((MarketingCap(self.marketing_cap.messages, self.marketing_cap.hours), "marketingCap"))
        if self.quiet_hours is not None:
            spans = [([day.value for day in one.weekdays], one.start, one.end) for one in self.quiet_hours]
            values.append((quiet_hours(spans, "quietHours"), "quietHours"))
        if self.approval_quorum is not None:
            values.append((ApprovalPolicy(self.approval_quorum), "approvalQuorum"))
        if len(values) != 1:
            raise InvalidInput("Give exactly one value: one setting is set at a time.")
        return values[0]


@strawberry.input(description="A setting to take away from a unit.")
class UnitSettingClearInput:
    """What is taken away where."""

    unit_id: strawberry.ID = strawberry.field(description="The unit.")
    name: SettingName = strawberry.field(description="Which setting.")


@strawberry.type(description="The unit with what counts there now, or why its settings stay as they were.")
class UnitSettingPayload:
    """Result of a change of a setting."""

    unit: Unit | None = strawberry.field(default=None, description="The unit.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why nothing changed.", directives=USER_ERRORS
    )


@strawberry.type
class SettingsMutation:
    """Root fields that change settings."""

    @mutation(
        Permission.SETTING_WRITE,
        UnitSettingPayload,
        "Set a setting of a unit, for it and everything under it. A value that is looser than the units above allow is refused"
        " as SETTING_LOOSENS, with the limit and the unit that set it. Needs setting:write on the unit.",
    )
    async def unit_setting_set(
        self, info: Info, input: Annotated[UnitSettingSetInput, strawberry.argument(description="The setting.")]
    ) -> UnitSettingPayload | None:
        """Set a setting."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            unit_id = uid(Kind.UNIT, input.unit_id, "unitId")
            value, field = input.read()
            await service.set_setting(uow, unit_id, value, path=(field,))
            await audit.record(
                uow, Action.UNIT_SETTING_SET, unit_id, {"setting": name_of(value).value, "value": _noted(value)}
            )
            return {"unit": gid(Kind.UNIT, unit_id)}

        done = await perform(info, input, effect)
        return UnitSettingPayload(unit=await found(info.context, done["unit"], Unit))

    @mutation(
        Permission.SETTING_WRITE,
        UnitSettingPayload,
        "Take a unit's own value of a setting away, so that what is set above counts. Needs setting:write on the unit.",
    )
    async def unit_setting_clear(
        self, info: Info, input: Annotated[UnitSettingClearInput, strawberry.argument(description="The setting.")]
    ) -> UnitSettingPayload | None:
        """Clear a setting."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            unit_id = uid(Kind.UNIT, input.unit_id, "unitId")
            if await service.clear_setting(uow, unit_id, input.name):
                await audit.record(uow, Action.UNIT_SETTING_CLEAR, unit_id, {"setting": input.name.value})
            return {"unit": gid(Kind.UNIT, unit_id)}

        done = await perform(info, input, effect)
        return UnitSettingPayload(unit=await found(info.context, done["unit"], Unit))


def _noted(value: Value) -> Mapping[str, object]:
    # The words of a tone stay out of the trail, which is kept when they are changed.
    return {"isLocked": value.is_locked, "length": len(value.text)} if isinstance(value, Tone) else stored(value)
