"""Instagram's two rigs: accounts that signed in at Instagram, and accounts behind Facebook pages."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, urlencode, urlsplit

from server.config import InstagramSettings, MessengerSettings
from server.platforms.instagram.connector import InstagramConnector
from server.platforms.meta.subscribing import INSTAGRAM_FIELDS
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
from tests.standin_server import APP_ID, APPS, APPS_ENVIRONMENT, SECRET, VERIFY_TOKEN, Platform

_REDIRECT = "http://127.0.0.1:9/rig"
_APP = APPS["instagram"]
_SCOPES = (
    "instagram_basic,instagram_manage_messages,instagram_manage_comments,pages_show_list,pages_manage_metadata,"
    "pages_messaging,business_management"
)

R = FailureReason
# name, code, subcode, reason, retryable: platforms.md 1.2, 2.3, 3.2 and 8, by hand and not by the tables under test.
_CODES = (
    ("app limit", 4, None, R.RATE_LIMITED, True),
    ("user limit", 17, None, R.RATE_LIMITED, True),
    ("page limit", 32, None, R.RATE_LIMITED, True),
    ("custom limit", 613, None, R.RATE_LIMITED, True),
    ("limit of Instagram", 80002, None, R.RATE_LIMITED, True),
    ("app limit, other spelling", 341, None, R.RATE_LIMITED, True),
    ("outside the window", 10, 2534022, R.WINDOW_CLOSED, False),
    ("outside the window, Messenger", 10, 2018278, R.WINDOW_CLOSED, False),
    ("cannot receive now", 10, 2018108, R.BLOCKED_BY_CONTACT, False),
    ("restricted", 10, 1893063, R.PAGE_RESTRICTED, True),
    ("link or second factor", 10, 2534077, R.AUTH, False),
    ("permission", 10, None, R.PERMISSION, False),
    ("no capability", 3, None, R.PERMISSION, False),
    ("parameter", 100, None, R.BAD_CONTENT, False),
    ("nobody", 100, 2534014, R.BLOCKED_BY_CONTACT, False),
    ("bad message", 100, 2534015, R.BAD_CONTENT, False),
    ("comment takes no private reply", 100, 2534025, R.POLICY, False),
    ("business blocked", 100, 2534029, R.BLOCKED_BY_CONTACT, False),
    ("comment answered", 10900, None, R.POLICY, False),
    ("thread of another app", 100, 2534037, R.POLICY, False),
    ("thread deleted", 100, 2534001, R.BLOCKED_BY_CONTACT, False),
    ("object gone", 100, 33, R.BAD_CONTENT, False),
    ("foreign attachment", 100, 2018074, R.BAD_CONTENT, False),
    ("no token", 104, None, R.AUTH, False),
    ("session", 102, None, R.AUTH, False),
    ("app removed", 190, 458, R.AUTH, False),
    ("checkpoint", 190, 459, R.AUTH, False),
    ("password changed", 190, 460, R.AUTH, False),
    ("expired", 190, 463, R.AUTH, False),
    ("access switched off", 200, 2534041, R.PERMISSION, False),
    ("no permission", 200, None, R.PERMISSION, False),
    ("blocked for policy", 368, None, R.PAGE_RESTRICTED, True),
    ("same text again", 506, None, R.BAD_CONTENT, False),
    ("blocked", 551, 1545041, R.BLOCKED_BY_CONTACT, False),
    ("unknown path", 2500, None, R.BAD_CONTENT, False),
    ("target deleted", 9000001, None, R.BAD_CONTENT, False),
)


def a_facebook_app(url: str) -> MessengerSettings:
    """The app that Messenger has, and accounts behind Facebook pages share."""
    return MessengerSettings(
        MESSENGER_APP_ID=APP_ID,
        MESSENGER_APP_SECRET=SECRET,
        MESSENGER_VERIFY_TOKEN=VERIFY_TOKEN,
        MESSENGER_GRAPH_URL=url,
        MESSENGER_DIALOG_URL=url,
    )


def a_connector(url: str = "http://127.0.0.1:1") -> InstagramConnector:
    """A connector of the suite's apps."""
    own = InstagramSettings(
        INSTAGRAM_APP_ID=APPS_ENVIRONMENT["INSTAGRAM_APP_ID"],
        INSTAGRAM_APP_SECRET=APPS_ENVIRONMENT["INSTAGRAM_APP_SECRET"],
        INSTAGRAM_VERIFY_TOKEN=APPS_ENVIRONMENT["INSTAGRAM_VERIFY_TOKEN"],
        INSTAGRAM_GRAPH_URL=f"{url}/instagram",
        INSTAGRAM_TOKEN_URL=f"{url}/instagram",
        INSTAGRAM_DIALOG_URL=f"{url}/instagram",
    )
    return InstagramConnector(own, a_facebook_app(url))


def signed(body: bytes, secret: str) -> Mapping[str, str]:
    """Both signatures of platforms.md 1.4."""
    return {
        "x-hub-signature": "sha1=" + hmac.new(secret.encode(), body, hashlib.sha1).hexdigest(),
        "x-hub-signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
    }


