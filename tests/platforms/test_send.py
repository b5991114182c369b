"""One send against a server that does everything a server can do (reliability.md 2.6 item 5, G6)."""

from __future__ import annotations

import asyncio
import socket

import pytest

from server.platforms.port import (
    Channel,
    FailureReason,
    NotSent,
    OutgoingMessage,
    PageCredentials,
    Sent,
    Unknown,
)
from server.platforms.wire import http as client_module
from tests.platforms.factory import (
    PAGE_TOKEN,
    TAKEN,
    Wired,
    a_connector,
    a_message,
    a_page,
    answers,
    refused,
    seen,
)
from tests.platforms.wire import Exchange, Script

R = FailureReason


async def reset_after_reading(exchange: Exchange) -> None:
    exchange.reset()


async def close_after_reading(exchange: Exchange) -> None:
    exchange.writer.close()


async def hang(exchange: Exchange) -> None:
    await exchange.reader.read()
    raise ConnectionResetError


async def reset_within_the_body(exchange: Exchange) -> None:
    await exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
    exchange.reset()


async def close_within_the_body(exchange: Exchange) -> None:
    await exchange.write(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"message_id":"m_1"}')
    exchange.writer.close()


async def speak_another_protocol(exchange: Exchange) -> None:
    await exchange.write(b"220 smtp.example.com ESMTP\r\n\r\n")


async def drip(exchange: Exchange) -> None:
    await exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
    while True:
        await exchange.write(b" ")
        await asyncio.sleep(0.05)


async def flood_of_headers(exchange: Exchange) -> None:
    await exchange.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        await exchange.write(b"x-a: " + b"b" * 8_000 + b"\r\n")


async def lie_about_the_encoding(exchange: Exchange) -> None:
    await exchange.answer(200, b"\x1f\x8b" + b"\0" * 50, content_encoding="gzip")


BROKEN = [
    ("reset after accepting", reset_after_reading),
    ("closed after accepting", close_after_reading),
    ("no answer", hang),
    ("reset within the body", reset_within_the_body),
    ("closed within the body, though the id is there", close_within_the_body),
    ("no HTTP", speak_another_protocol),
    ("one byte at a time", drip),
    ("headers without end", flood_of_headers),
    ("wrong encoding", lie_about_the_encoding),
]


@pytest.mark.parametrize(("_case", "script"), BROKEN, ids=[case[0] for case in BROKEN])
async def test_a_broken_answer_leaves_the_outcome_unknown_and_ends_in_time(
    wired: Wired, _case: str, script: Script
) -> None:
    connector, wire = await wired(script)
    started = asyncio.get_running_loop().time()

    outcome = await connector.send(a_page(), a_message(), 0.5)

    assert isinstance(outcome, Unknown)
    assert len(wire.seen) == 1
    assert asyncio.get_running_loop().time() - started < 1.5


async def test_an_answer_of_a_hundred_megabytes_is_not_read_to_its_end(wired: Wired) -> None:
    written = 0

    async def flood(exchange: Exchange) -> None:
        nonlocal written
        await exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        for _ in range(1_000):
            await exchange.write(b" " * 100_000)
            written += 100_000

    connector, _ = await wired(flood)

    assert isinstance(await connector.send(a_page(), a_message(), 5), Unknown)
    assert written < 20_000_000


async def test_a_refused_connection_never_left() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        connector = a_connector(f"http://127.0.0.1:{taken.getsockname()[1]}")

        outcome = await connector.send(a_page(), a_message(), 5)

    await connector.aclose()
    assert seen(outcome) == refused(R.TRANSIENT, True)


async def test_a_connection_that_nobody_accepts_never_left() -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(busy.getsockname())
        connector = a_connector(f"http://127.0.0.1:{busy.getsockname()[1]}")

        outcome = await connector.send(a_page(), a_message(), 1)

        for filler in fillers:
            filler.close()
    await connector.aclose()
    assert seen(outcome) == refused(R.TRANSIENT, True)


