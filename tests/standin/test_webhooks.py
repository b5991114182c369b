"""Webhooks out: envelope, escaping, signature, retries, batches and their faults."""

import hmac
import json
from pathlib import Path

from tests.standin.conftest import APP_SECRET, PAGE, PSID, Standin, eventually


def signed(raw: bytes, algorithm: str) -> str:
    return f"{algorithm}=" + hmac.new(APP_SECRET.encode(), raw, algorithm).hexdigest()


async def test_a_customer_message_arrives_signed_and_escaped(standin: Standin):
    mid = (await standin.deed("message", {"text": "Größe Ä 😀 </script>"}))["mid"]
    await standin.settled()

    ((raw, headers),) = standin.callback.posts
    assert headers["x-hub-signature-256"] == signed(raw, "sha256")
    assert headers["x-hub-signature"] == signed(raw, "sha1")
    assert b"Gr\\u00f6\\u00dfe \\u00c4 \\ud83d\\ude00 </script>" in raw
    assert raw.isascii()
    body = json.loads(raw)
    (entry,) = body["entry"]
    (item,) = entry["messaging"]
    assert (body["object"], entry["id"], entry["time"] > 10**12) == ("page", PAGE, True)
    assert (item["sender"], item["recipient"]) == ({"id": PSID}, {"id": PAGE})
    assert item["message"] == {"mid": mid, "text": "Größe Ä 😀 </script>"}


async def test_every_deed_of_a_customer_has_its_documented_shape(standin: Standin):
    mid = (await standin.deed("message", {"text": "one"}))["mid"]
    await standin.deed("react", {"mid": mid, "reaction": "love"})
    await standin.deed("react", {"mid": mid, "action": "unreact"})
    await standin.deed("edit", {"mid": mid, "text": "two"})
    await standin.deed("unsend", {"mid": mid})
    await standin.deed("postback", {"payload": "START"})
    await standin.deed("referral", {"ref": "flyer"})
    await standin.deed("read")
    comment = await standin.deed("comment", {"message": "Nice"})
    await standin.deed("rating", {"recommendation_type": "NEGATIVE", "review_text": "Meh", "rating": 2})
    await standin.control("POST", f"/pages/{PAGE}/policy", {"action": "block", "reason": "spam"})
    await standin.settled()

    hook = standin.callback
    assert [item["reaction"].get("emoji") for item in hook.items("reaction")] == ["❤", None]
    assert hook.items("message_edit")[0]["message_edit"] == {"mid": mid, "text": "two", "num_edit": 1}
    assert hook.items("message")[-1]["message"] == {"mid": mid, "is_deleted": True}
    assert hook.items("postback")[0]["postback"]["payload"] == "START"
    assert hook.items("referral")[0]["referral"] == {"source": "SHORTLINK", "type": "OPEN_THREAD", "ref": "flyer"}
    assert hook.items("read")[0]["read"]["watermark"] > 0
    (feed,) = hook.items("feed")
    assert (feed["verb"], feed["comment_id"], feed["parent_id"]) == ("add", comment["comment_id"], feed["post_id"])
    (rating,) = hook.items("ratings")
    assert (rating["recommendation_type"], rating["rating"], rating["reviewer_id"]) == ("NEGATIVE", 2, PSID)
    (policy,) = hook.items("policy_enforcement")
    assert "sender" not in policy
    assert policy["policy_enforcement"] == {"action": "block", "reason": "spam"}


async def test_a_page_sends_only_the_fields_it_is_subscribed_to(standin: Standin):
    await standin.graph("POST", f"/{PAGE}/subscribed_apps?subscribed_fields=message_reads")
    await standin.deed("message", {"text": "unheard"})
    await standin.deed("read")
    await standin.settled()

    assert standin.callback.items("message") == []
    assert len(standin.callback.items("read")) == 1


async def test_a_refused_webhook_comes_again_with_the_same_bytes(standin: Standin):
    standin.callback.statuses[:] = [500, 404]
    await standin.deed("message", {"text": "again"})
    await standin.settled()

    bodies = [raw for raw, _ in standin.callback.posts]
    assert len(bodies) == 3
    assert len(set(bodies)) == 1
    posts = (await standin.control("GET", "/webhooks"))["posts"]
    assert [(post["status"], post["attempt"]) for post in posts] == [(500, 1), (404, 2), (200, 3)]


async def test_an_unreachable_callback_is_retried_until_the_page_is_unsubscribed(standin: Standin):
    changed = {"callback_url": "http://127.0.0.1:9/", "unsubscribe_after_s": 0.1, "webhook_retry_ms": [20]}
    await standin.control("POST", "/app", changed)
    await standin.deed("message", {"text": "lost"})
    await standin.settled()

    assert (await standin.control("GET", f"/pages/{PAGE}"))["subscribed_fields"] == []
    calls = await standin.calls("webhook")
    assert calls["0"] >= 2
    assert calls["given_up"] == 1


