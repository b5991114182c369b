"""SQL of receipts: marks and early receipts, so that a receipt may come before the answer or the echo it speaks of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from server.sends.models import Delivery, ReceiptMarkRow
from server.sends.repository.intents import SettledSend, settled

_MARK = text("""
INSERT INTO receipt_mark AS m (organization_id, page_id, contact_id, unit_id, delivered_until, read_until)
VALUES (:organization, :page, :contact, :unit, :delivered, :read)
ON CONFLICT (organization_id, page_id, contact_id) DO UPDATE SET
  delivered_until = greatest(m.delivered_until, excluded.delivered_until),
  read_until = greatest(m.read_until, excluded.read_until)
""")

_EARLY = text("""
INSERT INTO early_receipt AS e (organization_id, page_id, platform_message_id, unit_id, contact_id, delivery)
SELECT :organization, :page, mid, :unit, :contact, :delivery FROM unnest(cast(:mids AS text[])) AS mid
ON CONFLICT (organization_id, page_id, platform_message_id) DO UPDATE
  SET delivery = CASE WHEN e.delivery = 'READ' THEN 'READ' ELSE excluded.delivery END
""")

_RANK = """array_position(ARRAY['NONE', 'ACCEPTED', 'FAILED', 'DELIVERED', 'READ'], {column})"""

# What is known of each send of one person at one page, from the marks and from receipts that named its message. Times are
# compared with the platform's own time of the message; both come from the platform's clock.
_APPLY = text(f"""
UPDATE send_intent s SET delivery = v.delivery,
  delivered_at = coalesce(s.delivered_at, clock_timestamp()),
  read_at = CASE WHEN v.delivery = 'READ' THEN coalesce(s.read_at, clock_timestamp()) ELSE s.read_at END
FROM (
  SELECT o.id, CASE
      WHEN o.platform_at <= m.read_until OR e.delivery = 'READ' THEN 'READ'
      WHEN o.platform_at <= m.delivered_until OR e.delivery = 'DELIVERED' THEN 'DELIVERED'
    END AS delivery
  FROM send_intent o
  LEFT JOIN receipt_mark m ON m.organization_id = o.organization_id AND m.page_id = o.page_id
    AND m.contact_id = o.contact_id
  LEFT JOIN early_receipt e ON e.organization_id = o.organization_id AND e.page_id = o.page_id
    AND e.platform_message_id = o.platform_message_id
  WHERE o.organization_id = :organization AND o.page_id = :page AND o.contact_id = ANY(cast(:contacts AS uuid[]))
    AND o.state = 'SENT' AND o.delivery <> 'READ'
) v
WHERE s.organization_id = :organization AND s.id = v.id AND v.delivery IS NOT NULL
  AND {_RANK.format(column="v.delivery")} > {_RANK.format(column="s.delivery")}
RETURNING s.id, s.page_id, s.contact_id, s.state, s.delivery, s.reason, s.platform_message_id, s.platform_at
""")

_FAIL = text("""
UPDATE send_intent s SET delivery = 'FAILED', detail = left(:detail, 500)
WHERE s.organization_id = :organization AND s.page_id = :page AND s.contact_id = :contact
  AND s.delivery IN ('NONE', 'ACCEPTED') AND s.state = 'SENT'
  AND (s.platform_message_id = :mid OR s.platform_campaign_id = :campaign)
RETURNING s.id, s.page_id, s.contact_id, s.state, s.delivery, s.reason, s.platform_message_id, s.platform_at
""")


async def mark(
    session: AsyncSession,
    organization_id: UUID,
    page_id: UUID,
    unit_id: UUID,
    contact_id: UUID,
    *,
    delivered_until: datetime | None,
    read_until: datetime | None,
) -> None:
    """Move the marks of one person at one page forward."""
    await session.execute(
        _MARK,
        {
            "organization": organization_id,
            "page": page_id,
            "unit": unit_id,
            "contact": contact_id,
            "delivered": delivered_until,
            "read": read_until,
        },
    )


async def note_named(
    session: AsyncSession,
    organization_id: UUID,
    page_id: UUID,
    unit_id: UUID,
    contact_id: UUID,
    mids: Sequence[str],
    delivery: Delivery,
) -> None:
    """Keep that these messages were delivered or read, whether a send carries their ids yet or not."""
    await session.execute(
        _EARLY,
        {
            "organization": organization_id,
            "page": page_id,
            "unit": unit_id,
            "contact": contact_id,
            "mids": sorted(set(mids)),
            "delivery": delivery.value,
        },
    )


async def apply(
    session: AsyncSession, organization_id: UUID, page_id: UUID, contact_ids: Sequence[UUID]
) -> list[SettledSend]:
    """Bring the deliveries of these people's sends up to what is known; only forward."""
    rows = await session.execute(
        _APPLY, {"organization": organization_id, "page": page_id, "contacts": list(contact_ids)}
    )
    return [settled(row) for row in rows]


async def fail(
    session: AsyncSession,
    organization_id: UUID,
    page_id: UUID,
    contact_id: UUID,
    *,
    mid: str | None,
    campaign: str | None,
    detail: str,
) -> list[SettledSend]:
    """Mark an accepted message as failed downstream."""
    rows = await session.execute(
        _FAIL,
        {
            "organization": organization_id,
            "page": page_id,
            "contact": contact_id,
            "mid": mid,
            "campaign": campaign,
            "detail": detail,
        },
    )
    return [settled(row) for row in rows]


_FORGET = text("""
DELETE FROM early_receipt
WHERE organization_id = :organization AND created_at < clock_timestamp() - interval '7 days'
""")


async def forget_old(session: AsyncSession, organization_id: UUID) -> None:
    """Delete receipts of messages that no send has claimed for a week: they were other apps' messages."""
    await session.execute(_FORGET, {"organization": organization_id})


async def marks(
    session: AsyncSession, organization_id: UUID, page_id: UUID, contact_id: UUID
) -> tuple[datetime | None, datetime | None]:
    """Return (delivered until, read until) of one person at one page."""
    row = (
        await session.execute(
            select(ReceiptMarkRow.delivered_until, ReceiptMarkRow.read_until).where(
                ReceiptMarkRow.organization_id == organization_id,
                ReceiptMarkRow.page_id == page_id,
                ReceiptMarkRow.contact_id == contact_id,
            )
        )
    ).one_or_none()
    return (row[0], row[1]) if row else (None, None)
