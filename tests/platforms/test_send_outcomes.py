"""What an answer to a send proves: codes, statuses, waits (reliability.md 2.6 item 6, platforms.md 2.3)."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from server.platforms.port import (
    Act,
    FailureReason,
    MediaKind,
    NotSent,
    OutgoingMedia,
    QuotaScope,
    Sent,
    Unknown,
    Usage,
)
from tests.platforms.factory import (
    TAKEN,
    Wired,
    a_message,
    a_page,
    answers,
    graph_error,
    refused,
    seen,
)

R = FailureReason

CODES = [
    ("privacy", 2, 2018344, refused(R.PRIVACY_BLOCKED)),
    ("no capability", 3, None, refused(R.PERMISSION)),
    ("app limit", 4, None, refused(R.RATE_LIMITED, True)),
    ("marketing message too soon", 4, 2018354, refused(R.RATE_LIMITED)),
    ("opt-in requests", 9, 2018352, refused(R.RATE_LIMITED, True)),
    ("no permission", 10, None, refused(R.PERMISSION)),
    ("outside the window", 10, 2018278, refused(R.WINDOW_CLOSED)),
    ("outside the window, news", 10, 2018065, refused(R.WINDOW_CLOSED)),
    ("outside the window, other spelling", 10, 2534022, refused(R.WINDOW_CLOSED)),
    ("cannot receive now", 10, 2018108, refused(R.BLOCKED_BY_CONTACT)),
    ("page restricted", 10, 1893063, refused(R.PAGE_RESTRICTED, True)),
    ("page restricted, other spelling", 10, 1404170, refused(R.PAGE_RESTRICTED, True)),
    ("topic stopped", 10, 1893015, refused(R.OPTED_OUT)),
    ("link broken", 10, 2534077, refused(R.AUTH)),
    ("user limit", 17, None, refused(R.RATE_LIMITED, True)),
    ("page limit", 32, None, refused(R.RATE_LIMITED, True)),
    ("bad parameter", 100, None, refused(R.BAD_CONTENT)),
    ("bad parameter of a kind unheard of", 100, 42, refused(R.BAD_CONTENT)),
    ("no such person", 100, 2018001, refused(R.BLOCKED_BY_CONTACT)),
    ("thread deleted", 100, 2534001, refused(R.BLOCKED_BY_CONTACT)),
    ("thread of another app", 100, 2018300, refused(R.POLICY)),
    ("session", 102, None, refused(R.AUTH)),
    ("token", 190, None, refused(R.AUTH)),
    ("password changed", 190, 460, refused(R.AUTH)),
    ("unreachable", 200, 1545041, refused(R.BLOCKED_BY_CONTACT)),
    ("no approval", 200, 2018028, refused(R.PERMISSION)),
    ("permission", 299, None, refused(R.PERMISSION)),
    ("app limit, other spelling", 341, None, refused(R.RATE_LIMITED, True)),
    ("blocked for policy", 368, None, refused(R.PAGE_RESTRICTED, True)),
    ("duplicate", 506, None, refused(R.BAD_CONTENT)),
    ("blocked by the person", 551, 1545041, refused(R.BLOCKED_BY_CONTACT)),
    ("custom limit", 613, None, refused(R.RATE_LIMITED, True)),
    ("duplicate request", 613, 1893016, refused(R.POLICY)),
    ("tags abused", 613, 2018338, refused(R.PAGE_RESTRICTED)),
    ("disabled account", 2022, None, refused(R.PAGE_RESTRICTED)),
    ("Messenger limit", 80006, None, refused(R.RATE_LIMITED, True)),
    ("media not fetched", 100, 2018008, refused(R.BAD_CONTENT, True)),
    ("media of a wrong type", 100, 2018047, refused(R.BAD_CONTENT)),
    ("media too large", 100, 2018109, refused(R.BAD_CONTENT)),
    ("video too slow", 100, 2018294, refused(R.BAD_CONTENT)),
    ("attachment of another page", 100, 2018074, refused(R.BAD_CONTENT)),
    ("no such person, other spelling", 100, 2534014, refused(R.BLOCKED_BY_CONTACT)),
    ("bad message", 100, 2534015, refused(R.BAD_CONTENT)),
    ("comment not valid for a private reply", 100, 2534025, refused(R.POLICY)),
    ("business blocked", 100, 2534029, refused(R.BLOCKED_BY_CONTACT)),
    ("thread of another app, other spelling", 100, 2534037, refused(R.POLICY)),
    ("object gone", 100, 33, refused(R.BAD_CONTENT)),
    ("messages switched off", 200, 2534041, refused(R.PERMISSION)),
    ("comment answered already", 10900, None, refused(R.POLICY)),
    ("link not scraped", 1609005, None, refused(R.BAD_CONTENT)),
    ("thread limit", 613, 2534040, refused(R.RATE_LIMITED, True)),
    *((f"use case limit {code}", code, None, refused(R.RATE_LIMITED, True)) for code in (80000, 80001, 80004, 80008)),
    ("temporary, other spelling", 99, None, Unknown),
    ("target deleted", 9000001, None, refused(R.BAD_CONTENT)),
    ("unknown error", 1, None, Unknown),
    ("service down", 2, None, Unknown),
    ("temporary", 1200, None, Unknown),
    ("undocumented", 987654, None, Unknown),
]


@pytest.mark.parametrize(("_case", "code", "subcode", "expected"), CODES, ids=[case[0] for case in CODES])
async def test_an_error_is_a_refusal_only_if_it_is_documented_as_one(
    wired: Wired, _case: str, code: int, subcode: int | None, expected: object
) -> None:
    connector, _ = await wired(answers(400, graph_error(code, subcode)))

    assert seen(await connector.send(a_page(), a_message(), 5)) == expected


SCOPES = [
    ("app", 4, None, QuotaScope.APP),
    ("app, other spelling", 341, None, QuotaScope.APP),
    ("one person's marketing messages", 4, 2018354, QuotaScope.PAGE),
    ("page", 32, None, QuotaScope.PAGE),
    ("Messenger", 80006, None, QuotaScope.PAGE),
    ("token", 190, 463, QuotaScope.PAGE),
]


@pytest.mark.parametrize(("_case", "code", "subcode", "scope"), SCOPES, ids=[case[0] for case in SCOPES])
async def test_a_limit_says_whose_it_is(
    wired: Wired, _case: str, code: int, subcode: int | None, scope: QuotaScope
) -> None:
    connector, _ = await wired(answers(400, graph_error(code, subcode)))

    outcome = await connector.send(a_page(), a_message(), 5)

    assert isinstance(outcome, NotSent)
    assert outcome.scope is scope


SHARES = [
    ("half", {"x_app_usage": '{"call_count":50}'}, None, None),
    ("three quarters", {"x_app_usage": '{"call_count":75,"total_time":75}'}, None, None),
    ("more", {"x_app_usage": '{"call_count":1,"total_time":85}'}, None, 1.0),
    ("all of the app's", {"x_app_usage": '{"total_cputime":95}'}, None, 60.0),
    ("much of the page's", {"x_page_usage": '{"call_count":85}'}, 1.0, None),
    ("all of the page's", {"x_page_usage": '{"call_count":100}'}, 60.0, None),
    ("much of the business's", {"x_business_use_case_usage": '{"1":[{"call_count":10},{"call_count":85}]}'}, 1.0, None),
    ("both", {"x_page_usage": '{"call_count":85}', "x_app_usage": '{"call_count":96}'}, 1.0, 60.0),
    ("numbers that are none", {"x_page_usage": '{"call_count":"85"}', "x_app_usage": "[]"}, None, None),
]


@pytest.mark.parametrize(("_case", "headers", "page_s", "app_s"), SHARES, ids=[case[0] for case in SHARES])
@pytest.mark.parametrize(("status", "body"), [(200, TAKEN), (400, graph_error(613)), (500, b"")], ids=["200", "4", "5"])
async def test_every_answer_tells_how_much_is_used_up(
    wired: Wired,
    _case: str,
    headers: dict[str, str],
    page_s: float | None,
    app_s: float | None,
    status: int,
    body: object,
) -> None:
    connector, _ = await wired(answers(status, body, **headers))

    outcome = await connector.send(a_page(), a_message(), 5)

    told = {(usage.scope, usage.act): usage.wait_s for usage in outcome.usage}
    expected = {(QuotaScope.PAGE, Act.SEND): page_s, (QuotaScope.APP, Act.SEND): app_s}
    assert told == {name: pytest.approx(wait) for name, wait in expected.items() if wait is not None}


STATUSES = [
    ("taken", 200, TAKEN, Sent),
    ("taken, whatever the content type says", 201, json.dumps(TAKEN).encode(), Sent),
    ("success without an id", 200, {"recipient_id": "7"}, Unknown),
    ("success with an empty id", 200, {"message_id": ""}, Unknown),
    ("success with an id that is none", 200, {"message_id": ["m"]}, Unknown),
    ("success with an error", 200, TAKEN | graph_error(100), Unknown),
    ("success of a list", 200, [TAKEN], Unknown),
    ("success without a body", 204, b"", Unknown),
    ("garbage", 200, b"<html>welcome</html>", Unknown),
    ("cut off", 200, b'{"recipient_id":"7","mess', Unknown),
    ("not UTF-8", 200, b'{"message_id":"\xff"}', Unknown),
    ("a million deep", 200, b'{"message_id":' + b"[" * 400_000, Unknown),
    ("redirect", 302, b"", Unknown),
    ("rate, without a word", 429, b"slow down", refused(R.RATE_LIMITED, True)),
    ("rate, with its code", 429, graph_error(80006), refused(R.RATE_LIMITED, True)),
    ("not found, without a word", 404, b"", Unknown),
    ("refused by a proxy", 403, b"<html>", Unknown),
    ("token, with its status", 401, graph_error(190), refused(R.AUTH)),
    ("numbers that are texts", 400, {"error": {"code": "10", "error_subcode": "2018278"}}, refused(R.WINDOW_CLOSED)),
    ("error that is none", 400, {"error": "no"}, Unknown),
    ("transient", 400, graph_error(100, is_transient=True), Unknown),
    ("transient rate", 400, graph_error(613, is_transient=True), refused(R.RATE_LIMITED, True)),
    ("server error with a refusal", 500, graph_error(190), Unknown),
    *((f"server error {status}", status, b"", Unknown) for status in (500, 502, 503, 504)),
]


@pytest.mark.parametrize(("_case", "status", "body", "expected"), STATUSES, ids=[case[0] for case in STATUSES])
async def test_only_an_id_proves_that_it_left(
    wired: Wired, _case: str, status: int, body: object, expected: object
) -> None:
    connector, wire = await wired(answers(status, body, content_type="text/html", location="http://127.0.0.1:1/"))

    assert seen(await connector.send(a_page(), a_message(), 5)) == expected
    assert len(wire.seen) == 1


async def test_a_token_that_the_platform_repeats_is_left_out_of_the_detail(wired: Wired) -> None:
    token = "EAAGm0PX4ZCpsBAKZC9ZCsecret"
    connector, _ = await wired(answers(400, graph_error(190, message=f"Malformed access token {token}")))

    outcome = await connector.send(a_page(), a_message(), 5)

    assert isinstance(outcome, NotSent)
    assert outcome.detail == "190 Malformed access token …"


USAGE = {"100": [{"type": "messenger", "call_count": 80, "estimated_time_to_regain_access": 5}]}
WAITS = [
    ("seconds", {"retry_after": "7"}, 7.0),
    ("absurd", {"retry_after": "1000000000"}, 3_600.0),
    ("a number without end", {"retry_after": "9" * 500}, None),
    ("negative", {"retry_after": "-5"}, None),
    ("nonsense", {"retry_after": "soon"}, None),
    (
        "a date, by the clock of the platform",
        {"date": "Sat, 01 Jan 2000 00:00:00 GMT", "retry_after": "Sat, 01 Jan 2000 00:01:30 GMT"},
        90.0,
    ),
    ("a date long ago", {"retry_after": "Sat, 01 Jan 2000 00:00:00 GMT"}, 0.0),
    ("a date far away", {"retry_after": "Fri, 31 Dec 9999 23:59:59 GMT"}, 3_600.0),
    ("minutes to regain access", {"x_business_use_case_usage": json.dumps(USAGE)}, 300.0),
    ("the longer one", {"retry_after": "900", "x_business_use_case_usage": json.dumps(USAGE)}, 900.0),
    ("the app is used up", {"x_app_usage": '{"call_count":100,"total_time":1}'}, 60.0),
    ("usage that is none", {"x_app_usage": "[1]", "x_business_use_case_usage": '{"1":[5,{"a":[]}],"2":7}'}, None),
    ("nothing", {}, None),
]


@pytest.mark.parametrize(("_case", "headers", "wait"), WAITS, ids=[case[0] for case in WAITS])
async def test_the_platform_says_how_long_to_wait(
    wired: Wired, _case: str, headers: dict[str, str], wait: float | None
) -> None:
    connector, _ = await wired(answers(400, graph_error(613), **headers))

    outcome = await connector.send(a_page(), a_message(), 5)

    assert isinstance(outcome, NotSent)
    assert outcome.retry_after_s == wait


@pytest.mark.parametrize("media", [(), (OutgoingMedia(MediaKind.IMAGE, "1"),)], ids=["words", "an image"])
async def test_a_success_tells_that_the_page_must_rest_whatever_it_sends(
    wired: Wired, media: tuple[OutgoingMedia, ...]
) -> None:
    connector, _ = await wired(answers(200, TAKEN, x_business_use_case_usage=json.dumps(USAGE)))
    message = replace(a_message(), text="" if media else "hello", media=media)

    outcome = await connector.send(a_page("100"), message, 5)

    rests = [Usage(QuotaScope.PAGE, act, wait_s=300.0) for act in (Act.SEND, Act.COMMENT_REPLY)]
    assert outcome == Sent("m_1", "7", usage=tuple(rests))
