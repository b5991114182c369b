"""What X allows. Platforms.md 4.2 to 4.4 quotes the sources; where two pages disagree, the smaller figure stands here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from server.platforms.capabilities.capability import Capability, MediaRule, Quota, Starter, TextUnit, Unsend
from server.platforms.port import Act, Channel, MediaKind, QuotaScope

_MB = 1_000_000
_QUARTER, _DAY = timedelta(minutes=15), timedelta(days=1)

X = (
    Capability(
        channel=Channel.X,
        valid_from=datetime(2023, 2, 1, tzinfo=UTC),
        valid_until=None,
        source="X developer docs (Aug 2026): direct messages, rate limits, developer guidelines; help page on DM limits",
        starter=Starter.CONTACT,  # automated messages only to people who wrote first
        window=None,
        human_agent_window=None,
        text_limit=10_000,
        text_unit=TextUnit.CHARACTERS,
        marketing_gap=None,
        receipts=frozenset(),
        unsend_by_page=Unsend.DELETE_FOR_ME,
        unsend_by_contact=Unsend.DELETE_FOR_ME,
        group_size=49,
        media=(
            MediaRule(MediaKind.IMAGE, frozenset({"image/png", "image/jpeg", "image/webp"}), 5 * _MB),
            MediaRule(MediaKind.IMAGE, frozenset({"image/gif"}), 15 * _MB),
            MediaRule(MediaKind.VIDEO, frozenset({"video/mp4", "video/quicktime"}), 512 * _MB),
        ),
        text_with_media=True,
        quotas=(
            Quota(Act.SEND, QuotaScope.PAGE, 15, _QUARTER),
            Quota(Act.SEND, QuotaScope.PAGE, 500, _DAY),
            Quota(Act.SEND, QuotaScope.APP, 1_440, _DAY),
            Quota(Act.LIST, QuotaScope.PAGE, 15, _QUARTER),
        ),
    ),
)
