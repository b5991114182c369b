"""The API as production starts it, in a child process, and raw connections to it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from time import monotonic

import httpx

from tests.api import a_socket

ROOT = Path(__file__).parents[2]
START_S = 90.0
"""How long a start may take on a machine that has other work to do."""


class Process:
    """One API process. `host` and `port` say where it listens."""

    def __init__(self, port: int, pid: int) -> None:
        self.host, self.port, self.pid = "127.0.0.1", port, pid

    @property
    def url(self) -> str:
        """Return its address."""
        return f"http://{self.host}:{self.port}"

    def resident_bytes(self) -> int:
        """Return the memory that the process holds."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def connections(self) -> int:
        """Return how many connections of strangers the process holds, by the kernel's own table."""
        lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
        # proc(5): local address, state (0A listens) and inode, which is 0 for what no process holds any more.
        return sum(row[1].endswith(f":{self.port:04X}") and row[3] != "0A" and row[9] != "0" for row in lines)


@contextmanager
def started(**settings: str) -> Iterator[Process]:
    """Run `python -m server.serve` on a socket that is handed down; SIGTERM ends it."""
    with a_socket() as listening:
        listening.listen()
        child = subprocess.Popen(
            [sys.executable, "-m", "server.serve", "--fd", str(listening.fileno())],
            cwd=ROOT,
            env={**os.environ, **settings},
            pass_fds=(listening.fileno(),),
        )
        try:
            yield Process(listening.getsockname()[1], child.pid)
        finally:
            child.terminate()
            child.wait(timeout=30)


@asynccontextmanager
async def serving_process(**settings: str) -> AsyncIterator[Process]:
    """Run it and wait until it answers."""
    with started(**settings) as process:
        async with httpx.AsyncClient(trust_env=False, timeout=START_S) as http:
            assert (await http.get(f"{process.url}/health/live")).status_code == 200
        yield process


Opening = Callable[["Line"], object]


class Line:
    """One raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.began = monotonic()

    async def until_closed(self, within_s: float) -> bytes:
        """Read until the other side ends the connection; return all it said. Fail when it does not end in time."""
        said = b""
        async with asyncio.timeout(within_s):
            with contextlib.suppress(ConnectionError):
                while piece := await self.reader.read(65_536):
                    said += piece
        return said


@asynccontextmanager
async def a_line(process: Process) -> AsyncIterator[Line]:
    """Connect."""
    line = Line(*await asyncio.open_connection(process.host, process.port))
    try:
        yield line
    finally:
        line.writer.close()
        with contextlib.suppress(ConnectionError):
            await line.writer.wait_closed()


async def dripping(line: Line, text: bytes, every_s: float = 0.05) -> None:
    """Send one byte after another until the other side has enough."""
    with contextlib.suppress(ConnectionError):
        for byte in text:
            line.writer.write(bytes([byte]))
            await line.writer.drain()
            await asyncio.sleep(every_s)
