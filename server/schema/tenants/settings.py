"""GraphQL of settings: what counts at a unit, where it comes from, and what the units above allow."""

from __future__ import annotations

from uuid import UUID

import strawberry

from server.schema.context import Info
from server.schema.cost import LOADED, held
from server.schema.declarations import readable
from server.schema.enums import SettingName, Weekday
from server.schema.nodes import Kind, gid
from server.tenants.settings import (
    ApprovalPolicy,
    Effective,
    FirstResponse,
    MarketingCap,
    QuietHours,
    Tone,
    Value,
    daily,
)


@readable(None)
@strawberry.type(description="How people write for a unit.")
class UnitTone:
    """A tone."""

    text: str = strawberry.field(description="Guidance for people; empty if there is none.")
    is_locked: bool = strawberry.field(description="Whether it holds for everything under its unit.")


@readable(None)
@strawberry.type(description="How often a page may send marketing to one person.")
class UnitMarketingCap:
    """A cap."""

    messages: int = strawberry.field(description="At most so many messages; 0 for none at all.")
    hours: int = strawberry.field(description="In so many hours, 24 at least.")


@readable(None)
@strawberry.type(description="A span of a day, in the unit's time zone, in which campaigns send nothing.")
class QuietInterval:
    """A quiet span."""

    weekday: Weekday = strawberry.field(description="The day.")
    start: str = strawberry.field(description="Local time such as 22:00.")
    end: str = strawberry.field(description="Local time of the same day such as 23:30, at most 24:00.")


@readable(None)
@strawberry.type(description="The value of a setting: the field of its name is filled, all others are null.")
class UnitSettingValue:
    """A value."""

    first_response_minutes: int | None = strawberry.field(
        default=None,
        description="FIRST_RESPONSE_SLA: within how many minutes people are answered; null for no promise.",
    )
    tone: UnitTone | None = strawberry.field(default=None, description="TONE.")
    marketing_cap: UnitMarketingCap | None = strawberry.field(default=None, description="MARKETING_CAP.")
    quiet_hours: list[QuietInterval] | None = strawberry.field(
        default=None, description="QUIET_HOURS: Monday first, cut at midnight; empty for none.", directives=held(10)
    )
    approval_quorum: int | None = strawberry.field(
        default=None, description="APPROVAL_POLICY: how many people have to approve a campaign."
    )

    @classmethod
    def of(cls, value: Value) -> UnitSettingValue:
        """Show a value."""
        match value:
            case FirstResponse(minutes=minutes):
                return cls(first_response_minutes=minutes)
            case Tone(text=text, is_locked=is_locked):
                return cls(tone=UnitTone(text=text, is_locked=is_locked))
            case MarketingCap(messages=messages, hours=hours):
                return cls(marketing_cap=UnitMarketingCap(messages=messages, hours=hours))
            case QuietHours():
                spans = [QuietInterval(weekday=Weekday(day), start=at, end=end) for day, at, end in daily(value)]
                return cls(quiet_hours=spans)
            case ApprovalPolicy(quorum=quorum):
                return cls(approval_quorum=quorum)


@readable(None)
@strawberry.type(
    description="What counts at a unit of one setting. A unit may be stricter than the units above it, never looser: if it is,"
    " the strictest value along the line from headquarters counts."
)
class UnitSetting:
    """A setting."""

    name: SettingName = strawberry.field(description="Which setting.")
    value: UnitSettingValue = strawberry.field(description="What counts.")
    source_unit_id: strawberry.ID | None = strawberry.field(
        description="The unit that made it so, the last of several; null for the system's default."
    )
    limit: UnitSettingValue | None = strawberry.field(
        description="What the units above ask, the loosest that this unit may set; null for a tone that nobody locked."
    )
    limit_unit_id: strawberry.ID | None = strawberry.field(
        description="The unit that the limit comes from; null for the system's default."
    )
    own_value: UnitSettingValue | None = strawberry.field(
        description="What is set on this unit itself, also if it does not count as it is; null if nothing is."
    )
    is_own: bool = strawberry.field(description="Whether the value that counts comes from this unit.")
    is_overruled: bool = strawberry.field(
        description="Whether something is set on this unit and a unit above is stricter by now."
    )
    source_key: strawberry.Private[UUID | None]
    limit_key: strawberry.Private[UUID | None]

    @strawberry.field(
        description="The name of the unit that the value comes from; null for the system's default.", directives=LOADED
    )
    async def source_unit_name(self, info: Info) -> str | None:
        """Resolve the name."""
        return await _name(info, self.source_key)

    @strawberry.field(
        description="The name of the unit that the limit comes from; null for the system's default.", directives=LOADED
    )
    async def limit_unit_name(self, info: Info) -> str | None:
        """Resolve the name."""
        return await _name(info, self.limit_key)

    @classmethod
    def of(cls, found: Effective, unit_id: UUID) -> UnitSetting:
        """Show what counts at a unit."""
        return cls(
            name=found.name,
            value=UnitSettingValue.of(found.value),
            source_unit_id=_gid(found.source_unit_id),
            limit=None if found.limit is None else UnitSettingValue.of(found.limit),
            limit_unit_id=_gid(found.limit_unit_id),
            own_value=None if found.own is None else UnitSettingValue.of(found.own),
            is_own=found.source_unit_id == unit_id,
            is_overruled=found.is_overruled,
            source_key=found.source_unit_id,
            limit_key=found.limit_unit_id,
        )


def _gid(unit_id: UUID | None) -> strawberry.ID | None:
    return None if unit_id is None else gid(Kind.UNIT, unit_id)


async def _name(info: Info, unit_id: UUID | None) -> str | None:
    row = None if unit_id is None else await info.context.loaders.units.load(unit_id)
    return None if row is None else row.name
