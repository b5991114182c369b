"""What all benchmarks share: a PostgreSQL of their own, servers on loopback ports, load and rounds."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import shutil
import socket
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, event

from server.config import Settings
from server.kit.crypto import KeyRing
from server.kit.db import Database
from server.kit.ratelimit import LEASE_MARK
from switchboard.postgres import APP, Server, ensure_running

ROOT = Path(__file__).parent.parent
HOST = "127.0.0.1"
APP_SECRET = "secret-of-the-benchmarks"
_TEMPLATE = "bench_template"
_START_TIMEOUT_S = 30.0


class BenchFailed(Exception):
    """A contestant did not do what it has to do; a ratio of it would mean nothing."""


# ------------------------------------------------------------------------------------------------ the database


@dataclass(frozen=True, slots=True)
class Stage:
    """The cluster of one run, with a migrated template; every benchmark gets a database of its own."""

    server: Server
    home: Path

    def database(self, name: str) -> Place:
        """Create a migrated, empty database."""
        self.server.create_database(name, template=_TEMPLATE)
        return Place(self.server, name)


@dataclass(frozen=True, slots=True)
class Place:
    """One database, as each role reaches it."""

    server: Server
    name: str

    @property
    def app_dsn(self) -> str:
        """Return libpq's address for the role that row-level security binds."""
        return self.server.dsn(self.name, APP)

    def superuser(self) -> psycopg.Connection[tuple[object, ...]]:
        """Open a connection that no wall stops, for filling and resetting; each statement is its own transaction."""
        return psycopg.connect(self.server.dsn(self.name), autocommit=True)

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of a service on this database: `more` on top.

        Not production: that refuses the embedded server, which is below the version floor.
        """
        return {
            "DATABASE_URL": self.server.app_url(self.name),
            "SYSTEM_DATABASE_URL": self.server.system_url(self.name),
            "SWITCHBOARD_ENV": "test",
            # What is measured is the work; what one caller may ask for is measured in bench/hostile.py and neighbours.py.
            **dict.fromkeys(("BUDGET_ORGANIZATION", "BUDGET_TOKEN", "BUDGET_NETWORK"), "1e9"),
            "SWITCHBOARD_KEYS": "bench:" + base64.b64encode(b"b" * 32).decode(),
            "SWITCHBOARD_PEPPER": "pepper-of-the-benchmarks-0123456789",
            "MESSENGER_APP_ID": "1",
            "MESSENGER_APP_SECRET": APP_SECRET,
            "MESSENGER_VERIFY_TOKEN": "token-of-the-benchmarks",
            **more,
        }


@contextmanager
def stage() -> Iterator[Stage]:
    """Start a durable cluster in a directory of its own and end it, data included."""
    home = Path(tempfile.mkdtemp(prefix="switchboard-bench-"))
    home.chmod(0o755)  # root's server runs as somebody else, who has to get in
    server = ensure_running(home / "postgres", durable=True)
    try:
        server.create_database(_TEMPLATE)
        for name in ("alembic", "httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)  # a line per request would be measured too
        os.environ.setdefault("SWITCHBOARD_ENV", "test")
        alembic = Config(str(ROOT / "alembic.ini"))
        alembic.attributes["url"] = server.owner_url(_TEMPLATE)
        command.upgrade(alembic, "head")
        yield Stage(server, home)
    finally:
        server.destroy()
        shutil.rmtree(home, ignore_errors=True)


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read settings from this environment instead of the process's own."""
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        return Settings()
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Database]:
    """Open the engines of a process that works inside of the benchmark's."""
    database = Database(settings.database, key_ring(settings))
    try:
        yield database
    finally:
        await database.aclose()


