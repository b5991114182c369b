"""What the stand-in posts: subscriptions, signatures, forms, retries, and bodies as given."""

import hashlib
import hmac
import json
from urllib.parse import parse_qs

from tests.standin.instagram.wire import ACCOUNT, PAGE, Insta


async def test_webhooks_of_each_login_are_signed_by_its_app_and_escaped(insta: Insta) -> None:
    await insta.deed("message", {"text": "Grüße 😀"})
    await insta.settled()
    await insta.control(f"instagram/accounts/{ACCOUNT}/unsubscribe", {})
    await insta.control(f"pages/{PAGE}/subscribe", {"fields": ["messages"]})
    await insta.deed("message", {"text": "Grüße 😀"})
    await insta.settled()

    secrets = ("insta-secret", "app-secret")
    assert len(insta.callback.posts) == 2
    for (raw, headers), secret in zip(insta.callback.posts, secrets, strict=True):
        assert b'"text":"Gr\\u00fc\\u00dfe \\ud83d\\ude00"' in raw
        assert json.loads(raw)["object"] == "instagram"
        digest = hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
        assert headers["x-hub-signature-256"] == f"sha256={digest}"


async def test_echo_and_seen_follow_a_message_and_no_delivery(insta: Insta) -> None:
    mid = (await insta.send({"text": "Hello"})).json()["message_id"]
    await insta.settled()

    [echo], [seen] = insta.items("message"), insta.items("read")
    assert len(mid) > 120
    assert (echo["message"]["mid"], echo["message"]["is_echo"]) == (mid, True)
    assert "metadata" not in echo["message"]
    assert seen["read"] == {"mid": mid}
    assert insta.items("delivery") == []


async def test_what_is_not_subscribed_is_not_posted(insta: Insta) -> None:
    await insta.call("POST", "/v25.0/me/subscribed_apps", params={"subscribed_fields": "comments"})

    await insta.deed("message", {"text": "Hi"})
    await insta.deed("comment", {"text": "Hi"})
    await insta.settled()

    assert insta.items("message") == []
    assert len(insta.items("comments")) == 1
    listed = (await insta.call("GET", "/v25.0/me/subscribed_apps")).json()
    assert listed["data"] == [{"id": "811", "subscribed_fields": ["comments"]}]
    wrong = await insta.call("POST", "/v25.0/me/subscribed_apps", params={"subscribed_fields": "messaging_referrals"})
    assert wrong.json()["error"]["code"] == 100


async def test_every_deed_becomes_its_documented_webhook(insta: Insta) -> None:
    mid = (await insta.deed("message", {"text": "Helo"}))["mid"]
    await insta.deed("edit", {"mid": mid, "text": "Hello"})
    await insta.deed("react", {"mid": mid})
    await insta.deed("react", {"mid": mid, "action": "unreact"})
    await insta.deed("unsend", {"mid": mid})
    await insta.deed("story_reply", {"text": "Nice", "story": "77"})
    await insta.deed("story_mention")
    await insta.deed("postback", {"payload": "START"})
    await insta.deed("referral", {"ref": "r"})
    await insta.deed("mention", {"media_id": "5", "comment_id": "6"})
    await insta.deed("comment", {"text": "Hi", "is_live": True})
    await insta.settled()

    assert insta.items("message_edit")[0]["message_edit"] == {"mid": mid, "text": "Hello", "num_edit": 1}
    assert [one["reaction"]["action"] for one in insta.items("reaction")] == ["react", "unreact"]
    messages = [one["message"] for one in insta.items("message")]
    assert {"mid": mid, "is_deleted": True} in messages
    assert any(one.get("reply_to", {}).get("story", {}).get("id") == "77" for one in messages)
    assert any(one.get("attachments", [{}])[0].get("type") == "story_mention" for one in messages)
    assert insta.items("postback")[0]["postback"]["payload"] == "START"
    assert insta.items("referral")[0]["referral"]["ref"] == "r"
    assert insta.items("mentions") == [{"media_id": "5", "comment_id": "6"}]
    assert insta.items("live_comments")[0]["text"] == "Hi"


