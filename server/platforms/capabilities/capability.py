"""What a channel allows, as data: one frozen value per channel and period of validity."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from server.platforms.port import Channel


class Starter(StrEnum):
    """Who may open a conversation."""

    CONTACT = "CONTACT"
    ANYBODY = "ANYBODY"


class TextUnit(StrEnum):
    """What a text limit counts."""

    CHARACTERS = "CHARACTERS"
    BYTES = "BYTES"


class Receipt(StrEnum):
    """What the platform reports after a message left."""

    DELIVERED = "DELIVERED"
    READ = "READ"


class Unsend(StrEnum):
    """What deleting a message does on the platform (product.md S4-16)."""

    DELETE_FOR_ME = "DELETE_FOR_ME"
    UNSEND_FOR_ALL = "UNSEND_FOR_ALL"
    NOT_SUPPORTED = "NOT_SUPPORTED"


@dataclass(frozen=True, slots=True)
class Capability:
    """The rules of one channel from `valid_from` until before `valid_until` (None: until further notice).

    A window of None means that the channel knows none. `group_size` counts the people besides the page.
    """

    channel: Channel
    valid_from: datetime
    valid_until: datetime | None
    source: str
    starter: Starter
    window: timedelta | None
    human_agent_window: timedelta | None
    text_limit: int
    text_unit: TextUnit
    marketing_gap: timedelta | None
    receipts: frozenset[Receipt]
    unsend_by_page: Unsend
    unsend_by_contact: Unsend
    group_size: int
    message_tags: frozenset[str] = frozenset()

    @property
    def offers_marketing(self) -> bool:
        """Say whether paid marketing messages exist on this channel."""
        return self.marketing_gap is not None


def text_length(capability: Capability, text: str) -> int:
    """Return the length of a text in the unit of the channel's limit."""
    if capability.text_unit is TextUnit.BYTES:
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text)
