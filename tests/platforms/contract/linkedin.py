"""LinkedIn's rig: organisations, below whose posts people comment. There are no messages, so a reply is a comment."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, urlsplit

from server.config import LinkedInSettings
from server.platforms.linkedin.connector import LinkedInConnector
from server.platforms.port import (
    AccountCredentials,
    Channel,
    Connector,
    FailureReason,
    Login,
    OutgoingKind,
    OutgoingMessage,
    PageCredentials,
)
from tests.platforms.contract.rig import Refused
from tests.standin_server import APPS_ENVIRONMENT, Platform

SECRET = APPS_ENVIRONMENT["LINKEDIN_CLIENT_SECRET"]
CALLBACK = "https://switchboard.test/webhooks/linkedin"
R = FailureReason
# name, status, serviceErrorCode, reason, retryable: platforms.md 5.2, 5.3 and 8, by hand.
_STATUSES = (
    ("bad field", 400, 0, R.BAD_CONTENT, False),
    ("token expired", 401, 65602, R.AUTH, False),
    ("token revoked", 401, 65601, R.AUTH, False),
    ("role lost", 403, 100, R.PERMISSION, False),
    ("comment gone", 404, 0, R.BAD_CONTENT, False),
    ("not to be processed", 422, 0, R.BAD_CONTENT, False),
    ("version retired", 426, 0, R.TRANSIENT, True),
    ("used up", 429, 101, R.RATE_LIMITED, True),
)


def settings_of(standin_url: str, **more: object) -> LinkedInSettings:
    """The suite's app, whose platform is the stand-in."""
    at = {"LINKEDIN_API_URL": f"{standin_url}/linkedin", "LINKEDIN_DIALOG_URL": f"{standin_url}/linkedin"}
    ours = {name: value for name, value in APPS_ENVIRONMENT.items() if name.startswith("LINKEDIN_")}
    return LinkedInSettings.model_validate({**ours, **at, **more})


