"""What Messenger allows. Every period names its source; platforms.md 2.1 to 2.7 quotes them."""

from __future__ import annotations

from dataclasses import replace
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

_TAGS_RETIRED = datetime(2026, 4, 27, tzinfo=UTC)

_MB = 1_000_000
_SECOND, _HOUR = timedelta(seconds=1), timedelta(hours=1)

_NOW = Capability(
    channel=Channel.MESSENGER,
    valid_from=_TAGS_RETIRED,
    valid_until=None,
    source="Messenger platform: send API (5 May 2026), policy overview (28 Sep 2026), marketing messages (May 2026)",
    starter=Starter.CONTACT,
    window=timedelta(hours=24),
    human_agent_window=timedelta(days=7),
    text_limit=2_000,
    text_unit=TextUnit.CHARACTERS,
    # The pages say 12 h per token, older ones once per chosen frequency; one a day is on the safe side of both.
    marketing_gap=timedelta(hours=24),
    receipts=frozenset({Receipt.DELIVERED, Receipt.READ}),
    unsend_by_page=Unsend.NOT_SUPPORTED,
    unsend_by_contact=Unsend.UNSEND_FOR_ALL,
    group_size=1,
    message_tags=frozenset({"HUMAN_AGENT"}),
    media=(
        MediaRule(MediaKind.IMAGE, frozenset({"image/png", "image/jpeg", "image/gif"}), 25 * _MB, 30),
        MediaRule(MediaKind.VIDEO, frozenset({"video/mp4", "video/quicktime", "video/ogg", "video/webm"}), 25 * _MB),
        MediaRule(MediaKind.AUDIO, frozenset({"audio/mpeg", "audio/mp4", "audio/aac", "audio/wav"}), 25 * _MB),
        MediaRule(MediaKind.FILE, frozenset({"application/pdf", "text/plain"}), 25 * _MB),
    ),
    quick_replies=11,  # the pages say 13, older clients 11: the smaller number is on the safe side of both
    quick_reply_title=20,
    buttons=Buttons(count=3, title=20, text_limit=640),
    offers_utility=True,
    offers_typing=True,
    offers_mark_read=True,
    private_reply_window=timedelta(days=7),
    offers_comment_reply=True,
    comment_limit=8_000,
    quotas=(
        Quota(Act.SEND, QuotaScope.PAGE, 300, _SECOND),
        Quota(Act.SEND_MEDIA, QuotaScope.PAGE, 10, _SECOND),
        Quota(Act.PRIVATE_REPLY, QuotaScope.PAGE, 750, _HOUR),
        Quota(Act.LIST, QuotaScope.PAGE, 2, _SECOND),
    ),
)

MESSENGER = (
    replace(
        _NOW,
        valid_from=datetime(2020, 3, 4, tzinfo=UTC),
        valid_until=_TAGS_RETIRED,
        source="Messenger platform: policy before the retirement of three message tags on 27 April 2026",
        message_tags=frozenset({"HUMAN_AGENT", "CONFIRMED_EVENT_UPDATE", "ACCOUNT_UPDATE", "POST_PURCHASE_UPDATE"}),
    ),
    _NOW,
)
