"""SQL of settings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from server.tenants.attributes import is_time_zone
from server.tenants.cuts import in_reach_or_above, is_one_of
from server.tenants.models import OrganizationRow, UnitClosureRow, UnitRow
from server.tenants.scope import Scope
from server.tenants.setting_models import UnitSettingRow
from server.tenants.settings import SettingName

_ZONE = "time_zone"


async def lines(
    session: AsyncSession, scope: Scope, unit_ids: Collection[UUID], names: Collection[SettingName]
) -> Sequence[tuple[UUID, UnitSettingRow]]:
    """Return what is set along the lines that end at these units as (unit, setting), the root's first."""
    statement = (
        select(UnitClosureRow.descendant_id, UnitSettingRow)
        .join(
            UnitSettingRow,
            (UnitSettingRow.organization_id == UnitClosureRow.organization_id)
            & (UnitSettingRow.unit_id == UnitClosureRow.ancestor_id),
        )
        .where(
            UnitClosureRow.organization_id == scope.organization_id,
            is_one_of(UnitClosureRow.descendant_id, unit_ids),
            UnitSettingRow.name.in_(names),
            in_reach_or_above(scope, UnitSettingRow.unit_id),
        )
        .order_by(UnitClosureRow.descendant_id, UnitClosureRow.depth.desc(), UnitSettingRow.name)
        .execution_options(populate_existing=True)
    )
    return [(descendant, row) for descendant, row in await session.execute(statement)]


async def put(
    session: AsyncSession, scope: Scope, unit_id: UUID, name: SettingName, value: Mapping[str, object]
) -> None:
    """Write one setting over the one that is there."""
    changes = {"value": dict(value), "set_by": scope.actor.id, "set_at": func.clock_timestamp()}
    statement = insert(UnitSettingRow).values(
        organization_id=scope.organization_id, unit_id=unit_id, name=name, **changes
    )
    await session.execute(
        statement.on_conflict_do_update(index_elements=["organization_id", "unit_id", "name"], set_=changes)
    )


async def clear(session: AsyncSession, scope: Scope, unit_id: UUID, name: SettingName) -> bool:
    """Delete one setting; return whether there was one."""
    statement = (
        delete(UnitSettingRow)
        .where(
            UnitSettingRow.organization_id == scope.organization_id,
            UnitSettingRow.unit_id == unit_id,
            UnitSettingRow.name == name,
            in_reach_or_above(scope, UnitSettingRow.unit_id),
        )
        .returning(UnitSettingRow.name)
        .execution_options(synchronize_session=False)
    )
    return (await session.execute(statement)).first() is not None


async def zone(session: AsyncSession, scope: Scope, unit_id: UUID) -> str:
    """Return the name of a unit's time zone: its own, or the organization's."""
    statement = (
        select(UnitRow.attributes[_ZONE].astext, OrganizationRow.time_zone)
        .join(OrganizationRow, OrganizationRow.organization_id == UnitRow.organization_id)
        .where(
            UnitRow.organization_id == scope.organization_id,
            UnitRow.id == unit_id,
            in_reach_or_above(scope, UnitRow.id),
        )
    )
    own, general = (await session.execute(statement)).one()
    return str(own) if own is not None and is_time_zone(own) else str(general)
