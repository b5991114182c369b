"""The Send API: what is accepted, and every documented refusal."""

import hashlib
import hmac

import pytest

from tests.standin.conftest import APP_SECRET, PAGE, PSID, Standin

DAY_S = 86_400


def code_of(answer) -> tuple[int, int | None]:
    error = answer.json()["error"]
    assert error["fbtrace_id"]
    assert error["type"]
    return error["code"], error.get("error_subcode")


async def test_an_accepted_message_is_answered_with_its_ids_and_stands_in_the_ledger(standin: Standin):
    answer = await standin.send("Grüß Gott", message={"metadata": "sb1:msg-1:1"})

    body = answer.json()
    assert answer.status_code == 200
    assert body["recipient_id"] == PSID
    assert body["message_id"].startswith("m_")
    (entry,) = await standin.ledger()
    assert (entry["seq"], entry["page"], entry["person"], entry["kind"]) == (1, PAGE, PSID, "service")
    assert (entry["text"], entry["reference"], entry["mid"]) == ("Grüß Gott", "msg-1", body["message_id"])
    assert entry["token_sha256"] == hashlib.sha256(standin.token.encode()).hexdigest()


async def test_receipts_come_back_by_themselves(standin: Standin):
    sent = (await standin.send("hi", message={"metadata": "sb1:x:1"})).json()
    await standin.settled()

    (echo,) = [item for item in standin.callback.items("message") if item["message"].get("is_echo")]
    assert echo["sender"]["id"] == PAGE
    assert echo["recipient"]["id"] == PSID
    assert echo["message"] | {"mid": "", "app_id": ""} == {
        "mid": "",
        "is_echo": True,
        "app_id": "",
        "metadata": "sb1:x:1",
        "text": "hi",
    }
    (delivery,) = standin.callback.items("delivery")
    assert delivery["delivery"]["mids"] == [sent["message_id"]]
    (read,) = standin.callback.items("read")
    assert read["read"]["watermark"] >= echo["timestamp"]


@pytest.mark.parametrize(
    ("_case", "change", "expected"),
    [
        ("text too long", {"message": {"text": "ä" * 2001}}, (100, None)),
        ("empty text", {"message": {"text": " "}}, (100, None)),
        ("metadata too long", {"message": {"text": "a", "metadata": "m" * 1001}}, (100, None)),
        ("text and attachment", {"message": {"text": "a", "attachment": {}}}, (100, None)),
        ("no content", {"message": {}}, (100, None)),
        ("unknown key", {"message": {"text": "a", "txt": "b"}}, (100, None)),
        ("two recipients", {"recipient": {"id": PSID, "comment_id": "1"}}, (100, None)),
        ("no recipient", {"recipient": {}}, (100, None)),
        ("unknown person", {"recipient": {"id": "404"}}, (100, 2018001)),
        ("unknown type", {"messaging_type": "PROMOTION"}, (100, None)),
        ("retired tag", {"messaging_type": "MESSAGE_TAG", "tag": "ACCOUNT_UPDATE"}, (100, None)),
        ("no tag", {"messaging_type": "MESSAGE_TAG"}, (100, None)),
        (
            "many quick replies",
            {"message": {"text": "a", "quick_replies": [{"content_type": "text"}] * 14}},
            (100, None),
        ),
        (
            "foreign attachment",
            {"message": {"attachment": {"type": "image", "payload": {"attachment_id": "1"}}}},
            (100, 2018074),
        ),
        ("utility without template", {"messaging_type": "UTILITY"}, (100, None)),
    ],
)
async def test_a_bad_message_is_refused_and_not_in_the_ledger(standin: Standin, _case, change, expected):
    body = {"recipient": {"id": PSID}, "messaging_type": "RESPONSE", "message": {"text": "hello"}} | change

    answer = await standin.graph("POST", f"/{PAGE}/messages", json=body)

    assert answer.status_code == 400
    assert code_of(answer) == expected
    assert await standin.ledger() == []


async def test_two_thousand_characters_beyond_ascii_are_accepted(standin: Standin):
    assert (await standin.send("😀" * 2000)).status_code == 200


