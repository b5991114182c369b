"""Messenger's rig: pages at Meta, whose people write to them."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, urlsplit

from server.config import MessengerSettings
from server.platforms.messenger.connector import MessengerConnector
from server.platforms.port import (
    AccountCredentials,
    Channel,
    Connector,
    FailureReason,
    Login,
    OutgoingMessage,
    PageCredentials,
)
from tests.platforms.contract.rig import Refused
from tests.standin_server import APP_ID, SECRET, VERIFY_TOKEN, Platform

_REDIRECT = "http://127.0.0.1:9/rig"

R = FailureReason
# name, code, subcode, reason, retryable: platforms.md 1.2, 2.3 and 8, by hand and not by the tables under test.
_CODES = (
    ("app limit", 4, None, R.RATE_LIMITED, True),
    ("user limit", 17, None, R.RATE_LIMITED, True),
    ("page limit", 32, None, R.RATE_LIMITED, True),
    ("custom limit", 613, None, R.RATE_LIMITED, True),
    ("custom limit of a thread", 613, 2534040, R.RATE_LIMITED, True),
    ("limit of Messenger", 80006, None, R.RATE_LIMITED, True),
    ("limit of pages", 80001, None, R.RATE_LIMITED, True),
    ("app limit, other spelling", 341, None, R.RATE_LIMITED, True),
    ("opt-in requests", 9, 2018352, R.RATE_LIMITED, True),
    ("privacy", 2, 2018344, R.PRIVACY_BLOCKED, False),
    ("outside the window", 10, 2018278, R.WINDOW_CLOSED, False),
    ("outside the window, news", 10, 2018065, R.WINDOW_CLOSED, False),
    ("outside the window, Instagram", 10, 2534022, R.WINDOW_CLOSED, False),
    ("cannot receive now", 10, 2018108, R.BLOCKED_BY_CONTACT, False),
    ("restricted", 10, 1893063, R.PAGE_RESTRICTED, True),
    ("restricted, other spelling", 10, 1404170, R.PAGE_RESTRICTED, True),
    ("topic stopped", 10, 1893015, R.OPTED_OUT, False),
    ("link or second factor", 10, 2534077, R.AUTH, False),
    ("permission", 10, None, R.PERMISSION, False),
    ("no capability", 3, None, R.PERMISSION, False),
    ("parameter", 100, None, R.BAD_CONTENT, False),
    ("nobody", 100, 2018001, R.BLOCKED_BY_CONTACT, False),
    ("media of a wrong type", 100, 2018047, R.BAD_CONTENT, False),
    ("media too large", 100, 2018109, R.BAD_CONTENT, False),
    ("video too slow", 100, 2018294, R.BAD_CONTENT, False),
    ("foreign attachment", 100, 2018074, R.BAD_CONTENT, False),
    ("thread of another app", 100, 2018300, R.POLICY, False),
    ("thread deleted", 100, 2534001, R.BLOCKED_BY_CONTACT, False),
    ("object gone", 100, 33, R.BAD_CONTENT, False),
    ("session", 102, None, R.AUTH, False),
    ("app removed", 190, 458, R.AUTH, False),
    ("checkpoint", 190, 459, R.AUTH, False),
    ("password changed", 190, 460, R.AUTH, False),
    ("expired", 190, 463, R.AUTH, False),
    ("unconfirmed", 190, 464, R.AUTH, False),
    ("invalid", 190, 467, R.AUTH, False),
    ("unreachable", 200, 1545041, R.BLOCKED_BY_CONTACT, False),
    ("no approval", 200, 2018028, R.PERMISSION, False),
    ("no permission", 200, None, R.PERMISSION, False),
    ("blocked for policy", 368, None, R.PAGE_RESTRICTED, True),
    ("same text again", 506, None, R.BAD_CONTENT, False),
    ("blocked", 551, 1545041, R.BLOCKED_BY_CONTACT, False),
    ("tags abused", 613, 2018338, R.PAGE_RESTRICTED, False),
    ("commerce account", 2022, None, R.PAGE_RESTRICTED, False),
    ("target deleted", 9000001, None, R.BAD_CONTENT, False),
)


class MessengerRig:
    """Messenger on both sides of the wire."""

    channel = Channel.MESSENGER
    login = Login.FACEBOOK

    def connector(self, standin_url: str) -> Connector:
        """A connector of the suite's app."""
        return MessengerConnector(
            MessengerSettings(
                MESSENGER_APP_ID=APP_ID,
                MESSENGER_APP_SECRET=SECRET,
                MESSENGER_VERIFY_TOKEN=VERIFY_TOKEN,
                MESSENGER_GRAPH_URL=standin_url,
                MESSENGER_DIALOG_URL=standin_url,
            )
        )

    async def an_account(self, platform: Platform, external_id: str, *, callback: str | None = None) -> PageCredentials:
        """A page of a person who consented to everything, with an ad account."""
        owner = f"9{external_id}"
        await self._pages(platform, owner, [external_id], callback)
        code = (await self._consent(platform, self._dialogue(platform.url), owner, "allow"))["code"]
        query = {"client_id": APP_ID, "client_secret": SECRET, "redirect_uri": _REDIRECT, "code": code}
        user = (await platform.http.get(f"{platform.url}/oauth/access_token", params=query)).json()["access_token"]
        listed = await platform.http.get(f"{platform.url}/me/accounts", headers={"authorization": f"Bearer {user}"})
        token = listed.json()["data"][0]["access_token"]
        return PageCredentials(
            Channel.MESSENGER,
            external_id,
            token,
            user,
            f"act_{external_id}",
            Login.FACEBOOK,
            account_external_id=owner,
        )

    async def a_person(self, platform: Platform, page: PageCredentials, person: str) -> None:
        """A person who wrote a minute ago."""
        await platform.a_customer(page.page_external_id, person)

    async def says(self, platform: Platform, page: PageCredentials, person: str, text: str) -> str:
        """The person writes."""
        told = await platform.control(f"customers/{page.page_external_id}/{person}/message", {"text": text})
        return str(told["mid"])

    def message(self, page: PageCredentials, person: str, text: str) -> OutgoingMessage:
        """An answer inside the window."""
        return OutgoingMessage(person, text, f"sb1:{person}:1")

    async def walk_dialogue(self, platform: Platform, authorize_url: str, *, refuse: bool = False) -> dict[str, str]:
        """Consent as a person with two pages."""
        person = f"8{time.time_ns()}"
        await self._pages(platform, person, [f"1{person}", f"2{person}"], None)
        return await self._consent(platform, authorize_url, person, "refuse" if refuse else "allow")

    async def expire(self, platform: Platform, page: PageCredentials) -> None:
        """End the page's token."""
        await platform.control(f"pages/{page.page_external_id}/expire_token", {})

    def account_of(self, page: PageCredentials) -> AccountCredentials:
        """The user token behind the page."""
        return AccountCredentials(
            Channel.MESSENGER, page.account_external_id or "", page.account_token or "", Login.FACEBOOK
        )

    def sign(self, body: bytes) -> Mapping[str, str]:
        """Both signatures of platforms.md 1.4."""
        return {
            "x-hub-signature": "sha1=" + hmac.new(SECRET.encode(), body, hashlib.sha1).hexdigest(),
            "x-hub-signature-256": "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest(),
        }

    def a_webhook(self, page: PageCredentials, person: str, text: str, message_id: str) -> bytes:
        """One text, non-ASCII characters escaped."""
        now = time.time_ns() // 1_000_000
        item = {
            "sender": {"id": person},
            "recipient": {"id": page.page_external_id},
            "timestamp": now,
            "message": {"mid": message_id, "text": text},
        }
        entry = {"id": page.page_external_id, "time": now, "messaging": [item]}
        return json.dumps({"object": "page", "entry": [entry]}).encode()

    def refusals(self) -> Sequence[Refused]:
        """Every row of the tables."""
        return [
            Refused(name, {"match": {"op": "send"}, "action": "error", "code": code} | _subcode(subcode), reason, again)
            for name, code, subcode, reason, again in _CODES
        ]

    async def _pages(self, platform: Platform, owner: str, pages: list[str], callback: str | None) -> None:
        await platform.control("people", [{"id": owner, "name": "Ada"}])
        about = {"people": [owner], "name": "Bakery"} | (
            {"callback_url": callback, "subscribed": True} if callback else {}
        )
        await platform.control("pages", [{"id": page, **about, "ad_account": {"id": f"act_{page}"}} for page in pages])

    def _dialogue(self, url: str) -> str:
        return f"{url}/dialog/oauth?client_id={APP_ID}&redirect_uri={_REDIRECT}&config_id=1&response_type=code"

    async def _consent(self, platform: Platform, address: str, person: str, action: str) -> dict[str, str]:
        answer = await platform.http.post(address, data={"person": person, "action": action})
        assert answer.status_code == 302, answer.text
        return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def _subcode(subcode: int | None) -> dict[str, object]:
    return {} if subcode is None else {"subcode": subcode}
