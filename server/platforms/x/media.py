"""Media out: INIT, APPEND, FINALIZE, STATUS. Media in: a signed-in download (platforms.md 4.2)."""

from __future__ import annotations

import asyncio
import re
import secrets
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from server.platforms.capabilities import catalogue
from server.platforms.capabilities.fitting import file_of
from server.platforms.port import (
    Act,
    Attachment,
    FailureReason,
    MediaFile,
    MediaKind,
    MediaSource,
    PageCredentials,
    PlatformCallFailed,
    UploadedMedia,
)
from server.platforms.wire.http import path
from server.platforms.wire.reading import Json, identifier, mapping, text, whole
from server.platforms.x.asking import ask, failure_of, reach
from server.platforms.x.client import FORM, XCall, XClient, form
from server.platforms.x.oauth import user

CHUNK_BYTES = 4_000_000
MAX_WAIT_S = 60.0
_APPEND_S = 30.0
_LIFE = timedelta(hours=24)
_UPLOAD = path("2", "media", "upload")
# …/dm/<message>/<media>/<resource>.jpg: what the API names by the same three parts.
_PARTS = re.compile(r"/dm/([0-9]{1,19})/([0-9]{1,19})/([A-Za-z0-9_.-]{1,200})$", re.ASCII)


_CATEGORIES = {MediaKind.IMAGE: "dm_image", MediaKind.VIDEO: "dm_video"}
_ANIMATED = "image/gif"


async def upload(client: XClient, page: PageCredentials, media: MediaFile) -> UploadedMedia:
    """Hand a file over and wait until X has processed it; raise PlatformCallFailed. X keeps it for 24 hours."""
    file_of(media, catalogue.at(page.channel, datetime.now(UTC)))
    category = "dm_gif" if media.mime_type == _ANIMATED else _CATEGORIES[media.kind]
    begun = {
        "command": "INIT",
        "media_type": media.mime_type,
        "total_bytes": str(len(media.content)),
        "media_category": category,
    }
    media_id = _id_of(await _command(client, page, begun))
    for index, start in enumerate(range(0, len(media.content), CHUNK_BYTES)):
        await _append(client, page, media_id, index, media.content[start : start + CHUNK_BYTES])
    told = mapping((await _command(client, page, {"command": "FINALIZE", "media_id": media_id})).get("data"))
    lifetime = whole(told.get("expires_after_secs"))
    expires_at = datetime.now(UTC) + (timedelta(seconds=lifetime) if lifetime and lifetime > 0 else _LIFE)
    await _processed(client, page, media_id, told)
    return UploadedMedia(media_id, expires_at)


def source(client: XClient, page: PageCredentials, attachment: Attachment) -> MediaSource | None:
    """Say where inbound media is fetched: through the API, with the account's token, which no other host ever gets.

    An address of another form is given as it is, without a token.
    """
    if attachment.url is None:
        return None
    found = _PARTS.search(urlsplit(attachment.url).path)
    if found is None:
        return MediaSource(attachment.url)
    return MediaSource(
        f"{client.base}/{path('2', 'dm_conversations', 'media', *found.groups())}", user(page.page_token)
    )


async def _command(client: XClient, page: PageCredentials, fields: dict[str, str]) -> Json:
    call = XCall("POST", _UPLOAD, user(page.page_token), content=form(fields), content_type=FORM)
    return await ask(client, call, Act.SEND_MEDIA)


async def _append(client: XClient, page: PageCredentials, media_id: str, index: int, chunk: bytes) -> None:
    mark = secrets.token_hex(16)
    fields = {"command": "APPEND", "media_id": media_id, "segment_index": str(index)}
    lines = [
        f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'--{mark}\r\nContent-Disposition: form-data; name="media"; filename="media"\r\n'
    lines += [head.encode(), b"Content-Type: application/octet-stream\r\n\r\n", chunk, f"\r\n--{mark}--\r\n".encode()]
    content_type = f"multipart/form-data; boundary={mark}"
    call = XCall("POST", _UPLOAD, user(page.page_token), content=b"".join(lines), content_type=content_type)
    answer = await reach(client, call, _APPEND_S)
    if not answer.is_success:
        raise failure_of(answer, Act.SEND_MEDIA)


async def _processed(client: XClient, page: PageCredentials, media_id: str, told: Json) -> None:
    """Ask STATUS, as often as X wants to be asked, until the file can be sent; raise PlatformCallFailed."""
    waited_s = 0.0
    while info := mapping(told.get("processing_info")):
        state = text(info.get("state"))
        if state == "succeeded":
            return
        if state == "failed":
            reason = text(mapping(info.get("error")).get("message")) or "the platform could not process the file"
            raise PlatformCallFailed(FailureReason.BAD_CONTENT, reason[:200])
        pause_s = float(max(whole(info.get("check_after_secs")) or 0, 0))
        waited_s += max(pause_s, 0.1)
        if waited_s > MAX_WAIT_S:
            raise PlatformCallFailed(FailureReason.TRANSIENT, "the file is still being processed", retryable=True)
        await asyncio.sleep(max(pause_s, 0.1))
        params = {"command": "STATUS", "media_id": media_id}
        call = XCall("GET", _UPLOAD, user(page.page_token), params)
        told = mapping((await ask(client, call, Act.SEND_MEDIA)).get("data"))


def _id_of(body: Json) -> str:
    media_id = identifier(mapping(body.get("data")).get("id"))
    if media_id is None:
        raise PlatformCallFailed(FailureReason.TRANSIENT, "the upload has no id", retryable=True)
    return media_id
