"""TikTok's rig: business accounts, whose people open conversations with them."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, quote, urlsplit

from server.config import TikTokSettings
from server.platforms.port import (
    AccountCredentials,
    Channel,
    Connector,
    FailureReason,
    Login,
    OutgoingMessage,
    PageCredentials,
)
from server.platforms.tiktok.connector import TikTokConnector
from tests.platforms.contract.rig import Refused
from tests.standin_server import APPS_ENVIRONMENT, Platform

_KEY, _SECRET = APPS_ENVIRONMENT["TIKTOK_CLIENT_KEY"], APPS_ENVIRONMENT["TIKTOK_CLIENT_SECRET"]
_CALLBACK = "http://127.0.0.1:9/webhooks/tiktok"

R = FailureReason
# code, reason, retryable: platforms.md 6.2 and 8, by hand and not by the table under test.
_CODES = (
    ("no permission", 40001, R.PERMISSION, False),
    ("bad parameter", 40002, R.BAD_CONTENT, False),
    ("not found", 40007, R.BLOCKED_BY_CONTACT, False),
    ("rules of direct messages", 40064, R.WINDOW_CLOSED, False),
    ("too frequent", 40100, R.RATE_LIMITED, True),
    ("token", 40105, R.AUTH, False),
    ("file type", 40908, R.BAD_CONTENT, False),
)


class TikTokRig:
    """TikTok on both sides of the wire."""

    channel = Channel.TIKTOK
    login = Login.DIRECT

    def __init__(self) -> None:
        self._threads: dict[tuple[str, str], str] = {}
        self._refresh: dict[str, str] = {}

    def connector(self, standin_url: str) -> Connector:
        """A connector of the suite's app."""
        base = f"{standin_url}/tiktok"
        settings = TikTokSettings(
            TIKTOK_CLIENT_KEY=_KEY, TIKTOK_CLIENT_SECRET=_SECRET, TIKTOK_API_URL=base, TIKTOK_DIALOG_URL=base
        )
        return TikTokConnector(settings, _CALLBACK)

    async def an_account(self, platform: Platform, external_id: str, *, callback: str | None = None) -> PageCredentials:
        """A business account whose app is subscribed, as it is for all accounts at once."""
        given = {"id": external_id, "callback_url": callback}
        [made] = (await platform.control("tiktok/accounts", [given]))["accounts"]
        await platform.control("tiktok/app", {"callback_url": _CALLBACK})
        self._refresh[external_id] = made["refresh_token"]
        token = made["access_token"]
        return PageCredentials(self.channel, external_id, token, token, account_external_id=external_id)

    async def a_person(self, platform: Platform, page: PageCredentials, person: str) -> None:
        """A person who wrote a minute ago, so that there is a conversation and its window is open."""
        given = {"account": page.page_external_id, "person": person, "wrote_s_ago": 60}
        [made] = (await platform.control("tiktok/customers", [given]))["customers"]
        self._threads[(page.page_external_id, person)] = made["conversation_id"]

    async def says(self, platform: Platform, page: PageCredentials, person: str, text: str) -> str:
        """The person writes."""
        path = f"tiktok/customers/{quote(page.page_external_id, safe='')}/{quote(person, safe='')}/message"
        told = await platform.control(path, {"text": text})
        self._threads[(page.page_external_id, person)] = told["conversation_id"]
        return str(told["message_id"])

    def message(self, page: PageCredentials, person: str, text: str) -> OutgoingMessage:
        """An answer in the person's conversation."""
        thread = self._threads.get((page.page_external_id, person))
        return OutgoingMessage(person, text, f"sb1:{person}:1", thread_external_id=thread)

    async def walk_dialogue(self, platform: Platform, authorize_url: str, *, refuse: bool = False) -> dict[str, str]:
        """Consent for one of two accounts: a login is for one account."""
        names = [f"-000{number}_{time.time_ns()}" for number in range(2)]
        await platform.control("tiktok/accounts", [{"id": name, "display_name": "Bakery"} for name in names])
        form = {"account": names[0], "action": "refuse" if refuse else "allow"}
        answer = await platform.http.post(authorize_url, data=form)
        assert answer.status_code == 302, answer.text
        return dict(parse_qsl(urlsplit(answer.headers["location"]).query))

    async def expire(self, platform: Platform, page: PageCredentials) -> None:
        """End the account's access token."""
        await platform.control(f"tiktok/accounts/{quote(page.page_external_id, safe='')}/expire", {})

    def account_of(self, page: PageCredentials) -> AccountCredentials:
        """The grant of the account, which is the account's own."""
        name = page.page_external_id
        return AccountCredentials(self.channel, name, page.page_token, Login.DIRECT, self._refresh.get(name))

    def sign(self, body: bytes) -> Mapping[str, str]:
        """The signature of platforms.md 6.4, of this second."""
        at = str(int(time.time()))
        digest = hmac.new(_SECRET.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
        return {"tiktok-signature": f"t={at},s={digest}"}

    def a_webhook(self, page: PageCredentials, person: str, text: str, message_id: str) -> bytes:
        """One text; the content is a string of JSON."""
        now = time.time_ns() // 1_000_000
        content = {
            "timestamp": now,
            "unique_identifier": person,
            "from_user": {"id": person, "role": "personal_account"},
            "to_user": {"id": page.page_external_id, "role": "business_account"},
            "from": "grace",
            "to": "bakery",
            "conversation_id": "u5J+/conversation==",
            "message_id": message_id,
            "type": "text",
            "text": {"body": text},
        }
        envelope = {
            "client_key": _KEY,
            "event": "im_receive_msg",
            "create_time": now // 1000,
            "user_openid": page.page_external_id,
            "content": json.dumps(content),
        }
        return json.dumps(envelope).encode()

    def refusals(self) -> Sequence[Refused]:
        """Every code that proves that nothing was sent; 51065 proves nothing and is tested with the platform."""
        return [
            Refused(name, {"match": {"op": "send"}, "action": "error", "code": code}, reason, again)
            for name, code, reason, again in _CODES
        ]
