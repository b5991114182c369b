"""X's rig: accounts whose people write direct messages, told in one generation of webhooks."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, urlsplit

from server.config import XSettings
from server.platforms.port import (
    AccountCredentials,
    Channel,
    Connector,
    FailureReason,
    Login,
    OutgoingMessage,
    PageCredentials,
)
from server.platforms.x.connector import XConnector
from tests.platforms.contract.rig import Refused
from tests.standin_server import APPS, Platform

_APP = APPS["x"]
# The app has one webhook; the stand-in posts an account's events to the callback of its test instead.
_REGISTERED = "http://127.0.0.1:9/webhooks/x"

R = FailureReason
# name, status, body: platforms.md 4.3 and 8, by hand and not by the tables under test.
_CODES = (
    ("bad authentication", 401, 32, R.AUTH, False),
    ("dead token", 401, 89, R.AUTH, False),
    ("rate", 429, 88, R.RATE_LIMITED, True),
    ("no direct message permission", 403, 93, R.PERMISSION, False),
    ("does not follow", 403, 150, R.NOT_CONNECTED, False),
    ("send failed", 403, 151, R.POLICY, False),
    ("looks automated", 403, 226, R.POLICY, False),
    ("may not message this person", 403, 349, R.PRIVACY_BLOCKED, False),
    ("duplicate", 403, 187, R.BAD_CONTENT, False),
)
_PROBLEMS = (
    ("unauthorized", 401, "Unauthorized", R.AUTH, False),
    ("too many", 429, "Too Many Requests", R.RATE_LIMITED, True),
    ("this person", 403, "You cannot send messages to this user.", R.PRIVACY_BLOCKED, False),
    ("automated", 403, "This request looks like it might be automated.", R.POLICY, False),
    ("bad request", 400, "One or more parameters to your request was invalid.", R.BAD_CONTENT, False),
)


class XRig:
    """X on both sides of the wire; `events` says which generation of webhooks the app has."""

    channel = Channel.X
    login = Login.DIRECT

    def __init__(self, events: str) -> None:
        self._events = events

    def connector(self, standin_url: str) -> Connector:
        """A connector of the suite's app."""
        settings = XSettings(
            X_CLIENT_ID=_APP["client_id"],
            X_CLIENT_SECRET=_APP["client_secret"],
            X_CONSUMER_SECRET=_APP["consumer_secret"],
            X_BEARER_TOKEN=_APP["bearer_token"],
            X_EVENTS=self._events,
            X_API_URL=f"{standin_url}/x",
            X_DIALOG_URL=f"{standin_url}/x",
        )
        return XConnector(settings, _REGISTERED)

    async def an_account(self, platform: Platform, external_id: str, *, callback: str | None = None) -> PageCredentials:
        """An account with both tokens."""
        about = {"id": external_id, "name": "Bakery", "access_token": f"at-{external_id}"}
        about |= {"refresh_token": f"rt-{external_id}"} | ({"callback_url": callback} if callback else {})
        [made] = (await platform.control("x/accounts", about))["accounts"]
        if callback is not None:
            wanted = {"callback_url": _REGISTERED, "generation": self._events}
            await platform.control(f"x/accounts/{external_id}/subscribe", wanted)
        return PageCredentials(
            Channel.X, external_id, made["access_token"], made["access_token"], account_external_id=external_id
        )

    async def a_person(self, platform: Platform, page: PageCredentials, person: str) -> None:
        """A person whose messages are open to the account."""
        await platform.control("x/customers", {"account": page.page_external_id, "person": person})

    async def says(self, platform: Platform, page: PageCredentials, person: str, text: str) -> str:
        """The person writes."""
        told = await platform.control(f"x/customers/{page.page_external_id}/{person}/message", {"text": text})
        return str(told["id"])

    def message(self, page: PageCredentials, person: str, text: str) -> OutgoingMessage:
        """An answer."""
        return OutgoingMessage(person, text, f"sb1:{person}:1")

    async def walk_dialogue(self, platform: Platform, authorize_url: str, *, refuse: bool = False) -> dict[str, str]:
        """Consent as one account: a login at X is never more (platforms.md 4.1)."""
        account = str(time.time_ns())
        await platform.control("x/accounts", {"id": account, "name": "Bakery"})
        form = {"account": account, "action": "refuse" if refuse else "allow"}
        answer = await platform.http.post(authorize_url, data=form)
        assert answer.status_code == 302, answer.text
        return dict(parse_qsl(urlsplit(answer.headers["location"]).query))

    async def expire(self, platform: Platform, page: PageCredentials) -> None:
        """End the account's access tokens."""
        await platform.control(f"x/accounts/{page.page_external_id}/expire", {})

    def account_of(self, page: PageCredentials) -> AccountCredentials:
        """The account's own grant."""
        account = page.page_external_id
        return AccountCredentials(Channel.X, account, page.page_token, refresh_token=f"rt-{account}")

    def sign(self, body: bytes) -> Mapping[str, str]:
        """The signature of platforms.md 4.5."""
        digest = hmac.new(_APP["consumer_secret"].encode(), body, hashlib.sha256).digest()
        return {"x-twitter-webhooks-signature": "sha256=" + base64.b64encode(digest).decode()}

    def a_webhook(self, page: PageCredentials, person: str, text: str, message_id: str) -> bytes:
        """One text in the form of the rig's generation."""
        account = page.page_external_id
        item = {
            "type": "message_create",
            "id": message_id,
            "created_timestamp": str(time.time_ns() // 1_000_000),
            "message_create": {
                "target": {"recipient_id": account},
                "sender_id": person,
                "message_data": {"text": text, "entities": {"hashtags": [], "urls": []}},
            },
        }
        if self._events == "account":
            users = {person: {"id": person, "name": "Grace", "screen_name": "grace"}}
            return json.dumps({"for_user_id": account, "direct_message_events": [item], "users": users}).encode()
        payload = {"direct_message_events": [item], "users": {person: {"data": {"id": person, "name": "Grace"}}}}
        data = {"event_uuid": str(-time.time_ns()), "filter": {"user_id": account}, "event_type": "dm.received"}
        return json.dumps({"data": {**data, "tag": "t", "payload": payload}}, ensure_ascii=False).encode()

    def refusals(self) -> Sequence[Refused]:
        """Every code in the older shape, and what is told as a problem document."""
        coded = [
            (f"{name} {code}", status, {"errors": [{"code": code, "message": "no"}]}, reason, again)
            for name, status, code, reason, again in _CODES
        ]
        told = [
            (name, status, {"title": "T", "detail": detail, "type": "about:blank", "status": status}, reason, again)
            for name, status, detail, reason, again in _PROBLEMS
        ]
        return [
            Refused(name, {"match": {"op": "send"}, "action": "error", "status": status, "body": body}, reason, again)
            for name, status, body, reason, again in (*coded, *told)
        ]
