"""Whose word counts about a client's address: that of the proxies that the settings name, read from the nearest one."""

from __future__ import annotations

import json
import socket
from contextlib import AsyncExitStack

import httpx
import pytest
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect

from server.auth import service as auth
from server.config import Settings, WebSettings
from server.web.middleware import stack
from tests.api import Api
from tests.schema.strangers import Stranger
from tests.web.conftest import serving
from tests.web.served import serving_process

Given = list[tuple[str, str]]


def told(scope: Request | WebSocket) -> dict[str, str]:
    assert scope.client is not None
    return {"host": scope.client.host, "network": auth.network_of(scope.client.host), "scheme": scope.url.scheme}


async def tell(request: Request) -> JSONResponse:
    return JSONResponse(told(request))


async def tell_on_a_socket(connection: WebSocket) -> None:
    await connection.accept()
    await connection.send_text(json.dumps(told(connection)))
    await connection.close()


def listening_on(host: str) -> socket.socket:
    found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, proto=socket.IPPROTO_TCP)
    if host == "::":
        found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    found.bind((host, 0))
    return found


async def answered(trusted: str, given: Given, *, listens: str = "127.0.0.1", asks: str = "127.0.0.1") -> dict:
    """Ask a server that trusts these proxies who we are."""
    web = WebSettings(SWITCHBOARD_TRUSTED_PROXIES=trusted)
    app = Starlette(routes=[Route("/who", tell), WebSocketRoute("/who", tell_on_a_socket)], middleware=stack(web))
    async with AsyncExitStack() as opened:
        url = await opened.enter_async_context(serving(app, listening_on(listens)))
        address = url.replace("127.0.0.1", f"[{asks}]" if ":" in asks else asks)
        http = await opened.enter_async_context(httpx.AsyncClient(trust_env=False))
        answer: dict = (await http.get(f"{address}/who", headers=given)).json()
        headers = [(name, value) for name, value in given]
        upgraded = await opened.enter_async_context(
            connect(f"{address.replace('http', 'ws', 1)}/who", additional_headers=headers, proxy=None)
        )
        on_a_socket = json.loads(await upgraded.recv())
    assert on_a_socket == answer | {"scheme": answer["scheme"].replace("http", "ws")}
    return answer


FOR = "x-forwarded-for"


@pytest.mark.parametrize(
    ("_case", "trusted", "given", "host"),
    [
        ("nobody is trusted", "", [(FOR, "192.0.2.7")], "127.0.0.1"),
        ("another is trusted", "10.0.0.0/8", [(FOR, "192.0.2.7")], "127.0.0.1"),
        ("the proxy's word", "127.0.0.1", [(FOR, "192.0.2.7")], "192.0.2.7"),
        ("a network of proxies", "127.0.0.0/8", [(FOR, "192.0.2.7")], "192.0.2.7"),
        ("what a client wrote before", "127.0.0.1", [(FOR, "203.0.113.9, 192.0.2.7")], "192.0.2.7"),
        ("it wrote a trusted one", "127.0.0.1", [(FOR, "127.0.0.1, 192.0.2.7")], "192.0.2.7"),
        ("it wrote a line", "127.0.0.1", [(FOR, "203.0.113.9"), (FOR, "192.0.2.7")], "192.0.2.7"),
        ("two proxies", "127.0.0.1,10.0.0.0/8", [(FOR, "203.0.113.9, 192.0.2.7, 10.1.2.3")], "192.0.2.7"),
        ("two proxies in two lines", "127.0.0.1,10.0.0.0/8", [(FOR, "192.0.2.7"), (FOR, "10.1.2.3")], "192.0.2.7"),
        ("a proxy asks for itself", "127.0.0.1,10.0.0.0/8", [(FOR, "10.0.0.9, 10.1.2.3")], "10.0.0.9"),
        ("a port", "127.0.0.1", [(FOR, "192.0.2.7:4711")], "192.0.2.7"),
        ("an IPv6 address", "127.0.0.1", [(FOR, "2001:db8::7")], "2001:db8::7"),
        ("in brackets", "127.0.0.1", [(FOR, "[2001:db8::7]")], "2001:db8::7"),
        ("in brackets with a port", "127.0.0.1", [(FOR, "[2001:db8::7]:4711")], "2001:db8::7"),
        ("an IPv4 address as IPv6", "127.0.0.1", [(FOR, "::ffff:192.0.2.7")], "192.0.2.7"),
        ("a trusted one as IPv6", "127.0.0.1,10.0.0.0/8", [(FOR, "192.0.2.7, ::ffff:10.1.2.3")], "192.0.2.7"),
        ("an IPv6 proxy", "127.0.0.1,2001:db8:1::/48", [(FOR, "192.0.2.7, 2001:db8:1::9")], "192.0.2.7"),
        ("a zone", "127.0.0.1", [(FOR, "fe80::1%eth0")], "fe80::1"),
        ("nothing", "127.0.0.1", [], "127.0.0.1"),
        ("an empty text", "127.0.0.1", [(FOR, "")], "127.0.0.1"),
        ("commas", "127.0.0.1", [(FOR, ", ,")], "127.0.0.1"),
        ("no address", "127.0.0.1", [(FOR, "unknown")], "127.0.0.1"),
        ("no address behind a proxy", "127.0.0.1,10.0.0.0/8", [(FOR, "192.0.2.7, <b>, 10.1.2.3")], "10.1.2.3"),
        ("a number", "127.0.0.1", [(FOR, "3221225991")], "127.0.0.1"),
        ("a port that is none", "127.0.0.1", [(FOR, "192.0.2.7:http")], "127.0.0.1"),
        ("a bracket too few", "127.0.0.1", [(FOR, "[2001:db8::7")], "127.0.0.1"),
        ("many hops", "127.0.0.1,10.0.0.0/8", [(FOR, "192.0.2.7" + ", 10.1.2.3" * 700)], "192.0.2.7"),
        ("Forwarded", "127.0.0.1", [("forwarded", "for=192.0.2.7")], "127.0.0.1"),
        ("X-Real-IP", "127.0.0.1", [("x-real-ip", "192.0.2.7"), ("true-client-ip", "192.0.2.7")], "127.0.0.1"),
    ],
)
async def test_the_client_is_the_nearest_address_that_is_not_trusted(
    _case: str, trusted: str, given: Given, host: str
) -> None:
    assert (await answered(trusted, given))["host"] == host


