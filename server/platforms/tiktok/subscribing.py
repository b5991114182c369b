"""Webhooks of the app: one address per event type, for every account that granted us anything (platforms.md 6.4)."""

from __future__ import annotations

from server.platforms.port import FailureReason, PlatformCallFailed
from server.platforms.tiktok.asking import ask
from server.platforms.tiktok.client import TikTokClient, get, post
from server.platforms.tiktok.oauth import App
from server.platforms.wire.reading import Json, text

MESSAGES = "DIRECT_MESSAGE"
COMMENTS = "COMMENT"
# An app without the rights to comments still has messages.
_WITHOUT_RIGHTS = (FailureReason.PERMISSION, FailureReason.BAD_CONTENT)


async def subscribe(client: TikTokClient, app: App, callback_url: str) -> None:
    """Let the app's events come to this address; doing it again changes nothing; raise PlatformCallFailed.

    Comments are an event type of their own, which not every app may have.
    """
    await _point(client, app, MESSAGES, callback_url)
    try:
        await _point(client, app, COMMENTS, callback_url)
    except PlatformCallFailed as problem:
        if problem.reason not in _WITHOUT_RIGHTS:
            raise


async def is_subscribed(client: TikTokClient, app: App, callback_url: str) -> bool:
    """Say whether messages come to this address; raise PlatformCallFailed."""
    return await _address(client, app, MESSAGES) == callback_url


async def _point(client: TikTokClient, app: App, kind: str, callback_url: str) -> None:
    """Set the address where it differs: thousands of accounts connect, and it is one setting for all of them."""
    if await _address(client, app, kind) == callback_url:
        return
    body: Json = {"app_id": app.key, "secret": app.secret, "event_type": kind, "callback_url": callback_url}
    await ask(client, post("business/webhook/update", None, body))


async def _address(client: TikTokClient, app: App, kind: str) -> str | None:
    """Return the address of an event type; without one the platform leaves it out, or says that there is nothing (40007)."""
    params = {"app_id": app.key, "secret": app.secret, "event_type": kind}
    try:
        return text((await ask(client, get("business/webhook/list", None, params))).get("callback_url"))
    except PlatformCallFailed as problem:
        if problem.reason is FailureReason.BLOCKED_BY_CONTACT:
            return None
        raise