async def test_edits_and_comments_come_in_their_other_form_when_asked(insta: Insta) -> None:
    await insta.control("instagram/app", {"edits_as_changes": True, "flat_comments": True})
    mid = (await insta.deed("message", {"text": "Helo"}, "3"))["mid"]

    await insta.deed("edit", {"mid": mid, "text": "Hello"}, "3")
    await insta.deed("comment", {"text": "Hi"}, "3")
    await insta.settled()

    [edit] = insta.items("message_edit")
    assert edit["from"]["id"] == "3"
    assert edit["timestamp"] < 10**11
    entries = [entry for raw, _ in insta.callback.posts for entry in json.loads(raw)["entry"]]
    assert [entry["value"]["text"] for entry in entries if entry.get("field") == "comments"] == ["Hi"]


async def test_a_failing_callback_is_tried_again_and_then_given_up(insta: Insta) -> None:
    insta.callback.statuses.extend([500, 500])
    await insta.deed("message", {"text": "Hi"})
    await insta.settled()
    assert len(insta.callback.posts) == 3

    await insta.control("app", {"unsubscribe_after_s": 0.0})
    insta.callback.statuses.append(500)
    await insta.deed("message", {"text": "Hi"})
    await insta.settled()

    shown = await insta.control(f"instagram/accounts/{ACCOUNT}", method="GET")
    assert shown["subscribed_fields"] == []


async def test_an_echo_overtakes_the_answer_when_the_plan_says_so(insta: Insta) -> None:
    await insta.control("faults", {"seed": 1, "webhooks": {"echo_before_answer": True}}, method="PUT")

    mid = (await insta.send({"text": "Hello"})).json()["message_id"]

    assert [one["message"]["mid"] for one in insta.items("message")] == [mid]


async def test_given_bodies_and_callbacks_are_posted_with_the_wanted_signature(insta: Insta) -> None:
    body = {"object": "instagram", "entry": []}
    replayed = await insta.control("instagram/webhooks/replay", {"body": body, "url": insta.callback.url, "times": 2})
    await insta.control("instagram/webhooks/replay", {"raw": "{ }", "url": insta.callback.url, "signature": "bad"})
    called = await insta.control("instagram/callback", {"url": insta.callback.url, "user_id": "7", "facebook": True})

    assert replayed == {"answers": [200, 200]}
    assert called["status"] == 200
    (good, headers), _, (raw, bad), (form_body, _) = insta.callback.posts
    assert headers["x-hub-signature-256"].endswith(hmac.new(b"insta-secret", good, "sha256").hexdigest())
    assert raw == b"{ }"
    assert not bad["x-hub-signature-256"].endswith(hmac.new(b"insta-secret", raw, "sha256").hexdigest())
    [request] = parse_qs(form_body.decode())["signed_request"]
    assert request.count(".") == 1


async def test_any_events_are_posted_as_given(insta: Insta) -> None:
    given = {"changes": [{"field": "comments", "value": {"id": "1"}}], "flat": [{"field": "x", "value": 1}]}

    sent = await insta.control(f"instagram/accounts/{ACCOUNT}/events", given)
    await insta.settled()

    assert sent == {"sent": 2}
    entries = [entry for raw, _ in insta.callback.posts for entry in json.loads(raw)["entry"]]
    assert sorted("flat" if "field" in entry else "list" for entry in entries) == ["flat", "list"]


async def test_a_handshake_uses_the_verify_token_of_the_wanted_app(insta: Insta) -> None:
    facebook = await insta.control("instagram/app/subscribe", {"url": insta.callback.url, "facebook": True})
    own = await insta.control("instagram/app/subscribe", {"url": insta.callback.url})

    assert facebook == {"verified": True, "status": 200}
    assert own == {"verified": False, "status": 403}
