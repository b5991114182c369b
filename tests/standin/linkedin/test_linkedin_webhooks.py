"""LinkedIn's notifications as the stand-in posts them: shapes, signature, batches, retries, validations."""

import hashlib
import hmac
import json
from urllib.parse import quote

from tests.standin.conftest import eventually
from tests.standin.linkedin.conftest import ADMIN, APP, ORGANISATION, PERSON, SECRET, LinkedIn


async def test_every_deed_has_its_documented_notification(linkedin: LinkedIn):
    made = await linkedin.deed("comment", text="Größe 😀")
    await linkedin.deed("edit", comment=made["comment"], text="Grösse")
    await linkedin.deed("delete", comment=made["comment"])
    await linkedin.deed("like")
    await linkedin.deed("share", text="Look")
    mention = await linkedin.deed("share_mention", text="Try Bakery")
    await linkedin.deed("admin_comment", person=ADMIN, text="Ours")
    await linkedin.settled()

    told = {one["action"]: one for one in linkedin.hook.notifications}
    assert list(told) == [
        "COMMENT",
        "COMMENT_EDIT",
        "COMMENT_DELETE",
        "LIKE",
        "SHARE",
        "SHARE_MENTION",
        "ADMIN_COMMENT",
    ]
    comment = told["COMMENT"]
    inner = comment["decoratedGeneratedActivity"]["comment"]
    assert (inner["entity"], inner["owner"], inner["text"]) == (made["comment"], PERSON, "Größe 😀")
    assert comment["generatedActivity"] == made["comment"].replace("(urn:li:activity", "(activity")
    assert (comment["organizationalEntity"], comment["subscriber"]) == (ORGANISATION, ADMIN)
    assert told["COMMENT_EDIT"]["decoratedGeneratedActivity"]["comment"]["text"] == "Grösse"
    assert "decoratedGeneratedActivity" not in told["COMMENT_DELETE"]
    assert told["SHARE_MENTION"]["generatedActivity"] == mention["activity"]
    assert told["ADMIN_COMMENT"]["decoratedGeneratedActivity"]["comment"]["owner"] == ORGANISATION
    assert len({one["notificationId"] for one in told.values()}) == 7


async def test_a_body_is_signed_over_the_prefix_and_itself(linkedin: LinkedIn):
    await linkedin.deed("comment", text="Hello")
    await linkedin.settled()

    ((raw, headers),) = linkedin.hook.posts
    assert headers["x-li-signature"] == hmac.new(SECRET.encode(), b"hmacsha256=" + raw, hashlib.sha256).hexdigest()
    assert json.loads(raw)["type"] == "ORGANIZATION_SOCIAL_ACTION_NOTIFICATIONS"
    for kind, expected in (("good", True), ("bad", False), ("none", False), ("bare", False)):
        linkedin.hook.posts.clear()
        await linkedin.control("linkedin/replay", {"body": raw.decode(), "url": linkedin.hook.url, "signature": kind})
        ((again, given),) = linkedin.hook.posts
        assert again == raw
        assert (given.get("x-li-signature") == headers["x-li-signature"]) is expected


async def test_up_to_ten_notifications_of_any_organisations_share_a_body(linkedin: LinkedIn):
    about = {"id": "200", "name": "Café", "person": "ada", "subscribed": True, "callback_url": linkedin.hook.url}
    await linkedin.control("linkedin/organizations", about)
    await linkedin.control("faults", {"webhooks": {"delay_ms": 200}}, "PUT")

    for number in range(12):
        name = ORGANISATION if number % 2 else "urn:li:organization:200"
        await linkedin.deed("comment", text=f"Number {number}", organization=name)
    await linkedin.settled()

    sizes = [len(json.loads(raw)["notifications"]) for raw, _ in linkedin.hook.posts]
    assert sizes == [10, 2]
    assert len({one["organizationalEntity"] for one in linkedin.hook.notifications[:10]}) == 2


