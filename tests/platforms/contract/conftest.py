"""Every test here runs over every rig: whoever adds a platform adds a rig, and no test."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import pytest

from server.platforms.port import Connector, PageCredentials
from tests.platforms.contract.hearing import Hearing
from tests.platforms.contract.rig import Rig
from tests.platforms.contract.rigs import RIGS
from tests.standin_server import Platform

Plan = Callable[..., Awaitable[None]]
HeldClock = Callable[[], AbstractAsyncContextManager[None]]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once per rig, and one that asks for `refused` once per documented error of each."""
    if "refused" in metafunc.fixturenames:
        cases = [(rig, refused) for rig in RIGS for refused in rig.refusals()]
        metafunc.parametrize(("rig", "refused"), cases, ids=[f"{name(rig)}-{one.name}" for rig, one in cases])
    elif "rig" in metafunc.fixturenames:
        metafunc.parametrize("rig", RIGS, ids=[name(rig) for rig in RIGS])


def name(rig: Rig) -> str:
    """How a rig is called in the names of tests."""
    return f"{rig.channel}-{rig.login}".lower()


@dataclass(frozen=True, slots=True)
class Scene:
    """One account of ours on a platform, whose webhooks we hear, and one person who may be written to."""

    rig: Rig
    platform: Platform
    connector: Connector
    hearing: Hearing
    page: PageCredentials
    person: str

    async def says(self, text: str, person: str | None = None) -> str:
        """The person writes to the account."""
        return await self.rig.says(self.platform, self.page, person or self.person, text)

    async def ledger(self) -> list[dict[str, object]]:
        """What the platform accepted from the account."""
        return await self.platform.ledger(self.page.page_external_id)

    async def calls(self) -> dict[str, int]:
        """How often the platform was called so far, its own webhooks left out."""
        counted: dict[str, dict[str, int]] = (await self.platform.control("calls", method="GET"))["by_op"]
        return {op: sum(labels.values()) for op, labels in counted.items() if not op.startswith("webhook")}


def an_id() -> str:
    """An id that no other test uses."""
    return str(10**15 + secrets.randbelow(10**14))


def named(rig: Rig, what: str, number: str) -> str:
    """How the rig's platform writes the id of an account, a person or a message."""
    written: str = getattr(rig, "named", lambda _what, plain: plain)(what, number)
    return written


@pytest.fixture
async def connector(rig: Rig, standin_url: str) -> AsyncIterator[Connector]:
    """The rig's connector, closed after the test."""
    made = rig.connector(standin_url)
    yield made
    await made.aclose()


@pytest.fixture
async def hearing(connector: Connector) -> AsyncIterator[Hearing]:
    """A callback of our own."""
    opened = Hearing(connector)
    await opened.start()
    yield opened
    await opened.stop()


@pytest.fixture
async def scene(rig: Rig, platform: Platform, connector: Connector, hearing: Hearing) -> AsyncIterator[Scene]:
    """A fresh account and a fresh person."""
    page = await rig.an_account(platform, an_id(), callback=hearing.url)
    person = named(rig, "person", an_id())
    await rig.a_person(platform, page, person)
    yield Scene(rig, platform, connector, hearing, page, person)
    await platform.settled()


@pytest.fixture
async def plan(platform: Platform, scene: Scene) -> AsyncIterator[Plan]:
    """Let calls of the scene's account go wrong; keywords are a rule of the fault plan, `webhooks` what befalls those."""

    async def put(webhooks: dict[str, object] | None = None, **rule: object) -> None:
        given = rule.pop("match", {})
        match = {"page": scene.page.page_external_id, **(given if isinstance(given, dict) else {})}
        rules = [{**rule, "match": match}] if rule else []
        await platform.control("faults", {"seed": 1, "rules": rules, "webhooks": webhooks or {}}, method="PUT")

    yield put
    await platform.control("faults", method="DELETE")


@pytest.fixture
def held_clock(platform: Platform) -> HeldClock:
    """A block in which the platform's clock stands still: everything in it happens within one millisecond."""

    @asynccontextmanager
    async def hold() -> AsyncIterator[None]:
        await platform.control("clock", {"held": True})
        try:
            yield
        finally:
            await platform.control("clock", {})

    return hold
