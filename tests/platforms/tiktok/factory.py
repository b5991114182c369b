"""Factories of the TikTok tests: connectors, accounts at the stand-in, messages, webhook bodies."""

from __future__ import annotations

import json
import secrets
import time
from urllib.parse import parse_qsl, quote, urlsplit

from pydantic import SecretStr

from server.config import TikTokSettings
from server.platforms.port import (
    AccountCredentials,
    Channel,
    Event,
    OutgoingKind,
    OutgoingMessage,
    PageCredentials,
    RawEvent,
)
from server.platforms.tiktok.connector import TikTokConnector
from tests.standin_server import APPS_ENVIRONMENT, Platform

KEY = APPS_ENVIRONMENT["TIKTOK_CLIENT_KEY"]
SECRET = APPS_ENVIRONMENT["TIKTOK_CLIENT_SECRET"]
CALLBACK = "http://127.0.0.1:9/webhooks/tiktok"
REDIRECT = "http://127.0.0.1:9/oauth/tiktok"
PERSON = "+ZMM6I2kBFMYfuEhZjEEt6o0FEebXi68VHcHvO0WgQlZMkbqHafwNm7D4qoyqm52"
ACCOUNT = "-000m4JH_b1JiHPxoOSKii9FmQCeIA2fZ7Jw"
THREAD = "u5J+/pselBAhoPOlnH0tZ9y07kg=="
AT_MS = 1_789_814_497_488


def a_connector(
    url: str = "http://127.0.0.1:9", *, secret: str = SECRET, now_s: float | None = None
) -> TikTokConnector:
    """A connector whose platform is at this address; `now_s` stops its clock."""
    base = f"{url}/tiktok" if "/tiktok" not in url else url
    settings = TikTokSettings(
        TIKTOK_CLIENT_KEY=KEY, TIKTOK_CLIENT_SECRET=SecretStr(secret), TIKTOK_API_URL=base, TIKTOK_DIALOG_URL=base
    )
    clock = time.time if now_s is None else lambda: now_s
    return TikTokConnector(settings, CALLBACK, now_s=clock)


def an_id(prefix: str = "-000") -> str:
    """A fresh id of an account or, with a plus in front, of a person."""
    return f"{prefix}{secrets.token_urlsafe(12)}_-"


def a_page(account: str = ACCOUNT, token: str = "act.token") -> PageCredentials:
    """What a call for this account needs."""
    return PageCredentials(Channel.TIKTOK, account, token, account_token=token, account_external_id=account)


def a_message(text: str = "hello", **more: object) -> OutgoingMessage:
    """A reply in the conversation of PERSON."""
    given: dict[str, object] = {
        "recipient_external_id": PERSON,
        "text": text,
        "reference": "sb1:1:1",
        "kind": OutgoingKind.MESSAGE,
        "thread_external_id": THREAD,
    }
    return OutgoingMessage(**(given | more))  # type: ignore[arg-type]


async def an_account(
    platform: Platform, account: str | None = None, **more: object
) -> tuple[PageCredentials, AccountCredentials]:
    """Let an account exist at the stand-in; return what calls about it need."""
    name = account or an_id()
    [made] = (await platform.control("tiktok/accounts", [{"id": name, **more}]))["accounts"]
    grant = AccountCredentials(Channel.TIKTOK, name, made["access_token"], refresh_token=made["refresh_token"])
    return a_page(name, made["access_token"]), grant


async def a_person(
    platform: Platform, page: PageCredentials, person: str, *, wrote_s_ago: int = 60, **more: object
) -> str:
    """Let a person have written; return the conversation."""
    body = {"account": page.page_external_id, "person": person, "wrote_s_ago": wrote_s_ago, **more}
    [made] = (await platform.control("tiktok/customers", [body]))["customers"]
    return str(made["conversation_id"])


async def does(platform: Platform, page: PageCredentials, person: str, deed: str, **given: object) -> dict[str, str]:
    """Let a person do something on the phone."""
    path = f"tiktok/customers/{quote(page.page_external_id, safe='')}/{quote(person, safe='')}/{deed}"
    found: dict[str, str] = await platform.control(path, given)
    return found


async def consent(
    platform: Platform, address: str, account: str, *, action: str = "allow", **more: str
) -> dict[str, str]:
    """Answer the dialogue for an account and return what the redirect brings back."""
    answer = await platform.http.post(address, data={"account": account, "action": action, **more})
    assert answer.status_code == 302, answer.text
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def a_body(event: str, content: object, **more: object) -> bytes:
    """The documented body of a webhook; `content` becomes the string of JSON that it is there."""
    told = content if isinstance(content, str) else json.dumps(content)
    envelope = {
        "client_key": KEY,
        "event": event,
        "create_time": AT_MS // 1000,
        "user_openid": ACCOUNT,
        "content": told,
    }
    return json.dumps(envelope | more).encode()


def inbound(**more: object) -> dict[str, object]:
    """The content of a message from PERSON to ACCOUNT, without the message itself."""
    return {
        "from": "grace",
        "to": "bakery",
        "unique_identifier": PERSON,
        "from_user": {"id": PERSON, "role": "personal_account"},
        "to_user": {"id": ACCOUNT, "role": "business_account"},
        "conversation_id": THREAD,
        "message_id": "u5B+/1==",
        "timestamp": AT_MS,
        "scene_type": 0,
        "is_follower": True,
        "message_tag": {"source": "APP"},
        **more,
    }


def outbound(**more: object) -> dict[str, object]:
    """The content of a message from ACCOUNT to PERSON, without the message itself."""
    there = inbound()
    turned = {"from": there["to"], "to": there["from"], "from_user": there["to_user"], "to_user": there["from_user"]}
    return there | turned | {"unique_identifier": ACCOUNT} | more


def read(body: bytes) -> list[tuple[RawEvent, Event]]:
    """Split and read a whole body."""
    connector = a_connector()
    return [
        (raw, event)
        for raw in connector.split(body)
        for event in connector.parse(raw.kind, raw.page_external_id, raw.payload)
    ]