async def test_a_name_that_does_not_resolve_never_left(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nowhere(*_: object, **__: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", nowhere)
    connector = a_connector("http://nowhere.invalid")

    outcome = await connector.send(a_page(), a_message(), 5)

    await connector.aclose()
    assert seen(outcome) == refused(R.TRANSIENT, True)


async def test_a_failed_tls_handshake_never_left() -> None:
    async def not_tls(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(not_tls, "127.0.0.1", 0)
    connector = a_connector(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    outcome = await connector.send(a_page(), a_message(), 5)

    await connector.aclose()
    server.close()
    await server.wait_closed()
    assert seen(outcome) == refused(R.TRANSIENT, True)


async def test_a_call_that_found_no_free_connection_never_left(wired: Wired, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "MAX_CONNECTIONS", 1)
    monkeypatch.setattr(client_module, "POOLS", 1)
    arrived = asyncio.Event()

    async def hold(exchange: Exchange) -> None:
        arrived.set()
        await hang(exchange)

    connector, wire = await wired(hold)
    first = asyncio.create_task(connector.send(a_page(), a_message(), 3))
    await arrived.wait()

    outcome = await connector.send(a_page(), a_message(), 0.4)

    assert seen(outcome) == refused(R.TRANSIENT, True)
    assert len(wire.seen) == 1
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_no_time_left_means_that_nothing_left(wired: Wired) -> None:
    connector, wire = await wired(answers(200, TAKEN))

    assert seen(await connector.send(a_page(), a_message(), 0)) == refused(R.TRANSIENT, True)
    assert wire.connections == 0


async def test_two_hundred_calls_are_on_the_wire_at_once(wired: Wired) -> None:
    everybody = asyncio.Event()
    waiting = 0

    async def answer_when_all_are_here(exchange: Exchange) -> None:
        nonlocal waiting
        waiting += 1
        if waiting == 200:
            everybody.set()
        await everybody.wait()
        await exchange.answer(200, TAKEN)

    connector, _ = await wired(answer_when_all_are_here)

    outcomes = await asyncio.gather(*(connector.send(a_page(), a_message(), 20) for _ in range(200)))

    assert outcomes == [Sent("m_1", "7")] * 200


async def test_a_reply_says_who_when_and_ours_and_hides_the_token_in_a_header(wired: Wired) -> None:
    connector, wire = await wired(answers(200, TAKEN))

    await connector.send(a_page(), a_message("Grüße 😀"), 5)
    await connector.send(a_page(), a_message(human_agent=True), 5)

    plain, human = wire.seen
    assert plain.json == {
        "recipient": {"id": "7"},
        "messaging_type": "RESPONSE",
        "message": {"text": "Grüße 😀", "metadata": "sb1:ref:1"},
    }
    assert human.json == {
        "recipient": {"id": "7"},
        "messaging_type": "MESSAGE_TAG",
        "tag": "HUMAN_AGENT",
        "message": {"text": "Hello", "metadata": "sb1:ref:1"},
    }
    assert plain.head.startswith("POST /v25.0/100/messages?appsecret_proof=")
    assert plain.header("authorization") == f"Bearer {PAGE_TOKEN}"
    assert PAGE_TOKEN not in plain.path
    assert wire.connections == 1


async def test_a_marketing_message_goes_through_the_ad_account_and_is_named_by_its_tracking_id(wired: Wired) -> None:
    connector, wire = await wired(answers(200, {"success": True, "marketing_message_tracking_id": "t_1"}))
    message = a_message(marketing_token="opt-in-token", platform_campaign_id="c_1")

    outcome = await connector.send(a_page(ad_account_id="9"), message, 5)

    assert outcome == Sent("t_1")
    assert wire.seen[0].path.startswith("/v25.0/act_9/messages?")
    assert wire.seen[0].header("authorization") == "Bearer EAAG-account-token"
    assert wire.seen[0].json == {
        "message_id": "c_1",
        "messenger_delivery_data": {"subscription_token": "opt-in-token"},
        "message": {"text": "Hello"},
    }


async def test_a_marketing_message_that_was_not_a_success_is_unknown(wired: Wired) -> None:
    connector, _ = await wired(answers(200, {"success": False, "marketing_message_tracking_id": "t_1"}))
    message = a_message(marketing_token="opt-in-token", platform_campaign_id="c_1")

    assert isinstance(await connector.send(a_page(), message, 5), Unknown)


IMPOSSIBLE = [
    ("half a surrogate pair", a_page(), a_message("\ud83d"), R.BAD_CONTENT),
    ("marketing without an account", a_page(ad_account_id=None), a_message(marketing_token="t"), R.BAD_CONTENT),
    (
        "marketing that nobody pays",
        a_page(ad_account_id=None),
        a_message(marketing_token="t", platform_campaign_id="c"),
        R.PERMISSION,
    ),
    (
        "a token with a line break",
        PageCredentials(Channel.MESSENGER, "100", "a\r\nX-Evil: 1"),
        a_message(),
        R.AUTH,
    ),
    ("a token that is none", PageCredentials(Channel.MESSENGER, "100", "ü"), a_message(), R.AUTH),
]


@pytest.mark.parametrize(("_case", "page", "message", "reason"), IMPOSSIBLE, ids=[case[0] for case in IMPOSSIBLE])
async def test_what_can_be_no_call_is_refused_before_it_leaves(
    wired: Wired, _case: str, page: PageCredentials, message: OutgoingMessage, reason: FailureReason
) -> None:
    connector, wire = await wired(answers(200, TAKEN))

    outcome = await connector.send(page, message, 5)

    assert isinstance(outcome, NotSent)
    assert outcome.reason is reason
    assert wire.connections == 0


async def test_an_id_cannot_climb_out_of_its_path(wired: Wired) -> None:
    connector, wire = await wired(answers(200, TAKEN))

    await connector.send(a_page("../x?y#z"), a_message(), 5)

    assert wire.seen[0].path.startswith("/v25.0/%2E%2E%2Fx%3Fy%23z/messages?appsecret_proof=")


async def test_a_cookie_of_the_platform_is_not_carried_to_the_next_page(wired: Wired) -> None:
    connector, wire = await wired(answers(200, TAKEN, set_cookie="who=tenant-a; Path=/"))

    await connector.send(a_page("100"), a_message(), 5)
    await connector.send(a_page("200"), a_message(), 5)

    assert wire.seen[1].header("cookie") is None


async def test_a_cancelled_send_is_cancelled(wired: Wired) -> None:
    arrived = asyncio.Event()

    async def hold(exchange: Exchange) -> None:
        arrived.set()
        await hang(exchange)

    connector, _ = await wired(hold)
    sending = asyncio.create_task(connector.send(a_page(), a_message(), 30))
    await arrived.wait()

    sending.cancel()

    with pytest.raises(asyncio.CancelledError):
        await sending