async def test_a_refused_notification_comes_again_until_the_time_is_over(linkedin: LinkedIn):
    linkedin.hook.statuses[:] = [500, 404]
    await linkedin.deed("comment", text="Again")
    await linkedin.settled()
    assert len({raw for raw, _ in linkedin.hook.posts}) == 1
    assert len(linkedin.hook.posts) == 3

    linkedin.hook.posts.clear()
    linkedin.hook.statuses[:] = [500] * 50
    await linkedin.deed("comment", text="Never")
    await linkedin.settled()
    assert len(linkedin.hook.posts) == 5


async def test_posts_that_are_not_public_and_the_first_tier_bring_no_webhooks(linkedin: LinkedIn):
    made = await linkedin.control(
        "linkedin/posts", {"organization": ORGANISATION, "text": "Hidden", "is_public": False}
    )
    await linkedin.deed("comment", text="Hello", post=made["posts"][0]["id"])
    await linkedin.control("linkedin/app", {"tier": "development"})
    await linkedin.control("linkedin/posts", {"organization": ORGANISATION, "text": "Open"})
    await linkedin.deed("comment", text="Hello")
    await linkedin.settled()

    assert linkedin.hook.posts == []


async def test_three_failed_validations_block_a_callback_and_one_by_hand_frees_it(linkedin: LinkedIn):
    linkedin.hook.answers_challenges = False
    for expected in (False, False, True):
        hook = await linkedin.control("linkedin/hooks/validate", {"url": linkedin.hook.url})
        assert hook["is_blocked"] is expected
    await linkedin.deed("comment", text="Unheard")
    await linkedin.settled()
    assert linkedin.hook.posts == []

    linkedin.hook.answers_challenges = True
    assert not (await linkedin.control("linkedin/hooks/validate", {"url": linkedin.hook.url}))["is_blocked"]
    await linkedin.deed("comment", text="Heard")
    await linkedin.settled()
    assert len(linkedin.hook.posts) == 1


async def test_a_callback_is_validated_when_it_is_subscribed_and_again_and_again(linkedin: LinkedIn):
    await linkedin.control("linkedin/app", {"validation_ms": 20})
    key = f"(developerApplication:{quote(APP['application_urn'], safe='')},user:{quote(ADMIN, safe='')},"
    key += f"entity:{quote(ORGANISATION, safe='')},eventType:ORGANIZATION_SOCIAL_ACTION_NOTIFICATIONS)"
    path = f"/rest/eventSubscriptions/{key}"

    plain = await linkedin.call("PUT", path, {"webhook": "http://elsewhere.test/hook"})
    answer = await linkedin.call("PUT", path, {"webhook": linkedin.hook.url})

    async def often() -> bool:
        return len(set(linkedin.hook.challenges)) >= 3

    await eventually(often)
    assert (plain.status_code, answer.status_code) == (400, 204)
    shown = (await linkedin.call("GET", path)).json()
    assert shown["webhook"] == linkedin.hook.url
    assert shown["expiresAt"] > 0
    assert (await linkedin.call("DELETE", path)).status_code == 204
    assert (await linkedin.call("GET", path)).status_code == 404


async def test_who_lost_the_role_or_took_the_grant_back_hears_nothing(linkedin: LinkedIn):
    await linkedin.control(f"linkedin/organizations/{ORGANISATION}/roles", {"person": ADMIN, "roles": []})
    await linkedin.deed("comment", text="Unheard")
    await linkedin.control(
        f"linkedin/organizations/{ORGANISATION}/roles", {"person": ADMIN, "roles": ["ADMINISTRATOR"]}
    )
    await linkedin.deed("comment", text="Heard")
    await linkedin.deed("revoke", person=ADMIN)
    await linkedin.deed("comment", text="Unheard again")
    await linkedin.settled()

    texts = [one["decoratedGeneratedActivity"]["comment"]["text"] for one in linkedin.hook.notifications]
    assert texts == ["Heard"]


async def test_an_echo_may_overtake_its_answer(linkedin: LinkedIn):
    comment = (await linkedin.deed("comment", text="Hello"))["comment"]
    await linkedin.settled()
    await linkedin.control("faults", {"webhooks": {"echo_before_answer": True}}, "PUT")

    await linkedin.reply(comment)

    assert linkedin.hook.notifications[-1]["action"] == "ADMIN_COMMENT"
