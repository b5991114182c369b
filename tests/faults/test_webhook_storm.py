"""The API dies at random moments while several senders post more than 300 webhooks a second (G40)."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import pytest
from sqlalchemy import text

from server.config import DatabaseSettings, Settings
from server.kit.crypto import KeyRing
from server.kit.db import Database
from server.kit.ids import new_id
from switchboard.postgres import Server
from tests import standin_server
from tests.factories.channels import a_body, a_page, a_text, signature_of
from tests.factories.tenants import an_agency

pytestmark = pytest.mark.faults

ROOT = Path(__file__).parents[2]
SENDERS = 24
PAGES = 6
PACE_PER_S = 450
"""Posts begun per second over all senders while the API is up."""
SECONDS = 25
KILLS = 6
LEAST_PER_S = 300
START_S = 120
"""How long a start may take on a machine that has other work to do; no rate is measured meanwhile."""


@dataclass(slots=True)
class AnApi:
    """One API process as in production, to be killed and started again on the same port."""

    environment: dict[str, str]
    log: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    up_s: float = 0.0
    _since: float = field(default=0.0)

    async def start(self) -> None:
        """Start it and wait until it answers."""
        command = [sys.executable, "-m", "server.serve"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--host", "127.0.0.1", "--port", str(self.port)],
                cwd=ROOT,
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=log,
            )
        async with asyncio.timeout(START_S):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    await closed(writer)
                    self._since = perf_counter()
                    return
                await asyncio.sleep(0.02)

    def kill(self) -> None:
        """End it with SIGKILL."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.up_s += perf_counter() - self._since


@dataclass(slots=True)
class Told:
    """What the senders were answered."""

    acknowledged: set[str] = field(default_factory=set)
    sent: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    broken: int = 0


@pytest.fixture
async def an_api(postgres: Server, tmp_path: Path) -> AsyncIterator[AnApi]:
    """An API on a database of its own."""
    name = f"storm_{new_id().hex[:8]}"
    postgres.create_database(name, template="sb_template")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        "DATABASE_URL": postgres.app_url(name),
        "SYSTEM_DATABASE_URL": postgres.system_url(name),
        "SWITCHBOARD_ENV": "test",
        "SWITCHBOARD_KEYS": "test:" + base64.b64encode(b"k" * 32).decode(),
        "SWITCHBOARD_PEPPER": "pepper-of-the-test-suite-0123456789",
        "MESSENGER_APP_ID": standin_server.APP_ID,
        "MESSENGER_APP_SECRET": standin_server.SECRET,
        "MESSENGER_VERIFY_TOKEN": standin_server.VERIFY_TOKEN,
    }
    made = AnApi(environment, tmp_path / "api.log", port)
    try:
        yield made
    finally:
        made.kill()


async def keep_posting(api: AnApi, pages: list[str], told: Told, ending: asyncio.Event, number: int) -> None:
    """One sender: a keep-alive connection that posts at its pace and comes back when it breaks."""
    connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    turn = 0
    while not ending.is_set():
        began = perf_counter()
        turn += 1
        mids = [f"m_{number}_{turn}_{part}" for part in range(1 + turn % 3)]
        page = pages[turn % len(pages)]
        body = a_body(*(a_text(page, str(turn % 40), mid=mid, at_ms=1_790_000_000_000 + turn) for mid in mids))
        told.sent += 1
        try:
            connection = connection or await asyncio.open_connection("127.0.0.1", api.port)
            status = await post(*connection, body)
        except (OSError, asyncio.IncompleteReadError):
            told.broken += 1
            if connection is not None:
                await closed(connection[1])
            connection = None
            await asyncio.sleep(0.05)
            continue
        told.statuses[status] += 1
        if status == 200:
            told.acknowledged.update(mids)
        await asyncio.sleep(max(0.0, SENDERS / PACE_PER_S - (perf_counter() - began)))
    if connection is not None:
        await closed(connection[1])


async def closed(writer: asyncio.StreamWriter) -> None:
    """Close a connection, whatever became of it."""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes) -> int:
    """Post a signed body and return the status, once the whole answer is there."""
    head = (
        f"POST /webhooks/messenger HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n"
        f"x-hub-signature-256: {signature_of(body, standin_server.SECRET)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    answer = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = next(int(line[15:]) for line in answer.split(b"\r\n") if line.startswith(b"content-length:"))
    await reader.readexactly(length)
    return int(answer.split(b" ", 2)[1])


def the_database(an_api: AnApi, settings: Settings) -> Database:
    """Open the API's own database."""
    values = {key: an_api.environment[key] for key in ("DATABASE_URL", "SYSTEM_DATABASE_URL")}
    keys = KeyRing.parse(settings.security.keys.get_secret_value())
    return Database(DatabaseSettings.model_validate(values), keys)


async def some_pages(database: Database) -> list[str]:
    """Connect a page for each of several tenants; return how the platform names them."""
    names = []
    for _ in range(PAGES):
        agency = await an_agency(database, clients=1)
        names.append((await a_page(database, agency, agency.units["client 1"])).external_id)
    return names


async def test_every_webhook_that_was_answered_with_200_is_stored_whenever_the_api_dies(
    an_api: AnApi, settings: Settings
) -> None:
    # Given: a running API and six pages of six tenants.
    dice = random.Random(20_261_122)
    database = the_database(an_api, settings)
    pages = await some_pages(database)
    await an_api.start()
    told, ending = Told(), asyncio.Event()

    # When: it is killed and started again at random moments, while webhooks keep coming.
    senders = [asyncio.create_task(keep_posting(an_api, pages, told, ending, number)) for number in range(SENDERS)]
    for _ in range(KILLS):
        await asyncio.sleep(dice.uniform(0.5, 2 * SECONDS / KILLS - 0.5))
        an_api.kill()
        await an_api.start()
    await asyncio.sleep(1)
    ending.set()
    await asyncio.gather(*senders)
    up_s = an_api.up_s + perf_counter() - an_api._since

    # Then: whatever was acknowledged is there, and for each page with new events work is owed.
    async with database.unscoped_system() as session:
        stored = set((await session.execute(text("SELECT external_id FROM platform_event"))).scalars())
        owed = (await session.execute(text("SELECT count(*) FROM job WHERE kind = 'channels.drain_page'"))).scalar_one()
    await database.aclose()
    lost = told.acknowledged - stored
    answered = sum(told.statuses.values())
    print(  # noqa: T201 - the verdict of a long run
        f"\n{KILLS} kills; {told.sent} posts, {answered} answered ({answered / up_s:.0f}/s while up), {told.broken} broken; "
        f"{len(told.acknowledged)} events acknowledged, {len(stored)} stored, {len(lost)} lost"
    )
    assert lost == set()
    assert set(told.statuses) == {200}
    assert answered / up_s >= LEAST_PER_S
    assert told.broken > 0
    assert owed == PAGES
