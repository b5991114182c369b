"""Pictures: whether they may be sent at all, handing one over, and fetching what a person sent (platforms.md 6.2)."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import orjson

from server.platforms.capabilities import catalogue
from server.platforms.capabilities.fitting import file_of
from server.platforms.port import (
    Attachment,
    FailureReason,
    MediaFile,
    MediaSource,
    PageCredentials,
    PlatformCallFailed,
    UploadedMedia,
)
from server.platforms.tiktok.asking import DEADLINE_S, ask
from server.platforms.tiktok.client import Call, TikTokClient, get, post
from server.platforms.wire.http import BadToken, fitting
from server.platforms.wire.reading import Json, identifier, items, mapping, text

NAMES = {"image/jpeg": "picture.jpg", "image/png": "picture.png"}
LIFETIME = timedelta(days=30)
# A region that gets pictures switched on may wait ten minutes; without a memory every picture would cost a second call.
_REMEMBERED_S = 600.0
_MOST_REMEMBERED = 10_000
_REFUSAL = "the platform does not let this account send pictures there (it switches them off in many regions)"
_MEDIA_TYPES = {"image": "IMAGE", "video": "VIDEO"}


class Allowed:
    """What the platform said about pictures, per account and conversation, for a while and in this process only."""

    def __init__(self) -> None:
        self._until: dict[tuple[str, str | None], tuple[float, bool]] = {}

    async def insist(
        self, client: TikTokClient, page: PageCredentials, thread: str | None, deadline_s: float = DEADLINE_S
    ) -> None:
        """Ask unless the answer is known; raise PlatformCallFailed (BAD_CONTENT: no pictures there)."""
        known = self._known(page.page_external_id, thread)
        if known is None:
            known = await _may_send(client, page, thread, deadline_s)
            self._remember(page.page_external_id, thread, known)
        if not known:
            raise PlatformCallFailed(FailureReason.BAD_CONTENT, _REFUSAL)

    def _known(self, page: str, thread: str | None) -> bool | None:
        until, answer = self._until.get((page, thread), (0.0, False))
        return answer if time.monotonic() < until else None

    def _remember(self, page: str, thread: str | None, answer: bool) -> None:
        if len(self._until) >= _MOST_REMEMBERED:
            self._until.clear()
        self._until[(page, thread)] = (time.monotonic() + _REMEMBERED_S, answer)


async def upload(client: TikTokClient, allowed: Allowed, page: PageCredentials, media: MediaFile) -> UploadedMedia:
    """Hand a picture over; the platform keeps it for 30 days; raise PlatformCallFailed."""
    file_of(media, catalogue.at(page.channel, datetime.now(UTC)))
    await _insist_before_upload(client, allowed, page)
    content, content_type = _form(page.page_external_id, media)
    call = Call("POST", "business/message/media/upload", page.page_token, content=content, content_type=content_type)
    data = await ask(client, call)
    media_id = identifier(data.get("media_id"))
    if media_id is None:
        raise PlatformCallFailed(FailureReason.TRANSIENT, "the answer names no media", retryable=True)
    return UploadedMedia(media_id, datetime.now(UTC) + LIFETIME)


async def source(
    client: TikTokClient, page: PageCredentials, message_id: str, thread: str | None, attachment: Attachment
) -> MediaSource | None:
    """Say where a picture or film is fetched: an address of 24 hours that wants the token; raise PlatformCallFailed.

    Stickers, emojis and posts have an address of their own. Without the conversation nothing can be asked for, and what the
    platform no longer has (40007) is nothing to fetch.
    """
    if attachment.media_id is None:
        return None if attachment.url is None else MediaSource(attachment.url)
    if thread is None:
        return None
    body: Json = {
        "business_id": page.page_external_id,
        "conversation_id": thread,
        "message_id": message_id,
        "media_id": attachment.media_id,
        "media_type": _MEDIA_TYPES.get(attachment.kind.lower(), "IMAGE"),
    }
    try:
        data = await ask(client, post("business/message/media/download", page.page_token, body))
    except PlatformCallFailed as problem:
        if problem.reason is FailureReason.BLOCKED_BY_CONTACT:
            return None
        raise
    url = text(data.get("download_url"))
    if not url or not url.startswith(("https://", "http://")):
        raise PlatformCallFailed(FailureReason.TRANSIENT, "the answer holds no address", retryable=True)
    return MediaSource(url, {"x-user": _header(page.page_token)})


async def _insist_before_upload(client: TikTokClient, allowed: Allowed, page: PageCredentials) -> None:
    """Ask about the account as a whole; where the platform wants a conversation for that, the send will ask."""
    try:
        await allowed.insist(client, page, None)
    except PlatformCallFailed as problem:
        if problem.reason is not FailureReason.BAD_CONTENT or problem.detail == _REFUSAL:
            raise


async def _may_send(client: TikTokClient, page: PageCredentials, thread: str | None, deadline_s: float) -> bool:
    """Ask about a conversation as one of the two types it can have: a person whom nobody answered yet is a STRANGER."""
    if thread is None:
        return await _asked(client, page, {}, deadline_s)
    about = {"conversation_id": thread, "conversation_type": "SINGLE"}
    try:
        return await _asked(client, page, about, deadline_s / 2)
    except PlatformCallFailed as problem:
        if problem.reason is not FailureReason.BAD_CONTENT:
            raise
    return await _asked(client, page, about | {"conversation_type": "STRANGER"}, deadline_s / 2)


async def _asked(client: TikTokClient, page: PageCredentials, about: Mapping[str, str], deadline_s: float) -> bool:
    params = {"business_id": page.page_external_id, "capability_types": orjson.dumps(["IMAGE_SEND"]).decode(), **about}
    data = await ask(client, get("business/message/capabilities/get", page.page_token, params), deadline_s)
    told = [
        one for one in map(mapping, items(data.get("capability_infos"))) if one.get("capability_type") == "IMAGE_SEND"
    ]
    if not told:
        raise PlatformCallFailed(FailureReason.TRANSIENT, "the answer says nothing about pictures", retryable=True)
    return told[0].get("capability_result") is True


def _form(business_id: str, media: MediaFile) -> tuple[bytes, str]:
    """Return the multipart body (RFC 7578) and its type; the name of the file is ours, so that nothing needs escaping."""
    boundary = secrets.token_hex(16)
    fields = {"business_id": business_id, "media_type": "IMAGE"}
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{NAMES[media.mime_type]}"\r\n'
        f"Content-Type: {media.mime_type}\r\n\r\n"
    )
    whole = "".join(parts).encode() + head.encode() + media.content + f"\r\n--{boundary}--\r\n".encode()
    return whole, f"multipart/form-data; boundary={boundary}"


def _header(token: str) -> str:
    try:
        return fitting(token)
    except BadToken as problem:
        raise PlatformCallFailed(FailureReason.AUTH, str(problem)) from None
