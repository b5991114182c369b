"""What an answer to a send proves: errors are HTTP 200 with a code (platforms.md 6.2 and 8)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from server.platforms.port import (
    Act,
    FailureReason,
    MediaKind,
    NotSent,
    Outcome,
    OutgoingMedia,
    PlatformCallFailed,
    QuotaScope,
    Sent,
    Signal,
    SignalKind,
    Unknown,
    Usage,
)
from server.platforms.tiktok.connector import TikTokConnector
from tests.platforms.tiktok.factory import PERSON, THREAD, a_message, a_page
from tests.platforms.wire import Exchange, Script, Wire

Scripted = Callable[[Script], Awaitable[tuple[TikTokConnector, Wire]]]
R = FailureReason


def answering(body: object, status: int = 200) -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.answer(status, body)

    return script


def envelope(code: object, data: object = None, message: str = "words") -> dict[str, object]:
    return {"code": code, "message": message, "request_id": "R", "data": {} if data is None else data}


async def sent_to(scripted: Scripted, script: Script) -> Outcome:
    connector, _ = await scripted(script)
    return await connector.send(a_page(), a_message(), 1)


@pytest.mark.parametrize("status", [200, 400, 403])
@pytest.mark.parametrize(
    ("code", "reason", "retryable"),
    [
        (40001, R.PERMISSION, False),
        (40002, R.BAD_CONTENT, False),
        (40007, R.BLOCKED_BY_CONTACT, False),
        (40064, R.WINDOW_CLOSED, False),
        (40100, R.RATE_LIMITED, True),
        (40102, R.AUTH, False),
        (40105, R.AUTH, False),
        (40908, R.BAD_CONTENT, False),
    ],
)
async def test_a_documented_code_proves_that_nothing_was_sent(
    scripted: Scripted, code: int, reason: FailureReason, retryable: bool, status: int
) -> None:
    outcome = await sent_to(scripted, answering(envelope(code), status))

    assert isinstance(outcome, NotSent)
    assert (outcome.reason, outcome.retryable) == (reason, retryable)
    assert outcome.detail == f"{code} words"


async def test_the_throttle_says_how_long_to_wait_and_whose_allowance_it_was(scripted: Scripted) -> None:
    outcome = await sent_to(scripted, answering(envelope(40100)))

    assert isinstance(outcome, NotSent)
    assert (outcome.retry_after_s, outcome.scope) == (1.0, QuotaScope.PAGE)
    assert outcome.usage == (Usage(QuotaScope.PAGE, Act.SEND, remaining=0, wait_s=1.0),)


@pytest.mark.parametrize(
    ("case", "body", "status"),
    [
        ("system error", envelope(51065), 200),
        ("code nobody knows", envelope(40999), 200),
        ("another system error", envelope(50000), 500),
        ("success without an id", envelope(0, {"message": {"message_id": ""}}), 200),
        ("success without a message", envelope(0, {}), 200),
        ("no code", {"data": {"message": {"message_id": "m"}}}, 200),
        ("a code that is no number", envelope("zero", {"message": {"message_id": "m"}}), 200),
        ("not JSON", b"<html>It works!</html>", 200),
        ("cut off", b'{"code": 0, "data": {"mess', 200),
        ("empty", b"", 200),
        ("gateway", b"bad gateway", 502),
        ("redirect", b"", 302),
        ("refused without an envelope", b"", 403),
        ("a success inside an error", envelope(0, {"message": {"message_id": "m"}}), 500),
    ],
)
async def test_all_else_proves_nothing(scripted: Scripted, case: str, body: object, status: int) -> None:
    assert isinstance(await sent_to(scripted, answering(body, status)), Unknown), case


async def test_a_code_in_a_string_is_a_code(scripted: Scripted) -> None:
    assert await sent_to(scripted, answering(envelope("0", {"message": {"message_id": "m+/="}}))) == Sent(
        "m+/=", thread_external_id=THREAD
    )


async def test_429_is_a_throttle_too(scripted: Scripted) -> None:
    outcome = await sent_to(scripted, answering(b"slow down", 429))

    assert isinstance(outcome, NotSent)
    assert (outcome.reason, outcome.retryable) == (R.RATE_LIMITED, True)


async def test_silence_and_a_dropped_connection_prove_nothing(scripted: Scripted) -> None:
    async def silent(exchange: Exchange) -> None:
        await asyncio.sleep(30)

    async def dropping(exchange: Exchange) -> None:
        exchange.reset()

    assert isinstance(await sent_to(scripted, silent), Unknown)
    assert isinstance(await sent_to(scripted, dropping), Unknown)


async def test_what_never_left_was_not_sent(scripted: Scripted) -> None:
    connector, wire = await scripted(answering(envelope(0)))
    await wire.stop()

    gone = await connector.send(a_page(), a_message(), 1)
    late = await connector.send(a_page(), a_message(), 0)
    broken = await connector.send(a_page(token="two\nlines"), a_message(), 1)

    assert isinstance(gone, NotSent)
    assert isinstance(late, NotSent)
    assert isinstance(broken, NotSent)
    assert [(one.reason, one.retryable) for one in (gone, late, broken)] == [
        (R.TRANSIENT, True),
        (R.TRANSIENT, True),
        (R.AUTH, False),
    ]


@pytest.mark.parametrize(
    ("body", "reason", "retryable"),
    [
        (envelope(51065), R.TRANSIENT, True),
        (envelope(40100), R.RATE_LIMITED, True),
        (envelope(40105), R.AUTH, False),
        (envelope(0, {}), R.TRANSIENT, True),
        (
            envelope(0, {"capability_infos": [{"capability_type": "IMAGE_SEND", "capability_result": False}]}),
            R.BAD_CONTENT,
            False,
        ),
    ],
)
async def test_a_picture_whose_permission_cannot_be_had_was_certainly_not_sent(
    scripted: Scripted, body: object, reason: FailureReason, retryable: bool
) -> None:
    connector, wire = await scripted(answering(body))

    outcome = await connector.send(a_page(), a_message("", media=(OutgoingMedia(MediaKind.IMAGE, "m"),)), 1)

    assert isinstance(outcome, NotSent)
    assert (outcome.reason, outcome.retryable) == (reason, retryable)
    assert [call.head[:4] for call in wire.seen] == ["GET "]


async def test_no_token_is_repeated_in_what_is_told(scripted: Scripted) -> None:
    token = "act." + "s3cret" * 8
    connector, _ = await scripted(answering(envelope(40105, message=f"Access token {token} is wrong")))

    outcome = await connector.send(a_page(token=token), a_message(), 1)

    assert isinstance(outcome, NotSent)
    assert outcome.detail == "40105 Access token … is wrong"


async def test_a_signal_that_fails_says_why(scripted: Scripted) -> None:
    connector, _ = await scripted(answering(envelope(40105)))

    with pytest.raises(PlatformCallFailed) as failed:
        await connector.signal(a_page(), Signal(PERSON, SignalKind.MARK_READ, THREAD))

    assert failed.value.reason is R.AUTH
