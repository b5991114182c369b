"""The stand-in's TikTok, spoken to without the product: what the wire facts say, in its own shapes."""

import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlsplit

import httpx
import orjson
import pytest

from standin.app import create_app
from standin.config import StandinConfig
from standin.jsonish import BadBody
from standin.runtime import make_runtime
from standin.tiktok.plugin import TikTokPlugin
from tests.standin.conftest import Callback, eventually, in_thread

KEY, SECRET = "the-key", "the-secret"
ACCOUNT, PERSON = "-000m4JH_b1Ji", "+ZMM6I2kBF/MY=="
SCOPES = "user.info.basic,message.list.read,message.list.send"
REDIRECT = "http://127.0.0.1:9/oauth"


def config() -> StandinConfig:
    apps = {"tiktok": {"client_key": KEY, "client_secret": SECRET}}
    return StandinConfig(app_id="1", app_secret="s", verify_token="v", apps=apps)


@pytest.fixture(scope="module")
def tiktok_url() -> Iterator[str]:
    server, thread, url = in_thread(create_app(config()))
    yield url
    server.should_exit = True
    thread.join()


@dataclass
class TikTok:
    """The HTTP side of the stand-in's TikTok."""

    url: str
    http: httpx.AsyncClient
    callback: Callback
    token: str = ""
    thread: str = ""

    async def control(self, path: str, body: object = None, method: str = "POST", status: int = 200) -> dict:
        answer = await self.http.request(method, f"{self.url}/control/{path}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def call(self, path: str, body: object = None, token: str | None = None, **params: str) -> dict:
        """One call; every answer is HTTP 200."""
        headers = {"Access-Token": self.token if token is None else token}
        method = "GET" if body is None else "POST"
        address = f"{self.url}/tiktok/open_api/v1.3/{path}/"
        answer = await self.http.request(method, address, headers=headers, params=params or None, json=body)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert set(found) == {"code", "message", "request_id", "data"}
        return found

    async def send(self, text: str = "hello", **more: object) -> dict:
        body = {
            "business_id": ACCOUNT,
            "recipient_type": "CONVERSATION",
            "recipient": self.thread,
            "message_type": "TEXT",
            "text": {"body": text},
        }
        given = {name: value for name, value in (body | more).items() if value is not None}
        return await self.call("business/message/send", given)

    async def does(self, deed: str, person: str = PERSON, **given: object) -> dict:
        return await self.control(f"tiktok/customers/{ACCOUNT}/{quote(person, safe='')}/{deed}", given)

    async def settled(self) -> None:
        async def quiet() -> bool:
            return not any((await self.control("settled", method="GET")).values())

        await eventually(quiet)

    def contents(self, event: str) -> list[dict]:
        """What came of one event, each content read from its string."""
        bodies = [json.loads(raw) for raw, _ in self.callback.posts]
        assert all(isinstance(body["content"], str) for body in bodies)
        return [json.loads(body["content"]) for body in bodies if body["event"] == event]


@pytest.fixture
async def tiktok(tiktok_url: str, callback: Callback) -> AsyncIterator[TikTok]:
    """One account with a token, and one person who wrote a minute ago."""
    async with httpx.AsyncClient(timeout=10, trust_env=False) as http:
        found = TikTok(tiktok_url, http, callback)
        await found.control("reset", {"keep_app": False})
        callback.begin()
        settings = {"callback_url": callback.url, "echo_ms": 1, "rate_per_s": 0, "webhook_retry_ms": [20, 40]}
        await found.control("tiktok/app", settings)
        [made] = (await found.control("tiktok/accounts", [{"id": ACCOUNT}]))["accounts"]
        found.token = made["access_token"]
        opened = {"account": ACCOUNT, "person": PERSON, "wrote_s_ago": 60}
        found.thread = (await found.control("tiktok/customers", opened))["customers"][0]["conversation_id"]
        yield found


async def dialogue(tiktok: TikTok, **changed: str) -> httpx.Response:
    query = {"response_type": "code", "client_key": KEY, "redirect_uri": REDIRECT, "scope": SCOPES, "state": "s&="}
    address = f"{tiktok.url}/tiktok/v2/auth/authorize"
    return await tiktok.http.post(address, params=query | changed, data={"account": ACCOUNT, "action": "allow"})


@pytest.mark.parametrize(
    "changed",
    [
        {"client_key": "another"},
        {"redirect_uri": "https://evil.example/"},
        {"response_type": "token"},
        {"scope": "user.info.basic message.list.read"},
    ],
)
async def test_the_dialogue_refuses_what_is_not_as_documented(tiktok: TikTok, changed: dict[str, str]) -> None:
    answer = await dialogue(tiktok, **changed)

    assert answer.status_code == 400
    assert "location" not in answer.headers


async def test_a_code_becomes_tokens_once_and_the_refresh_token_rotates(tiktok: TikTok) -> None:
    back = dict(parse_qsl(urlsplit((await dialogue(tiktok)).headers["location"]).query))
    app = {"client_id": KEY, "client_secret": SECRET}
    trade = app | {"grant_type": "authorization_code", "auth_code": back["code"], "redirect_uri": REDIRECT}

    first = await tiktok.call("tt_user/oauth2/token", trade)
    used = await tiktok.call("tt_user/oauth2/token", trade)
    renewing = app | {"grant_type": "refresh_token", "refresh_token": first["data"]["refresh_token"]}
    second = await tiktok.call("tt_user/oauth2/refresh_token", renewing)
    void = await tiktok.call("tt_user/oauth2/refresh_token", renewing)
    stranger = await tiktok.call("tt_user/oauth2/refresh_token", renewing | {"client_secret": "x"})

    assert back["state"] == "s&="
    told = first["data"]
    assert (told["open_id"], told["scope"], told["token_type"]) == (ACCOUNT, SCOPES, "Bearer")
    assert (told["expires_in"], told["refresh_token_expires_in"]) == (86_400, 31_536_000)
    assert second["data"]["refresh_token"] != told["refresh_token"]
    assert (used["code"], void["code"], stranger["code"]) == (40002, 40105, 40001)


async def test_a_path_without_its_slash_and_a_token_in_another_header_lead_nowhere(tiktok: TikTok) -> None:
    address = f"{tiktok.url}/tiktok/open_api/v1.3/business/get"
    fields = {"business_id": ACCOUNT, "fields": '["username"]'}

    slashless = await tiktok.http.get(address, params=fields, headers={"Access-Token": tiktok.token})
    bearer = await tiktok.http.get(f"{address}/", params=fields, headers={"Authorization": f"Bearer {tiktok.token}"})
    right = await tiktok.call("business/get", **fields)

    assert slashless.status_code != 200
    assert (bearer.status_code, bearer.json()["code"]) == (200, 40105)
    assert set(right["data"]) == {"username"}


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"text": {"body": ""}}, 40002),
        ({"text": {"body": "x" * 6_001}}, 40002),
        ({"text": None}, 40002),
        ({"image": {"media_id": "m"}}, 40002),
        ({"message_type": "text"}, 40002),
        ({"recipient_type": "USER"}, 40002),
        ({"recipient": "u5J+unknown=="}, 40007),
        ({"recipient": "u5J pselBAhoPOlnH0tZ9y07kg=="}, 40002),
        ({"business_id": "another"}, 40001),
        ({"referenced_message_info": {"referenced_message_id": "nothing"}}, 40007),
        ({"message_type": "SENDER_ACTION", "text": None, "sender_action": "WAVE"}, 40002),
        ({"message_type": "TEMPLATE", "text": None, "template": {"type": "QA_BUTTON_CARD", "title": "A"}}, 40002),
    ],
)
async def test_a_send_that_is_not_as_documented_is_refused_and_leaves_no_entry(
    tiktok: TikTok, more: dict[str, object], code: int
) -> None:
    assert (await tiktok.send(**more))["code"] == code
    assert (await tiktok.control("ledger", method="GET"))["entries"] == []


