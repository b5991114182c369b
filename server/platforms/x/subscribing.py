"""Webhooks of X: one registration for our app, one subscription for each account, of either generation (platforms.md 4.5)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping

from server.platforms.port import FailureReason, PageCredentials, PlatformCallFailed
from server.platforms.wire.http import Answer, BadToken, path
from server.platforms.wire.reading import Json, identifier, items, mapping, text
from server.platforms.x.asking import DEADLINE_S, ask, failure_of, reach
from server.platforms.x.client import XCall, XClient, document
from server.platforms.x.oauth import user

EVENT_TYPES = (
    *("dm.received", "dm.sent", "dm.read", "dm.indicate_typing", "chat.received", "chat.sent"),
    *("post.mention.create", "post.reply.create", "oauth.revoke"),
)
TAG = "switchboard"
REGISTRATION_S = DEADLINE_S + 10.0
"""X calls us back while it registers, and gives us 10 seconds for that."""
_MAX_PAGES = 200
_NAMED = re.compile(r"\b([A-Z][A-Za-z]+(?:Failed|Exceeded|Invalid))\b", re.ASCII)
_THERE_ALREADY = "DuplicateSubscriptionFailed"
_REASONS = {
    "WebhookLimitExceeded": FailureReason.PERMISSION,
    "SubscriptionLimitExceeded": FailureReason.PERMISSION,
    "CrcValidationFailed": FailureReason.TRANSIENT,
    "UrlValidationFailed": FailureReason.POLICY,
}


class Subscriptions:
    """The subscriptions of our app. Remembers the id of its one webhook, so that connecting thousands asks for it once."""

    def __init__(self, client: XClient, callback_url: str, generation: str) -> None:
        self._client = client
        self._callback_url = callback_url
        self._is_older = generation == "account"
        self._webhook_id: str | None = None

    async def subscribe(self, page: PageCredentials) -> None:
        """Subscribe an account; doing it again changes nothing; raise PlatformCallFailed.

        A webhook that X does not know any more is registered anew, once.
        """
        try:
            await self._subscribe(page, await self._webhook())
        except _WebhookGone:
            self._webhook_id = None
            await self._subscribe(page, await self._webhook())

    async def is_subscribed(self, page: PageCredentials) -> bool:
        """Say whether our webhook is valid and every event of the account still comes; raise PlatformCallFailed."""
        webhook = await self._registered()
        if webhook is None or webhook.get("valid") is False:
            return False
        webhook_id = identifier(webhook.get("id")) or ""
        if self._is_older:
            where = path("2", "account_activity", "webhooks", webhook_id, "subscriptions", "all")
            answer = await reach(self._client, XCall("GET", where, user(page.page_token)))
            if answer.status == 404:
                return False
            if not answer.is_success:
                raise failure_of(answer)
            return mapping(answer.json().get("data")).get("subscribed") is True
        types = {text(one.get("event_type")) async for one in self._activities(page.page_external_id, webhook_id)}
        return types.issuperset(EVENT_TYPES)

    async def unsubscribe(self, page: PageCredentials) -> None:
        """End an account's events; doing it again changes nothing; raise PlatformCallFailed."""
        webhook = await self._registered()
        if webhook is None:
            return
        webhook_id = identifier(webhook.get("id")) or ""
        if self._is_older:
            account = page.page_external_id
            where = path("2", "account_activity", "webhooks", webhook_id, "subscriptions", account, "all")
            await self._delete(where)
            return
        mine = [one async for one in self._activities(page.page_external_id, webhook_id)]
        for one in mine:
            await self._delete(path("2", "activity", "subscriptions", _subscription_id(one)))

    async def _subscribe(self, page: PageCredentials, webhook_id: str) -> None:
        if self._is_older:
            where = path("2", "account_activity", "webhooks", webhook_id, "subscriptions", "all")
            await self._create(XCall("POST", where, user(page.page_token)))
            return
        for event_type in EVENT_TYPES:
            wanted: Json = {
                "event_type": event_type,
                "filter": {"user_id": page.page_external_id},
                "tag": TAG,
                "webhook_id": webhook_id,
            }
            where = path("2", "activity", "subscriptions")
            await self._create(XCall("POST", where, user(page.page_token), content=document(wanted)))

    async def _create(self, call: XCall) -> None:
        answer = await reach(self._client, call)
        if answer.is_success and mapping(answer.json().get("data")).get("subscribed") is not False:
            return
        named = _named(answer)
        if named == _THERE_ALREADY:
            return
        if named == "WebhookIdInvalid":
            raise _WebhookGone(failure_of(answer))
        raise _failure(answer)

    async def _webhook(self) -> str:
        """Return the id of our webhook: the remembered one, the registered one, or a new one. An invalid one is validated."""
        if self._webhook_id is not None:
            return self._webhook_id
        found = await self._registered()
        if found is None:
            found = await self._register()
        elif found.get("valid") is False:
            await self._validate(identifier(found.get("id")) or "")
        webhook_id = identifier(found.get("id"))
        if webhook_id is None:
            raise PlatformCallFailed(FailureReason.TRANSIENT, "the webhook has no id", retryable=True)
        self._webhook_id = webhook_id
        return webhook_id

    async def _registered(self) -> Json | None:
        body = await ask(self._client, XCall("GET", path("2", "webhooks"), self._app()))
        listed = (mapping(one) for one in items(body.get("data")))
        return next((one for one in listed if text(one.get("url")) == self._callback_url), None)

    async def _register(self) -> Json:
        call = XCall("POST", path("2", "webhooks"), self._app(), content=document({"url": self._callback_url}))
        answer = await reach(self._client, call, REGISTRATION_S)
        if answer.is_success:
            body = answer.json()
            return mapping(body.get("data")) or body
        if _named(answer) == "DuplicateUrlFailed":
            found = await self._registered()
            if found is not None:
                return found
        raise _failure(answer)

    async def _validate(self, webhook_id: str) -> None:
        """Ask X to make its CRC again."""
        answer = await reach(self._client, XCall("PUT", path("2", "webhooks", webhook_id), self._app()), REGISTRATION_S)
        if not answer.is_success:
            raise _failure(answer)

    async def _activities(self, account: str, webhook_id: str) -> AsyncIterator[Json]:
        """Yield the subscriptions of an account at our webhook; raise PlatformCallFailed."""
        params: dict[str, str] = {"max_results": "1000"}
        for _ in range(_MAX_PAGES):
            call = XCall("GET", path("2", "activity", "subscriptions"), self._app(), dict(params))
            body = await ask(self._client, call)
            for one in map(mapping, items(body.get("data"))):
                is_ours = identifier(one.get("webhook_id")) == webhook_id
                if is_ours and identifier(mapping(one.get("filter")).get("user_id")) == account:
                    yield one
            following = identifier(mapping(body.get("meta")).get("next_token"))
            if following is None or following == params.get("pagination_token"):
                return
            params["pagination_token"] = following
        raise PlatformCallFailed(FailureReason.AMBIGUOUS, "the list of subscriptions does not end")

    async def _delete(self, where: str) -> None:
        answer = await reach(self._client, XCall("DELETE", where, self._app()))
        if not answer.is_success and answer.status != 404:
            raise failure_of(answer)

    def _app(self) -> Mapping[str, str]:
        """Return the app's own header. A bearer that does not fit is our mistake, and no account's."""
        try:
            return self._client.app()
        except BadToken:
            raise PlatformCallFailed(FailureReason.PERMISSION, "X_BEARER_TOKEN is not set or fits no header") from None


class _WebhookGone(PlatformCallFailed):
    """X does not know the webhook that we remember."""

    def __init__(self, failure: PlatformCallFailed) -> None:
        super().__init__(failure.reason, failure.detail)


def _named(answer: Answer) -> str | None:
    """Return the name of a documented failure, wherever in the answer it stands."""
    found = _NAMED.search(answer.body.decode("utf-8", "replace"))
    return found[1] if found is not None else None


def _failure(answer: Answer) -> PlatformCallFailed:
    named = _named(answer)
    reason = _REASONS.get(named or "")
    failure = failure_of(answer)
    if reason is None:
        return failure
    is_temporary = reason is FailureReason.TRANSIENT
    return PlatformCallFailed(reason, f"{named}: {failure.detail}", retryable=is_temporary)


def _subscription_id(one: Json) -> str:
    return identifier(one.get("subscription_id")) or identifier(one.get("id")) or ""
