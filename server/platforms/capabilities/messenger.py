"""What Messenger allows. Every period names its source; platforms.md 2.1 to 2.7 quotes them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from server.platforms.capabilities.capability import Capability, Receipt, Starter, TextUnit, Unsend
from server.platforms.port import Channel

_TAGS_RETIRED = datetime(2026, 4, 27, tzinfo=UTC)

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
