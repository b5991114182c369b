"""Checks the `message` of a send against Instagram's documented limits. Raises Graph errors, keeps nothing."""

from collections.abc import Mapping
from dataclasses import dataclass

from standin.errors import GraphError, bad_parameter
from standin.jsonish import Json, as_dict, as_list

MEDIA = {"image", "audio", "video", "file"}
TEXT_BYTES = 1_000
MOST_IMAGES = 10
KEYS = {"text", "attachment", "attachments", "quick_replies", "reply_to"}


@dataclass(frozen=True, slots=True)
class Content:
    """A message that passed. `is_media` counts in the smaller rate."""

    text: str | None
    attachments: list[object]
    is_media: bool

    @property
    def words(self) -> str | None:
        """The text, also where it stands above buttons."""
        if self.text is not None:
            return self.text
        payloads = [as_dict(item.get("payload")) or {} for item in self.attachments if isinstance(item, dict)]
        return next((above for payload in payloads if isinstance(above := payload.get("text"), str)), None)


def bad_message(message: str) -> GraphError:
    """Code 100, subcode 2534015."""
    return bad_parameter(message, 2534015)


def check(message: Json, account: str, uploads: Mapping[str, str]) -> Content:
    """The content, or error 100. `uploads` maps attachment ids to the account that uploaded them."""
    unknown = set(message) - KEYS
    if unknown:
        raise bad_parameter(f'Invalid keys "{sorted(unknown)[0]}" were found in param "message".')
    parts = [key for key in ("text", "attachment", "attachments") if message.get(key) is not None]
    if len(parts) != 1:
        raise bad_message("Param message must have exactly one of text, attachment, attachments.")
    _check_quick_replies(message.get("quick_replies"))
    text = message.get("text")
    if parts == ["text"]:
        if not isinstance(text, str) or not text.strip():
            raise bad_message("Param message[text] must be a non-empty UTF-8 encoded string")
        if len(text.encode()) > TEXT_BYTES:
            raise bad_message(f"Length of param message[text] must be less than or equal to {TEXT_BYTES} bytes")
        return Content(text, [], False)
    attachments = _attachments(message, account, uploads)
    kinds = {item.get("type") for item in attachments if isinstance(item, dict)}
    return Content(None, attachments, bool(kinds & MEDIA))


def check_attachment(value: object, account: str, uploads: Mapping[str, str]) -> object:
    """One attachment of a documented type."""
    item = as_dict(value)
    kind = item.get("type") if item is not None else None
    payload = as_dict(item.get("payload")) if item is not None else None
    if item is not None and kind == "like_heart":
        return item
    if item is None or payload is None:
        raise bad_message("Param message[attachment] must have type and payload")
    if kind == "template":
        _check_template(payload)
        return item
    if kind == "MEDIA_SHARE":
        if not payload.get("id"):
            raise bad_message("Param payload[id] is required")
        return item
    if kind not in MEDIA:
        raise bad_message("Param message[attachment][type] is invalid")
    url, upload = payload.get("url"), payload.get("attachment_id")
    if (url is None) == (upload is None):
        raise bad_message("Param message[attachment][payload] must have exactly one of url, attachment_id")
    if url is not None and not str(url).startswith(("http://", "https://")):
        raise bad_parameter("Failed to fetch the file from the url", 2018008)
    if upload is not None and uploads.get(str(upload)) != account:
        raise bad_parameter("Cannot find the attachment for this account", 2018074)
    return item


def _attachments(message: Json, account: str, uploads: Mapping[str, str]) -> list[object]:
    if message.get("attachment") is not None:
        return [check_attachment(message["attachment"], account, uploads)]
    items = as_list(message["attachments"]) or []
    if not 1 <= len(items) <= MOST_IMAGES:
        raise bad_message(f"Param message[attachments] must have between 1 and {MOST_IMAGES} elements")
    checked = [check_attachment(item, account, uploads) for item in items]
    if any(isinstance(item, dict) and item.get("type") != "image" for item in checked):
        raise bad_message("Param message[attachments] takes images only")
    return checked


def _check_quick_replies(value: object) -> None:
    if value is None:
        return
    replies = as_list(value)
    if replies is None or not 1 <= len(replies) <= 13:
        raise bad_message("Param message[quick_replies] must have between 1 and 13 elements")
    for item in replies:
        reply = as_dict(item) or {}
        title, payload = reply.get("title"), reply.get("payload")
        if reply.get("content_type") != "text" or not isinstance(title, str) or not isinstance(payload, str):
            raise bad_message("Param message[quick_replies] needs content_type text, title and payload")
        if not 1 <= len(title) <= 20 or len(payload) > 1_000:
            raise bad_message("Param message[quick_replies][title] is too long")


def _check_template(payload: Json) -> None:
    match payload.get("template_type"):
        case "button":
            text = payload.get("text")
            if not isinstance(text, str) or not 1 <= len(text) <= 640:
                raise bad_message("Param payload[text] must have between 1 and 640 characters")
            _check_buttons(payload.get("buttons"))
        case "generic":
            if not 1 <= len(as_list(payload.get("elements")) or []) <= 10:
                raise bad_message("Param payload[elements] must have between 1 and 10 elements")
        case other:
            raise bad_message(f"Param payload[template_type] is invalid: {str(other)[:40]}")


def _check_buttons(value: object) -> None:
    buttons = as_list(value) or []
    if not 1 <= len(buttons) <= 3:
        raise bad_message("Param payload[buttons] must have between 1 and 3 elements")
    for item in buttons:
        button = as_dict(item) or {}
        title = button.get("title")
        wanted = {"web_url": "url", "postback": "payload"}.get(str(button.get("type")))
        if wanted is None or not isinstance(title, str) or not 1 <= len(title) <= 20 or not button.get(wanted):
            raise bad_message("Param payload[buttons] holds an invalid button")
