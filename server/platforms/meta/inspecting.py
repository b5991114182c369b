"""How well a grant is: /debug_token (platforms.md 1.1)."""

from __future__ import annotations

from server.platforms.meta.asking import ask
from server.platforms.meta.client import GraphCall, GraphClient
from server.platforms.port import GrantState
from server.platforms.wire.http import path
from server.platforms.wire.reading import items, mapping, moment, text


async def inspect(client: GraphClient, app_token: str, token: str, needed: frozenset[str]) -> GrantState:
    """Ask about a token with the app's own; raise PlatformCallFailed. `expires_at` 0 on the wire means that it never ends."""
    body = await ask(client, GraphCall("GET", path("debug_token"), app_token, {"input_token": token}))
    data = mapping(body.get("data"))
    scopes = frozenset(scope for scope in items(data.get("scopes")) if isinstance(scope, str))
    error = mapping(data.get("error"))
    return GrantState(
        is_valid=data.get("is_valid") is True,
        detail=(text(error.get("message")) or "")[:200],
        expires_at=moment(data.get("expires_at")),
        missing_scopes=tuple(sorted(needed - scopes)),
    )
