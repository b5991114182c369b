"""What a channel allows, as data: one frozen value per channel and period of validity (D-19).

The composer, the checks of the API, the gate, the quotas, the docs and the tests read it; nothing else knows a limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from server.platforms.port import Act, Channel, MediaKind, QuotaScope


class Starter(StrEnum):
    """Who may open a conversation."""

    CONTACT = "CONTACT"
    ANYBODY = "ANYBODY"
    NOBODY = "NOBODY"


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


class Relationship(StrEnum):
    """What must be between the page and the person before a message may go (S1-05, S4-13)."""

    NONE = "NONE"
    CONNECTED = "CONNECTED"


@dataclass(frozen=True, slots=True)
class MediaRule:
    """Media of one kind that a message may carry: its types, the bytes of one file, and how many go into one message.

    A kind may have several rules with different types, where the channel takes more bytes of some of them.
    """

    kind: MediaKind
    mime_types: frozenset[str]
    max_bytes: int
    max_count: int = 1


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `limit` calls of an act within any `window`, per page or for our whole app at the platform."""

    act: Act
    scope: QuotaScope
    limit: int
    window: timedelta


@dataclass(frozen=True, slots=True)
class Buttons:
    """Buttons below a text: how many, how long a title, and how long the text above may be then (None: as always)."""

    count: int
    title: int
    text_limit: int | None = None


@dataclass(frozen=True, slots=True)
class Capability:
    """The rules of one channel from `valid_from` until before `valid_until` (None: until further notice).

    A window of None means that the channel knows none, a count of 0 that it does not offer the thing. `group_size` counts
    the people besides the page. `window_messages` is how many messages of the page fit into one window.
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
    relationship: Relationship = Relationship.NONE
    has_direct_messages: bool = True
    window_messages: int | None = None
    media: tuple[MediaRule, ...] = ()
    text_with_media: bool = False
    quick_replies: int = 0
    quick_reply_title: int = 0
    buttons: Buttons | None = None
    offers_utility: bool = False
    offers_typing: bool = False
    offers_mark_read: bool = False
    private_reply_window: timedelta | None = None
    offers_comment_reply: bool = False
    comment_limit: int = 0
    quotas: tuple[Quota, ...] = ()
    public_text_kept: timedelta | None = None
    """How long texts of the public that are not the page's own may be stored (None: as long as the tenant wants)."""
    public_names_kept: timedelta | None = None
    """The same for the names of those who wrote them; never longer than their texts."""

    @property
    def offers_marketing(self) -> bool:
        """Say whether paid marketing messages exist on this channel."""
        return self.marketing_gap is not None

    def media_rule(self, kind: MediaKind, mime_type: str | None = None) -> MediaRule | None:
        """Return the (first) rule for media of this kind, and of this type if given; None where the channel takes none."""
        return next(
            (rule for rule in self.media if rule.kind is kind and (mime_type is None or mime_type in rule.mime_types)),
            None,
        )

    def rule_of(self, mime_type: str) -> MediaRule | None:
        """Return the rule for files of this type, whatever their kind is; None where the channel takes none."""
        return next((rule for rule in self.media if mime_type in rule.mime_types), None)


def text_length(capability: Capability, text: str) -> int:
    """Return the length of a text in the unit of the channel's limit."""
    if capability.text_unit is TextUnit.BYTES:
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text)