def key_ring(settings: Settings) -> KeyRing:
    """Return the keys of these settings."""
    return KeyRing.parse(settings.security.keys.get_secret_value())


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect what every engine of this process executes inside of the block, but the leases of budgets.

    Whichever request finds a slice used up takes the next one, for many after it.
    """
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if not statement.startswith(LEASE_MARK):
            seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


# ------------------------------------------------------------------------------------------------ servers


@dataclass(frozen=True, slots=True)
class Served:
    """One server process."""

    port: int
    pid: int

    def cpu_s(self) -> float:
        """Return the processor time that the process has used so far; 0 where the system does not tell."""
        told = Path(f"/proc/{self.pid}/stat")
        if not told.exists():
            return 0.0
        fields = told.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def serving(target: str, environment: Mapping[str, str]) -> AsyncIterator[Served]:
    """Serve an application factory with one bare uvicorn worker."""
    arguments: tuple[str, ...] = ("uvicorn", target, "--factory", "--no-access-log", "--log-level", "warning")
    port = new_port()
    arguments += ("--host", HOST, "--port", str(port))
    async with running("-m", *arguments, environment=environment, port=port) as pid:
        yield Served(port, pid)


@asynccontextmanager
async def serving_ours(environment: Mapping[str, str]) -> AsyncIterator[Served]:
    """Serve the API with one process, as in production."""
    port = new_port()
    async with running("-m", "server.serve", "--port", str(port), environment=environment, port=port) as pid:
        yield Served(port, pid)


@asynccontextmanager
async def running(*arguments: str, environment: Mapping[str, str], port: int) -> AsyncIterator[int]:
    """Run a Python process that listens on the port; give its pid, end it afterwards."""
    told = {**os.environ, **environment, "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, env=told, cwd=ROOT)
    try:
        async with asyncio.timeout(_START_TIMEOUT_S):
            while not await _answers(port):
                if process.returncode is not None:
                    raise BenchFailed(f"{' '.join(arguments)} ended with {process.returncode}")
                await asyncio.sleep(0.05)
        yield process.pid
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def new_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as found:
        found.bind((HOST, 0))
        port: int = found.getsockname()[1]
        return port


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    return True


# ------------------------------------------------------------------------------------------------ load


@dataclass(frozen=True, slots=True)
class Load:
    """What one contestant did in one round."""

    seconds: float
    latencies_s: Sequence[float]

    @property
    def per_s(self) -> float:
        """Return answers per second."""
        return len(self.latencies_s) / self.seconds

    @property
    def p50_ms(self) -> float:
        """Return the median time of an answer in milliseconds."""
        return statistics.median(self.latencies_s) * 1000


def post(path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """Write one HTTP/1.1 request."""
    told = {"host": HOST, "content-type": "application/json", "content-length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


class _Connection(asyncio.Protocol):
    """One keep-alive connection that asks the next request as soon as the last is answered."""

    def __init__(
        self, source: Callable[[], bytes | None], latencies_s: list[float], ended: asyncio.Future[None]
    ) -> None:
        self._source, self._latencies_s, self._ended = source, latencies_s, ended
        self._head, self._left, self._asked_s = b"", -1, 0.0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        request = self._source()
        if request is None:
            self._transport.close()
            return
        self._head, self._left, self._asked_s = b"", -1, perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._left < 0:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            self._left = _length(self._head[:end]) - (len(self._head) - end - 4)
        else:
            self._left -= len(data)
        if self._left == 0:
            self._latencies_s.append(perf_counter() - self._asked_s)
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_result(None)


def _length(head: bytes) -> int:
    first, _, rest = head.lower().partition(b"\r\n")
    if b" 200 " not in first + b" ":
        raise BenchFailed(f"a contestant answered {first.decode(errors='replace')}")
    for line in rest.split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    raise BenchFailed("an answer without a length")


async def load(port: int, make: Callable[[], bytes], connections: int, seconds: float) -> Load:
    """Ask `make()` over and over on so many connections for so long; every answer must be 200."""
    loop = asyncio.get_running_loop()
    latencies_s: list[float] = []
    failures: list[BaseException] = []
    started = perf_counter()

    def source() -> bytes | None:
        return make() if perf_counter() - started < seconds and not failures else None

    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _loop, told: failures.append(told.get("exception") or BenchFailed("load")))
    try:
        ended = [loop.create_future() for _ in range(connections)]
        for one in ended:
            await loop.create_connection(partial(_Connection, source, latencies_s, one), HOST, port)
        await asyncio.wait_for(asyncio.gather(*ended), seconds + 30)
    finally:
        loop.set_exception_handler(before)
    if failures:
        raise failures[0]
    return Load(perf_counter() - started, latencies_s)


async def ask(port: int, request: bytes) -> bytes:
    """Ask once and return the body of the answer, which must be 200."""
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    body = await reader.readexactly(_length(head[:-4]))
    writer.close()
    return body


# ------------------------------------------------------------------------------------------------ rounds

Figure = Callable[[], Awaitable[float]]


async def in_turn(contestants: Mapping[str, Figure], rounds: int, within_s: float = 25.0) -> dict[str, float]:
    """Let the contestants run in turn and return the median figure of each.

    There are `rounds` rounds, fewer on a machine so busy that the next one would begin after `within_s` seconds.
    """
    seen: dict[str, list[float]] = {name: [] for name in contestants}
    started = perf_counter()
    for number in range(rounds):
        if number and perf_counter() - started > within_s:
            break
        for name, run in contestants.items():
            seen[name].append(await run())
    return {name: statistics.median(figures) for name, figures in seen.items()}
