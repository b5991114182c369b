"""From the bytes of a verified webhook to raw events (platforms.md 6.4). No meaning is read here.

A body is one event for one account; a list of such bodies, which nobody documents, is taken apart all the same.
"""

from __future__ import annotations

from server.platforms.port import RawEvent
from server.platforms.tiktok.items import UNREADABLE, describe, occurred_at, party
from server.platforms.wire.kept import envelopes, printed
from server.platforms.wire.reading import (
    EPOCH,
    Json,
    NotJson,
    TooDeep,
    clean,
    identifier,
    load,
    mapping,
    moment,
)


def split(body: bytes) -> list[RawEvent]:
    """Return the events of a body, in order; raise BodyMalformed only if it holds no envelope at all.

    An envelope whose content cannot be read becomes an event of kind "unreadable": it is kept, and answered with 200.
    """
    found = envelopes(body, _is_envelope, "there is no object with a text `event`")
    return [_of_envelope(envelope) for envelope in found]


def _is_envelope(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("event"), str)


def _of_envelope(raw: object) -> RawEvent:
    if not isinstance(raw, dict) or not _is_envelope(raw):
        return _unreadable("", "not an envelope", raw, {})
    page = identifier(raw.get("user_openid")) or ""
    try:
        envelope = mapping(clean({name: value for name, value in raw.items() if name != "content"}))
    except TooDeep:
        return _unreadable(page, "the envelope is nested too deeply", raw, {})
    try:
        content = _content(raw.get("content"))
    except _NoContent as problem:
        return _unreadable(page, str(problem), raw, envelope)
    payload = {**envelope, "content": content}
    event = str(envelope["event"])
    page = page or _page_of(content)
    told = describe(event, page, content)
    return RawEvent(page, told.kind, told.external_id, told.mailbox, occurred_at(payload) or EPOCH, payload)


class _NoContent(Exception):
    """The content is not what an event needs; the text says why."""


def _content(value: object) -> Json:
    """Read the content, which is JSON in a string; an object in its place is taken as it is."""
    if isinstance(value, str):
        try:
            value = load(value.encode("utf-8", "surrogatepass"))
        except NotJson:
            raise _NoContent("the content is not JSON") from None
    if not isinstance(value, dict):
        raise _NoContent("the content is not an object")
    try:
        return mapping(clean(value))
    except TooDeep:
        raise _NoContent("the content is nested too deeply") from None


def _page_of(content: Json) -> str:
    """Find the account where the envelope does not name it: the party that is a business account."""
    for role in ("to_user", "from_user"):
        if mapping(content.get(role)).get("role") == "business_account":
            return party(content, role) or ""
    return ""


def _unreadable(page: str, reason: str, raw: object, envelope: Json) -> RawEvent:
    shown, mark = printed(raw)
    payload: Json = {"event": envelope.get("event"), "reason": reason, "raw": shown}
    return RawEvent(page, UNREADABLE, mark, "", moment(envelope.get("create_time")) or EPOCH, payload)
