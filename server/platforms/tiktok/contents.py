"""What a message holds: words, pictures, films, stickers, shared posts and cards (platforms.md 6.2 and 6.4).

Webhooks and the list of messages name the same things, in lower and in upper case; both are read here.
"""

from __future__ import annotations

from server.platforms.port import Attachment
from server.platforms.wire.reading import Json, identifier, items, mapping, text

_BY_MEDIA_ID = ("image", "video")
_BY_ADDRESS = {"sticker": "url", "emoji": "url", "share_post": "embed_url"}


def text_of(content: Json) -> str | None:
    """Return the words: those of a text, or the title of a card; None where there are none."""
    words = text(mapping(content.get("text")).get("body"))
    if words is not None:
        return words
    titles = [title for part in _cards(content) if (title := text(part.get("title")))]
    return "\n".join(titles) or None


def attachments_of(content: Json) -> tuple[Attachment, ...]:
    """Read everything that is not words. Pictures and films have no address, only a name to ask for one."""
    found: list[Attachment] = []
    for kind in _BY_MEDIA_ID:
        media_id = identifier(mapping(content.get(kind)).get("media_id"))
        if media_id is not None:
            found.append(Attachment(kind, None, media_id=media_id))
    for kind, name in _BY_ADDRESS.items():
        part = mapping(content.get(kind))
        url = text(part.get(name)) or None
        title = identifier(part.get("video_id")) or identifier(part.get("item_id"))
        if url is not None or title is not None:
            found.append(Attachment(kind, url, title))
    return tuple(found)


def is_readable(content: Json) -> bool:
    """Say whether anything of the message can be shown."""
    return text_of(content) is not None or bool(attachments_of(content))


def _cards(content: Json) -> list[Json]:
    """The parts of a card: a webhook lists them as elements, the list of messages has the one that was sent."""
    card = mapping(content.get("template"))
    return [mapping(element) for element in items(card.get("elements"))] or [card]
