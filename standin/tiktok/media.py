"""Pictures and films: handed over as a form, told by an address that works for 24 hours and only with the account's token."""

import base64
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from standin.jsonish import Json
from standin.tiktok.state import Media, new_id
from standin.tiktok.wire import BAD_PARAMETER, FILE_TYPE, NO_PERMISSION, NOT_FOUND, Call, Refused, TikTok

MOST_BYTES = 3_000_000
MIMES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="  # 1 × 1, PNG
ADDRESS_MS = 86_400_000


async def upload(call: Call) -> Json:
    """Take a JPG or PNG of at most 3 MB."""
    account = call.account("message.list.send", "send")
    if call.text("media_type") != "IMAGE":
        raise Refused(BAD_PARAMETER, "media_type must be IMAGE.")
    if "file" not in call.files:
        raise Refused(BAD_PARAMETER, "file: Missing data for required field.")
    _, content = call.files["file"]
    mime = next((mime for head, mime in MIMES.items() if content.startswith(head)), None)
    if mime is None:
        raise Refused(FILE_TYPE)
    if len(content) > MOST_BYTES:
        raise Refused(BAD_PARAMETER, "The file is larger than 3 MB.")
    if not account.images:
        raise Refused(NO_PERMISSION, "Images are not available in the region of the account.")
    return {"media_id": keep(call.tiktok, account.id, "IMAGE", mime, base64.b64encode(content).decode()).id}


async def download(call: Call) -> Json:
    """Tell the address of a picture or film inside a message."""
    account = call.account("message.list.read")
    thread = call.conversation(account, call.text("conversation_id"))
    message = next((one for one in thread.messages if one.id == call.text("message_id")), None)
    found = call.tiktok.memory.media.get(call.text("media_id"))
    if message is None or found is None or message.block.get("media_id") != found.id:
        raise Refused(NOT_FOUND, "The message has no such media.")
    if call.text("media_type") != found.kind:
        raise Refused(BAD_PARAMETER, "media_type is not that of the media.")
    until = call.tiktok.now_ms() + ADDRESS_MS
    return {"download_url": f"{call.request.base_url}tiktok/media/{quote(found.id, safe='')}?x-expires={until}"}


async def content(tiktok: TikTok, request: Request) -> Response:
    """The bytes; the header x-user must hold a token of the account."""
    found = tiktok.memory.media.get(request.path_params["media"])
    token = tiktok.memory.live(request.headers.get("x-user", ""), tiktok.now_ms())
    until = request.query_params.get("x-expires", "")
    if found is None or not until.isdecimal() or int(until) < tiktok.now_ms():
        return Response(status_code=404)
    if token is None or token.account != found.account:
        return Response(status_code=403)
    return Response(base64.b64decode(found.content), media_type=found.mime)


def keep(tiktok: TikTok, account: str, kind: str, mime: str, content: str = PIXEL) -> Media:
    """Remember a piece of media."""
    found = Media(new_id("m1"), account, kind, mime, content, tiktok.now_ms())
    tiktok.memory.media[found.id] = found
    return found
