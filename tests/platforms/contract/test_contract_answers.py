"""Every platform: whatever it answers to whatever is asked, a call fails in one documented way, and nothing is made up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from server.platforms.port import (
    Attachment,
    AuthorizeRequest,
    CodeExchange,
    Connector,
    MediaFile,
    MediaKind,
    NotSent,
    PlatformCallFailed,
    Signal,
    SignalKind,
    Unknown,
)
from tests.platforms.contract.conftest import Scene
from tests.platforms.contract.rig import Rig
from tests.platforms.wire import Exchange, Wire

Call = Callable[[Connector, Scene], Awaitable[object]]
PNG = b"\x89PNG\r\n\x1a\n"
STRANGE = {
    name: value
    for value in (5, [], {"id": []}, "x", None)
    for name in ("data", "id", "access_token", "paging", "error", "success", "code", "errors", "elements", "message_id")
}


def an_answer(status: int, body: object, **headers: str) -> Callable[[Exchange], Awaitable[None]]:
    """The same answer to everything."""

    async def script(exchange: Exchange) -> None:
        await exchange.answer(status, body, **headers)

    return script


async def cut_off(exchange: Exchange) -> None:
    """An answer that ends before its promised length."""
    await exchange.write(b'HTTP/1.1 200 X\r\ncontent-length: 900\r\n\r\n{"data": [{"id"')
    exchange.reset()


async def no_http(exchange: Exchange) -> None:
    """Bytes that are no HTTP."""
    await exchange.write(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")
    exchange.reset()


async def dropped(exchange: Exchange) -> None:
    """No answer at all."""
    exchange.reset()


ANSWERS = {
    "garbage": an_answer(200, b"<html><body>It works!</body></html>"),
    "nothing": an_answer(204, b""),
    "an empty object": an_answer(200, {}),
    "a list": an_answer(200, []),
    "null": an_answer(200, None),
    "a number beyond all numbers": an_answer(200, b'{"id": 1e999, "data": 9' + b"9" * 5_000 + b"}"),
    "not UTF-8": an_answer(200, b'{"id": "\xff", "data": [{"id": "\xff"}]}'),
    "half an emoji": an_answer(200, b'{"data": [{"id": "\\ud83d", "name": "\\ud83d"}], "name": "\\ud83d"}'),
    "deep": an_answer(200, b'{"data":' + b"[" * 50_000),
    "every field of a wrong type": an_answer(200, STRANGE),
    "a list of wrong things": an_answer(200, {"data": [1, None, "x", [], {"id": {}}], "elements": [5], "code": 0}),
    "an error of a wrong type": an_answer(400, {"error": ["x"], "errors": "x", "code": "x", "message": 5}),
    "an error without words": an_answer(400, b""),
    "a refused proxy": an_answer(403, b"<html>Forbidden</html>"),
    "too many, without words": an_answer(429, b"slow down", retry_after="soon", x_rate_limit_reset="never"),
    "a redirect": an_answer(302, b"", location="http://127.0.0.1:1/"),
    "a server error": an_answer(500, {"error": {"code": 190}}),
    "away": an_answer(503, b"", retry_after="-1"),
    "cut off": cut_off,
    "no HTTP": no_http,
    "dropped": dropped,
}


CERTAIN_OF_NOTHING = {
    *("garbage", "nothing", "an empty object", "a list", "null", "not UTF-8", "half an emoji", "deep", "cut off"),
    *("every field of a wrong type", "a list of wrong things", "a redirect", "a server error", "away", "no HTTP"),
    *("a number beyond all numbers", "dropped"),
}
"""Answers after which the message may have left."""


async def exchange_code(connector: Connector, scene: Scene) -> object:
    """Trade a code."""
    verifier = "v" * 64 if connector.uses_pkce else None
    return await connector.exchange_code(CodeExchange("code", "http://127.0.0.1:9/", scene.rig.login, verifier))


async def upload_media(connector: Connector, scene: Scene) -> object:
    """Upload an image."""
    file = MediaFile(MediaKind.IMAGE, "image/png", "a.png", PNG, scene.hearing.offer("a.png", PNG))
    return await connector.upload_media(scene.page, file)


async def media_source(connector: Connector, scene: Scene) -> object:
    """Ask where an attachment is."""
    attachment = Attachment("image", None, media_id="1")
    return await connector.media_source(scene.page, "1", "1", attachment)


def since() -> datetime:
    """An hour ago."""
    return datetime.now(UTC) - timedelta(hours=1)


CALLS: dict[str, Call] = {
    "exchange_code": exchange_code,
    "refresh": lambda connector, scene: connector.refresh(scene.rig.account_of(scene.page)),
    "inspect": lambda connector, scene: connector.inspect(scene.rig.account_of(scene.page)),
    "list_pages": lambda connector, scene: connector.list_pages(scene.rig.account_of(scene.page)),
    "subscribe": lambda connector, scene: connector.subscribe(scene.page),
    "is_subscribed": lambda connector, scene: connector.is_subscribed(scene.page),
    "unsubscribe": lambda connector, scene: connector.unsubscribe(scene.page),
    "revoke": lambda connector, scene: connector.revoke(scene.rig.account_of(scene.page)),
    "upload_media": upload_media,
    "media_source": media_source,
    "signal": lambda connector, scene: connector.signal(
        scene.page, Signal(scene.person, SignalKind.TYPING_ON, thread_external_id="1")
    ),
    "unsend": lambda connector, scene: connector.unsend(scene.page, "1"),
    "list_messages": lambda connector, scene: connector.list_messages(scene.page, since()),
    "backfill": lambda connector, scene: connector.backfill(scene.page, since()),
    "read_profile": lambda connector, scene: connector.read_profile(scene.page, scene.person),
    "create_campaign": lambda connector, scene: connector.create_campaign(scene.page, "Sale"),
    "campaign_costs": lambda connector, scene: connector.campaign_costs(scene.page, "1"),
}


@pytest.fixture
async def answered(rig: Rig) -> AsyncIterator[Callable[[str], Awaitable[Connector]]]:
    """A connector whose platform gives one answer to everything; both end with the test."""
    started: list[tuple[Connector, Wire]] = []

    async def start(answer: str) -> Connector:
        wire = Wire(ANSWERS[answer])
        await wire.start()
        started.append((rig.connector(wire.url), wire))
        return started[-1][0]

    yield start
    for connector, wire in started:
        await connector.aclose()
        await wire.stop()


@pytest.mark.parametrize("answer", list(ANSWERS))
async def test_every_call_fails_in_the_documented_way_or_tells_what_it_was_told(
    scene: Scene, answered: Callable[[str], Awaitable[Connector]], answer: str
) -> None:
    connector = await answered(answer)

    wrong = {}
    for name, call in CALLS.items():
        async with asyncio.timeout(25):
            [result] = await asyncio.gather(call(connector, scene), return_exceptions=True)
        if isinstance(result, PlatformCallFailed):
            if scene.page.page_token in str(result):
                wrong[name] = "tells the token"
        elif isinstance(result, BaseException):
            wrong[name] = repr(result)

    assert wrong == {}


@pytest.mark.parametrize("answer", list(ANSWERS))
async def test_no_answer_without_the_name_of_a_message_is_a_sent_message(
    scene: Scene, answered: Callable[[str], Awaitable[Connector]], answer: str
) -> None:
    connector = await answered(answer)

    outcome = await connector.send(scene.page, scene.rig.message(scene.page, scene.person, "Hello"), 5)

    assert isinstance(outcome, NotSent | Unknown)
    assert isinstance(outcome, Unknown) or answer not in CERTAIN_OF_NOTHING


async def test_a_dialogue_begins_without_a_call(
    rig: Rig, scene: Scene, answered: Callable[[str], Awaitable[Connector]]
) -> None:
    connector = await answered("dropped")

    assert connector.authorize_url(AuthorizeRequest("state", "http://127.0.0.1:9/", rig.login, "c" * 43))
