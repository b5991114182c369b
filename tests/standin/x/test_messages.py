"""Messages, quotas, lists, uploads, faults and phones."""

import json

import httpx
import pytest
from starlette.applications import Starlette

from standin.config import StandinConfig
from standin.runtime import make_runtime
from standin.stored import dumped, load
from standin.x.plugin import XPlugin
from tests.standin.conftest import in_thread
from tests.standin.x.conftest import ACCOUNT, APP, PERSON, World, signed


async def test_a_message_is_created_told_and_written_down(x: World):
    answer = await x.send("Grüße 😀")
    await x.settled()

    assert answer.status_code == 201
    data = answer.json()["data"]
    assert data["dm_conversation_id"] == f"{ACCOUNT}-{PERSON}"
    assert answer.headers["x-rate-limit-limit"] == "15"
    assert answer.headers["x-rate-limit-remaining"] == "14"
    [entry] = (await x.control("ledger", method="GET"))["entries"]
    assert (entry["mid"], entry["platform"], entry["page"]) == (data["dm_event_id"], "x", ACCOUNT)
    [(raw, headers)] = x.callback.posts
    assert headers["x-twitter-webhooks-signature"] == signed(raw)
    told = json.loads(raw)["data"]
    assert (told["event_type"], told["filter"]) == ("dm.sent", {"user_id": ACCOUNT})
    [item] = told["payload"]["direct_message_events"]
    assert item["message_create"]["message_data"]["text"] == "Grüße 😀"
    assert item["message_create"]["target"] == {"recipient_id": PERSON}


BAD_SENDS = [
    ("nothing", {"text": ""}),
    ("text that is none", {"text": 5}),
    ("too long", {"text": "x" * 10_001}),
    ("two attachments", {"attachments": [{"media_id": "1"}, {"media_id": "2"}]}),
    ("foreign media", {"attachments": [{"media_id": "1"}]}),
]


@pytest.mark.parametrize(("_case", "body"), BAD_SENDS, ids=[case[0] for case in BAD_SENDS])
async def test_a_bad_message_is_a_problem_document_and_no_entry(x: World, _case: str, body: dict):
    answer = await x.call("POST", f"/2/dm_conversations/with/{PERSON}/messages", json=body)

    assert answer.status_code == 400
    assert {"title", "detail", "type", "status"} <= set(answer.json())
    assert (await x.control("ledger", method="GET"))["entries"] == []


async def test_both_shapes_of_errors_can_be_had(x: World):
    await x.deed("refuse", {"code": 349})
    newer = (await x.send()).json()
    await x.control("x/app", {"legacy_errors": True})
    older = (await x.send()).json()

    assert (newer["status"], newer["title"]) == (403, "Forbidden")
    assert older == {"errors": [{"code": 349, "message": "You cannot send messages to this user."}]}
    shown = await x.call("GET", f"/2/users/{PERSON}", params={"user.fields": "receives_your_dm"})
    assert shown.json()["data"]["receives_your_dm"] is False


async def test_quotas_are_kept_per_user_and_per_app_and_end_with_their_window(x: World):
    await x.control("x/app", {"send_limit": 2, "app_day_limit": 3})
    other = {"id": "4002", "access_token": "second"}
    await x.control("x/accounts", other)
    path = f"/2/dm_conversations/with/{PERSON}/messages"

    quarter = [(await x.send(f"n {n}")).status_code for n in range(3)]
    day = [await x.call("POST", path, token="second", json={"text": f"n {n}"}) for n in range(2)]
    await x.control("clock", {"offset_s": 86_401})
    later = await x.send("tomorrow")

    assert quarter == [201, 201, 429]
    assert [one.status_code for one in day] == [201, 429]
    assert day[1].headers["x-app-limit-24hour-remaining"] == "0"
    assert day[1].headers["x-rate-limit-remaining"] == "1"
    assert later.status_code == 201


async def test_the_same_words_to_the_same_person_are_a_duplicate_for_a_while(x: World):
    assert [(await x.send()).status_code for _ in range(2)] == [201, 403]
    await x.control("clock", {"offset_s": 61})
    assert (await x.send()).status_code == 201


async def test_messages_are_listed_newest_first_in_pages_for_thirty_days(x: World):
    ids = [(await x.deed("message", {"text": f"n {n}"}))["id"] for n in range(5)]
    fields = {"max_results": "2", "dm_event.fields": "id,text,sender_id,dm_conversation_id,created_at"}

    first = (await x.call("GET", "/2/dm_events", params=fields)).json()
    token = {"pagination_token": first["meta"]["next_token"]}
    second = (await x.call("GET", "/2/dm_events", params=fields | token)).json()
    await x.control("clock", {"offset_s": 31 * 86_400})
    later = (await x.call("GET", "/2/dm_events")).json()

    assert [one["id"] for one in first["data"] + second["data"]] == ids[:0:-1]
    assert first["data"][0]["sender_id"] == PERSON
    assert later == {"meta": {"result_count": 0}}


async def test_a_message_is_deleted_for_who_deletes_it_only(x: World):
    sent = (await x.send()).json()["data"]["dm_event_id"]
    said = (await x.deed("message", {"text": "mine"}))["id"]

    assert (await x.call("DELETE", f"/2/dm_events/{sent}")).json() == {"data": {"deleted": True}}
    assert (await x.call("DELETE", f"/2/dm_events/{sent}")).status_code == 404
    assert (await x.call("DELETE", f"/2/dm_events/{said}")).status_code == 403
    phone = await x.http.get(f"{x.url}/phone/x/{ACCOUNT}/{PERSON}")
    assert "hello" in phone.text


