"""From the bytes of a verified webhook to raw events: envelopes and notifications. No meaning is read here."""

from __future__ import annotations

from collections.abc import Iterator

from server.platforms.linkedin.items import (
    TYPE,
    UNKNOWN,
    UNREADABLE,
    external_id_of,
    kind_of,
    mailbox_of,
    occurred_at,
    page_of,
)
from server.platforms.port import RawEvent
from server.platforms.wire.kept import envelopes, printed
from server.platforms.wire.reading import (
    EPOCH,
    Json,
    TooDeep,
    clean,
    identifier,
    mapping,
)


def split(body: bytes) -> list[RawEvent]:
    """Split a body into its notifications, in order; raise BodyMalformed only if it holds no envelope at all.

    An envelope says its `type`; those of other LinkedIn webhooks (leads) are kept as unknown. One strange notification
    becomes an event of kind "unreadable"; the rest of the body is unharmed.
    """
    found = envelopes(
        body, _is_envelope, "there is no object with a list `notifications`, a `type` or a `notificationId`"
    )
    return [event for envelope in found for event in _of_envelope(envelope)]


def event_of(item: Json, *, is_ours: bool = True) -> RawEvent:
    """Describe one notification, from a webhook or from the platform's list: the key is the same."""
    kind = kind_of(item) if is_ours else UNKNOWN
    return RawEvent(page_of(item), kind, external_id_of(item), mailbox_of(item), occurred_at(item) or EPOCH, item)


def _is_envelope(value: object) -> bool:
    return isinstance(value, dict) and (
        isinstance(value.get("notifications"), list) or isinstance(value.get("type"), str) or _is_bare(value)
    )


def _is_bare(value: Json) -> bool:
    """Say whether this is a notification without its envelope, as some integrations pass them on."""
    return "notifications" not in value and identifier(value.get("notificationId")) is not None


def _of_envelope(envelope: object) -> Iterator[RawEvent]:
    if not isinstance(envelope, dict) or not _is_envelope(envelope):
        yield _unreadable("not an envelope", envelope)
        return
    notifications = envelope.get("notifications")
    is_ours = envelope.get("type", TYPE) == TYPE or _is_bare(envelope)
    if isinstance(notifications, list):
        yield from (_of_item(one, is_ours=is_ours) for one in notifications)
    elif _is_bare(envelope):
        yield _of_item(envelope, is_ours=is_ours)
    elif is_ours:
        yield _unreadable("the envelope has no list `notifications`", envelope)
    else:
        yield _of_item(envelope, is_ours=False)


def _of_item(raw: object, *, is_ours: bool) -> RawEvent:
    if not isinstance(raw, dict):
        return _unreadable("the notification is not an object", raw)
    try:
        item = mapping(clean(raw))
    except TooDeep:
        return _unreadable("the notification is nested too deeply", raw)
    if is_ours and not item.get("action"):
        return _unreadable("the notification does not say what happened", raw)
    return event_of(item, is_ours=is_ours)


def _unreadable(reason: str, raw: object) -> RawEvent:
    shown, mark = printed(raw)
    page = page_of(raw) if isinstance(raw, dict) else ""
    return RawEvent(page, UNREADABLE, mark, "", EPOCH, {"reason": reason, "raw": shown})
