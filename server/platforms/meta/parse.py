"""What a stored item means: items of `messaging` and `standby` become typed events (platforms.md 2.6 and 3.4).

What `changes` hold differs per network: its package hands in readers for those kinds. Nothing here raises for strange input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from server.platforms.meta.items import (
    PERMISSION,
    UNKNOWN,
    UNREADABLE,
    is_from_page,
    label_of,
    messaging_kind,
)
from server.platforms.meta.subject import Subject, Unreadable
from server.platforms.port import (
    Attachment,
    Delivered,
    Event,
    GrantWithdrawn,
    MessageEchoed,
    MessageEdited,
    MessageReceived,
    MessageUnsent,
    Noticed,
    OptedIn,
    OptedOut,
    PageRestricted,
    Postback,
    Reacted,
    Read,
    Unplaced,
)
from server.platforms.wire.reading import Json, identifier, items, mapping, moment, text, whole

_MARKETING_OPTIN = "notification_messages"
_HANDOVERS = ("pass_thread_control", "take_thread_control", "request_thread_control", "app_roles")


Reader = Callable[[Subject], list[Event]]


def parse(kind: str, page: str, payload: Json, own: Mapping[str, Reader]) -> list[Event]:
    """Read one item as `split` stored it, with the network's own readers before those of all.

    What cannot be read becomes `Unplaced` with the reason.
    """
    if kind == UNREADABLE:
        return [Unplaced(text(payload.get("reason")) or "unreadable")]
    if kind == UNKNOWN:
        return [Noticed(f"unknown:{label_of(payload)}")]
    if kind == "standby":
        return _standby(page, payload, own)
    read = own.get(kind) or _READERS.get(kind)
    if read is None:
        return [Unplaced(f"no reader for kind {kind[:60]!r}")]
    try:
        return read(Subject(kind, page, payload))
    except Unreadable as problem:
        return [Unplaced(f"{kind}: {problem}")]


def _standby(page: str, payload: Json, own: Mapping[str, Reader]) -> list[Event]:
    """Another app owns the thread; what was said in it is read all the same, so that the inbox has no holes."""
    inner = messaging_kind(payload)
    if inner == UNREADABLE:
        return [Unplaced("standby: the item does not say what it is")]
    return parse(inner, page, payload, own)


def _message(subject: Subject) -> list[Event]:
    message = subject.part("message")
    received = MessageReceived(
        person=subject.person(),
        message_id=subject.mid(message),
        text=text(message.get("text")),
        attachments=attachments_of(message),
        occurred_at=subject.at(),
        reply_to_message_id=identifier(mapping(message.get("reply_to")).get("mid")),
        quick_reply_payload=text(mapping(message.get("quick_reply")).get("payload")),
        is_unsupported=message.get("is_unsupported") is True,
    )
    return [received, *_referral_inside(message)]


def _echo(subject: Subject) -> list[Event]:
    message = subject.part("message")
    echoed = MessageEchoed(
        person=subject.person(),
        message_id=subject.mid(message),
        text=text(message.get("text")),
        attachments=attachments_of(message),
        occurred_at=subject.at(),
        app_id=identifier(message.get("app_id")),
        reference=text(message.get("metadata")),
    )
    return [echoed]


def _unsent(subject: Subject) -> list[Event]:
    return [MessageUnsent(subject.person(), subject.mid(subject.part("message")), subject.at())]


def _edit(subject: Subject) -> list[Event]:
    edit = subject.part("message_edit")
    number = whole(edit.get("num_edit"))
    edited = MessageEdited(
        person=subject.person(),
        message_id=subject.mid(edit),
        text=text(edit.get("text")),
        edit_number=number if number is not None else 1,
        occurred_at=subject.at(),
    )
    return [edited]


def _delivery(subject: Subject) -> list[Event]:
    delivery = subject.part("delivery")
    mids = tuple(mid for mid in map(identifier, items(delivery.get("mids"))) if mid)
    watermark = moment(delivery.get("watermark"))
    if not mids and watermark is None:
        raise Unreadable("neither message ids nor a watermark")
    return [Delivered(subject.person(), mids, watermark)]


def _read(subject: Subject) -> list[Event]:
    read = subject.part("read")
    mid, watermark = identifier(read.get("mid")), moment(read.get("watermark"))
    if mid is None and watermark is None:
        raise Unreadable("neither a message id nor a watermark")
    return [Read(subject.person(), (mid,) if mid else (), watermark)]


def _reaction(subject: Subject) -> list[Event]:
    reaction = subject.part("reaction")
    if is_from_page(subject.item, subject.page):
        return [Noticed("reaction:own")]
    action = reaction.get("action")
    emoji: str | None = None
    if action == "react":
        emoji = text(reaction.get("emoji")) or text(reaction.get("reaction")) or "other"
    elif action != "unreact":
        raise Unreadable("neither react nor unreact")
    return [Reacted(subject.person(), subject.mid(reaction), emoji, subject.at())]


def _postback(subject: Subject) -> list[Event]:
    postback = subject.part("postback")
    tapped = Postback(
        person=subject.person(),
        message_id=identifier(postback.get("mid")),
        title=text(postback.get("title")),
        payload=text(postback.get("payload")),
        occurred_at=subject.at(),
    )
    return [tapped, *_referral_inside(postback)]


def _optin(subject: Subject) -> list[Event]:
    optin = subject.part("optin")
    status = text(optin.get("notification_messages_status"))
    if optin.get("type") != _MARKETING_OPTIN and status is None:
        return [Noticed("optin:plugin")]
    payload = text(optin.get("payload")) or None
    # One implementation writes STOP, others STOP NOTIFICATIONS; without a payload everything of the page is stopped.
    if status is not None and status.strip().upper().startswith("STOP"):
        return [OptedOut(subject.person(), payload, subject.at())]
    token = text(optin.get("notification_messages_token"))
    if not token or payload is None:
        raise Unreadable("a subscription without its token or its topic")
    opted_in = OptedIn(
        person=subject.person(),
        topic_key=payload,
        title=text(optin.get("title")),
        marketing_token=token,
        expires_at=moment(optin.get("token_expiry_timestamp")),
        occurred_at=subject.at(),
    )
    return [opted_in]


def _policy(subject: Subject) -> list[Event]:
    policy = subject.part("policy_enforcement") or subject.part("policy-enforcement")
    action = text(policy.get("action"))
    if not action:
        raise Unreadable("no action")
    return [PageRestricted(action.lower()[:60], text(policy.get("reason")), subject.at())]


def _permission(subject: Subject) -> list[Event]:
    """Read a right of our app that a person gave or took back; the field "connected" is the whole grant."""
    field, verb = text(subject.item.get("field")), text(subject.part("value").get("verb"))
    if field is None or verb is None:
        raise Unreadable("no permission or no verb")
    if verb not in ("revoked", "revoke", "denied", "removed"):
        return [Noticed(f"permission:{verb[:30]}")]
    if not subject.page:
        raise Unreadable("no person")
    return [GrantWithdrawn(subject.page, () if field == "connected" else (field,))]


def _handover(subject: Subject) -> list[Event]:
    name = next(name for name in (*_HANDOVERS, "handover") if name == "handover" or subject.item.get(name) is not None)
    return [Noticed(name if name == "handover" else f"handover:{name}")]


def _noticed(subject: Subject) -> list[Event]:
    return [Noticed(subject.kind)]


def _referral_inside(part: Json) -> list[Event]:
    return [Noticed("referral")] if isinstance(part.get("referral"), dict) else []


def attachments_of(message: Json) -> tuple[Attachment, ...]:
    """Read the attachments; a payload may be absent, or a plain string on a fallback."""
    return tuple(_attachment(one) for one in items(message.get("attachments")) if isinstance(one, dict))


def _attachment(one: Json) -> Attachment:
    payload = one.get("payload")
    inner = mapping(payload)
    url = text(inner.get("url")) or text(one.get("url"))
    if url is None and isinstance(payload, str) and payload.startswith(("http://", "https://")):
        url = text(payload)
    title = text(one.get("title")) or text(inner.get("title")) or _place(inner)
    return Attachment((text(one.get("type")) or "unknown")[:60], url, title)


def _place(payload: Json) -> str | None:
    coordinates = mapping(payload.get("coordinates"))
    found = [coordinates.get(name) for name in ("lat", "long")]
    if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in found):
        return None
    return f"{found[0]}, {found[1]}"


_READERS: dict[str, Reader] = {
    "message": _message,
    "echo": _echo,
    "unsent": _unsent,
    "edit": _edit,
    "delivery": _delivery,
    "read": _read,
    "reaction": _reaction,
    "postback": _postback,
    "optin": _optin,
    "policy": _policy,
    "handover": _handover,
    PERMISSION: _permission,
    "referral": _noticed,
    "feedback": _noticed,
    "mention": _noticed,
    "leadgen": _noticed,
    "template_status": _noticed,
}
