"""Replies and marketing sends without the composer or a campaign: rows, as the slices above would queue them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from server.channels.service import PageRef
from server.consent import service as consent
from server.consent.models import ConsentSource
from server.contacts import service as contacts
from server.kit.db import Database
from server.kit.ids import new_id
from server.sends import service as sends
from server.sends.models import SendIntentRow
from server.sends.service import CampaignSend, ReplySend
from server.tenants.uow import begin, begin_read
from tests.factories.channels import a_page, an_external_id
from tests.factories.tenants import AnOrganization, a_franchise
from tests.standin_server import Platform

DIGEST = b"d" * 32


@dataclass(frozen=True, slots=True)
class AShop:
    """A tenant with one page that the stand-in knows, and a topic."""

    organization: AnOrganization
    page: PageRef
    topic_id: UUID


async def a_shop(database: Database, platform: Platform, callback: str | None = None) -> AShop:
    """Connect a page at a location; its webhooks go to `callback`."""
    organization = await a_franchise(database, locations=1)
    unit_id = organization.units["location 1"]
    external_id = an_external_id()
    token = f"token-of-{external_id}"
    page = await a_page(
        database,
        organization,
        unit_id,
        external_id=external_id,
        ad_account_id=f"act_{external_id}",
        token=token,
        account_token=token,
    )
    async with begin(database, organization.scope) as uow:
        topic = await consent.create_topic(uow, unit_id, "offers", "Offers")
    await platform.a_page(external_id, token, callback=callback)
    return AShop(organization, page, topic.id)


async def a_customer(
    database: Database, platform: Platform, shop: AShop, *, psid: str | None = None, token: str | None = None
) -> tuple[UUID, str]:
    """Let a person know the page on both sides: window open here and there; with `token` also opted in here.

    A given `psid` is someone whom the platform knows already.
    """
    if psid is None:
        psid = str(new_id().int % 10**15)
        await platform.a_customer(shop.page.external_id, psid)
    now = datetime.now(UTC)
    async with begin(database, shop.organization.scope) as uow:
        contact_id = await contacts.identify(uow, shop.page, psid)
        await consent.note_action(uow, shop.page, contact_id, now)
        if token is not None:
            await consent.opt_in(
                uow,
                shop.page,
                contact_id,
                topic_key="offers",
                title="Offers",
                token=token,
                expires_at=now + timedelta(days=30),
                at=now,
                source=ConsentSource.PLATFORM_OPT_IN,
                event_id=None,
            )
    return contact_id, psid


async def a_reply(database: Database, shop: AShop, contact_id: UUID, psid: str, text: str = "Hello") -> UUID:
    """Queue one reply."""
    async with begin(database, shop.organization.scope) as uow:
        return await sends.enqueue_reply(
            uow,
            ReplySend(shop.page.id, shop.page.unit_id, contact_id, psid, text, None, f"test:{new_id()}"),
        )


async def marketing(
    database: Database,
    shop: AShop,
    batch_id: UUID,
    people: list[tuple[UUID, str]],
    *,
    digest: bytes = DIGEST,
    platform_campaign_id: str = "120000000000001",
    at: UUID | None = None,
) -> list[UUID]:
    """Queue marketing sends of an approved batch of the page's unit, or of the unit `at`."""
    wanted = [
        CampaignSend(
            new_id(),
            shop.page.unit_id,
            shop.page.id,
            contact_id,
            psid,
            batch_id,
            shop.topic_id,
            f"Offer {number}",
            digest,
            platform_campaign_id,
            f"test:{new_id()}",
        )
        for number, (contact_id, psid) in enumerate(people)
    ]
    async with begin(database, shop.organization.scope) as uow:
        await sends.open_batch(uow, batch_id, at or shop.page.unit_id)
        await sends.approve_batch(uow, batch_id, DIGEST)
        await sends.enqueue_campaign(uow, wanted)
    return [one.id for one in wanted]


async def the_send(database: Database, shop: AShop, send_id: UUID) -> SendIntentRow:
    """Read one send."""
    async with begin_read(database, shop.organization.scope) as uow:
        statement = select(SendIntentRow).where(
            SendIntentRow.organization_id == shop.organization.id, SendIntentRow.id == send_id
        )
        return (await uow.session.scalars(statement)).one()
