"""Keeps child processes running, each in a process group and with a log file of its own, and ends all of them."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from switchboard.files import read_private_json, write_private_json
from switchboard.processes import Process, end_groups, find, signal_group

_LARGEST_LOG_BYTES = 10_000_000
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 15.0
_HEALTHY_AFTER_S = 30.0
_TRIES_BEFORE_READY = 5
_READY_POLL_S = 0.05
READY_NONCE = "SWITCHBOARD_READY_NONCE"


class NotReady(RuntimeError):
    """A service did not come up; the message holds the end of its log."""


@dataclass(frozen=True, slots=True)
class Service:
    """A child process: what to run and how to see that it serves.

    `ready_url` must answer 200 with the nonce that this very child was given; None: no question. `sockets` are descriptors of
    ours that every child started for this service inherits under the same numbers.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    ready_url: str | None = None
    directory: Path | None = None
    sockets: tuple[int, ...] = ()


class Supervisor:
    """Runs services from `start` to `stop`. A service that ends by itself is started again, with growing pauses."""

    def __init__(self, data_dir: Path, say: Callable[[str], None]) -> None:
        self._services: list[Service] = []
        self._logs = data_dir / "logs"
        self._record = data_dir / "run.json"
        self._say = say
        self._children: dict[str, Process] = {}
        self._deaths: dict[str, int] = {}
        self._nonces: dict[str, str] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()

    def start(self, services: Iterable[Service]) -> None:
        """Start these services, all at once, beside those that run; returns immediately."""
        self._logs.mkdir(parents=True, exist_ok=True)
        for service in services:
            self._services.append(service)
            self._keepers.append(asyncio.create_task(self._keep(service), name=service.name))

    async def wait_until_ready(self, timeout_s: float) -> None:
        """Return when every started service answers; raise NotReady after `timeout_s` or when one keeps dying."""
        waiting = [service for service in self._services if service.ready_url is not None]
        deadline = asyncio.get_running_loop().time() + timeout_s
        while waiting and not self._stopping.is_set():
            answers = await asyncio.gather(*(self._is_ready(service) for service in waiting))
            waiting = [service for service, is_up in zip(waiting, answers, strict=True) if not is_up]
            self._refuse_the_dying()
            if waiting and asyncio.get_running_loop().time() > deadline:
                raise NotReady(self._complaint(waiting[0].name, f"did not answer within {timeout_s:.0f} s"))
            await asyncio.sleep(_READY_POLL_S if waiting else 0)

    async def stop(self, grace_s: float = 10.0) -> None:
        """End every process that was started: TERM to each group, KILL to what is left after `grace_s` seconds."""
        self._stopping.set()
        for child in self._children.values():
            signal_group(child.pid, signal.SIGTERM)
        if self._keepers:
            await asyncio.wait(self._keepers, timeout=grace_s)
        # Who ended meanwhile is no longer listed, so that no reused number is signalled.
        for child in self._children.values():
            signal_group(child.pid, signal.SIGKILL)
        await asyncio.gather(*self._keepers)
        self._record.unlink(missing_ok=True)

    async def _keep(self, service: Service) -> None:
        pause = _FIRST_PAUSE_S
        clock = asyncio.get_running_loop().time
        while not self._stopping.is_set():
            began = clock()
            status = await self._run_once(service)
            if self._stopping.is_set():
                return
            pause = _FIRST_PAUSE_S if clock() - began > _HEALTHY_AFTER_S else min(pause * 2, _LONGEST_PAUSE_S)
            self._deaths[service.name] = self._deaths.get(service.name, 0) + 1
            self._say(f"{service.name} ended ({_told(status)}); starting it again in {pause:.1f} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    async def _is_ready(self, service: Service) -> bool:
        nonce = self._nonces.get(service.name)
        return nonce is not None and await answers_ok(service.ready_url or "", nonce)

    async def _run_once(self, service: Service) -> int:
        nonce = self._nonces[service.name] = secrets.token_urlsafe(16)
        with _log(self._logs / f"{service.name}.log") as log:
            try:
                child = await asyncio.create_subprocess_exec(
                    *service.command,
                    env={**service.environment, READY_NONCE: nonce},
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log.fileno(),
                    stderr=log.fileno(),
                    cwd=service.directory,
                    pass_fds=service.sockets,
                    start_new_session=True,
                )
            except OSError as problem:
                log.write(f"{problem}\n".encode())
                return 127
        self._note(service.name, child.pid)
        if self._stopping.is_set():
            signal_group(child.pid, signal.SIGTERM)
        status = await child.wait()
        # What the child itself had started must not outlive it.
        signal_group(child.pid, signal.SIGKILL)
        self._note(service.name, None)
        return status

    def _note(self, name: str, pid: int | None) -> None:
        process = None if pid is None else find(pid)
        if process is None:
            self._children.pop(name, None)
        else:
            self._children[name] = process
        noted = {name: f"{process.pid} {process.started}" for name, process in self._children.items()}
        write_private_json(self._record, noted)

    def _refuse_the_dying(self) -> None:
        for name, deaths in self._deaths.items():
            if deaths >= _TRIES_BEFORE_READY:
                raise NotReady(self._complaint(name, f"ended {deaths} times while starting"))

    def _complaint(self, name: str, what: str) -> str:
        path = self._logs / f"{name}.log"
        lines = path.read_text(errors="replace").splitlines()[-12:] if path.exists() else []
        return "\n".join([f"{name} {what}; {path} ends with:", *lines])


def end_leftovers(data_dir: Path, grace_s: float = 10.0) -> list[str]:
    """End what a supervisor left behind that was itself killed; return their names in order.

    Only processes whose start time is the recorded one are touched. The caller holds the lock of the data directory.
    """
    record = data_dir / "run.json"
    noted = read_private_json(record) or {}
    leaders = {name: Process(int(text.split(" ", 1)[0]), text.split(" ", 1)[1]) for name, text in noted.items()}
    living = {name: leader for name, leader in leaders.items() if leader.is_alive()}
    end_groups(list(living.values()), grace_s)
    record.unlink(missing_ok=True)
    return sorted(living)


async def answers_ok(url: str, nonce: str, timeout_s: float = 2.0) -> bool:
    """Say whether a GET of this http address is answered in time, with 200 and by the process that was given the nonce.

    The nonce is no secret and opens nothing: it tells our child from whoever else might answer there.
    """
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
            try:
                writer.write(f"GET {parts.path or '/'} HTTP/1.0\r\nHost: {parts.netloc}\r\n\r\n".encode())
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            finally:
                writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return False
    status_line, *headers = head.split("\r\n")
    told = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in headers)}
    return status_line.split(" ")[1:2] == ["200"] and told.get("x-ready-nonce") == nonce


def _told(status: int) -> str:
    return f"exit code {status}" if status >= 0 else signal.Signals(-status).name


def _log(path: Path) -> BinaryIO:
    """Open a log to append to; one that grew large is put aside first."""
    if path.exists() and path.stat().st_size > _LARGEST_LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return path.open("ab")
