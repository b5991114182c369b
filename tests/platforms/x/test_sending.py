"""What a send carries, what never leaves, and what an answer proves (platforms.md 4.2, 4.3 and 8)."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from server.platforms.port import (
    Act,
    Button,
    FailureReason,
    MediaKind,
    NotSent,
    OutgoingKind,
    OutgoingMedia,
    OutgoingMessage,
    QuickReply,
    QuotaScope,
    Sent,
    Unknown,
    Usage,
)
from tests.platforms.factory import answers, refused, seen
from tests.platforms.x.conftest import Wired
from tests.platforms.x.factory import a_connector, a_page

R = FailureReason
PAGE = a_page("100", "page-token")
HELLO = OutgoingMessage("7", "Hello", "sb1:ref:1")
TAKEN = {"data": {"dm_conversation_id": "7-100", "dm_event_id": "1346889436626259968"}}


async def test_a_message_goes_to_the_person_with_the_accounts_token(wired_x: Wired) -> None:
    connector, wire = await wired_x(answers(201, TAKEN))

    outcome = await connector.send(PAGE, HELLO, 5)

    assert outcome == Sent("1346889436626259968", thread_external_id="7-100")
    [exchange] = wire.seen
    assert exchange.head.startswith("POST /2/dm_conversations/with/7/messages HTTP/1.1")
    assert exchange.header("authorization") == "Bearer page-token"
    assert exchange.json == {"text": "Hello"}


THREADS = [
    ("of two", "7", "7-100", "/2/dm_conversations/7-100/messages"),
    ("a group is its own recipient", "1582103", "1582103", "/2/dm_conversations/1582103/messages"),
    ("of others", "7", "7-101", "/2/dm_conversations/with/7/messages"),
    ("a group, for one person", "7", "1582103", "/2/dm_conversations/with/7/messages"),
]


@pytest.mark.parametrize(("_case", "person", "thread", "path"), THREADS, ids=[case[0] for case in THREADS])
async def test_a_conversation_is_used_only_if_it_is_the_one_with_the_recipient(
    wired_x: Wired, _case: str, person: str, thread: str, path: str
) -> None:
    connector, wire = await wired_x(answers(201, TAKEN))

    await connector.send(PAGE, replace(HELLO, recipient_external_id=person, thread_external_id=thread), 5)

    assert wire.seen[0].path == path


async def test_media_goes_along_by_its_name_with_or_without_words(wired_x: Wired) -> None:
    connector, wire = await wired_x(answers(201, TAKEN))
    picture = (OutgoingMedia(MediaKind.IMAGE, "1583157113245011970"),)

    await connector.send(PAGE, replace(HELLO, media=picture), 5)
    await connector.send(PAGE, replace(HELLO, text="", media=picture), 5)

    attachments = [{"media_id": "1583157113245011970"}]
    assert [one.json for one in wire.seen] == [
        {"text": "Hello", "attachments": attachments},
        {"attachments": attachments},
    ]


async def test_a_text_of_ten_thousand_characters_goes_out_whole(wired_x: Wired) -> None:
    connector, wire = await wired_x(answers(201, TAKEN))

    await connector.send(PAGE, replace(HELLO, text="ü" * 10_000), 5)

    assert wire.seen[0].json == {"text": "ü" * 10_000}


PICTURE = OutgoingMedia(MediaKind.IMAGE, "1")
NEVER = [
    ("too long", replace(HELLO, text="x" * 10_001), R.BAD_CONTENT),
    ("half an emoji", replace(HELLO, text="\ud83d"), R.BAD_CONTENT),
    ("nothing", replace(HELLO, text=""), R.BAD_CONTENT),
    ("two attachments", replace(HELLO, media=(PICTURE, PICTURE)), R.BAD_CONTENT),
    ("quick replies", replace(HELLO, quick_replies=(QuickReply("Yes", "y"),)), R.BAD_CONTENT),
    ("buttons", replace(HELLO, buttons=(Button("Yes"),)), R.BAD_CONTENT),
    ("nobody", replace(HELLO, recipient_external_id="../me"), R.BAD_CONTENT),
    ("a public reply", replace(HELLO, kind=OutgoingKind.COMMENT_REPLY, comment_id="5"), R.POLICY),
    ("a private reply", replace(HELLO, kind=OutgoingKind.PRIVATE_REPLY, comment_id="5"), R.POLICY),
    ("marketing", replace(HELLO, kind=OutgoingKind.MARKETING), R.POLICY),
    ("utility", replace(HELLO, kind=OutgoingKind.UTILITY), R.POLICY),
]


@pytest.mark.parametrize(("_case", "message", "reason"), NEVER, ids=[case[0] for case in NEVER])
async def test_what_x_does_not_take_is_refused_without_a_call(
    wired_x: Wired, _case: str, message: OutgoingMessage, reason: FailureReason
) -> None:
    connector, wire = await wired_x(answers(201, TAKEN))

    assert seen(await connector.send(PAGE, message, 5)) == refused(reason)
    assert wire.seen == []


def legacy(code: int, message: str = "no") -> dict[str, object]:
    """The older shape."""
    return {"errors": [{"code": code, "message": message}]}


def problem(status: int, detail: str, kind: str = "about:blank", title: str = "Forbidden") -> dict[str, object]:
    """The newer shape."""
    return {"title": title, "detail": detail, "type": kind, "status": status}


PROBLEMS = "https://api.x.com/2/problems/"
ANSWERS = [
    ("taken", 201, TAKEN, Sent),
    ("taken, with another status", 200, TAKEN, Sent),
    ("success without an id", 201, {"data": {"dm_conversation_id": "7-100"}}, Unknown),
    ("success with an id that is none", 201, {"data": {"dm_event_id": ["1"]}}, Unknown),
    ("success with an error", 200, legacy(349), Unknown),
    ("success without a body", 204, b"", Unknown),
    ("garbage", 200, b"<html>", Unknown),
    ("cut off", 201, b'{"data":{"dm_event_id":"13', Unknown),
    ("redirect", 302, b"", Unknown),
    ("32", 401, legacy(32), refused(R.AUTH)),
    ("89", 401, legacy(89), refused(R.AUTH)),
    ("88", 429, legacy(88), refused(R.RATE_LIMITED, True)),
    ("93", 403, legacy(93), refused(R.PERMISSION)),
    ("150", 403, legacy(150), refused(R.NOT_CONNECTED)),
    ("151", 403, legacy(151), refused(R.POLICY)),
    ("187", 403, legacy(187), refused(R.BAD_CONTENT)),
    ("226", 403, legacy(226), refused(R.POLICY)),
    ("349", 403, legacy(349), refused(R.PRIVACY_BLOCKED)),
    ("a code as text", 403, {"errors": [{"code": "349", "message": "no"}]}, refused(R.PRIVACY_BLOCKED)),
    ("401 as a problem", 401, problem(401, "Unauthorized"), refused(R.AUTH)),
    ("429 as a problem", 429, problem(429, "Too Many Requests"), refused(R.RATE_LIMITED, True)),
    ("usage capped", 429, problem(429, "Usage cap exceeded", PROBLEMS + "usage-capped"), refused(R.RATE_LIMITED, True)),
    ("349 in words", 403, problem(403, "You cannot send messages to this user."), refused(R.PRIVACY_BLOCKED)),
    ("349 in other words", 403, problem(403, "You do not have permission to DM this one."), refused(R.PRIVACY_BLOCKED)),
    (
        "150 in words",
        403,
        problem(403, "You cannot send messages to users who are not following you."),
        refused(R.NOT_CONNECTED),
    ),
    ("226 in words", 403, problem(403, "This request looks like it might be automated."), refused(R.POLICY)),
    ("187 in words", 403, problem(403, "Status is a duplicate."), refused(R.BAD_CONTENT)),
    (
        "93 in words",
        403,
        problem(403, "This application is not allowed to access or delete your direct messages."),
        refused(R.PERMISSION),
    ),
    ("scope missing", 403, problem(403, "When authenticating", PROBLEMS + "client-forbidden"), refused(R.PERMISSION)),
    ("403 without a reason concerns the person", 403, problem(403, "Forbidden"), refused(R.PRIVACY_BLOCKED)),
    ("bad request", 400, problem(400, "`text` is odd", PROBLEMS + "invalid-request"), refused(R.BAD_CONTENT)),
    ("nobody there", 404, problem(404, "Could not find", PROBLEMS + "resource-not-found"), refused(R.NOT_CONNECTED)),
    ("429 without a word", 429, b"slow down", refused(R.RATE_LIMITED, True)),
    ("404 without a word", 404, b"", Unknown),
    ("403 of a proxy", 403, b"<html>", Unknown),
    ("an undocumented status", 418, problem(418, "teapot"), Unknown),
    ("server error with a refusal", 500, legacy(349), Unknown),
    *((f"server error {status}", status, b"", Unknown) for status in (500, 502, 503, 504)),
]


@pytest.mark.parametrize(("_case", "status", "body", "expected"), ANSWERS, ids=[case[0] for case in ANSWERS])
async def test_only_an_id_proves_that_it_left_and_only_a_documented_refusal_that_it_did_not(
    wired_x: Wired, _case: str, status: int, body: object, expected: object
) -> None:
    connector, wire = await wired_x(answers(status, body))

    assert seen(await connector.send(PAGE, HELLO, 5)) == expected
    assert len(wire.seen) == 1


async def test_nobody_listening_is_not_sent_and_silence_is_unknown(wired_x: Wired) -> None:
    async def silence(_exchange: object) -> None:
        return

    connector, _ = await wired_x(silence)

    assert isinstance(await connector.send(PAGE, HELLO, 0.2), Unknown)
    assert seen(await a_connector().send(PAGE, HELLO, 5)) == refused(R.TRANSIENT, True)


async def test_a_token_that_fits_no_header_is_a_matter_of_reconnecting(wired_x: Wired) -> None:
    connector, wire = await wired_x(answers(201, TAKEN))

    assert seen(await connector.send(a_page("100", "two\nlines"), HELLO, 5)) == refused(R.AUTH)
    assert wire.seen == []


def limits(series: str, remaining: int, reset: int) -> dict[str, str]:
    """The headers of one allowance."""
    name = series.replace("-", "_")
    return {f"{name}_limit": "15", f"{name}_remaining": str(remaining), f"{name}_reset": str(reset)}


async def test_every_answer_tells_what_is_left(wired_x: Wired) -> None:
    reset = int(time.time()) + 300
    headers = limits("x-rate-limit", 14, reset) | limits("x-app-limit-24hour", 1200, reset + 9)
    connector, _ = await wired_x(answers(201, TAKEN, **headers))

    outcome = await connector.send(PAGE, HELLO, 5)

    assert outcome.usage == (
        Usage(QuotaScope.PAGE, Act.SEND, 14, datetime.fromtimestamp(reset, UTC)),
        Usage(QuotaScope.APP, Act.SEND, 1200, datetime.fromtimestamp(reset + 9, UTC)),
    )


async def test_the_tighter_allowance_of_an_account_is_told(wired_x: Wired) -> None:
    reset = int(time.time()) + 300
    headers = limits("x-rate-limit", 14, reset) | limits("x-user-limit-24hour", 3, reset + 50)
    connector, _ = await wired_x(answers(201, TAKEN, **headers))

    [usage] = (await connector.send(PAGE, HELLO, 5)).usage

    assert (usage.remaining, usage.resets_at) == (3, datetime.fromtimestamp(reset + 50, UTC))


WHOSE = [
    ("the account's quarter", limits("x-rate-limit", 0, 100), QuotaScope.PAGE, 100.0),
    ("the app's day", limits("x-rate-limit", 3, 100) | limits("x-app-limit-24hour", 0, 900), QuotaScope.APP, 900.0),
    ("the longer one", limits("x-rate-limit", 0, 100) | limits("x-user-limit-24hour", 0, 700), QuotaScope.PAGE, 700.0),
    ("an absurd time", limits("x-rate-limit", 0, 10**9), QuotaScope.PAGE, 86_400.0),
    ("not told", {}, QuotaScope.PAGE, None),
    ("nonsense", {"x_rate_limit_remaining": "none", "x_rate_limit_reset": "-5"}, QuotaScope.PAGE, None),
]


@pytest.mark.parametrize(("_case", "headers", "scope", "wait_s"), WHOSE, ids=[case[0] for case in WHOSE])
async def test_a_limit_says_whose_it_is_and_until_when(
    wired_x: Wired, _case: str, headers: dict[str, str], scope: QuotaScope, wait_s: float | None
) -> None:
    now = int(time.time())
    given = {
        name: str(now + int(value)) if "reset" in name and value.isdecimal() else value
        for name, value in headers.items()
    }
    connector, _ = await wired_x(answers(429, legacy(88), **given))

    outcome = await connector.send(PAGE, HELLO, 5)

    assert isinstance(outcome, NotSent)
    assert (outcome.reason, outcome.scope) == (R.RATE_LIMITED, scope)
    if wait_s is None:
        assert outcome.retry_after_s is None
    else:
        assert outcome.retry_after_s == pytest.approx(wait_s, abs=3)


async def test_what_looks_secret_is_left_out_of_the_detail(wired_x: Wired) -> None:
    connector, _ = await wired_x(answers(401, problem(401, "Bad token a1B2c3D4e5F6g7H8i9J0k1L2m3N4")))

    outcome = await connector.send(PAGE, HELLO, 5)

    assert isinstance(outcome, NotSent)
    assert outcome.detail == "401 Bad token …"
