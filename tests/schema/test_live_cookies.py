"""The WebSocket of a page of our own: the cookie opens it only with its other half, and never from elsewhere."""

from __future__ import annotations

import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from server.auth.browsers import TOKEN, csrf_of
from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode
from tests.api import Api
from tests.factories.accounts import an_account
from tests.factories.tenants import an_agency
from tests.schema.strangers import Stranger


async def opened(api: Api, token: str, origin: str, payload: dict[str, str]) -> str:
    """Try to open the socket as a page does; return "connection_ack", or how it was closed."""
    headers = {"Cookie": f"switchboard_token={token}", "Origin": origin}
    address = f"{api.url.replace('http', 'ws', 1)}/graphql"
    try:
        async with connect(address, subprotocols=["graphql-transport-ws"], additional_headers=headers) as socket:  # type: ignore[list-item]
            await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
            kind: str = json.loads(await socket.recv())["type"]
            return kind
    except ConnectionClosed as closed:
        return str(closed.rcvd.code if closed.rcvd else "")
    except InvalidStatus as refused:
        return str(refused.response.status_code)


@pytest.mark.parametrize(
    ("_case", "is_ours", "csrf", "told"),
    [
        ("both halves", True, "right", "connection_ack"),
        ("no other half", True, None, "4403"),
        ("another half", True, "0" * 64, "4403"),
        ("another site", False, "right", "403"),
    ],
)
async def test_the_cookie_opens_a_socket_with_its_other_half_from_our_own_pages(
    api: Api, database: Database, settings: Settings, _case: str, is_ours: bool, csrf: str | None, told: str
) -> None:
    agency = await an_agency(database)
    token = await Stranger(api).token_of(await an_account(database, agency), encode("org", agency.id))
    half = csrf_of(settings, TOKEN.base, token) if csrf == "right" else csrf
    origin = api.url if is_ours else "https://evil.example"

    assert await opened(api, token, origin, {} if half is None else {"csrf": half}) == told
