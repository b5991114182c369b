"""What Instagram allows. Platforms.md 3.2 to 3.4 quotes the sources; S1-04 and A.6 say why it must be data."""

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
_SECOND, _HOUR = timedelta(seconds=1), timedelta(hours=1)

INSTAGRAM = (
    Capability(
        channel=Channel.INSTAGRAM,
        valid_from=datetime(2025, 1, 27, tzinfo=UTC),  # since then only the present scope names work
        valid_until=None,
        source="Instagram platform: messaging API, private replies (16 Apr 2026); Messenger platform: rate limits (23 Mar 2026)",
        starter=Starter.CONTACT,
        window=timedelta(hours=24),
        human_agent_window=timedelta(days=7),
        text_limit=1_000,
        text_unit=TextUnit.BYTES,
        marketing_gap=None,  # whether marketing messages are open was clear from no source
        receipts=frozenset({Receipt.READ}),
        unsend_by_page=Unsend.NOT_SUPPORTED,
        unsend_by_contact=Unsend.UNSEND_FOR_ALL,
        group_size=1,
        message_tags=frozenset({"HUMAN_AGENT"}),
        media=(
            MediaRule(MediaKind.IMAGE, frozenset({"image/png", "image/jpeg"}), 8 * _MB, 10),
            MediaRule(
                MediaKind.VIDEO,
                frozenset({"video/mp4", "video/ogg", "video/x-msvideo", "video/quicktime", "video/webm"}),
                25 * _MB,
            ),
            MediaRule(MediaKind.AUDIO, frozenset({"audio/aac", "audio/mp4", "audio/wav"}), 25 * _MB),
            MediaRule(MediaKind.FILE, frozenset({"application/pdf"}), 25 * _MB),
        ),
        quick_replies=13,
        quick_reply_title=20,
        buttons=Buttons(count=3, title=20, text_limit=640),
        offers_typing=True,
        offers_mark_read=True,
        private_reply_window=timedelta(days=7),
        offers_comment_reply=True,
        comment_limit=2_200,
        quotas=(
            Quota(Act.SEND, QuotaScope.PAGE, 300, _SECOND),
            Quota(Act.SEND_MEDIA, QuotaScope.PAGE, 10, _SECOND),
            Quota(Act.PRIVATE_REPLY, QuotaScope.PAGE, 750, _HOUR),
            Quota(Act.LIST, QuotaScope.PAGE, 2, _SECOND),
        ),
    ),
)
