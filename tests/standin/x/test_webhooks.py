"""Registration, subscriptions and what is posted in both generations."""

import httpx

from tests.standin.x.conftest import ACCOUNT, APP_ONLY, PERSON, World, signed


async def registered(x: World, url: str | None = None) -> httpx.Response:
    return await x.call("POST", "/2/webhooks", headers=APP_ONLY, json={"url": url or x.callback.url})


async def test_a_webhook_is_registered_after_a_crc_and_its_failures_have_names(bare: World):
    bare.callback.is_honest = False
    failed = await registered(bare)
    bare.callback.is_honest = True
    made = await registered(bare)
    again = await registered(bare)
    insecure = await registered(bare, "http://switchboard.example/hook")
    port = await registered(bare, "https://switchboard.example:444/hook")
    await bare.control("x/app", {"webhook_limit": 1})
    full = await registered(bare, bare.callback.url + "?second")
    stranger = await bare.http.post(f"{bare.url}/x/2/webhooks", json={"url": bare.callback.url})

    assert made.json()["data"]["valid"] is True
    named = [one.json()["detail"].partition(":")[0] for one in (failed, again, insecure, port, full)]
    assert named == [
        *("CrcValidationFailed", "DuplicateUrlFailed", "UrlValidationFailed", "UrlValidationFailed"),
        "WebhookLimitExceeded",
    ]
    assert stranger.status_code == 401


async def test_a_webhook_that_fails_a_later_crc_is_switched_off_until_it_passes_again(bare: World):
    token = (await bare.control("x/accounts", {"id": ACCOUNT}))["accounts"][0]["access_token"]
    hook = (await registered(bare)).json()["data"]["id"]
    subscribe = f"/2/account_activity/webhooks/{hook}/subscriptions/all"
    assert (await bare.call("POST", subscribe, token=token)).json() == {"data": {"subscribed": True}}
    bare.callback.is_honest = False
    await bare.control("x/hooks/crc")
    await bare.deed("message", {"text": "nobody hears"})
    bare.callback.is_honest = True

    assert (await bare.call("PUT", f"/2/webhooks/{hook}", headers=APP_ONLY)).json() == {"data": {"valid": True}}
    await bare.deed("message", {"text": "heard"})
    await bare.settled()

    [body] = bare.callback.bodies()
    assert body["for_user_id"] == ACCOUNT
    assert body["direct_message_events"][0]["message_create"]["message_data"]["text"] == "heard"
    assert set(body["users"]) == {ACCOUNT, PERSON}


async def test_private_events_need_the_token_of_whom_they_are_about(x: World):
    hook = (await registered(x, x.callback.url + "?own")).json()["data"]["id"]
    wanted = {"event_type": "dm.received", "filter": {"user_id": "4002"}, "tag": "t", "webhook_id": hook}
    await x.control("x/accounts", {"id": "4002"})

    foreign = await x.call("POST", "/2/activity/subscriptions", json=wanted)
    own = wanted | {"filter": {"user_id": ACCOUNT}}
    made = await x.call("POST", "/2/activity/subscriptions", json=own)
    twice = await x.call("POST", "/2/activity/subscriptions", json=own)
    lost = await x.call("POST", "/2/activity/subscriptions", json=own | {"webhook_id": "1"})

    assert foreign.status_code == 403
    assert made.json()["data"]["filter"] == {"user_id": ACCOUNT}
    assert twice.json()["detail"].startswith("DuplicateSubscriptionFailed")
    assert lost.json()["detail"].startswith("WebhookIdInvalid")


async def test_everything_that_happens_is_told_in_both_generations(x: World):
    await x.control(f"x/accounts/{ACCOUNT}/subscribe", {"generation": "both"})
    await x.send()
    for name, body in (
        *(("typing", {}), ("read", {}), ("mention", {}), ("reply", {}), ("chat", {})),
        *(("message", {"text": "hi", "media": {"type": "photo"}}), ("by_hand", {"text": "from the phone"})),
    ):
        await x.deed(name, body)
    await x.deed("message", {"text": "all", "group": ["9002"]})
    await x.control(f"x/accounts/{ACCOUNT}/revoke")
    await x.settled()

    assert x.callback.types() == [
        *("chat.received", "dm.indicate_typing", "dm.read", "dm.received", "dm.received", "dm.sent", "dm.sent"),
        *("oauth.revoke", "post.mention.create", "post.reply.create"),
    ]
    older = [body for body in x.callback.bodies() if "data" not in body]
    slots = sorted(name for body in older for name in body if name.endswith("_events") or name == "user_event")
    assert slots == [
        *("direct_message_events", "direct_message_events", "direct_message_events"),  # no group, no chat
        *("direct_message_indicate_typing_events", "direct_message_mark_read_events"),
        *("tweet_create_events", "tweet_create_events", "user_event"),
    ]
    assert all("for_user_id" in body for body in older if "user_event" not in body)


async def test_a_webhook_is_tried_four_times_and_can_be_replayed(x: World):
    x.callback.statuses = [500] * 4
    await x.deed("message", {"text": "hi"})
    await x.settled()
    assert len(x.callback.posts) == 4
    [hook] = (await x.call("GET", "/2/webhooks", headers=APP_ONLY)).json()["data"]

    told = await x.call("POST", "/2/webhooks/replay", headers=APP_ONLY, json={"webhook_id": hook["id"]})
    await x.settled()

    assert told.json()["data"]["events"] == 1
    assert [raw for raw, _ in x.callback.posts] == [x.callback.posts[0][0]] * 5
    assert (await x.control("calls", method="GET"))["by_op"]["webhook:x"]["given_up"] == 1


async def test_any_bytes_can_be_posted_with_a_good_a_bad_and_no_signature(x: World):
    for kind in ("good", "bad", "none"):
        await x.control("x/webhooks/replay", {"url": x.callback.url, "raw": '{"for_user_id":"ü"}', "signature": kind})

    given = [headers.get("x-twitter-webhooks-signature") for _, headers in x.callback.posts]
    assert given[0] == signed('{"for_user_id":"ü"}'.encode())
    assert given[1] not in (None, given[0])
    assert given[2] is None


async def test_events_of_any_shape_go_out_as_given(x: World):
    await x.control(f"x/accounts/{ACCOUNT}/events", {"bodies": [{"strange": 1}]})
    await x.settled()

    assert x.callback.bodies() == [{"strange": 1}]
