"""Settings of units, in the words of the business."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from server.kit.db import Database
from server.tenants import service as tenants
from server.tenants import settings as rules
from server.tenants.hours import DAYS
from server.tenants.settings import QuietHours, Value
from server.tenants.uow import begin
from tests.factories.tenants import AnOrganization


async def a_setting(database: Database, organization: AnOrganization, unit_id: UUID, *values: Value) -> None:
    """Set values at a unit."""
    async with begin(database, organization.scope) as uow:
        for value in values:
            await tenants.set_setting(uow, unit_id, value)


def quiet_around(now: datetime, zone: str = "UTC") -> tuple[QuietHours, datetime]:
    """Return quiet hours of every day that `now` lies in, and when they end: about three hours from now."""
    local = now.astimezone(ZoneInfo(zone)).replace(second=0, microsecond=0)
    start, end = local - timedelta(hours=2), local + timedelta(hours=3)
    return rules.quiet_hours([(DAYS, f"{start:%H:%M}", f"{end:%H:%M}")]), end
