"""SQL of the audience: who is in the segment now, and the snapshot that was frozen."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import and_, delete, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from server.campaigns.models import CampaignPageRow, CampaignRecipientRow, CampaignRow
from server.campaigns.rules import Assessed, FrozenRecipient, Person
from server.consent.models import SuppressionReason
from server.kit.pagination import Keyset, PageArguments
from server.platforms.port import Channel
from server.sends.models import Delivery, SendIntentRow, SendState
from server.tenants.cuts import is_one_of

PAGE = 1_000

# A person with an identity on several sender pages is asked from the one they said yes to; of several, the first.
_SEGMENT = text("""
SELECT DISTINCT ON (identity.contact_id)
  identity.contact_id, page.id AS page_id, page.unit_id, page.channel, identity.external_id, page.name AS page_name,
  unit.name AS unit_name, unit.attributes AS unit_attributes,
  contact.name, contact.first_name, contact.attributes,
  coalesce(suppression.reason, CASE WHEN contact.was_erased THEN 'ERASED_BEFORE' END) AS reason,
  consent.is_opted_in, consent.expires_at
FROM campaign_page sender
JOIN contact_identity identity
  ON identity.organization_id = sender.organization_id AND identity.page_id = sender.page_id
JOIN contact ON contact.organization_id = identity.organization_id AND contact.id = identity.contact_id
JOIN page ON page.organization_id = sender.organization_id AND page.id = sender.page_id
JOIN unit ON unit.organization_id = page.organization_id AND unit.id = page.unit_id
LEFT JOIN suppression
  ON suppression.organization_id = identity.organization_id AND suppression.contact_id = identity.contact_id
LEFT JOIN consent ON consent.organization_id = identity.organization_id AND consent.page_id = identity.page_id
  AND consent.contact_id = identity.contact_id AND consent.topic_id = :topic
WHERE sender.organization_id = :organization AND sender.campaign_id = :campaign
  AND (:everybody OR EXISTS (
    SELECT FROM contact_label worn WHERE worn.organization_id = identity.organization_id
      AND worn.contact_id = identity.contact_id AND worn.label_id = ANY (cast(:labels AS uuid[]))))
ORDER BY identity.contact_id,
  (consent.is_opted_in IS TRUE AND (consent.expires_at IS NULL OR consent.expires_at > clock_timestamp())) DESC,
  page.id, identity.id
""")


@dataclass(frozen=True, slots=True)
class Planned:
    """One recipient of the snapshot who gets a message, on the way to a send."""

    contact_id: UUID
    unit_id: UUID
    page_id: UUID
    recipient_external_id: str
    text: str | None
    platform_campaign_id: str | None


@dataclass(frozen=True, slots=True)
class Recipient:
    """One person of a frozen audience and what became of their message; send fields are None before there is one."""

    contact_id: UUID
    page_id: UUID
    text: str | None
    skip_reason: str | None
    send_id: UUID | None
    send_state: SendState | None
    send_reason: str | None
    delivery: Delivery | None


async def segment(session: AsyncSession, row: CampaignRow) -> AsyncIterator[list[Person]]:
    """Yield the people of a campaign's segment by contact id, 1,000 at a time, all as of one moment."""
    found = await session.stream(
        _SEGMENT,
        {
            "organization": row.organization_id,
            "campaign": row.id,
            "topic": row.topic_id,
            "everybody": not row.label_ids,
            "labels": list(row.label_ids),
        },
        execution_options={"yield_per": PAGE},
    )
    async for part in found.partitions():
        yield [
            Person(
                contact_id=one.contact_id,
                page_id=one.page_id,
                unit_id=one.unit_id,
                channel=Channel(one.channel),
                recipient_external_id=one.external_id,
                page_name=one.page_name,
                unit_name=one.unit_name,
                unit_attributes=one.unit_attributes,
                name=one.name,
                first_name=one.first_name,
                attributes=one.attributes,
                suppression=None if one.reason is None else SuppressionReason(one.reason),
                is_opted_in=one.is_opted_in,
                consent_expires_at=one.expires_at,
            )
            for one in part
        ]


async def freeze(session: AsyncSession, row: CampaignRow, assessed: Sequence[Assessed]) -> None:
    """Write verdicts into the snapshot."""
    await session.execute(
        insert(CampaignRecipientRow),
        [
            {
                "organization_id": row.organization_id,
                "campaign_id": row.id,
                "contact_id": one.person.contact_id,
                "unit_id": one.person.unit_id,
                "page_id": one.person.page_id,
                "recipient_external_id": one.person.recipient_external_id,
                "text": one.text,
                "skip_reason": one.skip_reason,
            }
            for one in assessed
        ],
    )


async def thaw(session: AsyncSession, organization_id: UUID, campaign_id: UUID) -> None:
    """Drop the snapshot of a campaign."""
    await session.execute(
        delete(CampaignRecipientRow).where(
            CampaignRecipientRow.organization_id == organization_id, CampaignRecipientRow.campaign_id == campaign_id
        )
    )