async def test_an_accepted_send_is_in_the_ledger_and_echoed_with_its_source(tiktok: TikTok) -> None:
    answer = await tiktok.send("Grüße 😀")
    await tiktok.settled()

    [entry] = (await tiktok.control("ledger", method="GET"))["entries"]
    mid = answer["data"]["message"]["message_id"]
    assert (entry["mid"], entry["platform"], entry["page"], entry["person"]) == (mid, "tiktok", ACCOUNT, PERSON)
    assert entry["reference"] == f"text:{PERSON}:Grüße 😀"
    assert entry["token_sha256"] == hashlib.sha256(tiktok.token.encode()).hexdigest()
    [echo] = tiktok.contents("im_send_msg")
    assert (echo["message_id"], echo["message_tag"], echo["text"]) == (mid, {"source": "API"}, {"body": "Grüße 😀"})
    assert (echo["from_user"]["id"], echo["to_user"]["id"], echo["unique_identifier"]) == (ACCOUNT, PERSON, ACCOUNT)


async def test_a_body_is_one_event_signed_over_time_and_bytes(tiktok: TikTok) -> None:
    await tiktok.does("message", text="hello")
    await tiktok.settled()

    [(raw, headers)] = tiktok.callback.posts
    at, digest = headers["tiktok-signature"].split(",")
    expected = hmac.new(SECRET.encode(), at[2:].encode() + b"." + raw, hashlib.sha256).hexdigest()
    assert digest == f"s={expected}"
    assert abs(int(at[2:]) - time.time()) < 5
    body = json.loads(raw)
    assert (body["client_key"], body["event"], body["user_openid"]) == (KEY, "im_receive_msg", ACCOUNT)
    assert abs(body["create_time"] - time.time()) < 5


