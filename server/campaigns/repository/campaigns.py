"""SQL of campaigns and their sender pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import and_, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.campaigns.models import CampaignPageRow, CampaignRow, CampaignState
from server.channels.models import ConnectedAccountRow, Health, PageRow
from server.consent.models import TopicRow
from server.kit.pagination import Keyset, PageArguments
from server.platforms.port import Channel
from server.tenants.cuts import at
from server.tenants.models import UnitClosureRow, UnitRow
from server.tenants.rules import Permission
from server.tenants.scope import Scope


@dataclass(frozen=True, slots=True)
class SenderPage:
    """One page that a campaign sends from, with what decides whether it can."""

    id: UUID
    unit_id: UUID
    name: str
    channel: Channel
    ad_account_id: str | None
    page_health: Health
    account_health: Health
    is_connected: bool
    platform_campaign_id: str | None
    is_at_work: bool
    """Whether its unit is not archived."""


async def insert_campaign(session: AsyncSession, row: CampaignRow) -> None:
    """Insert a draft."""
    session.add(row)
    await session.flush()


async def campaign(session: AsyncSession, organization_id: UUID, campaign_id: UUID) -> CampaignRow | None:
    """Return one campaign."""
    return await session.get(CampaignRow, (organization_id, campaign_id))


async def lock(session: AsyncSession, organization_id: UUID, campaign_id: UUID) -> CampaignRow | None:
    """Return a campaign as it is now and lock it until the transaction ends."""
    statement = (
        select(CampaignRow)
        .where(CampaignRow.organization_id == organization_id, CampaignRow.id == campaign_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(statement)).one_or_none()


async def campaigns_by_id(session: AsyncSession, organization_id: UUID, ids: Sequence[UUID]) -> Sequence[CampaignRow]:
    """Return the campaigns with these ids that the scope sees."""
    statement = select(CampaignRow).where(CampaignRow.organization_id == organization_id, CampaignRow.id.in_(ids))
    return (await session.scalars(statement)).all()


async def list_campaigns(
    session: AsyncSession,
    scope: Scope,
    keyset: Keyset,
    arguments: PageArguments,
    unit_id: UUID | None,
    state: CampaignState | None,
) -> Sequence[CampaignRow]:
    """Return up to `size + 1` campaigns of the page, of units where campaigns may be read."""
    statement = select(CampaignRow).where(
        CampaignRow.organization_id == scope.organization_id,
        at(CampaignRow.unit_id, scope.units_with(Permission.CAMPAIGN_READ)),
        *keyset.beyond(arguments),
    )
    if unit_id is not None:
        statement = statement.where(CampaignRow.unit_id == unit_id)
    if state is not None:
        statement = statement.where(CampaignRow.state == state)
    ordered = statement.order_by(*keyset.order(arguments)).limit(arguments.size + 1)
    return (await session.scalars(ordered)).all()


async def is_offered_at(session: AsyncSession, organization_id: UUID, topic_id: UUID, unit_id: UUID) -> bool:
    """Say whether a topic stands at the unit or above it."""
    statement = (
        select(TopicRow.id)
        .join(
            UnitClosureRow,
            and_(
                UnitClosureRow.organization_id == TopicRow.organization_id,
                UnitClosureRow.ancestor_id == TopicRow.unit_id,
                UnitClosureRow.descendant_id == unit_id,
            ),
        )
        .where(TopicRow.organization_id == organization_id, TopicRow.id == topic_id)
    )
    return (await session.execute(statement)).first() is not None


async def pages_under(
    session: AsyncSession, organization_id: UUID, unit_id: UUID, ids: Sequence[UUID]
) -> Mapping[UUID, UUID]:
    """Return the units of those of the pages that stand at or under a unit, by page."""
    statement = (
        select(PageRow.id, PageRow.unit_id)
        .join(
            UnitClosureRow,
            and_(
                UnitClosureRow.organization_id == PageRow.organization_id,
                UnitClosureRow.descendant_id == PageRow.unit_id,
                UnitClosureRow.ancestor_id == unit_id,
            ),
        )
        .where(PageRow.organization_id == organization_id, PageRow.id.in_(ids))
    )
    return {page_id: owner for page_id, owner in await session.execute(statement)}


async def replace_pages(
    session: AsyncSession, organization_id: UUID, campaign_id: UUID, pages: Mapping[UUID, UUID]
) -> None:
    """Set the sender pages (page id to its unit) of a campaign."""
    await session.execute(
        delete(CampaignPageRow).where(
            CampaignPageRow.organization_id == organization_id, CampaignPageRow.campaign_id == campaign_id
        )
    )
    if pages:
        rows = [
            {"organization_id": organization_id, "campaign_id": campaign_id, "page_id": page_id, "unit_id": unit_id}
            for page_id, unit_id in sorted(pages.items())
        ]
        await session.execute(insert(CampaignPageRow), rows)


async def sender_pages(session: AsyncSession, organization_id: UUID, campaign_id: UUID) -> Sequence[SenderPage]:
    """Return the sender pages of a campaign, by id."""
    statement = (
        select(
            PageRow.id,
            PageRow.unit_id,
            PageRow.name,
            PageRow.channel,
            PageRow.ad_account_id,
            PageRow.health,
            ConnectedAccountRow.health,
            PageRow.disconnected_at.is_(None),
            CampaignPageRow.platform_campaign_id,
            UnitRow.archived_at.is_(None),
        )
        .join(UnitRow, and_(UnitRow.organization_id == PageRow.organization_id, UnitRow.id == PageRow.unit_id))
        .join(
            CampaignPageRow,
            and_(
                CampaignPageRow.organization_id == PageRow.organization_id,
                CampaignPageRow.page_id == PageRow.id,
            ),
        )
        .join(
            ConnectedAccountRow,
            and_(
                ConnectedAccountRow.organization_id == PageRow.organization_id,
                ConnectedAccountRow.id == PageRow.account_id,
            ),
        )
        .where(CampaignPageRow.organization_id == organization_id, CampaignPageRow.campaign_id == campaign_id)
        .order_by(PageRow.id)
    )
    rows: Sequence[Any] = (await session.execute(statement)).all()
    return [SenderPage(*row) for row in rows]


async def page_ids_of(
    session: AsyncSession, organization_id: UUID, campaign_ids: Sequence[UUID]
) -> Sequence[tuple[UUID, UUID]]:
    """Return (campaign, sender page) pairs of these campaigns, by page id."""
    statement = (
        select(CampaignPageRow.campaign_id, CampaignPageRow.page_id)
        .where(CampaignPageRow.organization_id == organization_id, CampaignPageRow.campaign_id.in_(campaign_ids))
        .order_by(CampaignPageRow.page_id)
    )
    return [(campaign_id, page_id) for campaign_id, page_id in await session.execute(statement)]


async def set_platform_campaign(
    session: AsyncSession, organization_id: UUID, campaign_id: UUID, page_id: UUID, platform_campaign_id: str
) -> None:
    """Store the platform's campaign of a page unless it has one."""
    await session.execute(
        update(CampaignPageRow)
        .where(
            CampaignPageRow.organization_id == organization_id,
            CampaignPageRow.campaign_id == campaign_id,
            CampaignPageRow.page_id == page_id,
            CampaignPageRow.platform_campaign_id.is_(None),
        )
        .values(platform_campaign_id=platform_campaign_id)
    )