async def test_an_upload_goes_in_parts_of_either_form_and_must_be_whole(x: World):
    begun = {"command": "INIT", "media_type": "image/png", "total_bytes": "4", "media_category": "dm_image"}
    media = (await x.call("POST", "/2/media/upload", data=begun)).json()["data"]["id"]
    part = {"command": "APPEND", "media_id": media, "segment_index": "0"}
    await x.call("POST", "/2/media/upload", data=part, files={"media": b"ab"})
    early = await x.call("POST", f"/2/media/upload/{media}/finalize")
    await x.call("POST", f"/2/media/upload/{media}/append", data={"segment_index": "1"}, files={"media": b"cd"})
    done = await x.call("POST", "/2/media/upload", data={"command": "FINALIZE", "media_id": media})

    assert early.status_code == 400
    assert done.json()["data"]["expires_after_secs"] > 86_000
    assert (await x.send(attachments=[{"media_id": media}])).status_code == 201


async def test_a_video_is_ready_only_after_it_was_processed(x: World):
    begun = {"media_type": "video/mp4", "total_bytes": 2, "media_category": "dm_video"}
    media = (await x.call("POST", "/2/media/upload/initialize", json=begun)).json()["data"]["id"]
    await x.call("POST", f"/2/media/upload/{media}/append", data={"segment_index": "0"}, files={"media": b"ab"})
    done = (await x.call("POST", f"/2/media/upload/{media}/finalize")).json()["data"]

    early = await x.send(attachments=[{"media_id": media}])
    params = {"command": "STATUS", "media_id": media}
    asked = (await x.call("GET", "/2/media/upload", params=params)).json()["data"]

    assert done["processing_info"]["state"] == "pending"
    assert early.status_code == 400
    assert asked["processing_info"]["state"] == "succeeded"
    assert (await x.send(attachments=[{"media_id": media}])).status_code == 201


async def test_a_fault_after_accepting_leaves_an_entry_and_one_before_does_not(x: World):
    for action, entries in (("drop_after_accept", 1), ("drop_before_accept", 1), ("garbage_200", 2)):
        rule = {"match": {"op": "send", "page": ACCOUNT, "person": PERSON}, "action": action, "times": 1}
        await x.control("faults", {"rules": [rule]}, method="PUT")
        try:
            answer = await x.send(action)
            assert answer.content.startswith(b"<html>")
        except httpx.RemoteProtocolError:
            assert action.startswith("drop")
        assert len((await x.control("ledger", method="GET"))["entries"]) == entries


async def test_an_error_of_the_plan_has_a_shape_of_x(x: World):
    rules = [
        {"match": {"op": "send"}, "action": "error", "code": 226, "times": 1},
        {"match": {"op": "send"}, "action": "error", "status": 503, "body": "<html>down</html>", "times": 1},
    ]
    await x.control("faults", {"rules": rules}, method="PUT")

    first, second = await x.send(), await x.send()

    assert (first.status_code, first.json()["detail"]) == (403, "This request looks like it might be automated.")
    assert (second.status_code, second.text) == (503, "<html>down</html>")


async def test_a_phone_shows_both_sides_and_writes(x: World):
    await x.send("from the <shop>")
    answer = await x.http.post(f"{x.url}/phone/x/{ACCOUNT}/{PERSON}", data={"text": "thanks"}, follow_redirects=True)

    assert "from the &lt;shop&gt;" in answer.text
    assert "thanks" in answer.text
    assert f"/phone/x/{ACCOUNT}/{PERSON}" in (await x.http.get(f"{x.url}/phone")).text


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("x/app", {"send_limit": "many"}, 422),
        ("x/app", {"unknown": 1}, 422),
        ("x/accounts", {"id": "letters"}, 422),
        ("x/accounts/1/expire", {}, 404),
        (f"x/accounts/{ACCOUNT}/dance", {}, 404),
        (f"x/customers/{ACCOUNT}/{PERSON}/dance", {}, 422),
        (f"x/customers/{ACCOUNT}/{PERSON}/message", {}, 422),
    ],
)
async def test_a_wrong_control_call_is_told_as_such(x: World, path: str, body: dict, status: int):
    assert "error" in await x.control(path, body, status=status)


def test_the_world_of_x_survives_a_restart():
    config = StandinConfig(app_id="1", app_secret="s", verify_token="v", apps={"x": dict(APP)})
    first, second = make_runtime(config), make_runtime(config)
    first.plugins.append(XPlugin(first))
    second.plugins.append(XPlugin(second))
    app = Starlette(routes=[*first.plugins[0].control_routes()])
    server, thread, url = in_thread(app)
    with httpx.Client(base_url=url, trust_env=False) as http:
        http.post(
            "/control/x/accounts", json={"id": ACCOUNT, "access_token": "t", "callback_url": "http://127.0.0.1:9/"}
        )
        http.post(f"/control/x/accounts/{ACCOUNT}/subscribe", json={"generation": "both"})
        http.post("/control/x/customers", json={"account": ACCOUNT, "person": PERSON, "receives_your_dm": False})
        http.post(f"/control/x/customers/{ACCOUNT}/{PERSON}/message?silent=1", json={"text": "hi"})
    server.should_exit = True
    thread.join()
    raw = dumped(first)

    load(second, raw)

    assert second.plugins[0].lines(ACCOUNT, PERSON) == first.plugins[0].lines(ACCOUNT, PERSON)
    assert [line.text for line in second.plugins[0].lines(ACCOUNT, PERSON) or []] == ["hi"]
    assert json.loads(dumped(second))["plugins"] == json.loads(raw)["plugins"]
    assert b"s:ecret" not in raw
