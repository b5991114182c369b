"""From the bytes of a verified webhook to raw events, for both generations (platforms.md 4.5). No meaning is read here."""

from __future__ import annotations

from collections.abc import Iterator

from server.platforms.port import RawEvent
from server.platforms.wire.kept import envelopes, printed
from server.platforms.wire.reading import (
    EPOCH,
    Json,
    TooDeep,
    clean,
    identifier,
    items,
    mapping,
    text,
)
from server.platforms.x.items import (
    DM,
    MAX_KIND,
    NOTE,
    REVOKE,
    SLOTS,
    TYPES,
    UNKNOWN,
    UNREADABLE,
    describe,
    recipient_of,
    sender_of,
)

_USER_OF = "for_user_id"


def split(body: bytes) -> list[RawEvent]:
    """Split a body into its items, in order; raise BodyMalformed only if there is no envelope at all.

    One strange item becomes an event of kind "unreadable"; the rest of the body is unharmed.
    """
    found = envelopes(
        body, _is_envelope, "there is neither a user_event, nor a for_user_id, nor data with an event_type"
    )
    return [event for envelope in found for event in _of_envelope(envelope)]


def _is_envelope(value: object) -> bool:
    envelope = mapping(value)
    is_newer = any("event_type" in mapping(one) for one in _data(envelope))
    return _USER_OF in envelope or "user_event" in envelope or is_newer


def _data(envelope: Json) -> list[object]:
    data = envelope.get("data")
    return data if isinstance(data, list) else [data]


def _of_envelope(envelope: object) -> Iterator[RawEvent]:
    if not isinstance(envelope, dict) or not _is_envelope(envelope):
        yield _unreadable("", "not an envelope", envelope)
        return
    if _USER_OF in envelope:
        yield from _older(envelope)
    if "user_event" in envelope:
        yield from _user_event(envelope["user_event"])
    for data in _data(envelope) if "data" in envelope and _USER_OF not in envelope else ():
        yield from _newer(data)


def _older(envelope: Json) -> Iterator[RawEvent]:
    """An account and lists of what happened to it; lists without a meaning for us are kept as unknown."""
    account = identifier(envelope.get(_USER_OF)) or ""
    has_blocked = envelope.get("user_has_blocked") is True
    found = False
    for slot, value in envelope.items():
        if not slot.endswith("_events"):
            continue
        found = True
        note: Json = {"account": account, "type": slot[:MAX_KIND]}
        if has_blocked:
            note["has_blocked"] = True
        if isinstance(value, list):
            yield from (_of_item(SLOTS.get(slot, UNKNOWN), account, note, one) for one in value)
        else:
            yield _unreadable(account, f"`{slot[:MAX_KIND]}` is not a list", value)
    if not found:
        yield _unreadable(account, "the envelope holds no events", envelope)


def _user_event(value: object) -> Iterator[RawEvent]:
    """What a person did to our app; there is no for_user_id here, the account stands in `source`."""
    event = mapping(value)
    revoke = mapping(event.get("revoke"))
    account = identifier(mapping(revoke.get("source")).get("user_id")) or ""
    kind = REVOKE if revoke else UNKNOWN
    yield _of_item(kind, account, {"account": account, "type": "user_event"}, value)


def _newer(data: object) -> Iterator[RawEvent]:
    """One typed event; a payload that holds lists of the older form is opened, anything else is the item itself."""
    if not isinstance(data, dict):
        yield _unreadable("", "the event is not an object", data)
        return
    told = text(data.get("event_type")) or ""
    kind, payload = TYPES.get(told, UNKNOWN), mapping(data.get("payload"))
    inside = [(slot, one) for slot in SLOTS for one in items(payload.get(slot))]
    account = identifier(mapping(data.get("filter")).get("user_id")) or _account_of(told, inside)
    note: Json = {"account": account, "type": told[:MAX_KIND]}
    if uuid := identifier(data.get("event_uuid")):
        note["event_uuid"] = uuid
    if includes := mapping(data.get("includes")):
        note["includes"] = includes
    if not inside:
        whole = payload if payload else {name: value for name, value in data.items() if name != "filter"}
        yield _of_item(kind, account, note, whole)
    for slot, one in inside:
        yield _of_item(SLOTS[slot] if kind == UNKNOWN else kind, account, note, one)


def _account_of(told: str, inside: list[tuple[str, object]]) -> str:
    """Find the account where the filter does not name it: the reader of what was received, the writer of what was sent."""
    item = mapping(inside[0][1]) if inside else {}
    found = sender_of(item) if told.endswith(".sent") else recipient_of(item)
    return found or ""


def _of_item(kind: str, account: str, note: Json, raw: object) -> RawEvent:
    if not isinstance(raw, dict):
        return _unreadable(account, "the item is not an object", raw)
    try:
        item = mapping(clean({**raw, NOTE: note}))
    except TooDeep:
        return _unreadable(account, "the item is nested too deeply", raw)
    if kind == DM and item.get("type") not in (None, "message_create") and "message_create" not in item:
        kind = UNKNOWN
    told = describe(kind, account, item)
    return RawEvent(str(clean(account)), told.kind, told.external_id, str(clean(told.mailbox)), told.occurred_at, item)


def _unreadable(account: str, reason: str, raw: object) -> RawEvent:
    shown, mark = printed(raw)
    payload: Json = {"reason": reason, "raw": shown, NOTE: {"account": account}}
    return RawEvent(account, UNREADABLE, mark, "", EPOCH, payload)
