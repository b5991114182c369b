"""From the bytes of a verified webhook to raw events: envelopes, entries, items. No meaning is read here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from server.platforms.meta.items import (
    ENTRY,
    PERMISSION,
    UNKNOWN,
    UNREADABLE,
    Described,
    describe_change,
    describe_messaging,
    describe_permission,
    describe_standby,
    occurred_at,
)
from server.platforms.port import RawEvent
from server.platforms.wire.kept import envelopes, printed
from server.platforms.wire.reading import (
    EPOCH,
    Json,
    TooDeep,
    clean,
    digest,
    identifier,
    mapping,
    moment,
)

_PERMISSIONS = "permissions"
_SLOTS = ("messaging", "standby", "changes")


@dataclass(frozen=True, slots=True)
class _Frame:
    """What an entry says about all its items."""

    object_name: str
    page: str
    time_ms: int | None
    is_ours: bool = False


def split(body: bytes, object_name: str) -> list[RawEvent]:
    """Split a body into its items, in order; raise BodyMalformed only if it holds no envelope at all.

    `object_name` is what the envelopes of this network say; an envelope of another object is kept as unknown.

    One strange envelope, entry or item becomes an event of kind "unreadable"; the rest of the body is unharmed.
    """
    found = envelopes(body, _is_envelope, "there is no object with a list `entry`")
    return [event for envelope in found for event in _of_envelope(envelope, object_name)]


def _is_envelope(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("entry"), list)


def _of_envelope(envelope: object, ours: str) -> Iterator[RawEvent]:
    if not isinstance(envelope, dict) or not isinstance(entries := envelope.get("entry"), list):
        yield _unreadable(_Frame("", "", None), "not an envelope", envelope)
        return
    object_name = str(clean(identifier(envelope.get("object")) or ""))
    for entry in entries:
        yield from _of_entry(object_name, entry, object_name == ours)


def _of_entry(object_name: str, entry: object, is_ours: bool) -> Iterator[RawEvent]:
    if not isinstance(entry, dict):
        yield _unreadable(_Frame(object_name, "", None), "the entry is not an object", entry)
        return
    at = moment(entry.get("time"))
    # An entry about permissions is a person's; she stands in `uid` where `id` is the app's.
    owner = entry.get("uid") if object_name == _PERMISSIONS and entry.get("uid") else entry.get("id")
    frame = _Frame(
        object_name,
        identifier(owner) or "",
        round((at - EPOCH).total_seconds() * 1000) if at else None,
        is_ours,
    )
    slots = [slot for slot in _SLOTS if entry.get(slot) is not None]
    for slot in slots:
        found = entry[slot]
        if isinstance(found, list):
            yield from (_of_item(frame, slot, item) for item in found)
        else:
            yield _unreadable(frame, f"`{slot}` is not a list", found)
    if "field" in entry and "value" in entry:
        yield _of_item(frame, "changes", {"field": entry["field"], "value": entry["value"]})
    elif not slots:
        yield _unreadable(frame, "the entry holds no items", entry)


def _of_item(frame: _Frame, slot: str, raw: object) -> RawEvent:
    if not isinstance(raw, dict):
        return _unreadable(frame, "the item is not an object", raw)
    try:
        item = mapping(clean(raw))
    except TooDeep:
        return _unreadable(frame, "the item is nested too deeply", raw)
    if slot == "changes" and _is_wrapped_messaging(item):
        # The test button of the app dashboard sends messaging items as changes (platforms.md 1.4).
        slot, item = "messaging", mapping(item.get("value"))
    page = frame.page or _page_of(item)
    note: Json = {"id": page, "time": frame.time_ms, "object": frame.object_name, "slot": slot}
    told = _described(frame, slot, item, page)
    if told.kind == UNREADABLE:
        return _unreadable(frame, "the item does not say what it is", raw)
    payload = {**item, ENTRY: note}
    at, is_of_grant = occurred_at(payload) or EPOCH, told.kind == PERMISSION
    return RawEvent(page, told.kind, told.external_id, told.mailbox, at, payload, is_of_grant)


def _described(frame: _Frame, slot: str, item: Json, page: str) -> Described:
    """Describe the bare item: the entry's time may differ between two deliveries of it, so it is no part of the key."""
    if slot == "changes" and frame.object_name == _PERMISSIONS and isinstance(item.get("field"), str):
        return describe_permission(item, page, frame.time_ms)
    if slot == "changes":
        told = describe_change(item)
    else:
        told = describe_standby(item, page) if slot == "standby" else describe_messaging(item, page)
    if not frame.is_ours and told.kind != UNREADABLE:
        return Described(UNKNOWN, digest([frame.object_name, item]), told.mailbox)
    return told


def _is_wrapped_messaging(item: Json) -> bool:
    value = mapping(item.get("value"))
    return isinstance(value.get("sender"), dict) and isinstance(value.get("recipient"), dict)


def _page_of(item: Json) -> str:
    """Find the page where the entry does not name it."""
    is_echo = mapping(item.get("message")).get("is_echo") is True
    party = mapping(item.get("sender" if is_echo else "recipient")).get("id")
    return identifier(party) or identifier(mapping(item.get("value")).get("page_id")) or ""


def _unreadable(frame: _Frame, reason: str, raw: object) -> RawEvent:
    shown, mark = printed(raw)
    payload: Json = {
        "reason": reason,
        "raw": shown,
        ENTRY: {"id": frame.page, "time": frame.time_ms, "object": frame.object_name},
    }
    return RawEvent(frame.page, UNREADABLE, mark, "", moment(frame.time_ms) or EPOCH, payload)