async def test_the_window_closes_after_a_day_and_a_human_has_a_week(standin: Standin):
    human = {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
    assert (await standin.send()).status_code == 200

    await standin.control("POST", "/clock", {"offset_s": DAY_S})
    assert code_of(await standin.send()) == (10, 2018278)
    assert (await standin.send(**human)).status_code == 200

    await standin.control("POST", "/clock", {"offset_s": 7 * DAY_S})
    assert code_of(await standin.send(**human)) == (10, 2018278)

    await standin.deed("message", {"text": "still there?"})
    assert (await standin.send()).status_code == 200


async def test_a_person_who_never_wrote_is_outside_the_window_and_has_no_profile(standin: Standin):
    await standin.control("POST", "/customers", {"page": PAGE, "psid": "9002"})

    assert code_of(await standin.send(psid="9002")) == (10, 2018278)
    assert code_of(await standin.graph("GET", "/9002?fields=first_name")) == (230, None)
    profile = await standin.graph("GET", f"/{PSID}?fields=first_name,last_name")
    assert profile.json() == {"id": PSID, "first_name": "Carla", "last_name": "Customer"}


async def test_a_blocked_page_and_a_restricted_page_cannot_write(standin: Standin):
    await standin.deed("block")
    assert code_of(await standin.send()) == (551, 1545041)
    await standin.deed("unblock")

    await standin.control("POST", f"/pages/{PAGE}/restrict")
    assert code_of(await standin.send()) == (10, 1893063)
    await standin.control("POST", f"/pages/{PAGE}/restrict", {"on": False})
    assert (await standin.send()).status_code == 200


@pytest.mark.parametrize(
    ("deed", "body", "subcode"), [("expire_token", {}, 463), ("revoke", {}, 460), ("revoke", {"subcode": 458}, 458)]
)
async def test_a_dead_token_says_why(standin: Standin, deed, body, subcode):
    await standin.control("POST", f"/pages/{PAGE}/{deed}", body)

    answer = await standin.send()

    assert answer.status_code == 401
    assert code_of(answer) == (190, subcode)


async def test_an_unknown_or_missing_token_and_a_foreign_page_are_refused(standin: Standin):
    await standin.control("POST", "/pages", {"id": "200", "name": "Other"})

    assert code_of(await standin.send(token="nonsense")) == (190, None)
    bare = await standin.http.post(f"{standin.url}/v25.0/me/messages", json={})
    assert code_of(bare) == (104, None)
    foreign = await standin.graph("POST", "/200/messages", json={"recipient": {"id": PSID}, "message": {"text": "a"}})
    assert code_of(foreign) == (200, None)


async def test_a_proof_is_checked_when_it_is_sent_and_can_be_required(standin: Standin):
    proof = hmac.new(APP_SECRET.encode(), standin.token.encode(), hashlib.sha256).hexdigest()
    assert (await standin.send(appsecret_proof=proof)).status_code == 200
    assert code_of(await standin.send(appsecret_proof="0" * 64)) == (100, None)

    await standin.control("POST", "/app", {"require_appsecret_proof": True})
    assert code_of(await standin.send()) == (100, None)


async def test_a_page_that_sends_too_fast_is_throttled_with_the_usage_header(standin: Standin):
    await standin.control("POST", "/app", {"send_rate_per_s": 2, "regain_minutes": 3})

    answers = [await standin.send() for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 400]
    assert code_of(answers[2]) == (80006, None)
    assert '"estimated_time_to_regain_access":3' in answers[2].headers["X-Business-Use-Case-Usage"]
    assert answers[0].headers["X-Business-Use-Case-Usage"].startswith(f'{{"{PAGE}":[{{"type":"messenger"')
    assert '"call_count":1,' in answers[0].headers["X-App-Usage"]
    assert await standin.calls("send") == {"200": 2, "400:80006": 1}


async def test_templates_uploads_and_sender_actions_are_accepted(standin: Standin):
    url = f"{standin.url}/picture/{PAGE}/{PSID}.svg"
    upload = {"message": {"attachment": {"type": "image", "payload": {"url": url, "is_reusable": True}}}}
    attachment_id = (await standin.graph("POST", "/me/message_attachments", json=upload)).json()["attachment_id"]
    optin = {"template_type": "notification_messages", "title": "News", "payload": "P"}
    recipient = {"recipient": {"id": PSID}, "messaging_type": "RESPONSE"}

    image = {"attachment": {"type": "image", "payload": {"attachment_id": attachment_id}}}
    request = {"attachment": {"type": "template", "payload": optin}}
    typing = await standin.graph("POST", "/me/messages", json={"recipient": {"id": PSID}, "sender_action": "typing_on"})

    for message in (image, request):
        assert (await standin.graph("POST", "/me/messages", json={**recipient, "message": message})).status_code == 200
    assert typing.json() == {"recipient_id": PSID}
    assert (await standin.control("GET", f"/customers/{PAGE}/{PSID}"))["signals"] == ["typing_on"]
    assert await standin.calls("signal") == {"200": 1}
    assert len(await standin.ledger()) == 2
    long_title = {"attachment": {"type": "template", "payload": optin | {"title": "N" * 66}}}
    assert code_of(await standin.graph("POST", "/me/messages", json={**recipient, "message": long_title})) == (
        100,
        None,
    )


async def test_a_form_body_with_nested_json_is_understood(standin: Standin):
    form = {"recipient": f'{{"id":"{PSID}"}}', "message": '{"text":"form"}', "access_token": standin.token}
    answer = await standin.http.post(f"{standin.url}/v23.0/me/messages", data=form)

    assert answer.status_code == 200
    assert (await standin.ledger())[0]["text"] == "form"


async def test_a_comment_gets_one_private_reply(standin: Standin):
    comment_id = (await standin.deed("comment", {"message": "How much?"}, psid="9005"))["comment_id"]
    reply = {"recipient": {"comment_id": comment_id}, "message": {"text": "3 euros"}}

    first = await standin.graph("POST", "/me/messages", json=reply)
    second = await standin.graph("POST", "/me/messages", json=reply)

    assert first.json()["recipient_id"] == "9005"
    assert code_of(second) == (10900, None)


@pytest.mark.parametrize("raw", [b"{", b"[]", b"\xff\xfe", b'"text"'])
async def test_a_body_that_is_no_object_is_a_graph_error(standin: Standin, raw):
    headers = {"Content-Type": "application/json"}
    answer = await standin.http.post(f"{standin.url}/v25.0/me/messages", content=raw, headers=headers)

    assert (answer.status_code, code_of(answer)) == (400, (100, None))