class _Rig:
    """What both logins share."""

    channel = Channel.INSTAGRAM
    login: Login

    def connector(self, standin_url: str) -> Connector:
        """A connector of the suite's apps."""
        return a_connector(standin_url)

    async def a_person(self, platform: Platform, page: PageCredentials, person: str) -> None:
        """A person who wrote a minute ago."""
        about = {"account": page.page_external_id, "person": person, "name": "Grace", "wrote_s_ago": 60}
        await platform.control("instagram/customers", [about])

    async def says(self, platform: Platform, page: PageCredentials, person: str, text: str) -> str:
        """The person writes."""
        told = await platform.control(f"instagram/customers/{page.page_external_id}/{person}/message", {"text": text})
        return str(told["mid"])

    def message(self, page: PageCredentials, person: str, text: str) -> OutgoingMessage:
        """An answer inside the window."""
        return OutgoingMessage(person, text, f"sb1:{person}:1")

    async def expire(self, platform: Platform, page: PageCredentials) -> None:
        """End the account's tokens."""
        await platform.control(f"instagram/accounts/{page.page_external_id}/expire", {})

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
        return json.dumps({"object": "instagram", "entry": [entry]}).encode()

    def refusals(self) -> Sequence[Refused]:
        """Every row of the tables."""
        return [
            Refused(name, {"match": {"op": "send"}, "action": "error", "code": code} | _subcode(subcode), reason, again)
            for name, code, subcode, reason, again in _CODES
        ]


class DirectRig(_Rig):
    """Accounts that signed in at Instagram itself."""

    login = Login.DIRECT

    async def an_account(self, platform: Platform, external_id: str, *, callback: str | None = None) -> PageCredentials:
        """An account of our own app with a long-lived token that is two days old."""
        about = {"id": external_id, "username": "bakery", "subscribed": True, "issued_s_ago": 172_800}
        body = [about | ({"callback_url": callback} if callback else {})]
        [row] = (await platform.control("instagram/accounts", body))["accounts"]
        return PageCredentials(
            Channel.INSTAGRAM,
            external_id,
            row["access_token"],
            row["access_token"],
            login=Login.DIRECT,
            account_external_id=row["scoped"],
        )

    async def walk_dialogue(self, platform: Platform, authorize_url: str, *, refuse: bool = False) -> dict[str, str]:
        """Consent for one account: this dialogue knows no more than that."""
        account = f"178{time.time_ns()}"
        await platform.control("instagram/accounts", [{"id": account, "username": "bakery"}])
        form = {"account": account, "action": "refuse" if refuse else "allow"}
        return await posted(platform, authorize_url, form)

    def account_of(self, page: PageCredentials) -> AccountCredentials:
        """The token of the account."""
        return AccountCredentials(
            Channel.INSTAGRAM, page.account_external_id or "", page.account_token or "", Login.DIRECT
        )

    def sign(self, body: bytes) -> Mapping[str, str]:
        """With the secret of Instagram's own app."""
        return signed(body, _APP["app_secret"])


class FacebookRig(_Rig):
    """Accounts behind Facebook pages, by Messenger's app."""

    login = Login.FACEBOOK

    async def an_account(self, platform: Platform, external_id: str, *, callback: str | None = None) -> PageCredentials:
        """An account behind the page of a person who consented to everything."""
        owner = f"9{external_id}"
        page = await self._linked(platform, owner, external_id, callback)
        dialogue = {"client_id": APP_ID, "redirect_uri": _REDIRECT, "scope": _SCOPES, "response_type": "code"}
        address = f"{platform.url}/dialog/oauth?{urlencode(dialogue)}"
        code = (await posted(platform, address, {"person": owner, "action": "allow"}))["code"]
        query = {"client_id": APP_ID, "client_secret": SECRET, "redirect_uri": _REDIRECT, "code": code}
        user = (await platform.http.get(f"{platform.url}/oauth/access_token", params=query)).json()["access_token"]
        listed = await platform.http.get(f"{platform.url}/me/accounts", headers={"authorization": f"Bearer {user}"})
        return PageCredentials(
            Channel.INSTAGRAM,
            external_id,
            listed.json()["data"][0]["access_token"],
            user,
            login=Login.FACEBOOK,
            parent_external_id=page,
            account_external_id=owner,
        )

    async def walk_dialogue(self, platform: Platform, authorize_url: str, *, refuse: bool = False) -> dict[str, str]:
        """Consent as a person with two pages, each with an account."""
        person = f"8{time.time_ns()}"
        for number in (1, 2):
            await self._linked(platform, person, f"{number}{person}", None)
        form = {"person": person, "action": "refuse" if refuse else "allow"}
        return await posted(platform, authorize_url, form)

    def account_of(self, page: PageCredentials) -> AccountCredentials:
        """The user token behind the page."""
        return AccountCredentials(
            Channel.INSTAGRAM, page.account_external_id or "", page.account_token or "", Login.FACEBOOK
        )

    def sign(self, body: bytes) -> Mapping[str, str]:
        """With the secret of Messenger's app."""
        return signed(body, SECRET)

    async def _linked(self, platform: Platform, owner: str, external_id: str, callback: str | None) -> str:
        """A page of that person with the account behind it; return the page's id."""
        page = f"7{external_id}"
        await platform.control("people", [{"id": owner, "name": "Ada"}])
        about = {"id": page, "name": "Bakery", "people": [owner], "subscribed": [*INSTAGRAM_FIELDS]}
        await platform.control("pages", [about])
        account = {"id": external_id, "username": "bakery", "page": page}
        body = [account | ({"callback_url": callback} if callback else {})]
        await platform.control("instagram/accounts", body)
        return page


async def posted(platform: Platform, address: str, form: dict[str, str]) -> dict[str, str]:
    """Answer a dialogue and return what the redirect brings back."""
    answer = await platform.http.post(address, data=form)
    assert answer.status_code == 302, answer.text
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def _subcode(subcode: int | None) -> dict[str, object]:
    return {} if subcode is None else {"subcode": subcode}
