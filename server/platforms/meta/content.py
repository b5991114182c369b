"""The `message` of a send: what it may hold, checked before any call, and how it is written (platforms.md 2.1 and 3.2).

Limits come from the channel's capability. Nothing is ever cut: what does not fit raises Unfit.
"""

from __future__ import annotations

from server.platforms.capabilities.capability import Buttons, Capability
from server.platforms.capabilities.fitting import Unfit, buttons_of, comment_of, media_of, text_of, within
from server.platforms.port import Button, MediaKind, OutgoingKind, OutgoingMedia, OutgoingMessage, QuickReply
from server.platforms.wire.reading import Json

MAX_PAYLOAD = 1_000
MAX_METADATA = 1_000
MAX_URL = 2_000
_TYPES = {MediaKind.IMAGE: "image", MediaKind.VIDEO: "video", MediaKind.AUDIO: "audio", MediaKind.FILE: "file"}


def public_reply(message: OutgoingMessage, allowed: Capability) -> Json:
    """Return the body of a public reply to a comment; raise Unfit."""
    if message.media or message.quick_replies or message.buttons:
        raise Unfit("a public reply holds text only")
    return {"message": comment_of(message.text, allowed)}


def direct(message: OutgoingMessage, allowed: Capability) -> Json:
    """Return the `message` of a direct message or of a private reply; raise Unfit."""
    if message.media:
        body = _media(message, allowed)
    elif message.buttons:
        body = _with_buttons(message, allowed)
    else:
        body = {"text": text_of(message.text, allowed)}
    if message.quick_replies:
        body["quick_replies"] = _quick_replies(message.quick_replies, allowed)
    if message.reply_to_message_id and message.kind is OutgoingKind.MESSAGE:
        body["reply_to"] = {"mid": message.reply_to_message_id}
    if message.reference:
        body["metadata"] = within(message.reference, MAX_METADATA, "the reference")
    return body


def plain(text: str, allowed: Capability) -> Json:
    """Return the `message` that holds one text and nothing else; raise Unfit."""
    return {"text": text_of(text, allowed)}


def attachment(kind: MediaKind, **payload: object) -> Json:
    """Return one attachment."""
    return {"type": _TYPES[kind], "payload": payload}


def _media(message: OutgoingMessage, allowed: Capability) -> Json:
    if message.text or message.buttons:
        raise Unfit("media stand in a message of their own")
    written = [_by_id(one) for one in media_of(message.media, allowed)]
    return {"attachment": written[0]} if len(written) == 1 else {"attachments": written}


def _by_id(media: OutgoingMedia) -> Json:
    return attachment(media.kind, attachment_id=within(media.platform_media_id, MAX_PAYLOAD, "the name of the media"))


def _quick_replies(replies: tuple[QuickReply, ...], allowed: Capability) -> list[Json]:
    if len(replies) > allowed.quick_replies:
        raise Unfit(f"at most {allowed.quick_replies} quick replies are taken")
    return [
        {
            "content_type": "text",
            "title": within(one.title, allowed.quick_reply_title, "the title of a quick reply"),
            "payload": within(one.payload or one.title, MAX_PAYLOAD, "the payload of a quick reply"),
        }
        for one in replies
    ]


def _with_buttons(message: OutgoingMessage, allowed: Capability) -> Json:
    rule = buttons_of(len(message.buttons), allowed)
    payload: Json = {
        "template_type": "button",
        "text": text_of(message.text, allowed, rule.text_limit),
        "buttons": [_button(one, rule) for one in message.buttons],
    }
    return {"attachment": {"type": "template", "payload": payload}}


def _button(one: Button, rule: Buttons) -> Json:
    title = within(one.title, rule.title, "the title of a button")
    if one.url is None:
        payload = within(one.payload or one.title, MAX_PAYLOAD, "the payload of a button")
        return {"type": "postback", "title": title, "payload": payload}
    if not one.url.startswith(("https://", "http://")):
        raise Unfit("the address of a button must begin with https://")
    return {"type": "web_url", "title": title, "url": within(one.url, MAX_URL, "the address of a button")}
