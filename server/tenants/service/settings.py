"""Settings of units: setting and clearing them, and what counts at a unit and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from server.kit import ids
from server.tenants import settings as rules
from server.tenants.errors import SettingLoosens
from server.tenants.repository import settings as repository
from server.tenants.rules import Permission
from server.tenants.service.units import unit, working_unit
from server.tenants.settings import Effective, QuietHours, SettingName, Value
from server.tenants.uow import UnitOfWork

ALL = tuple(SettingName)


async def set_setting(uow: UnitOfWork, unit_id: UUID, value: Value, *, path: tuple[str, ...] = ("value",)) -> Effective:
    """Set a value at a unit, over the one that is set there, and return what counts now. Needs setting:write on the unit.

    Raises InvalidInput for a value that no unit can have, UnitArchived, and SettingLoosens with the limit and the unit
    that set it, for one that is looser than the units above allow.
    """
    uow.scope.require(Permission.SETTING_WRITE, unit_id)
    await working_unit(uow, unit_id)
    rules.check(value, *path)
    name = rules.name_of(value)
    before = (await effective_many(uow, [unit_id], [name]))[unit_id][name]
    if before.limit is not None and not rules.tightens(before.limit, value):
        raise await _loosens(uow, before, before.limit, path)
    await repository.put(uow.session, uow.scope, unit_id, name, rules.stored(value))
    return (await effective_many(uow, [unit_id], [name]))[unit_id][name]


async def _loosens(uow: UnitOfWork, found: Effective, limit: Value, path: tuple[str, ...]) -> SettingLoosens:
    data: dict[str, object] = {"limit": rules.told(limit)}
    who = "Switchboard"
    if found.limit_unit_id is not None:
        above = await unit(uow, found.limit_unit_id)
        who = above.name
        data |= {"unitId": ids.encode("unit", above.id), "unitName": above.name}
    return SettingLoosens(
        f"This is looser than the limit: {rules.told(limit)}, set by {who}. Set the same or something stricter.",
        path=path,
        data=data,
    )


async def clear_setting(uow: UnitOfWork, unit_id: UUID, name: SettingName) -> bool:
    """Take a unit's own value away; what is set above counts then. Needs setting:write. Returns whether there was one."""
    uow.scope.require(Permission.SETTING_WRITE, unit_id)
    await unit(uow, unit_id)
    return await repository.clear(uow.session, uow.scope, unit_id, name)


async def effective(uow: UnitOfWork, unit_id: UUID) -> Mapping[SettingName, Effective]:
    """Return what counts at a unit that the scope sees, of every setting; raise NotFound."""
    await unit(uow, unit_id)
    return (await effective_many(uow, [unit_id]))[unit_id]


async def effective_many(
    uow: UnitOfWork, unit_ids: Collection[UUID], names: Collection[SettingName] = ALL
) -> Mapping[UUID, Mapping[SettingName, Effective]]:
    """Return what counts at each of the units, in one statement. The units are ones that the scope sees.

    Who sees a unit sees all units above it, so nobody is told a looser value than the one that counts.
    """
    lines: dict[tuple[UUID, SettingName], list[tuple[UUID, Value]]] = {}
    for end, row in await repository.lines(uow.session, uow.scope, unit_ids, names):
        lines.setdefault((end, row.name), []).append((row.unit_id, rules.read(row.name, row.value)))
    return {
        one: {name: rules.effective(name, lines.get((one, name), ()), one) for name in names} for one in set(unit_ids)
    }


async def quiet_until(uow: UnitOfWork, unit_id: UUID) -> datetime | None:
    """Return until when campaigns of a unit wait, by the database's clock and the unit's time zone; None: they need not."""
    found = (await effective_many(uow, [unit_id], [SettingName.QUIET_HOURS]))[unit_id][SettingName.QUIET_HOURS].value
    if not isinstance(found, QuietHours) or not found.spans:
        return None
    zone = ZoneInfo(await repository.zone(uow.session, uow.scope, unit_id))
    return rules.quiet_until(found, zone, await uow.now())