class LinkedInRig:
    """LinkedIn on both sides of the wire."""

    channel = Channel.LINKEDIN
    login = Login.DIRECT
    lists_prove = False

    def __init__(self) -> None:
        self._comments: dict[tuple[str, str], str] = {}
        self._callbacks: dict[str, str] = {}

    def named(self, what: str, number: str) -> str:
        """URNs."""
        if what == "message":
            return f"urn:li:comment:(urn:li:activity:7094637247890620418,{number.removeprefix('id-')})"
        return {"account": "urn:li:organization:", "person": "urn:li:person:"}[what] + number

    def connector(self, standin_url: str) -> Connector:
        """A connector of the suite's app. Subscriptions go to where `an_account` was last told to post."""
        return _Redirecting(settings_of(standin_url), self._callbacks)

    async def an_account(self, platform: Platform, external_id: str, *, callback: str | None = None) -> PageCredentials:
        """An organisation with a post and an administrator."""
        await platform.control("linkedin/app", {"retry_ms": 100, "is_partner": True})
        person = f"admin-{external_id}"
        given = {"id": external_id, "name": "Bakery", "person": person, "subscribed": callback is not None}
        where = {"callback_url": callback} if callback else {}
        made = (await platform.control("linkedin/organizations", [given | where]))["organizations"][0]
        await platform.control("linkedin/posts", [{"organization": external_id, "text": "We bake."}])
        if callback:
            self._callbacks[made["id"]] = callback
        return PageCredentials(
            Channel.LINKEDIN,
            made["id"],
            made["access_token"],
            made["access_token"],
            account_external_id=made["person"],
        )

    async def a_person(self, platform: Platform, page: PageCredentials, person: str) -> None:
        """A person who commented an hour ago, silently."""
        await self._comment(platform, page, person, "Hello there", s_ago=3_600)

    async def says(self, platform: Platform, page: PageCredentials, person: str, text: str) -> str:
        """The person comments below the newest post."""
        return await self._comment(platform, page, person, text)

    def message(self, page: PageCredentials, person: str, text: str) -> OutgoingMessage:
        """A public reply to the person's last comment."""
        comment = self._comments.get((page.page_external_id, person)) or self.named("message", "1")
        return OutgoingMessage(person, text, f"sb1:{person[-20:]}:1", OutgoingKind.COMMENT_REPLY, comment_id=comment)

    async def walk_dialogue(self, platform: Platform, authorize_url: str, *, refuse: bool = False) -> dict[str, str]:
        """Consent as an administrator of two organisations."""
        number = time.time_ns()
        person = f"dialogue-{number}"
        pages = [{"id": f"{one}{number}", "name": "Bakery", "person": person} for one in (1, 2)]
        await platform.control("linkedin/organizations", pages)
        form = {"person": f"urn:li:person:{person}", "action": "refuse" if refuse else "allow"}
        answer = await platform.http.post(authorize_url, data=form)
        assert answer.status_code == 302, answer.text
        return dict(parse_qsl(urlsplit(answer.headers["location"]).query))

    async def expire(self, platform: Platform, page: PageCredentials) -> None:
        """End the administrator's access tokens."""
        await platform.control(f"linkedin/people/{page.account_external_id}/expire", {})

    def account_of(self, page: PageCredentials) -> AccountCredentials:
        """The administrator's grant."""
        return AccountCredentials(Channel.LINKEDIN, page.account_external_id or "", page.page_token)

    def sign(self, body: bytes) -> Mapping[str, str]:
        """The header of platforms.md 5.4: the digest alone, over the prefix and the body."""
        return {"x-li-signature": hmac.new(SECRET.encode(), b"hmacsha256=" + body, hashlib.sha256).hexdigest()}

    def a_webhook(self, page: PageCredentials, person: str, text: str, message_id: str) -> bytes:
        """One comment, in the two spellings of its URN that the platform itself uses."""
        thread, _, number = message_id.removeprefix("urn:li:comment:(").removesuffix(")").partition(",")
        told = {"entity": message_id, "owner": person, "object": thread, "text": text}
        notification = {
            "notificationId": int(number) % 10**12,
            "organizationalEntity": page.page_external_id,
            "action": "COMMENT",
            "sourcePost": thread,
            "decoratedSourcePost": {
                "entity": "urn:li:share:7094637247487995904",
                "owner": page.page_external_id,
                "text": "We bake.",
                "mediaCategory": "NONE",
            },
            "generatedActivity": f"urn:li:comment:({thread.removeprefix('urn:li:')},{number})",
            "decoratedGeneratedActivity": {"comment": told},
            "lastModifiedAt": time.time_ns() // 1_000_000,
            "subscriber": "urn:li:person:subscriber",
        }
        body = {"type": "ORGANIZATION_SOCIAL_ACTION_NOTIFICATIONS", "notifications": [notification]}
        return json.dumps(body, ensure_ascii=False).encode()

    def refusals(self) -> Sequence[Refused]:
        """Every row of the table."""
        rule = {"match": {"op": "send"}, "action": "error"}
        return [
            Refused(name, {**rule, "status": status, "code": code}, reason, again)
            for name, status, code, reason, again in _STATUSES
        ]

    async def _comment(
        self, platform: Platform, page: PageCredentials, person: str, text: str, *, s_ago: int = 0
    ) -> str:
        given = {"organization": page.page_external_id, "text": text, "s_ago": s_ago}
        query = "?silent=1" if s_ago else ""
        told = await platform.control(f"linkedin/people/{person}/comment{query}", given)
        self._comments[page.page_external_id, person] = told["comment"]
        return str(told["comment"])


class _Redirecting(LinkedInConnector):
    """The connector, whose callback is that of the account at hand: every test of the suite listens elsewhere."""

    def __init__(self, settings: LinkedInSettings, callbacks: Mapping[str, str]) -> None:
        super().__init__(settings, CALLBACK)
        self._callbacks = callbacks

    async def subscribe(self, page: PageCredentials) -> None:
        """As the connector's, with the page's callback."""
        self._callback = self._callbacks.get(page.page_external_id, CALLBACK)
        await super().subscribe(page)

    async def is_subscribed(self, page: PageCredentials) -> bool:
        """As the connector's, with the page's callback."""
        self._callback = self._callbacks.get(page.page_external_id, CALLBACK)
        return await super().is_subscribed(page)
