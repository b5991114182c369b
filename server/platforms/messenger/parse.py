"""What a stored item of Messenger means: what all of Meta's messaging has, with comments, reviews and marketing messages."""

from __future__ import annotations

from server.platforms.messenger.parse_changes import read_comment, read_marketing, read_mention, read_review
from server.platforms.meta.items import MARKETING_KINDS
from server.platforms.meta.parse import Reader
from server.platforms.meta.parse import parse as parse_item
from server.platforms.port import Event
from server.platforms.wire.reading import Json

_OWN: dict[str, Reader] = {
    "feed": read_comment,
    "rating": read_review,
    "mention": read_mention,
    **dict.fromkeys(MARKETING_KINDS, read_marketing),
}


def parse(kind: str, page: str, payload: Json) -> list[Event]:
    """Read one item as `split` stored it. What cannot be read becomes `Unplaced` with the reason."""
    return parse_item(kind, page, payload, _OWN)