async def test_a_webhook_is_repeated_until_any_2xx(tiktok: TikTok) -> None:
    tiktok.callback.statuses += [500, 301, 204]

    await tiktok.does("message", text="hello")
    await tiktok.settled()

    assert len(tiktok.callback.posts) == 3
    assert len({raw for raw, _ in tiktok.callback.posts}) == 1
    posts = (await tiktok.control("tiktok/webhooks", method="GET"))["posts"]
    assert [post["status"] for post in posts][-3:] == [500, 301, 204]


async def test_a_webhook_is_given_up_after_its_time(tiktok: TikTok) -> None:
    await tiktok.control("tiktok/app", {"webhook_give_up_s": 0})
    tiktok.callback.statuses += [500] * 5

    await tiktok.does("message", text="hello")
    await tiktok.settled()

    assert len(tiktok.callback.posts) == 1


async def test_who_writes_from_europe_leaves_only_a_notice_and_cannot_be_answered(tiktok: TikTok) -> None:
    opened = {"account": ACCOUNT, "person": "+EU", "region": "DE"}
    await tiktok.control("tiktok/customers", opened)

    told = await tiktok.does("message", "+EU", text="Hallo")
    await tiktok.settled()

    [notice] = tiktok.contents("im_receive_msg_eu")
    assert set(notice) == {"to", "to_user", "timestamp"}
    assert tiktok.contents("im_receive_msg") == []
    assert (await tiktok.send(recipient=told["conversation_id"]))["code"] == 40064


