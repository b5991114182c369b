"""Sends and lists over the wire: limits, windows, private replies, faults, and the page behind an account."""

import asyncio
import json

import pytest

from tests.standin.instagram.wire import ACCOUNT, PAGE, PERSON, Insta


async def test_a_text_counts_bytes_and_not_characters(insta: Insta) -> None:
    fitting = await insta.send({"text": "ü" * 500})
    too_long = await insta.send({"text": "ü" * 500 + "a"})

    assert fitting.status_code == 200
    assert (too_long.json()["error"]["code"], too_long.json()["error"]["error_subcode"]) == (100, 2534015)
    assert too_long.json()["error"]["fbtrace_id"]
    [entry] = (await insta.control("ledger", method="GET"))["entries"]
    assert (entry["platform"], entry["page"], entry["reference"]) == (
        "instagram",
        ACCOUNT,
        f"text:{PERSON}:{'ü' * 500}",
    )


IMAGE = {"type": "image", "payload": {"url": "https://cdn.example/1.png"}}
BAD = [
    {"text": " "},
    {"text": "Hi", "metadata": "x"},
    {"text": "Hi", "attachment": IMAGE},
    {"attachments": [IMAGE] * 11},
    {"attachments": [IMAGE, {"type": "video", "payload": {"url": "https://cdn.example/1.mp4"}}]},
    {"attachment": {"type": "image", "payload": {"attachment_id": "1"}}},
    {"attachment": {"type": "image", "payload": {"url": "ftp://x"}}},
    {"attachment": {"type": "hologram", "payload": {"url": "https://x"}}},
    {"text": "Hi", "quick_replies": [{"content_type": "text", "title": "A", "payload": "A"}] * 14},
    {"text": "Hi", "quick_replies": [{"content_type": "text", "title": "A" * 21, "payload": "A"}]},
    {"attachment": {"type": "template", "payload": {"template_type": "button", "text": "x", "buttons": []}}},
]


@pytest.mark.parametrize("message", BAD, ids=range(len(BAD)))
async def test_a_message_beyond_the_limits_is_a_bad_parameter(insta: Insta, message: dict) -> None:
    answer = await insta.send(message)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 100)
    assert (await insta.control("ledger", method="GET"))["entries"] == []


@pytest.mark.parametrize(
    "attachment",
    [
        IMAGE,
        {"type": "like_heart"},
        {"type": "MEDIA_SHARE", "payload": {"id": "1"}},
        {"type": "template", "payload": {"template_type": "generic", "elements": [{"title": "A"}]}},
    ],
)
async def test_every_documented_attachment_is_taken(insta: Insta, attachment: dict) -> None:
    assert (await insta.send({"attachment": attachment})).status_code == 200


async def test_windows_open_with_the_person_and_stay_a_week_for_people(insta: Insta) -> None:
    person = {"account": ACCOUNT, "person": "1", "wrote_s_ago": 2 * 86_400}
    await insta.control("instagram/customers", [person])
    to = {"recipient": {"id": "1"}}

    closed = await insta.send({"text": "Hi"}, **to)
    agent = await insta.send({"text": "Hi"}, **to, messaging_type="MESSAGE_TAG", tag="HUMAN_AGENT")
    other_tag = await insta.send({"text": "Hi"}, **to, messaging_type="MESSAGE_TAG", tag="ACCOUNT_UPDATE")
    await insta.deed("message", {"text": "I am back"}, "1")
    open_again = await insta.send({"text": "Hi"}, **to)

    assert (closed.json()["error"]["code"], closed.json()["error"]["error_subcode"]) == (10, 2534022)
    assert agent.status_code == open_again.status_code == 200
    assert other_tag.json()["error"]["code"] == 100


async def test_a_comment_opens_one_private_reply_within_a_week(insta: Insta) -> None:
    comment = (await insta.deed("comment", {"text": "Hi"}, "5"))["comment_id"]
    old = (await insta.deed("comment", {"text": "Hi"}, "6"))["comment_id"]
    one = await insta.send({"text": "Hello"}, recipient={"comment_id": comment})
    two = await insta.send({"text": "Hello?"}, recipient={"comment_id": comment})
    plain = await insta.send({"text": "Hello??"}, recipient={"id": "5"})
    await insta.control("clock", {"offset_s": 7 * 86_400 + 60})

    late = await insta.send({"text": "Hello"}, recipient={"comment_id": old})

    assert one.json()["recipient_id"] == "5"
    assert [answer.json()["error"]["error_subcode"] for answer in (two, late)] == [2534025, 2534025]
    assert plain.json()["error"]["error_subcode"] == 2534022


async def test_private_replies_have_a_limit_an_hour(insta: Insta) -> None:
    await insta.control("instagram/app", {"private_replies_per_h": 2})
    comments = [(await insta.deed("comment", {"text": "Hi"}, f"5{number}"))["comment_id"] for number in range(3)]

    answers = [await insta.send({"text": "Hello"}, recipient={"comment_id": comment}) for comment in comments]

    assert [answer.status_code for answer in answers] == [200, 200, 400]
    assert answers[2].json()["error"]["code"] == 80002
    usage = json.loads(answers[2].headers["X-Business-Use-Case-Usage"])
    assert usage[ACCOUNT][0]["type"] == "instagram"
    assert usage[ACCOUNT][0]["call_count"] == 100


