"""From the bytes of a verified webhook to raw events: Meta's envelope, with Instagram's own kinds and pages."""

from __future__ import annotations

from dataclasses import replace

from server.platforms.instagram.items import OBJECT, as_messaging, describe, page_of
from server.platforms.meta import split as meta
from server.platforms.meta.items import ENTRY, UNREADABLE
from server.platforms.port import RawEvent
from server.platforms.wire.reading import mapping, moment, text


def split(body: bytes) -> list[RawEvent]:
    """Split a body into its items, in order; raise BodyMalformed only if it holds no envelope at all."""
    return [_own(event) for event in meta.split(body, OBJECT)]


def _own(event: RawEvent) -> RawEvent:
    """Name an item by Instagram's rules; its payload stays as it came, but for the account in our own note."""
    note = mapping(event.payload.get(ENTRY))
    if event.kind == UNREADABLE or note.get("object") != OBJECT:
        return event
    bare = {name: value for name, value in event.payload.items() if name != ENTRY}
    item = as_messaging(bare, event.page_external_id)
    slot = text(note.get("slot")) or ""
    page = event.page_external_id if "field" in item else page_of(item, event.page_external_id)
    told = describe(slot if item is bare else "messaging", item, page)
    return replace(
        event,
        page_external_id=page,
        kind=told.kind,
        external_id=told.external_id,
        mailbox=told.mailbox,
        occurred_at=moment(item.get("timestamp")) or event.occurred_at,
        payload={**event.payload, ENTRY: {**note, "id": page}},
    )
