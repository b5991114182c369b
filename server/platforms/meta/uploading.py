"""Uploading a file once, to be named in messages later: /message_attachments (platforms.md 2.1 and 3.2)."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson

from server.platforms.capabilities import catalogue
from server.platforms.capabilities.fitting import file_of
from server.platforms.meta import content
from server.platforms.meta.asking import ask
from server.platforms.meta.client import GraphCall, GraphClient
from server.platforms.port import FailureReason, MediaFile, PageCredentials, PlatformCallFailed, UploadedMedia
from server.platforms.wire.reading import Json, identifier

# The platform fetches a film for up to 75 s before it answers.
_DEADLINE_S = 90.0


async def upload(
    client: GraphClient, where: str, page: PageCredentials, media: MediaFile, *, platform: str | None = None
) -> UploadedMedia:
    """Let the platform fetch the file from our address; raise PlatformCallFailed (BAD_CONTENT: refused).

    It keeps the file until further notice, for this page alone. `platform` names the network where the page serves another.
    """
    file_of(media, catalogue.at(page.channel, datetime.now(UTC)))
    fields: Json = {"message": {"attachment": content.attachment(media.kind, url=media.url, is_reusable=True)}}
    if platform is not None:
        fields["platform"] = platform
    body = await ask(client, GraphCall("POST", where, page.page_token, content=orjson.dumps(fields)), _DEADLINE_S)
    named = identifier(body.get("attachment_id"))
    if named is None:
        raise PlatformCallFailed(FailureReason.TRANSIENT, "the answer names no attachment", retryable=True)
    return UploadedMedia(named, None)
