"""Every route of the API over real HTTP, asked for nonsense: a refusal, and never a failure of ours."""

from __future__ import annotations

import re
from itertools import product

import httpx
from starlette.routing import Route

from server.app import create_app
from server.config import Settings
from tests.api import Api

SEGMENTS = ("%00", "%ff%fe", "..%2f..%2fetc", "x" * 3_000, "0", "%F0%9F%98%80", "'--", "null")
QUERIES = (
    "",
    "?a=%00&state=%00&code=%00&token=%00&id=%00&hub.mode=subscribe&hub.challenge=%00&crc_token=%00&challengeCode=%00",
    "?state=%ff&client_id=%ff&redirect_uri=%ff&response_type=%ff&unit=%ff&name=%ff&hub.verify_token=%ff",
    "?" + "&".join(f"k{number}=v" for number in range(500)),
    "?state=" + "y" * 6_000,
)
BODIES = (
    (b"", "application/json"),
    (b"\x00\xff\xfe", "application/json"),
    (b'{"a":' * 2_000, "application/json"),
    (b"[" * 50_000, "application/json"),
    (b'"\\ud800"', "application/json"),
    (b'{"email":"\\u0000","password":"\\u0000","token":"\\u0000","query":"\\u0000"}', "application/json"),
    (
        b"a=%00&email=%00&password=%ff&token=%ff&code=%00&user_code=%00&grant_type=%00",
        "application/x-www-form-urlencoded",
    ),
    (b"signed_request=.", "application/x-www-form-urlencoded"),
    (b'--x\r\ncontent-disposition: form-data; name="\x00"\r\n\r\n\xff\r\n--x--', "multipart/form-data; boundary=x"),
    (b"<x>", "text/xml; charset=\xff".encode("latin-1").decode("latin-1")),
)
HEADERS = ({}, {"authorization": "Bearer \xff"}, {"authorization": "Basic \x7f===", "cookie": "a=\xff; swb=\x7f"})


def paths(settings: Settings) -> list[tuple[str, str]]:
    """Every (method, path) of the application; variables stand as {…}."""
    found = []
    for route in create_app(settings).routes:
        if isinstance(route, Route) and route.methods:
            found += [(method, route.path) for method in sorted(route.methods - {"HEAD"})]
    return found


async def _ask(http: httpx.AsyncClient, method: str, url: str, headers: dict[str, str], body: tuple[bytes, str]) -> int:
    sent = [(name.encode(), value.encode("latin-1")) for name, value in {**headers, "content-type": body[1]}.items()]
    return (await http.request(method, url, headers=sent, content=body[0])).status_code


async def test_no_route_fails_whatever_it_is_asked(api: Api, settings: Settings) -> None:
    asked, failed = 0, []
    for method, path in paths(settings):
        segments = SEGMENTS if "{" in path else ("",)
        requests = [
            *product(segments, QUERIES[:2], HEADERS[:1], BODIES[:1]),
            *product(segments[:2], QUERIES, HEADERS, BODIES[:1]),
            *(product(segments[:2], QUERIES[:1], HEADERS[:1], BODIES) if method != "GET" else ()),
        ]
        for segment, query, headers, body in requests:
            url = api.url + re.sub(r"\{[^}]*\}", segment, path) + query
            try:
                status = await _ask(api.http, method, url, headers, body if method != "GET" else (b"", "text/plain"))
            except httpx.RemoteProtocolError:
                status = 0  # the server's parser refused the request and closed the connection
            asked += 1
            if status >= 500:
                failed.append((status, method, path, segment[:20], query[:40], body[0][:20]))

    assert failed == []
    assert asked > 1_000
