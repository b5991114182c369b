"""The connector over the stand-in: media out and in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from server.platforms.port import (
    FailureReason,
    MediaFile,
    MediaKind,
    MessageReceived,
    NotSent,
    OutgoingMedia,
    PlatformCallFailed,
    Sent,
)
from server.platforms.x.connector import XConnector
from tests.platforms.x.factory import a_page, account_at
from tests.platforms.x.inbox import Inbox
from tests.platforms.x.scenes import a_person, a_scene, hello
from tests.standin_server import Platform


def a_file(kind: MediaKind, mime_type: str, size: int) -> MediaFile:
    """Media of so many bytes."""
    return MediaFile(kind, mime_type, "name", b"x" * size, "http://127.0.0.1:9/media/t")


FILES = [
    ("image", MediaKind.IMAGE, "image/png", 10, "photo"),
    ("gif", MediaKind.IMAGE, "image/gif", 6_000_000, "animated_gif"),
    ("video in chunks", MediaKind.VIDEO, "video/mp4", 9_000_000, "video"),
]


@pytest.mark.parametrize(("_case", "kind", "mime", "size", "told"), FILES, ids=[case[0] for case in FILES])
async def test_media_is_uploaded_in_chunks_processed_and_sent(
    platform: Platform, connector: XConnector, _case: str, kind: MediaKind, mime: str, size: int, told: str
) -> None:
    page, person = await a_scene(platform)

    uploaded = await connector.upload_media(page, a_file(kind, mime, size))
    media = (OutgoingMedia(kind, uploaded.platform_media_id),)
    outcome = await connector.send(page, hello(person, "", media=media), 5)

    assert isinstance(outcome, Sent)
    assert uploaded.expires_at is not None
    assert abs(uploaded.expires_at - datetime.now(UTC) - timedelta(hours=24)) < timedelta(minutes=1)
    [entry] = await platform.ledger(page.page_external_id)
    assert [one["type"] for one in entry["attachments"]] == [told]


TOO_MUCH = [
    ("image", MediaKind.IMAGE, "image/png", 5_000_001),
    ("gif", MediaKind.IMAGE, "image/gif", 15_000_001),
    ("sound", MediaKind.AUDIO, "audio/mpeg", 1),
    ("paper", MediaKind.FILE, "application/pdf", 1),
    ("nothing", MediaKind.IMAGE, "image/png", 0),
]


@pytest.mark.parametrize(("_case", "kind", "mime", "size"), TOO_MUCH, ids=[case[0] for case in TOO_MUCH])
async def test_media_that_x_does_not_take_is_refused_before_a_call(
    connector: XConnector, _case: str, kind: MediaKind, mime: str, size: int
) -> None:
    with pytest.raises(PlatformCallFailed) as refused:
        await connector.upload_media(a_page("1", "t"), a_file(kind, mime, size))

    assert refused.value.reason is FailureReason.BAD_CONTENT


async def test_media_of_another_account_and_of_yesterday_is_worth_nothing(
    platform: Platform, connector: XConnector
) -> None:
    page, person = await a_scene(platform)
    other, _ = await a_scene(platform)
    uploaded = await connector.upload_media(other, a_file(MediaKind.IMAGE, "image/png", 10))
    own = await connector.upload_media(page, a_file(MediaKind.IMAGE, "image/png", 10))
    await platform.control("clock", {"offset_s": 86_401})

    for media_id in (uploaded.platform_media_id, own.platform_media_id):
        media = (OutgoingMedia(MediaKind.IMAGE, media_id),)
        outcome = await connector.send(page, hello(person, media=media), 5)
        assert isinstance(outcome, NotSent)
        assert outcome.reason is FailureReason.BAD_CONTENT


async def test_media_in_is_fetched_signed_in_and_the_token_goes_to_x_alone(
    platform: Platform, connector: XConnector, inbox: Inbox
) -> None:
    account, token = await account_at(platform, callback_url=inbox.url, subscribed="activity")
    page, person = a_page(account, token), await a_person(platform, account)
    said = await platform.control(f"x/customers/{account}/{person}/message", {"media": {"type": "photo"}})
    [received] = await inbox.heard(MessageReceived)
    assert isinstance(received, MessageReceived)
    [attachment] = received.attachments

    source = await connector.media_source(page, received.message_id, None, attachment)

    assert source is not None
    assert source.url.startswith(f"{platform.url}/x/2/dm_conversations/media/{said['id']}/")
    async with httpx.AsyncClient(trust_env=False) as http:
        fetched = await http.get(source.url, headers=dict(source.headers))
        refused = await http.get(source.url)
    assert (fetched.status_code, fetched.content) == (200, b"media of " + said["id"].encode())
    assert refused.status_code == 401
    elsewhere = type(attachment)("image", "https://pbs.example/picture.jpg")
    open_source = await connector.media_source(page, received.message_id, None, elsewhere)
    assert open_source is not None
    assert (open_source.url, open_source.headers) == ("https://pbs.example/picture.jpg", {})
