"""What TikTok's business messaging allows (platforms.md 6.2 and 6.3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from server.platforms.capabilities.capability import (
    Buttons,
    Capability,
    MediaRule,
    Quota,
    Receipt,
    Starter,
    TextUnit,
    Unsend,
)
from server.platforms.port import Act, Channel, MediaKind, QuotaScope

_MB = 1_000_000

TIKTOK = (
    Capability(
        channel=Channel.TIKTOK,
        valid_from=datetime(2024, 6, 1, tzinfo=UTC),
        valid_until=None,
        source="TikTok business messaging API 1.3, through public clients (Aug 2026); window and quota from help pages",
        starter=Starter.CONTACT,
        window=timedelta(hours=48),
        human_agent_window=None,
        text_limit=6_000,
        text_unit=TextUnit.CHARACTERS,
        marketing_gap=None,
        receipts=frozenset({Receipt.READ}),
        unsend_by_page=Unsend.NOT_SUPPORTED,
        unsend_by_contact=Unsend.NOT_SUPPORTED,
        group_size=1,
        window_messages=10,
        media=(MediaRule(MediaKind.IMAGE, frozenset({"image/png", "image/jpeg"}), 3 * _MB),),
        buttons=Buttons(count=3, title=40, text_limit=40),
        offers_typing=True,
        offers_mark_read=True,
        private_reply_window=timedelta(hours=48),
        quotas=(Quota(Act.SEND, QuotaScope.PAGE, 10, timedelta(seconds=1)),),
    ),
)