async def test_reactions_reads_and_comments_are_told_in_their_shapes(tiktok: TikTok) -> None:
    mid = (await tiktok.send("hi"))["data"]["message"]["message_id"]
    await tiktok.does("react", mid=mid, emoji="👍")
    await tiktok.does("react", mid=mid, operation="REMOVE")
    await tiktok.does("read")
    number = (await tiktok.does("comment", text="Nice"))["comment_id"]
    await tiktok.does("comment", comment_id=int(number), action="set_to_hidden")
    await tiktok.does("intent", text="How much?")
    await tiktok.settled()

    marks = [content["reaction"][0] for content in tiktok.contents("im_receive_msg")]
    assert [(mark["operation"], mark["original_msg_id"], mark["unique_identifier"]) for mark in marks] == [
        ("ADD", mid, PERSON),
        ("REMOVE", mid, PERSON),
    ]
    [echo] = tiktok.contents("im_send_msg")
    [seen] = tiktok.contents("im_mark_read_msg")
    assert seen["read"] == {"last_read_timestamp": echo["timestamp"]}
    comments = tiktok.contents("comment.update")
    assert [comment["comment_action"] for comment in comments] == ["insert", "set_to_hidden"]
    assert {comment["comment_id"] for comment in comments} == {int(number)}
    [intent] = tiktok.contents("im_receive_high_intent_comment")
    assert intent["comment_text"] == "How much?"


async def test_lists_hold_the_newest_twenty_and_tell_strangers_from_known_people(tiktok: TikTok) -> None:
    for number in range(22):
        await tiktok.does("message", text=f"{number}")
    strangers = await tiktok.call(
        "business/message/conversation/list", business_id=ACCOUNT, conversation_type="STRANGER"
    )
    await tiktok.send("answer")
    known = await tiktok.call("business/message/conversation/list", business_id=ACCOUNT, conversation_type="SINGLE")
    listed = await tiktok.call("business/message/content/list", business_id=ACCOUNT, conversation_id=tiktok.thread)

    assert [one["conversation_id"] for one in strangers["data"]["conversations"]] == [tiktok.thread]
    assert [one["conversation_id"] for one in known["data"]["conversations"]] == [tiktok.thread]
    assert not known["data"]["has_more"]
    messages = listed["data"]["messages"]
    assert [message["text"]["body"] for message in messages] == ["answer", *(f"{n}" for n in range(21, 2, -1))]
    assert messages[0]["from_user"] == {"id": ACCOUNT, "role": "BUSINESS_ACCOUNT"}
    assert messages[0]["message_type"] == "TEXT"


async def test_a_plus_that_is_not_escaped_makes_a_conversation_invalid(tiktok: TikTok) -> None:
    address = f"{tiktok.url}/tiktok/open_api/v1.3/business/message/content/list/"
    headers = {"Access-Token": tiktok.token}

    raw = await tiktok.http.get(f"{address}?business_id={ACCOUNT}&conversation_id={tiktok.thread}", headers=headers)
    escaped = await tiktok.http.get(
        f"{address}?business_id={ACCOUNT}&conversation_id={quote(tiktok.thread, safe='')}", headers=headers
    )

    assert "+" in tiktok.thread
    assert (raw.json()["code"], escaped.json()["code"]) == (40002, 0)


async def test_webhooks_belong_to_the_app_and_not_to_an_account(tiktok: TikTok) -> None:
    app = {"app_id": KEY, "secret": SECRET, "event_type": "DIRECT_MESSAGE"}

    gone = await tiktok.call("business/webhook/delete", app, token="")
    none = await tiktok.call("business/webhook/list", token="", **app)
    await tiktok.does("message", text="Nobody listens")
    await tiktok.call("business/webhook/update", app | {"callback_url": tiktok.callback.url}, token="")
    shown = await tiktok.call("business/webhook/list", token="", **app)
    await tiktok.does("message", text="Somebody does")
    await tiktok.settled()

    assert (gone["code"], "callback_url" in none["data"]) == (0, False)
    assert shown["data"]["callback_url"] == tiktok.callback.url
    assert [content["text"]["body"] for content in tiktok.contents("im_receive_msg")] == ["Somebody does"]
    wrong = await tiktok.call("business/webhook/list", token="", **(app | {"secret": "x"}))
    assert wrong["code"] == 40001


