"""Comments in the open, threads of another app, and what people of the dialogue do to the app (platforms.md 1.5, 2.1, 2.4)."""

import base64
import hashlib
import hmac
import json
from urllib.parse import parse_qs

import pytest

from tests.standin.conftest import APP_SECRET, PAGE, PSID, Standin

DAY_S = 86_400


def code_of(answer) -> tuple[int, int | None]:
    error = answer.json()["error"]
    return error["code"], error.get("error_subcode")


async def answer_comment(standin: Standin, comment_id: str, text: str = "Thanks!"):
    return await standin.graph("POST", f"/{comment_id}/comments", json={"message": text})


async def private_reply(standin: Standin, comment_id: str):
    body = {"recipient": {"comment_id": comment_id}, "message": {"text": "Hi"}}
    return await standin.graph("POST", "/me/messages", json=body)


async def test_an_answer_in_the_open_is_a_comment_of_the_page_with_an_entry_and_a_webhook(standin: Standin):
    comment_id = (await standin.deed("comment", {"message": "How much?"}))["comment_id"]

    answer = await answer_comment(standin, comment_id)
    await standin.settled()

    made = answer.json()["id"]
    [entry] = await standin.ledger()
    assert (entry["kind"], entry["mid"], entry["person"], entry["text"]) == ("comment", made, PSID, "Thanks!")
    assert entry["details"] == {"comment_id": comment_id}
    asked, told = standin.callback.items("feed")
    assert (asked["from"]["id"], asked["parent_id"]) == (PSID, asked["post_id"])
    assert (told["comment_id"], told["from"]["id"], told["parent_id"]) == (made, PAGE, comment_id)


@pytest.mark.parametrize("text", ["", " ", "x" * 8_001, None, 5])
async def test_an_answer_that_is_no_comment_is_refused(standin: Standin, text):
    comment_id = (await standin.deed("comment", {"message": "How much?"}))["comment_id"]

    answer = await standin.graph("POST", f"/{comment_id}/comments", json={"message": text})

    assert code_of(answer) == (100, None)
    assert await standin.ledger() == []


async def test_a_comment_of_another_page_or_one_that_is_gone_has_no_answer(standin: Standin):
    await standin.control("POST", "/pages", [{"id": "200", "subscribed": True}])
    foreign = (await standin.deed("comment", {"message": "Hi"}, page="200"))["comment_id"]
    gone = (await standin.deed("comment", {"message": "Hi"}))["comment_id"]
    await standin.deed("comment", {"comment_id": gone, "verb": "remove"})

    for comment_id in (foreign, gone, "404"):
        assert code_of(await answer_comment(standin, comment_id)) == (100, 33)
        assert code_of(await private_reply(standin, comment_id)) == (100, 33)


async def test_a_private_reply_is_possible_once_and_for_a_week_only(standin: Standin):
    first, second = [(await standin.deed("comment", {"message": "Hi"}, psid="9005"))["comment_id"] for _ in range(2)]
    assert (await private_reply(standin, first)).status_code == 200

    again = await private_reply(standin, first)
    more = await standin.send(psid="9005")
    await standin.control("POST", "/clock", {"offset_s": 7 * DAY_S + 60})
    late = await private_reply(standin, second)

    assert (code_of(again), code_of(more), code_of(late)) == ((10900, None), (10, 2018278), (100, 33))
    [entry] = await standin.ledger()
    assert (entry["person"], entry["details"]) == ("9005", {"comment_id": first})


async def test_private_replies_have_an_allowance_of_their_own(standin: Standin):
    await standin.control("POST", "/app", {"private_replies_per_hour": 1})
    first, second = [(await standin.deed("comment", {"message": "Hi"}, psid="9005"))["comment_id"] for _ in range(2)]

    assert (await private_reply(standin, first)).status_code == 200
    assert code_of(await private_reply(standin, second)) == (80006, None)


