"""SQL of pages, their accounts and their routes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from server.channels.models import ConnectedAccountRow, Health, PageRow
from server.kit.pagination import Keyset, PageArguments
from server.platforms.port import Channel
from server.tenants.cuts import at
from server.tenants.models import UnitClosureRow


async def page(session: AsyncSession, organization_id: UUID, page_id: UUID, *, lock: bool = False) -> PageRow | None:
    """Return one page that the scope sees; `lock` keeps it until the transaction ends."""
    statement = select(PageRow).where(PageRow.organization_id == organization_id, PageRow.id == page_id)
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return (await session.scalars(statement)).one_or_none()


async def page_names(
    session: AsyncSession, organization_id: UUID, page_id: UUID
) -> Row[UUID, UUID, Channel, str, str] | None:
    """Return id, unit, channel and the platform's id and name of one page that the scope sees; it never opens the rest."""
    columns = (PageRow.id, PageRow.unit_id, PageRow.channel, PageRow.external_id, PageRow.name)
    statement = select(*columns).where(PageRow.organization_id == organization_id, PageRow.id == page_id)
    return (await session.execute(statement)).one_or_none()


async def account(session: AsyncSession, organization_id: UUID, account_id: UUID) -> ConnectedAccountRow | None:
    """Return one account that the scope sees."""
    statement = select(ConnectedAccountRow).where(
        ConnectedAccountRow.organization_id == organization_id, ConnectedAccountRow.id == account_id
    )
    return (await session.scalars(statement)).one_or_none()


async def pages_by_id(session: AsyncSession, organization_id: UUID, ids: Sequence[UUID]) -> Sequence[PageRow]:
    """Return the pages with these ids that the scope sees."""
    statement = select(PageRow).where(PageRow.organization_id == organization_id, PageRow.id.in_(ids))
    return (await session.scalars(statement)).all()


async def list_pages(
    session: AsyncSession,
    organization_id: UUID,
    keyset: Keyset,
    arguments: PageArguments,
    *,
    unit_id: UUID | None,
    unit_ids: Sequence[UUID] | None,
) -> Sequence[PageRow]:
    """Return up to `size + 1` pages of the list: under `unit_id`, and only of `unit_ids` where these are given."""
    statement = select(PageRow).where(PageRow.organization_id == organization_id, *keyset.beyond(arguments))
    if unit_id is not None:
        below = select(UnitClosureRow.descendant_id).where(
            UnitClosureRow.organization_id == organization_id, UnitClosureRow.ancestor_id == unit_id
        )
        statement = statement.where(PageRow.unit_id.in_(below))
    statement = statement.where(at(PageRow.unit_id, unit_ids))
    ordered = statement.order_by(*keyset.order(arguments)).limit(arguments.size + 1)
    return (await session.scalars(ordered)).all()


async def lock_by_external_id(
    session: AsyncSession, organization_id: UUID, channel: Channel, external_ids: Sequence[str]
) -> dict[str, PageRow]:
    """Lock and return the pages with these names on the platform that the scope sees."""
    statement = (
        select(PageRow)
        .where(
            PageRow.organization_id == organization_id,
            PageRow.channel == channel,
            PageRow.external_id.in_(external_ids),
        )
        .order_by(PageRow.external_id)
        .with_for_update()
    )
    return {row.external_id: row for row in await session.scalars(statement)}


async def units_by_external_id(
    session: AsyncSession, organization_id: UUID, channel: Channel, external_ids: Sequence[str]
) -> dict[str, UUID]:
    """Return the unit of each page with one of these names on the platform that the scope sees."""
    statement = select(PageRow.external_id, PageRow.unit_id).where(
        PageRow.organization_id == organization_id,
        PageRow.channel == channel,
        PageRow.external_id.in_(external_ids),
    )
    return {row.external_id: row.unit_id for row in await session.execute(statement)}


@dataclass(frozen=True, slots=True)
class WantedRoute:
    """A page that an organization wants to own, by the platform's name and ours."""

    external_id: str
    page_id: UUID


# Sorted, so that two organizations which claim the same pages wait for each other in one order.
_CLAIM = text(
    "SELECT w.external_id, claim_page_route(:channel, w.external_id, w.page_id) AS is_ours FROM"
    " (SELECT * FROM unnest(CAST(:external_ids AS text[]), CAST(:pages AS uuid[])) AS u(external_id, page_id)"
    "  ORDER BY u.external_id) AS w"
)
_RELEASE = text("SELECT release_page_route(:channel, :external_id)")


async def claim_routes(session: AsyncSession, channel: Channel, wanted: Sequence[WantedRoute]) -> frozenset[str]:
    """Claim pages for the organization of the scope and return those that are now its own."""
    claimed = await session.execute(
        _CLAIM,
        {
            "channel": channel.value,
            "external_ids": [one.external_id for one in wanted],
            "pages": [one.page_id for one in wanted],
        },
    )
    return frozenset(row.external_id for row in claimed if row.is_ours)


async def release_route(session: AsyncSession, channel: Channel, external_id: str) -> None:
    """Give a page of this organization free for everybody."""
    await session.execute(_RELEASE, {"channel": channel.value, "external_id": external_id})


async def insert_page(session: AsyncSession, values: dict[str, Any]) -> bool:
    """Insert a page; False if the organization has one of that name already, seen or not."""
    inserted = await session.execute(
        insert(PageRow)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["organization_id", "channel", "external_id"])
        .returning(PageRow.id)
    )
    return inserted.first() is not None


async def mark_page(
    session: AsyncSession, organization_id: UUID, page_id: UUID, health: Health, reason: str | None
) -> bool:
    """Set a page's health; False if it was so already."""
    changed = await session.execute(
        update(PageRow)
        .where(
            PageRow.organization_id == organization_id,
            PageRow.id == page_id,
            or_(PageRow.health != health, PageRow.is_ill_by_grant),
        )
        .values(health=health, health_reason=reason, health_since=func.clock_timestamp(), is_ill_by_grant=False)
        .returning(PageRow.id)
    )
    return changed.first() is not None


async def pause(session: AsyncSession, organization_id: UUID, page_id: UUID, until: datetime) -> None:
    """Move the end of a page's pause to `until` unless it is later already."""
    await session.execute(
        update(PageRow)
        .where(PageRow.organization_id == organization_id, PageRow.id == page_id)
        .values(paused_until=func.greatest(func.coalesce(PageRow.paused_until, until), until))
    )


async def mark_subscribed(session: AsyncSession, organization_id: UUID, page_id: UUID) -> None:
    """Note that the platform confirmed the page's webhooks."""
    await session.execute(
        update(PageRow)
        .where(PageRow.organization_id == organization_id, PageRow.id == page_id, PageRow.disconnected_at.is_(None))
        .values(
            subscribed_at=func.coalesce(PageRow.subscribed_at, func.clock_timestamp()),
            subscription_checked_at=func.clock_timestamp(),
        )
    )