async def test_a_body_is_replayed_with_a_good_a_bad_an_old_and_no_signature(tiktok: TikTok) -> None:
    for kind in ("good", "bad", "old", "none"):
        body = {"raw": '{"event": "im_receive_msg"}', "signature": kind, "url": tiktok.callback.url}
        assert (await tiktok.control("tiktok/webhooks/replay", body))["answers"] == [200]

    good, bad, old, none = (headers.get("tiktok-signature", "") for _, headers in tiktok.callback.posts)
    assert len({good, bad, old, none}) == 4
    assert none == ""
    assert int(old.split(",")[0][2:]) < time.time() - 3_000
    await tiktok.control("tiktok/webhooks/replay", {"raw": "x", "signature": "magic"}, status=422)


async def test_the_phone_shows_both_sides_and_writes_as_the_person(tiktok: TikTok) -> None:
    await tiktok.send("What can we do for you?")
    address = f"{tiktok.url}/phone/tiktok/{ACCOUNT}/{quote(PERSON, safe='')}"

    await tiktok.http.post(address, data={"text": "Bread, please"})
    shown = (await tiktok.http.get(address)).text
    listed = (await tiktok.http.get(f"{tiktok.url}/phone")).text
    await tiktok.settled()

    assert "What can we do for you?" in shown
    assert "Bread, please" in shown
    assert quote(PERSON, safe="") in listed
    assert [content["text"]["body"] for content in tiktok.contents("im_receive_msg")] == ["Bread, please"]
    unknown = await tiktok.http.get(f"{tiktok.url}/phone/tiktok/nobody/x")
    assert unknown.status_code == 404


async def test_a_bad_control_call_says_so_and_any_event_can_be_posted_as_given(tiktok: TikTok) -> None:
    await tiktok.control("tiktok/app", {"unheard_of": 1}, status=422)
    await tiktok.control("tiktok/app", {"rate_per_s": "ten"}, status=422)
    await tiktok.control("tiktok/accounts/nobody/expire", {}, status=404)
    await tiktok.control(f"tiktok/accounts/{ACCOUNT}/dance", {}, status=404)
    await tiktok.control(f"tiktok/customers/{ACCOUNT}/x/dance", {}, status=404)
    await tiktok.control(f"tiktok/accounts/{ACCOUNT}/events", {"event": "im_new", "content": "{not json"})
    await tiktok.settled()

    [(raw, _)] = tiktok.callback.posts
    assert json.loads(raw)["content"] == "{not json"


async def test_expired_and_revoked_tokens_stop_working(tiktok: TikTok) -> None:
    await tiktok.control(f"tiktok/accounts/{ACCOUNT}/expire", {})
    expired = await tiktok.send()
    shown = await tiktok.control(f"tiktok/accounts/{ACCOUNT}", method="GET")
    await tiktok.control(f"tiktok/accounts/{ACCOUNT}/revoke", {})
    after = await tiktok.control(f"tiktok/accounts/{ACCOUNT}", method="GET")

    assert expired["code"] == 40105
    assert (len(shown["access_tokens"]), len(shown["refresh_tokens"])) == (0, 1)
    assert after["refresh_tokens"] == []


async def test_what_was_kept_is_the_same_after_a_restart(tiktok: TikTok) -> None:
    run = make_runtime(config())
    first, second = TikTokPlugin(run), TikTokPlugin(make_runtime(config()))
    first.load({"accounts": {ACCOUNT: {"id": ACCOUNT, "username": "shop", "display_name": "Bakery"}}, "last_number": 7})
    first.write(ACCOUNT, PERSON, "hello")

    kept = orjson.loads(orjson.dumps(first.dumped()))
    second.load(kept)

    again = orjson.loads(orjson.dumps(second.dumped()))
    assert again["accounts"] == kept["accounts"]
    assert again["last_number"] > kept["last_number"]
    assert [line.text for line in second.lines(ACCOUNT, PERSON) or []] == ["hello"]
    with pytest.raises(BadBody):
        second.load({"accounts": {"x": {"id": 5}}})
    assert orjson.loads(orjson.dumps(second.dumped()))["accounts"] == kept["accounts"]