async def test_the_feed_lists_posts_with_their_comments_newest_first(standin: Standin):
    for number in range(3):
        await standin.deed(
            "comment", {"message": f"m{number}", "comment_id": f"c{number}", "post_id": f"p{number % 2}"}
        )
    await standin.deed("comment", {"comment_id": "c0", "verb": "edited", "message": "m0 edited"})
    fields = "id,comments.filter(stream).order(reverse_chronological).limit(1){id,message,from,parent{id},created_time}"

    posts = (await standin.graph("GET", f"/{PAGE}/feed", params={"fields": fields})).json()["data"]
    whole = (await standin.graph("GET", f"/{PAGE}/feed", params={"fields": "comments{message}"})).json()["data"]

    assert [(post["id"], [one["id"] for one in post["comments"]["data"]]) for post in posts] == [
        ("p1", ["c1"]),
        ("p0", ["c2"]),
    ]
    assert sorted(one["message"] for one in whole[1]["comments"]["data"]) == ["m0 edited", "m2"]


async def test_a_thread_of_another_app_takes_no_message_and_is_heard_in_standby(standin: Standin):
    await standin.deed("handover", {"app_id": "263902037430900"})

    refused = await standin.send()
    await standin.deed("message", {"text": "Hello inbox"})
    await standin.deed("postback", {"payload": "SECRET", "title": "Tap"})
    await standin.deed("handover", {})
    sent = await standin.send()
    await standin.settled()

    assert code_of(refused) == (100, 2018300)
    assert sent.status_code == 200
    entries = [entry for raw, _ in standin.callback.posts for entry in json.loads(raw)["entry"]]
    in_standby = [item for entry in entries for item in entry.get("standby", [])]
    assert [item["message"]["text"] for item in in_standby if "message" in item] == ["Hello inbox"]
    assert ["payload" in item["postback"] for item in in_standby if "postback" in item] == [False]
    assert len(standin.callback.items("pass_thread_control")) == 2


async def test_a_person_who_removes_the_app_is_told_by_a_signed_form_and_kills_her_tokens(standin: Standin):
    await standin.control("POST", "/app", {"deauthorize_url": standin.callback.url})

    answer = await standin.control("POST", "/people/7/deauthorize", {})

    [(raw, headers)] = standin.callback.posts
    assert (answer["status"], headers["content-type"]) == (200, "application/x-www-form-urlencoded")
    signature, payload = parse_qs(raw.decode())["signed_request"][0].split(".")
    assert "=" not in signature + payload
    expected = hmac.new(APP_SECRET.encode(), payload.encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64decode(signature + "=") == expected
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert (claims["user_id"], claims["algorithm"]) == ("7", "HMAC-SHA256")


async def test_a_request_for_deletion_brings_the_answer_of_the_app_back(standin: Standin):
    told = await standin.control("POST", "/people/7/delete_data", {"url": standin.callback.url, "signature": "bad"})
    dead = await standin.control("POST", "/people/7/delete_data", {"url": "http://127.0.0.1:1/"})

    assert told["status"] == 200
    assert dead == {"status": 0, "body": None}
    await standin.control("POST", "/people/7/delete_data", {}, status=422)
    await standin.control("POST", "/people/404/delete_data", {}, status=404)
    await standin.control("POST", "/people/7/dance", {}, status=422)


async def test_a_right_that_is_taken_back_is_told_under_the_object_of_permissions(standin: Standin):
    await standin.control("POST", "/people/7/permission", {"permission": "pages_messaging"})

    [(raw, _)] = standin.callback.posts
    body = json.loads(raw)
    assert (body["object"], body["entry"][0]["id"]) == ("permissions", "7")
    assert body["entry"][0]["changes"] == [{"field": "pages_messaging", "value": {"verb": "revoked", "target_ids": []}}]


async def test_usage_headers_tell_what_the_test_sets(standin: Standin):
    await standin.control("POST", "/app", {"app_percent": 81, "page_percent": 96})

    answer = await standin.send()

    assert json.loads(answer.headers["X-App-Usage"])["call_count"] == 81
    assert json.loads(answer.headers["X-Page-Usage"])["call_count"] == 96
    assert json.loads(answer.headers["X-Business-Use-Case-Usage"])[PAGE][0]["call_count"] == 96