async def snapshot(session: AsyncSession, organization_id: UUID, campaign_id: UUID) -> AsyncIterator[FrozenRecipient]:
    """Yield the snapshot in the order of the contact ids."""
    statement = (
        select(
            CampaignRecipientRow.contact_id,
            CampaignRecipientRow.page_id,
            CampaignRecipientRow.recipient_external_id,
            CampaignRecipientRow.text,
            CampaignRecipientRow.skip_reason,
        )
        .where(CampaignRecipientRow.organization_id == organization_id, CampaignRecipientRow.campaign_id == campaign_id)
        .order_by(CampaignRecipientRow.contact_id)
    )
    async for one in await session.stream(statement, execution_options={"yield_per": PAGE}):
        yield FrozenRecipient(*one)


async def skipped_of(
    session: AsyncSession, organization_id: UUID, campaign_ids: Sequence[UUID]
) -> Mapping[UUID, Mapping[str | None, int]]:
    """Count the snapshot of each campaign by skip reason; None counts those who get a message."""
    row = CampaignRecipientRow
    statement = (
        select(row.campaign_id, row.skip_reason, func.count())
        .where(row.organization_id == organization_id, is_one_of(row.campaign_id, campaign_ids))
        .group_by(row.campaign_id, row.skip_reason)
    )
    counted: dict[UUID, dict[str | None, int]] = {one: {} for one in campaign_ids}
    for campaign_id, reason, count in await session.execute(statement):
        counted[campaign_id][reason] = count
    return counted


async def next_planned(session: AsyncSession, row: CampaignRow) -> Sequence[Planned]:
    """Return up to 1,000 recipients behind the campaign's cursor who get a message and have no send yet."""
    statement = (
        select(
            CampaignRecipientRow.contact_id,
            CampaignRecipientRow.unit_id,
            CampaignRecipientRow.page_id,
            CampaignRecipientRow.recipient_external_id,
            CampaignRecipientRow.text,
            CampaignPageRow.platform_campaign_id,
        )
        .join(
            CampaignPageRow,
            and_(
                CampaignPageRow.organization_id == CampaignRecipientRow.organization_id,
                CampaignPageRow.campaign_id == CampaignRecipientRow.campaign_id,
                CampaignPageRow.page_id == CampaignRecipientRow.page_id,
            ),
        )
        .where(
            CampaignRecipientRow.organization_id == row.organization_id,
            CampaignRecipientRow.campaign_id == row.id,
            CampaignRecipientRow.skip_reason.is_(None),
            CampaignRecipientRow.send_id.is_(None),
        )
        .order_by(CampaignRecipientRow.contact_id)
        .limit(PAGE)
    )
    if row.expansion_cursor is not None:
        statement = statement.where(CampaignRecipientRow.contact_id > row.expansion_cursor)
    return [Planned(*one) for one in await session.execute(statement)]


_LINK = text("""
UPDATE campaign_recipient recipient SET send_id = link.send_id
FROM unnest(cast(:contacts AS uuid[]), cast(:sends AS uuid[])) AS link (contact_id, send_id)
WHERE recipient.organization_id = :organization AND recipient.campaign_id = :campaign
  AND recipient.contact_id = link.contact_id
""")


async def link_sends(
    session: AsyncSession, organization_id: UUID, campaign_id: UUID, sends: Mapping[UUID, UUID]
) -> None:
    """Write into the snapshot which send each contact got."""
    await session.execute(
        _LINK,
        {
            "organization": organization_id,
            "campaign": campaign_id,
            "contacts": list(sends),
            "sends": list(sends.values()),
        },
    )


async def recipients(
    session: AsyncSession,
    organization_id: UUID,
    keyset: Keyset,
    arguments: PageArguments,
    campaign_id: UUID,
    skip_reason: str | None,
) -> Sequence[Recipient]:
    """Return up to `size + 1` recipients of the page with their sends."""
    statement = (
        select(
            CampaignRecipientRow.contact_id,
            CampaignRecipientRow.page_id,
            CampaignRecipientRow.text,
            CampaignRecipientRow.skip_reason,
            CampaignRecipientRow.send_id,
            SendIntentRow.state,
            SendIntentRow.reason,
            SendIntentRow.delivery,
        )
        .outerjoin(
            SendIntentRow,
            and_(
                SendIntentRow.organization_id == CampaignRecipientRow.organization_id,
                SendIntentRow.id == CampaignRecipientRow.send_id,
            ),
        )
        .where(
            CampaignRecipientRow.organization_id == organization_id,
            CampaignRecipientRow.campaign_id == campaign_id,
            *keyset.beyond(arguments),
        )
        .order_by(*keyset.order(arguments))
        .limit(arguments.size + 1)
    )
    if skip_reason is not None:
        statement = statement.where(
            func.coalesce(CampaignRecipientRow.skip_reason, SendIntentRow.reason) == skip_reason
        )
    return [Recipient(*one) for one in await session.execute(statement)]
