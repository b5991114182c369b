"""Comments at the stand-in's LinkedIn: strict about Rest.li, written down before they are answered, seen on a phone."""

from urllib.parse import quote

from standin.config import StandinConfig
from standin.linkedin.plugin import LinkedIn as Plugin
from standin.runtime import make_runtime
from standin.stored import dumped, load
from tests.standin.linkedin.conftest import ADMIN, APP, ORGANISATION, PERSON, LinkedIn


async def test_names_must_come_encoded_and_structure_must_not(linkedin: LinkedIn):
    comment = (await linkedin.deed("comment", text="Hello"))["comment"]
    key = f"(developerApplication:{quote(APP['application_urn'], safe='')},user:{quote(ADMIN, safe='')},"
    key += f"entity:{quote(ORGANISATION, safe='')},eventType:ORGANIZATION_SOCIAL_ACTION_NOTIFICATIONS)"
    finder = f"/rest/organizationalEntityNotifications?q=criteria&organizationalEntity={quote(ORGANISATION, safe='')}"

    answers = [
        await linkedin.call("GET", f"/rest/socialActions/{comment}/comments"),
        await linkedin.call("GET", f"/rest/socialActions/{quote(comment, safe='')}/comments"),
        await linkedin.call("GET", f"/rest/eventSubscriptions/{key.replace('%3A', ':')}"),
        await linkedin.call("GET", f"/rest/eventSubscriptions/{key}"),
        await linkedin.call("GET", f"{finder}&actions={quote('List(COMMENT)', safe='')}"),
        await linkedin.call("GET", f"{finder}&actions=List(COMMENT)"),
    ]

    assert [answer.status_code for answer in answers] == [400, 200, 400, 200, 400, 200]


async def test_a_reply_is_written_down_before_it_is_answered_and_told_as_an_admin_comment(linkedin: LinkedIn):
    comment = (await linkedin.deed("comment", text="How much?"))["comment"]

    answer = await linkedin.reply(comment, "Two francs")
    await linkedin.settled()

    assert answer.status_code == 201
    number = answer.headers["x-restli-id"]
    assert number.isdecimal()
    made = answer.json()["$URN"]
    assert made == f"{comment.rpartition(',')[0]},{number})"
    [entry] = (await linkedin.control("ledger", method="GET"))["entries"]
    assert (entry["platform"], entry["page"], entry["person"], entry["mid"]) == ("linkedin", ORGANISATION, PERSON, made)
    assert entry["reference"] == f"text:{PERSON}:Two francs"
    told = [one for one in linkedin.hook.notifications if one["action"] == "ADMIN_COMMENT"]
    assert [one["decoratedGeneratedActivity"]["comment"]["entity"] for one in told] == [made]
    calls = (await linkedin.control("calls", method="GET"))["by_op"]
    assert calls["linkedin:send"] == {"201": 1}


async def test_what_a_comment_may_not_be_is_refused(linkedin: LinkedIn):
    comment = (await linkedin.deed("comment", text="Hello"))["comment"]
    other = f"{comment.rpartition(',')[0]},1)"

    answers = [
        await linkedin.reply(comment, content={"image": 1}),
        await linkedin.reply(comment, message={"text": "é" * 1_251}),
        await linkedin.reply(comment, message={}),
        await linkedin.reply(comment, object="urn:li:activity:1"),
        await linkedin.reply(comment, parentComment=other),
        await linkedin.reply(comment, actor="urn:li:organization:5"),
        await linkedin.reply(other),
    ]

    assert [answer.status_code for answer in answers] == [403, 400, 400, 400, 404, 403, 404]
    assert (await linkedin.control("ledger", method="GET"))["entries"] == []


async def test_a_role_that_cannot_read_can_write(linkedin: LinkedIn):
    comment = (await linkedin.deed("comment", text="Hello"))["comment"]
    await linkedin.control(
        f"linkedin/organizations/{ORGANISATION}/roles", {"person": ADMIN, "roles": ["RECRUITING_POSTER"]}
    )

    reading = await linkedin.call("GET", f"/rest/socialActions/{quote(comment, safe='')}/comments")

    assert reading.status_code == 403
    assert (await linkedin.reply(comment)).status_code == 201


async def test_a_person_comments_on_a_phone_and_reads_the_reply(linkedin: LinkedIn):
    comment = (await linkedin.deed("comment", text="How much?"))["comment"]
    await linkedin.reply(comment, "Two francs")
    phone = f"{linkedin.url}/phone/linkedin/{quote(ORGANISATION, safe='')}/{quote(PERSON, safe='')}"

    await linkedin.http.post(phone, data={"text": "<b>Thanks</b>"})
    shown = (await linkedin.http.get(phone)).text
    phones = (await linkedin.http.get(f"{linkedin.url}/phone")).text
    await linkedin.settled()

    assert "How much?" in shown
    assert "Two francs" in shown
    assert "&lt;b&gt;Thanks&lt;/b&gt;" in shown
    assert "carla comments on Bakery" in phones
    told = [one["decoratedGeneratedActivity"]["comment"]["text"] for one in linkedin.hook.notifications]
    assert sorted(told) == ["<b>Thanks</b>", "How much?", "Two francs"]


async def test_bad_control_calls_say_what_is_wrong(linkedin: LinkedIn):
    for path, body, status in (
        ("app", {"tier": "gold"}, 422),
        ("app", {"unknown": 1}, 422),
        ("app", {"retry_ms": "soon"}, 422),
        ("organizations", [5], 422),
        (f"people/{PERSON}/dance", {}, 404),
        (f"people/{PERSON}/edit", {"comment": "urn:li:comment:(x,1)", "text": "x"}, 404),
        (f"people/{PERSON}/comment", {"organization": ORGANISATION}, 422),
        ("organizations/5/roles", {}, 404),
        ("replay", {"body": {}, "url": "http://127.0.0.1:9/", "signature": "odd"}, 422),
    ):
        answer = await linkedin.http.post(f"{linkedin.url}/control/linkedin/{path}", json=body)
        assert answer.status_code == status, (path, answer.text)
        assert answer.json()["error"]


def test_the_world_comes_back_after_a_restart():
    config = StandinConfig(app_id="1", app_secret="s", verify_token="v", apps={"linkedin": dict(APP)})
    before, after = make_runtime(config), make_runtime(config)
    for run in (before, after):
        run.plugins.append(Plugin(run))
    plugin = before.plugins[0]
    plugin.write(ORGANISATION, PERSON, "Hello")

    load(after, dumped(before))

    assert after.plugins[0].dumped() == plugin.dumped()
    assert plugin.dumped()["comments"]