async def test_the_fault_plan_breaks_answers_in_meta_s_shape(insta: Insta) -> None:
    rules = [
        {"match": {"op": "send", "person": PERSON}, "action": "error", "code": 10, "subcode": 2534022, "times": 1},
        {"match": {"op": "send", "page": ACCOUNT}, "action": "no_id_200", "times": 1},
        {"match": {"op": "oauth"}, "action": "error", "code": 400, "message": "no"},
    ]
    await insta.control("faults", {"seed": 1, "rules": rules}, method="PUT")

    refused = (await insta.send({"text": "One"})).json()
    nameless = (await insta.send({"text": "Two"})).json()
    flat = (await insta.http.post(f"{insta.url}/instagram/oauth/access_token", data={})).json()

    assert (refused["error"]["code"], refused["error"]["type"]) == (10, "IGApiException")
    assert nameless == {}
    assert flat == {"error_type": "OAuthException", "code": 400, "error_message": "no"}
    [entry] = (await insta.control("ledger", method="GET"))["entries"]
    assert (entry["text"], entry["fault"]) == ("Two", "no_id_200")
    counted = (await insta.control("calls", method="GET"))["by_op"]
    assert counted["instagram:send"] == {"fault:error": 1, "fault:no_id_200": 1}


async def test_a_page_shows_its_account_and_writes_as_it(insta: Insta) -> None:
    asked = {"fields": "id,instagram_business_account{id,username}"}

    shown = (await insta.by_page("GET", f"/{PAGE}", params=asked)).json()
    body = {"recipient": {"id": PERSON}, "message": {"text": "ü" * 501}}
    too_long = (await insta.by_page("POST", f"/{PAGE}/messages", json=body)).json()
    sent = await insta.by_page("POST", f"/{PAGE}/messages", json=body | {"message": {"text": "Hello"}})
    listed = (await insta.by_page("GET", f"/{PAGE}/conversations", params={"platform": "instagram"})).json()
    thread = listed["data"][0]["id"]
    messages = (await insta.by_page("GET", f"/{thread}/messages", params={"fields": "id,message,from"})).json()

    assert shown["instagram_business_account"] == {"id": ACCOUNT, "username": "bakery"}
    assert too_long["error"]["error_subcode"] == 2534015
    assert sent.json()["recipient_id"] == PERSON
    assert messages["data"][0]["from"] == {"id": ACCOUNT, "username": "bakery"}
    counted = (await insta.control("calls", method="GET"))["by_op"]
    assert counted["send"] == {"400:100/2534015": 1, "200": 1}


async def test_a_page_s_people_at_messenger_stay_messenger_s(insta: Insta) -> None:
    await insta.control("customers", {"page": PAGE, "psid": "9001", "wrote_s_ago": 60})

    body = {"recipient": {"id": "9001"}, "messaging_type": "RESPONSE", "message": {"text": "x" * 1_500}}
    sent = await insta.by_page("POST", f"/{PAGE}/messages", json=body)
    listed = (await insta.by_page("GET", f"/{PAGE}/conversations", params={"platform": "messenger"})).json()

    assert sent.status_code == 200
    assert len(listed["data"]) == 1
    [entry] = (await insta.control("ledger", method="GET"))["entries"]
    assert entry["platform"] == "messenger"


async def test_conversations_are_slow(insta: Insta) -> None:
    answers = await asyncio.gather(*(insta.call("GET", "/v25.0/me/conversations") for _ in range(4)))

    assert sorted(answer.status_code for answer in answers) == [200, 200, 400, 400]
    assert {answer.json()["error"]["code"] for answer in answers if answer.status_code == 400} == {80002}


async def test_an_unsent_message_is_in_no_list(insta: Insta) -> None:
    mid = (await insta.deed("message", {"text": "Oops"}, "4"))["mid"]
    await insta.deed("message", {"text": "Hi"}, "4")
    await insta.deed("unsend", {"mid": mid}, "4")

    asked = {"fields": "messages{id,message}", "platform": "instagram"}
    listed = (await insta.call("GET", "/v25.0/me/conversations", params=asked)).json()

    assert [one["message"] for one in listed["data"][0]["messages"]["data"]] == ["Hi"]


async def test_another_account_s_things_cannot_be_reached(insta: Insta) -> None:
    [other] = (await insta.control("instagram/accounts", [{"id": "5", "username": "other"}]))["accounts"]
    mid = (await insta.deed("message", {"text": "Hi"}))["mid"]
    comment = (await insta.deed("comment", {"text": "Hi"}))["comment_id"]
    token = other["access_token"]

    answers = [
        await insta.call("GET", f"/v25.0/{mid}", token),
        await insta.call("GET", f"/v25.0/{PERSON}", token),
        await insta.call("GET", f"/v25.0/{ACCOUNT}/conversations", token),
        await insta.call("POST", f"/v25.0/{comment}/replies", token, json={"message": "x"}),
        await insta.call("POST", f"/v25.0/{ACCOUNT}/messages", token, json={}),
    ]

    assert {(answer.status_code, answer.json()["error"].get("error_subcode")) for answer in answers} == {(400, 33)}


async def test_a_path_that_is_none_is_told_as_such(insta: Insta) -> None:
    answer = await insta.call("GET", "/v25.0/me/horoscope")

    assert (answer.json()["error"]["code"], answer.json()["error"]["type"]) == (2500, "IGApiException")
