"""Checks the `message` of a send against the documented limits. Raises Graph errors, keeps nothing."""

from collections.abc import Mapping
from dataclasses import dataclass

from standin.errors import bad_parameter
from standin.jsonish import Json, as_dict, as_list

MEDIA = {"image", "audio", "video", "file"}
TEXT_LIMIT = 2_000
METADATA_LIMIT = 1_000


@dataclass(frozen=True, slots=True)
class Content:
    """A message that passed. `is_slow_media` counts in the smaller rate of audio and video."""

    text: str | None
    attachments: list[object]
    metadata: str | None
    is_slow_media: bool
    template: Json | None
    quick_replies: list[object]
    reply_to: str | None

    @property
    def urls(self) -> list[tuple[str, str]]:
        """The files that the platform has to fetch: kind and address."""
        found = []
        for item in self.attachments:
            one = as_dict(item) or {}
            url = (as_dict(one.get("payload")) or {}).get("url")
            if one.get("type") in MEDIA and url is not None:
                found.append((str(one["type"]), str(url)))
        return found


def check_message(message: Json, page: str, uploads: Mapping[str, str]) -> Content:
    """The content, or error 100. `uploads` maps attachment ids to the page that uploaded them."""
    known = {"text", "attachment", "attachments", "quick_replies", "metadata", "reply_to", "template"}
    unknown = set(message) - known
    if unknown:
        raise bad_parameter(f'Invalid keys "{sorted(unknown)[0]}" were found in param "message".')
    parts = [key for key in ("text", "attachment", "attachments", "template") if message.get(key) is not None]
    if len(parts) != 1:
        raise bad_parameter("Param message must have exactly one of text, attachment, attachments, template.")
    _check_quick_replies(message.get("quick_replies"))
    attachments = _attachments(message, page, uploads)
    return Content(
        text=_limited(message, "text", TEXT_LIMIT, "message[text]") if parts == ["text"] else None,
        attachments=attachments,
        metadata=_limited(message, "metadata", METADATA_LIMIT, "message[metadata]"),
        is_slow_media=any(isinstance(item, dict) and item.get("type") in ("audio", "video") for item in attachments),
        template=as_dict(message.get("template")),
        quick_replies=as_list(message.get("quick_replies")) or [],
        reply_to=_reply_to(message.get("reply_to")),
    )


def _reply_to(value: object) -> str | None:
    if value is None:
        return None
    mid = (as_dict(value) or {}).get("mid")
    if not isinstance(mid, str) or not mid:
        raise bad_parameter("Param message[reply_to] must have a mid")
    return mid


def _limited(owner: Json, key: str, most: int, shown: str) -> str | None:
    value = owner.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise bad_parameter(f"Param {shown} must be a non-empty UTF-8 encoded string")
    if len(value) > most:
        raise bad_parameter(f"Length of param {shown} must be less than or equal to {most}")
    return value


def _check_quick_replies(value: object) -> None:
    if value is None:
        return
    replies = as_list(value)
    if replies is None or not 1 <= len(replies) <= 13:
        raise bad_parameter("Param message[quick_replies] must have between 1 and 13 elements")
    for item in replies:
        reply = as_dict(item)
        if reply is None or reply.get("content_type") not in ("text", "user_phone_number", "user_email"):
            raise bad_parameter("Param message[quick_replies] has an invalid content_type")
        if reply["content_type"] == "text":
            if reply.get("title") is None or reply.get("payload") is None:
                raise bad_parameter("Param message[quick_replies] needs title and payload")
            _limited(reply, "title", 20, "message[quick_replies][title]")
            _limited(reply, "payload", 1_000, "message[quick_replies][payload]")


