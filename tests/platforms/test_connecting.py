"""Lists, cursors and failures of the calls that are no sends."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from server.platforms.port import CodeExchange, FailureReason, PlatformCallFailed
from tests.platforms.factory import SECRET, Wired, a_connector, a_page, an_account
from tests.platforms.wire import Exchange, Script

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def graph(answers: Mapping[str, object]) -> Script:
    """Answer by path (without version) and, for later pages, by "path?cursor"; an int is the code of an error."""

    async def script(exchange: Exchange) -> None:
        address = urlsplit(exchange.path)
        after = parse_qs(address.query).get("after", [""])[0]
        name = address.path.removeprefix("/v25.0/") + (f"?{after}" if after else "")
        found = answers.get(name, {"data": []})
        if isinstance(found, int):
            await exchange.answer(400, {"error": {"message": "no", "code": found}})
        else:
            await exchange.answer(200, found)

    return script


def a_list(*rows: object, after: str | None = None) -> dict[str, object]:
    paging: dict[str, object] = {"cursors": {"before": "b", "after": after or "end"}}
    return {
        "data": list(rows),
        "paging": paging | ({"next": "http://127.0.0.1:1/evil?access_token=x"} if after else {}),
    }


def a_time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S+0000")


def a_row(page: str, **more: object) -> dict[str, object]:
    return {"id": page, "name": f"Page {page}", "access_token": f"token-{page}", "tasks": ["MESSAGING"]} | more


async def test_pages_of_the_person_and_of_every_business_are_listed_once(wired: Wired) -> None:
    connector, wire = await wired(
        graph(
            {
                "me/accounts": a_list(a_row("1"), a_row("2"), after="p2"),
                "me/accounts?p2": a_list(a_row("3")),
                "me/businesses": a_list({"id": "b1"}, {"name": "no id"}, {"id": 77}),
                "b1/owned_pages": a_list(a_row("2"), a_row("4")),
                "77/client_pages": a_list(a_row("5"), {"id": "6", "name": "no token"}, "nonsense"),
            }
        )
    )

    pages = await connector.list_pages(an_account("user-token"))

    assert [page.external_id for page in pages] == ["1", "2", "3", "4", "5"]
    assert pages[4].page_token == "token-5"
    assert pages[4].tasks == ("MESSAGING",)
    assert all(exchange.header("authorization") == "Bearer user-token" for exchange in wire.seen)
    assert all("appsecret_proof=" in exchange.path for exchange in wire.seen)


async def test_the_account_that_pays_is_the_one_of_the_page_then_of_its_business_then_the_first(wired: Wired) -> None:
    connector, _ = await wired(
        graph(
            {
                "me/accounts": a_list(a_row("1"), a_row("2")),
                "me/businesses": a_list({"id": "b1"}),
                "b1/owned_pages": a_list(a_row("3")),
                "me/adaccounts": a_list(
                    {"id": "act_first"},
                    {"id": "act_business", "business": {"id": "b1"}},
                    {"id": "act_page", "promote_pages": {"data": [{"id": "2"}]}},
                ),
            }
        )
    )

    pages = {page.external_id: page.ad_account_id for page in await connector.list_pages(an_account("user-token"))}

    assert pages == {"1": "act_first", "2": "act_page", "3": "act_business"}


async def test_a_person_without_business_or_ads_rights_still_has_pages(wired: Wired) -> None:
    connector, _ = await wired(graph({"me/accounts": a_list(a_row("1")), "me/businesses": 200, "me/adaccounts": 10}))

    [page] = await connector.list_pages(an_account("user-token"))

    assert (page.external_id, page.ad_account_id) == ("1", None)


async def test_a_dead_token_is_no_empty_list(wired: Wired) -> None:
    connector, _ = await wired(graph({"me/accounts": 190}))

    with pytest.raises(PlatformCallFailed) as failed:
        await connector.list_pages(an_account("user-token"))

    assert (failed.value.reason, failed.value.retryable) == (FailureReason.AUTH, False)


async def test_a_cursor_that_does_not_move_ends_the_list(wired: Wired) -> None:
    turning = a_list(a_row("1"), after="same")
    connector, wire = await wired(graph({"me/accounts": turning, "me/accounts?same": turning}))

    assert len(await connector.list_pages(an_account("user-token"))) == 1
    assert sum("me/accounts" in exchange.path for exchange in wire.seen) == 2


def a_conversation(name: str, updated: datetime, *messages: object, after: str | None = None) -> dict[str, object]:
    return {
        "id": name,
        "updated_time": a_time(updated),
        "messages": a_list(*messages, after=after),
    }


def a_listed(mid: str, created: datetime, text: str = "x") -> dict[str, object]:
    return {
        "id": mid,
        "created_time": a_time(created),
        "from": {"id": "100"},
        "to": {"data": [{"id": "7"}]},
        "message": text,
    }


async def test_conversations_are_read_until_they_are_older_than_asked_for(wired: Wired) -> None:
    late, early = NOON + timedelta(minutes=5), NOON - timedelta(minutes=5)
    connector, wire = await wired(
        graph(
            {
                "100/conversations": a_list(a_conversation("t1", late, a_listed("m1", late)), after="p2"),
                "100/conversations?p2": a_list(
                    a_conversation("t2", late, a_listed("m2", late), a_listed("m0", early), {"id": "no time"}),
                    a_conversation("t3", early, a_listed("m3", early)),
                    after="p3",
                ),
            }
        )
    )

    listed = (await connector.list_messages(a_page(), NOON)).messages

    assert [message.platform_message_id for message in listed] == ["m1", "m2"]
    assert len(wire.seen) == 2


async def test_a_message_of_the_same_second_is_listed_though_the_platform_cuts_its_time(wired: Wired) -> None:
    connector, _ = await wired(graph({"100/conversations": a_list(a_conversation("t1", NOON, a_listed("m1", NOON)))}))

    listed = (await connector.list_messages(a_page(), NOON + timedelta(milliseconds=900))).messages

    assert [message.platform_message_id for message in listed] == ["m1"]


async def test_a_long_conversation_is_read_to_the_moment_asked_for(wired: Wired) -> None:
    late, early = NOON + timedelta(minutes=5), NOON - timedelta(minutes=5)
    connector, _ = await wired(
        graph(
            {
                "100/conversations": a_list(a_conversation("t1", late, a_listed("m3", late), after="n2")),
                "t1/messages": a_list(a_listed("m3", late), a_listed("m2", late), after="n2"),
                "t1/messages?n2": a_list(a_listed("m1", late), a_listed("m0", early), after="n3"),
            }
        )
    )

    listed = (await connector.list_messages(a_page(), NOON)).messages

    assert [message.platform_message_id for message in listed] == ["m3", "m2", "m1"]


async def test_a_list_that_does_not_reach_back_is_no_witness(wired: Wired) -> None:
    pages = {
        f"100/conversations{f'?{number}' if number else ''}": a_list(
            a_conversation(f"t{number}", NOON, a_listed(f"m{number}", NOON)), after=str(number + 1)
        )
        for number in range(30)
    }
    connector, wire = await wired(graph(pages))

    listing = await connector.list_messages(a_page(), NOON)

    assert not listing.is_complete
    assert len(listing.messages) == len(wire.seen) == 20


def a_comment(number: int, at: datetime) -> dict[str, object]:
    return {"id": f"c{number}", "message": "Hi", "from": {"id": "7", "name": "Grace"}, "created_time": a_time(at)}


async def test_a_backfill_asks_for_new_comments_that_did_not_come_with_their_post(wired: Wired) -> None:
    late, early = NOON + timedelta(minutes=5), NOON - timedelta(minutes=5)
    answers = {
        "100/conversations": a_list(),
        "100/feed": a_list({"id": "100_1", "comments": a_list(a_comment(5, late), a_comment(4, late), after="n2")}),
        "100_1/comments?n2": a_list(a_comment(3, late), after="n3"),
        "100_1/comments?n3": a_list(a_comment(2, NOON), a_comment(1, early), after="n4"),
    }
    connector, _ = await wired(graph(answers))

    filled = await connector.backfill(a_page(), NOON)

    assert [str(raw.payload["value"]["comment_id"]) for raw in filled.events] == ["c2", "c3", "c4", "c5"]  # type: ignore[index]
    assert filled.is_complete


async def test_a_post_with_more_new_comments_than_are_asked_for_makes_the_backfill_incomplete(wired: Wired) -> None:
    answers: dict[str, object] = {
        f"100_1/comments?{number}": a_list(a_comment(number, NOON), after=str(number + 1)) for number in range(1, 40)
    }
    answers["100/conversations"] = a_list()
    answers["100/feed"] = a_list({"id": "100_1", "comments": a_list(a_comment(0, NOON), after="1")})
    connector, _ = await wired(graph(answers))

    filled = await connector.backfill(a_page(), NOON)

    assert (len(filled.events), filled.is_complete) == (21, False)


FAILURES = [
    ("server error", 500, b"", FailureReason.TRANSIENT, True),
    ("garbage", 200, b"<html>", FailureReason.TRANSIENT, True),
    ("success with an error", 200, {"error": {"code": 190}}, FailureReason.AUTH, False),
    ("temporary", 400, {"error": {"code": 2}}, FailureReason.TRANSIENT, True),
    ("throttled", 429, b"", FailureReason.RATE_LIMITED, True),
    ("unheard of", 400, {"error": {"code": 987654}}, FailureReason.AMBIGUOUS, False),
    ("not confirmed", 200, {"success": False}, FailureReason.TRANSIENT, True),
]


@pytest.mark.parametrize(
    ("_case", "status", "body", "reason", "retryable"), FAILURES, ids=[case[0] for case in FAILURES]
)
async def test_a_call_that_failed_says_why(
    wired: Wired, _case: str, status: int, body: object, reason: FailureReason, retryable: bool
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.answer(status, body, retry_after="3")

    connector, _ = await wired(script)

    with pytest.raises(PlatformCallFailed) as failed:
        await connector.subscribe(a_page())

    assert (failed.value.reason, failed.value.retryable) == (reason, retryable)


async def test_a_call_that_nobody_answers_can_be_tried_again() -> None:
    connector = a_connector("http://127.0.0.1:1")

    with pytest.raises(PlatformCallFailed) as failed:
        await connector.subscribe(a_page())

    await connector.aclose()
    assert (failed.value.reason, failed.value.retryable) == (FailureReason.TRANSIENT, True)


async def test_no_secret_is_logged_or_shown(wired: Wired, caplog: pytest.LogCaptureFixture) -> None:
    connector, wire = await wired(graph({"oauth/access_token": {"access_token": "short"}, "me": {"id": "1"}}))
    caplog.set_level(logging.DEBUG)

    grant = await connector.exchange_code(CodeExchange("the-code", "http://127.0.0.1:9/cb"))

    assert any(SECRET in exchange.path for exchange in wire.seen)
    assert SECRET not in caplog.text
    assert "the-code" not in caplog.text
    assert grant.access_token not in repr(grant)
    assert SECRET not in repr(connector)


COSTS = [
    ("as in the docs", {"marketing_messages_delivered": "2755", "marketing_messages_spend": "38.87"}, 2755, 38_870_000),
    ("a fraction of a cent", {"marketing_messages_delivered": 1, "marketing_messages_spend": 0.0141}, 1, 14_100),
    ("nothing said", {}, 0, 0),
]


@pytest.mark.parametrize(("_case", "row", "delivered", "micros"), COSTS, ids=[case[0] for case in COSTS])
async def test_costs_are_whole_micros(
    wired: Wired, _case: str, row: dict[str, object], delivered: int, micros: int
) -> None:
    connector, _ = await wired(graph({"c1/insights": a_list(row | {"account_currency": "EUR"})}))

    costs = await connector.campaign_costs(a_page(), "c1")

    assert (costs.delivered, costs.spend_micros, costs.currency) == (delivered, micros, "EUR")


@pytest.mark.parametrize("figure", ["NaN", "-1", "1e99", "much", [], "Infinity"])
async def test_a_cost_that_is_no_number_is_an_error_and_not_zero(wired: Wired, figure: object) -> None:
    row = {"marketing_messages_spend": figure, "account_currency": "EUR"}
    connector, _ = await wired(graph({"c1/insights": a_list(row)}))

    with pytest.raises(PlatformCallFailed):
        await connector.campaign_costs(a_page(), "c1")


async def test_a_campaign_without_an_account_is_refused_before_it_leaves() -> None:
    with pytest.raises(PlatformCallFailed) as failed:
        await a_connector().create_campaign(a_page(ad_account_id=None), "Sale")

    assert failed.value.reason is FailureReason.PERMISSION
