"""SQL of pages and grants that leave."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.channels.models import ConnectedAccountRow, ConnectionRow, ConnectionState, Health, PageRow
from server.platforms.port import Channel
from server.tenants.leaving import among

_QUIET = {"synchronize_session": False}


async def freeze_pages(
    session: AsyncSession, organization_id: UUID, unit_ids: Sequence[UUID], at: datetime
) -> Sequence[UUID]:
    """Disconnect the pages of these units, their tokens kept for the way out; return all pages of the units."""
    await session.execute(
        update(PageRow)
        .where(
            PageRow.organization_id == organization_id,
            PageRow.unit_id == among(unit_ids),
            PageRow.disconnected_at.is_(None),
        )
        .values(disconnected_at=at, subscribed_at=None, health=Health.RECONNECT_NEEDED, health_reason="leaving")
        .execution_options(**_QUIET)
    )
    statement = select(PageRow.id).where(PageRow.organization_id == organization_id, PageRow.unit_id == among(unit_ids))
    return (await session.scalars(statement.order_by(PageRow.id))).all()


async def refuse_connections(session: AsyncSession, organization_id: UUID, unit_ids: Sequence[UUID]) -> None:
    """End the dialogues of these units that are still open, and forget what they found."""
    await session.execute(
        update(ConnectionRow)
        .where(
            ConnectionRow.organization_id == organization_id,
            ConnectionRow.unit_id == among(unit_ids),
            ConnectionRow.state.in_([ConnectionState.STARTED, ConnectionState.GRANTED]),
        )
        .values(state=ConnectionState.REFUSED, found_sealed=None, verifier_sealed=None, failure="leaving")
        .execution_options(**_QUIET)
    )


async def refuse_connections_of(session: AsyncSession, organization_id: UUID, account_id: UUID) -> None:
    """End the dialogues that gave a grant and are still open, and forget what they found."""
    await session.execute(
        update(ConnectionRow)
        .where(
            ConnectionRow.organization_id == organization_id,
            ConnectionRow.account_id == account_id,
            ConnectionRow.state == ConnectionState.GRANTED,
        )
        .values(state=ConnectionState.REFUSED, found_sealed=None, failure="withdrawn")
        .execution_options(**_QUIET)
    )


async def pages_of(session: AsyncSession, organization_id: UUID, unit_ids: Sequence[UUID]) -> Sequence[PageRow]:
    """Return the pages of these units."""
    statement = select(PageRow).where(PageRow.organization_id == organization_id, PageRow.unit_id == among(unit_ids))
    return (await session.scalars(statement.order_by(PageRow.id))).all()


async def accounts_of(
    session: AsyncSession, organization_id: UUID, unit_ids: Sequence[UUID]
) -> Sequence[ConnectedAccountRow]:
    """Return the grants of these units, and those of other units that their pages hang on."""
    used = select(PageRow.account_id).where(
        PageRow.organization_id == organization_id, PageRow.unit_id == among(unit_ids)
    )
    statement = select(ConnectedAccountRow).where(
        ConnectedAccountRow.organization_id == organization_id,
        or_(ConnectedAccountRow.unit_id == among(unit_ids), ConnectedAccountRow.id.in_(used)),
    )
    return (await session.scalars(statement.order_by(ConnectedAccountRow.id))).all()


async def serves_others(
    session: AsyncSession, organization_id: UUID, account_id: UUID, unit_ids: Sequence[UUID]
) -> tuple[bool, bool]:
    """Say whether pages of other units hang on a grant, and whether any of these is connected."""
    statement = select(func.count(), func.count().filter(PageRow.disconnected_at.is_(None))).where(
        PageRow.organization_id == organization_id,
        PageRow.account_id == account_id,
        PageRow.unit_id.not_in(unit_ids),
    )
    some, connected = (await session.execute(statement)).one()
    return bool(some), bool(connected)


async def move_account(session: AsyncSession, account: ConnectedAccountRow, unit_id: UUID) -> None:
    """Give a grant to another unit; if that one has the same grant already, its pages move to that instead."""
    mine = and_(
        ConnectedAccountRow.organization_id == account.organization_id,
        ConnectedAccountRow.channel == account.channel,
        ConnectedAccountRow.external_id == account.external_id,
        ConnectedAccountRow.unit_id == unit_id,
    )
    twin = (await session.scalars(select(ConnectedAccountRow.id).where(mine))).one_or_none()
    if twin is None:
        account.unit_id = unit_id
        await session.flush()
        return
    await session.execute(
        update(PageRow)
        .where(PageRow.organization_id == account.organization_id, PageRow.account_id == account.id)
        .values(account_id=twin)
        .execution_options(**_QUIET)
    )


_ELSEWHERE = text("""
SELECT EXISTS (SELECT FROM connected_account WHERE channel = :channel AND external_id = :external_id
  AND (organization_id <> :organization OR unit_id <> ALL (cast(:units AS uuid[]))))
""")


async def is_granted_elsewhere(
    session: AsyncSession, organization_id: UUID, unit_ids: Sequence[UUID], channel: Channel, external_id: str
) -> bool:
    """Say whether the same person granted something to anybody but these units. For the system role."""
    values = {
        "organization": organization_id,
        "units": list(unit_ids),
        "channel": channel.value,
        "external_id": external_id,
    }
    return bool((await session.execute(_ELSEWHERE, values)).scalar_one())


_FORGET_STRAYS = text("""
DELETE FROM stray_event USING unnest(cast(:names AS text[])) AS page(name)
WHERE channel = :channel AND (detail LIKE '% for page ' || page.name OR position(convert_to(page.name, 'UTF8') in body) > 0)
RETURNING stray_event.id
""")


async def forget_strays(session: AsyncSession, channel: Channel, names: Sequence[str]) -> int:
    """Delete strays that name one of these pages; return how many. For the system role."""
    gone = await session.execute(_FORGET_STRAYS, {"channel": channel.value, "names": list(names)})
    return len({row.id for row in gone})