def _attachments(message: Json, page: str, uploads: Mapping[str, str]) -> list[object]:
    if message.get("template") is not None:
        return [_utility(message["template"])]
    if message.get("attachment") is not None:
        return [_attachment(message["attachment"], page, uploads)]
    items = message.get("attachments")
    if items is None:
        return []
    found = as_list(items)
    if found is None or not 1 <= len(found) <= 30:
        raise bad_parameter("Param message[attachments] must have between 1 and 30 elements")
    checked = [_attachment(item, page, uploads) for item in found]
    if any(isinstance(item, dict) and item.get("type") != "image" for item in checked):
        raise bad_parameter("Param message[attachments] takes images only")
    return checked


def _attachment(value: object, page: str, uploads: Mapping[str, str]) -> object:
    item = as_dict(value)
    payload = as_dict(item.get("payload")) if item is not None else None
    if item is None or payload is None:
        raise bad_parameter("Param message[attachment] must have type and payload")
    kind = item.get("type")
    if kind == "template":
        _check_template(payload)
        return item
    if kind not in MEDIA:
        raise bad_parameter("Param message[attachment][type] must be one of {AUDIO, FILE, IMAGE, TEMPLATE, VIDEO}")
    url, upload = payload.get("url"), payload.get("attachment_id")
    if (url is None) == (upload is None):
        raise bad_parameter("Param message[attachment][payload] must have exactly one of url, attachment_id")
    if url is not None and not str(url).startswith(("http://", "https://")):
        raise bad_parameter("Failed to fetch the file from the url", 2018008)
    if upload is not None and uploads.get(str(upload)) != page:
        raise bad_parameter("Cannot find the attachment for this page", 2018074)
    return item


def _check_template(payload: Json) -> None:
    match payload.get("template_type"):
        case "button":
            _need(payload, "text", 640, "payload[text]")
            _check_buttons(payload.get("buttons"), required=True)
        case "generic":
            elements = as_list(payload.get("elements")) or []
            if not 1 <= len(elements) <= 10:
                raise bad_parameter("Param payload[elements] must have between 1 and 10 elements")
            for element in elements:
                _check_element(as_dict(element))
        case "notification_messages":
            _need(payload, "title", 65, "payload[title]")
            _need(payload, "payload", 1_000, "payload[payload]")
        case "media" | "receipt" | "coupon" | "customer_feedback" | "product" | "airline_boardingpass":
            return
        case other:
            raise bad_parameter(f"Param payload[template_type] is invalid: {str(other)[:40]}")


def _check_element(element: Json | None) -> None:
    if element is None:
        raise bad_parameter("Param payload[elements] must hold objects")
    _need(element, "title", 80, "elements[title]")
    _limited(element, "subtitle", 80, "elements[subtitle]")
    _check_buttons(element.get("buttons"), required=False)


def _check_buttons(value: object, required: bool) -> None:
    if value is None and not required:
        return
    buttons = as_list(value) or []
    if not 1 <= len(buttons) <= 3:
        raise bad_parameter("Param payload[buttons] must have between 1 and 3 elements")
    for item in buttons:
        button = as_dict(item)
        if button is None or button.get("type") is None:
            raise bad_parameter("Param payload[buttons] must hold objects with a type")
        _need(button, "title", 20, "buttons[title]")
        _need_target(button)


def _need_target(button: Json) -> None:
    if button["type"] == "postback":
        _need(button, "payload", 1_000, "buttons[payload]")
    elif button["type"] == "web_url" and not str(button.get("url")).startswith(("http://", "https://")):
        raise bad_parameter("Param buttons[url] must be a web address")


def _need(owner: Json, key: str, most: int, shown: str) -> None:
    if owner.get(key) is None:
        raise bad_parameter(f"Param {shown} is required")
    _limited(owner, key, most, shown)


def _utility(value: object) -> object:
    template = as_dict(value)
    language = as_dict(template.get("language")) if template is not None else None
    if template is None or not template.get("name") or language is None or not language.get("code"):
        raise bad_parameter("Param message[template] must have name and language[code]")
    return {"type": "template", "payload": {"template_type": "utility", **template}}
