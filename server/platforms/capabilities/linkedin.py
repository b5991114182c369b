"""What LinkedIn allows: public comments, and no direct messages of organisations (platforms.md 5.1 to 5.3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from server.platforms.capabilities.capability import Capability, Quota, Relationship, Starter, TextUnit, Unsend
from server.platforms.port import Act, Channel, QuotaScope

_DAY = timedelta(days=1)

LINKEDIN = (
    Capability(
        channel=Channel.LINKEDIN,
        valid_from=datetime(2023, 6, 1, tzinfo=UTC),
        valid_until=None,
        source="Microsoft Learn, LinkedIn: messages API, community management, organization social action notifications (2026)",
        starter=Starter.NOBODY,  # organisations have no open inbox
        window=None,
        human_agent_window=None,
        text_limit=1_250,
        text_unit=TextUnit.CHARACTERS,
        marketing_gap=None,
        receipts=frozenset(),
        unsend_by_page=Unsend.NOT_SUPPORTED,
        unsend_by_contact=Unsend.NOT_SUPPORTED,
        group_size=1,
        relationship=Relationship.CONNECTED,
        has_direct_messages=False,
        offers_comment_reply=True,
        comment_limit=1_250,
        quotas=(
            Quota(Act.COMMENT_REPLY, QuotaScope.PAGE, 100, _DAY),
            Quota(Act.COMMENT_REPLY, QuotaScope.APP, 500, _DAY),
        ),
        public_text_kept=timedelta(hours=48),
        public_names_kept=timedelta(hours=24),
    ),
)
