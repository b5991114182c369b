"""A library of somebody else, in another language, talks to our authorization server (`make clients`)."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from server.kit.ids import encode
from tests.oauth.stage import AnApp, Front, Person, an_app

pytestmark = pytest.mark.clients

LOOPBACK = "http://127.0.0.1/callback"
ELSEWHERE = "http://127.0.0.1:61234/callback"
WEB = "https://app.example.test/callback"


async def walked(walk: Path, front: Front, person: Person, app: AnApp, redirect_uri: str) -> dict[str, Any]:
    """Let the script walk, and be the person and the API that it needs; return what it tells."""
    wanted = {"issuer": front.url, "clientId": app.client_id, "secret": app.secret, "redirectUri": redirect_uri}
    process = await asyncio.create_subprocess_exec(
        "node",
        str(walk),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "WALK": json.dumps(wanted)},
        cwd=walk.parent,
        limit=1_000_000,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(90):
            while line := await process.stdout.readline():
                asked = json.loads(line)
                if "told" in asked:
                    told: dict[str, Any] = asked["told"]
                    return told
                process.stdin.write(json.dumps(await _answer(front, person, asked)).encode() + b"\n")
                await process.stdin.drain()
            raise AssertionError((await process.stderr.read()).decode())
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _answer(front: Front, person: Person, asked: dict[str, str]) -> dict[str, Any]:
    if "open" in asked:
        return {"back": await person.allow(asked["open"])}
    if "type" in asked:
        page = await person.send(await person.look(asked["at"]), {"user_code": asked["type"]})
        done = await person.send(page, {"decision": "allow", "where": "all"})
        return {"status": done.status_code}
    return {"viewer": await front.viewer(asked["look"])}


async def test_openid_client_walks_every_way_with_a_secret(walk: Path, front: Front, owner: Person) -> None:
    app = await an_app(front, owner, redirectUris=[WEB])

    told = await walked(walk, front, owner, app, WEB)

    assert told["discovered"] == front.url
    assert told["code"]["scope"] == told["refreshed"]["scope"] == "inbox:read inbox:reply"
    assert told["introspected"]["active"] is True
    assert told["introspected"]["sub"] == encode("mem", owner.member_id)
    assert told["itself"]["scope"] == "template:read"
    _check_refusals(told)


async def test_openid_client_walks_every_way_of_an_app_without_a_secret(
    walk: Path, front: Front, owner: Person
) -> None:
    app = await an_app(front, owner, kind="PUBLIC", redirectUris=[LOOPBACK])

    told = await walked(walk, front, owner, app, ELSEWHERE)

    assert told["code"]["scope"] == "inbox:read inbox:reply"
    assert told["device"]["scope"] == "inbox:read"
    _check_refusals(told)


def _check_refusals(told: dict[str, Any]) -> None:
    assert told["viewed"]["viewer"]["name"] == "Ada"
    assert told["viewedAfterRevocation"] == {"viewer": None}
    assert (told["mixUp"], told["foreignState"]) == ("OAUTH_INVALID_RESPONSE", "OAUTH_INVALID_RESPONSE")
    assert told["wrongVerifier"] == "invalid_grant"
    assert told["escalated"] == "invalid_scope"
    assert (told["replayed"], told["afterReplay"], told["usedCode"]) == ("invalid_grant",) * 3