@pytest.mark.parametrize(
    ("_case", "trusted", "given", "scheme"),
    [
        ("nobody is trusted", "", "https", "http"),
        ("the proxy's word", "127.0.0.1", "https", "https"),
        ("in capitals", "127.0.0.1", "HTTPS", "https"),
        ("another protocol", "127.0.0.1", "gopher", "http"),
        ("nothing", "127.0.0.1", "", "http"),
    ],
)
async def test_the_scheme_is_told_by_trusted_proxies_only(_case: str, trusted: str, given: str, scheme: str) -> None:
    assert (await answered(trusted, [("x-forwarded-proto", given)]))["scheme"] == scheme


@pytest.mark.parametrize(
    ("_case", "listens", "asks", "trusted", "host"),
    [
        ("IPv6", "::1", "::1", "::1", "192.0.2.7"),
        ("IPv6, not trusted", "::1", "::1", "127.0.0.1", "::1"),
        ("IPv4 on a socket for both", "::", "127.0.0.1", "127.0.0.1", "192.0.2.7"),
        ("IPv4 on a socket for both, not trusted", "::", "127.0.0.1", "::1", "127.0.0.1"),
    ],
)
async def test_a_proxy_is_known_in_either_family(_case: str, listens: str, asks: str, trusted: str, host: str) -> None:
    answer = await answered(trusted, [(FOR, "192.0.2.7")], listens=listens, asks=asks)

    assert answer["network"] == auth.network_of(host)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("*", "'*' is neither an address nor a network"),
        ("loadbalancer.internal", "neither an address nor a network"),
        ("10.0.0.5,proxy", "'proxy' is neither"),
        ("10.0.0.5/8", "has host bits set"),
        ("10.0.0.5:80", "'10.0.0.5:80' is neither"),
        ("10.0.0.256", "'10.0.0.256' is neither"),
        ("0.0.0.0/0", "would let everybody choose an address"),
        ("::/0", "would let everybody choose an address"),
    ],
)
def test_a_setting_that_names_no_proxy_is_refused_and_told(value: str, says: str) -> None:
    with pytest.raises(ValidationError) as refused:
        WebSettings(SWITCHBOARD_TRUSTED_PROXIES=value)

    assert "SWITCHBOARD_TRUSTED_PROXIES" in str(refused.value)
    assert says in str(refused.value)


def test_by_default_no_proxy_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWITCHBOARD_TRUSTED_PROXIES", raising=False)

    assert WebSettings().trusted_networks == ()


async def test_a_forged_address_does_not_pass_the_sign_in_throttle(settings: Settings) -> None:
    """The real process as production starts it, asked from the loopback, which uvicorn alone would believe."""
    async with (
        serving_process(SWITCHBOARD_TRUSTED_PROXIES="", FORWARDED_ALLOW_IPS="*") as process,
        httpx.AsyncClient(trust_env=False, timeout=30) as http,
    ):
        codes = []
        for number in range(14):
            stranger = Stranger(Api(process.url, http), network=f"198.51.100.{number}")
            payload = await stranger.sign_in("nobody@example.test", "a wrong password")
            codes.append(payload["userErrors"][0]["code"])

    assert codes[-1] == "SIGN_IN_TOO_MANY_ATTEMPTS"
