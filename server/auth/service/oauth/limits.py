"""How often the endpoints may be asked. Secrets have 256 bits, so this is about load; eight letters are about guesses."""

from __future__ import annotations

from uuid import UUID

from authlib.oauth2.rfc6749 import OAuth2Error

from server.auth import oauth_rules as rules
from server.auth.service.oauth.server import Endpoint
from server.auth.service.oauth.wire import Asked, Reply
from server.config import Settings
from server.kit import ratelimit
from server.kit.db import Database
from server.kit.ratelimit import Bucket
from server.tenants.uow import system_scope

_ASKING = Bucket("oauth-endpoint", capacity=300, per_s=10)
_DEVICES = Bucket("oauth-device", capacity=30, per_s=0.1)
_GUESSES = Bucket("oauth-user-code", capacity=10, per_s=1 / 60)


async def too_often(
    database: Database, settings: Settings, endpoint: Endpoint, asked: Asked, network: str
) -> Reply | None:
    """Count one request of an app from one network; return the refusal if there were too many."""
    bucket = _DEVICES if endpoint is Endpoint.DEVICE else _ASKING
    try:
        client_id = asked.client_id() or ""
    except OAuth2Error:
        client_id = ""
    wait_s = await _take(
        database, settings, bucket, f"{client_id if rules.read_client_id(client_id) else ''}|{network}"
    )
    if not wait_s:
        return None
    body = {"error": "temporarily_unavailable", "error_description": "Too many requests. Honour Retry-After."}
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store", "Retry-After": str(wait_s)}
    return Reply(429, body, headers)


async def guess(database: Database, settings: Settings, user_id: UUID) -> int:
    """Count one user code that a person typed; return 0, or for how many seconds no further one is looked at."""
    return await _take(database, settings, _GUESSES, str(user_id))


async def _take(database: Database, settings: Settings, bucket: Bucket, key: str) -> int:
    async with system_scope(database) as session:
        left = await ratelimit.take(session, settings.security.pepper.get_secret_value(), bucket, key)
    return 0 if not left else int(left) + 1