async def test_waiting_events_of_several_pages_share_one_post(standin: Standin):
    await standin.control("POST", "/pages", {"id": "200", "name": "Other tenant", "subscribed": True})
    await standin.control("POST", "/app", {"webhook_lanes": 1})
    await standin.faults(batch_size=10, delay_ms=100)
    for page in (PAGE, "200", PAGE):
        await standin.deed("message", {"text": "hi"}, page=page)
    await standin.settled()

    ((raw, _),) = standin.callback.posts
    assert [entry["id"] for entry in json.loads(raw)["entry"]] == [PAGE, "200", PAGE]


async def test_webhooks_are_doubled_dropped_and_reordered_as_planned(standin: Standin):
    await standin.faults(duplicate_probability=1)
    await standin.deed("message", {"text": "twice"})
    await standin.settled()
    assert len({raw for raw, _ in standin.callback.posts}) == 1
    assert len(standin.callback.posts) == 2

    standin.callback.posts.clear()
    await standin.faults(drop_probability=1)
    await standin.deed("message", {"text": "never"})
    await standin.settled()
    assert standin.callback.posts == []

    await standin.faults(reorder=True, reorder_ms=100, batch_size=1)
    for number in range(12):
        await standin.deed("message", {"text": str(number)})
    await standin.settled()
    order = [int(item["message"]["text"]) for item in standin.callback.items("message")]
    assert sorted(order) == list(range(12))
    assert order != sorted(order)


async def test_an_echo_can_overtake_the_answer(standin: Standin):
    await standin.faults(echo_before_answer=True)

    sent = (await standin.send("fast")).json()

    (echo,) = standin.callback.items("message")
    assert echo["message"]["mid"] == sent["message_id"]
    await standin.settled()
    assert len(standin.callback.items("message")) == 1


async def test_a_webhook_rule_loses_or_distrusts_single_events(standin: Standin):
    await standin.faults(
        {"match": {"op": "webhook", "person": PSID}, "action": "drop_before_accept", "times": 1},
        {"match": {"op": "webhook"}, "action": "drop_after_accept", "times": 1},
    )
    for text in ("lost", "twice"):
        await standin.deed("message", {"text": text})
        await standin.settled()

    assert [item["message"]["text"] for item in standin.callback.items("message")] == ["twice", "twice"]


async def test_the_handshake_is_verified_against_the_callback(standin: Standin):
    assert await standin.control("POST", "/app/subscribe") == {"verified": True, "status": 200}

    await standin.control("POST", "/app", {"verify_token": "another"})

    assert await standin.control("POST", "/app/subscribe") == {"verified": False, "status": 403}


async def test_given_bodies_are_replayed_byte_for_byte_with_the_signature_asked_for(standin: Standin):
    raw = '{"object": "page",\n "entry": [ {"id":12345654332, "ünescaped": true} ]}'
    replayed = await standin.control("POST", "/webhooks/replay", {"body": raw, "times": 2})
    await standin.control("POST", "/webhooks/replay", {"body": raw, "signature": "bad"})
    await standin.control("POST", "/webhooks/replay", {"body": {"a": "ü"}, "signature": "none"})

    assert replayed == {"answers": [200, 200]}
    bodies = [body for body, _ in standin.callback.posts]
    heads = [headers.get("x-hub-signature-256") for _, headers in standin.callback.posts]
    assert bodies == [raw.encode()] * 3 + [b'{"a":"\\u00fc"}']
    assert heads[:2] == [signed(raw.encode(), "sha256")] * 2
    assert heads[2] not in (None, heads[0])
    assert heads[3] is None


async def test_a_page_with_its_own_callback_does_not_use_the_one_of_the_app(standin: Standin):
    own = {"id": "200", "name": "Own", "subscribed": True, "callback_url": standin.callback.url}
    await standin.control("POST", "/pages", own)
    await standin.control("POST", "/app", {"callback_url": "http://127.0.0.1:9/"})

    await standin.deed("message", {"text": "mine"}, page="200")

    async def arrived() -> bool:
        return len(standin.callback.posts) == 1

    await eventually(arrived)


async def test_arbitrary_items_leave_as_given(standin: Standin):
    await standin.control(
        "POST", f"/pages/{PAGE}/events", {"messaging": [{"hologram": 1}], "changes": [{"field": "x"}]}
    )
    await standin.settled()

    entries = [entry for raw, _ in standin.callback.posts for entry in json.loads(raw)["entry"]]
    assert [entry.get("messaging") or entry.get("changes") for entry in entries] == [
        [{"hologram": 1}],
        [{"field": "x"}],
    ]


def test_the_standin_imports_nothing_of_the_product():
    ours = Path(__file__).parents[2] / "standin"
    for file in ours.glob("*.py"):
        text = file.read_text()
        for name in ("server", "workers", "switchboard"):
            assert f"import {name}" not in text
            assert f"from {name}" not in text
