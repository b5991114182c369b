"""An organisation's webhooks to our app: /rest/eventSubscriptions (platforms.md 5.4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from server.platforms.linkedin.asking import ask, read
from server.platforms.linkedin.client import Call, LinkedInClient, encoded, json_of
from server.platforms.linkedin.items import TYPE
from server.platforms.linkedin.urns import urn
from server.platforms.port import FailureReason, PageCredentials, PlatformCallFailed
from server.platforms.wire.reading import moment, text

RENEW_BEFORE = timedelta(days=3)
"""A subscription that ends within this time counts as lost, so that whoever looks after them renews it."""


async def subscribe(client: LinkedInClient, page: PageCredentials, application: str, webhook: str) -> None:
    """Subscribe the organisation, or renew it; doing it again changes nothing; raise PlatformCallFailed."""
    path = _path(page, application)
    await ask(client, Call("PUT", path, page.page_token, content=json_of({"webhook": webhook})))


async def is_subscribed(client: LinkedInClient, page: PageCredentials, application: str, webhook: str) -> bool:
    """Say whether the organisation's notifications come to our address for some days more; raise PlatformCallFailed."""
    try:
        body = await read(client, Call("GET", _path(page, application), page.page_token))
    except PlatformCallFailed as problem:
        if _is_gone(problem):
            return False
        raise
    expires_at = moment(body.get("expiresAt"))
    is_lasting = expires_at is None or expires_at > datetime.now(UTC) + RENEW_BEFORE
    return text(body.get("webhook")) == webhook and is_lasting


async def unsubscribe(client: LinkedInClient, page: PageCredentials, application: str) -> None:
    """End the organisation's webhooks; doing it again changes nothing; raise PlatformCallFailed."""
    try:
        await ask(client, Call("DELETE", _path(page, application), page.page_token))
    except PlatformCallFailed as problem:
        if not _is_gone(problem):
            raise


def _is_gone(problem: PlatformCallFailed) -> bool:
    return problem.reason is FailureReason.BAD_CONTENT and problem.detail.startswith("HTTP 404")


def _path(page: PageCredentials, application: str) -> str:
    """Return the subscription's compound key; its user is the person who gave the grant."""
    developer = urn(application, "developerApplication")
    person = urn(page.account_external_id, "person")
    if developer is None:
        raise PlatformCallFailed(FailureReason.POLICY, "LINKEDIN_APPLICATION_URN is not set")
    if person is None:
        raise PlatformCallFailed(FailureReason.AUTH, "nobody is known who gave the grant of this organisation")
    parts = (
        f"developerApplication:{encoded(developer)}",
        f"user:{encoded(person)}",
        f"entity:{encoded(page.page_external_id)}",
        f"eventType:{TYPE}",
    )
    return f"rest/eventSubscriptions/({','.join(parts)})"
