"""`switchboard up`: the whole product on one machine, from an empty directory to a played demo day, under one supervisor."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from switchboard import environment, ledger, services
from switchboard.database import DatabaseRefused
from switchboard.environment import Addresses
from switchboard.files import read_private_json, write_private_json
from switchboard.ledger import PROJECT, Ledger
from switchboard.locks import AlreadyRunning, only_one
from switchboard.ports import NoFreePort
from switchboard.postgres import PostgresUnavailable
from switchboard.services import Doors
from switchboard.showing import show_what_to_open
from switchboard.supervisor import NotReady, Service, Supervisor, end_leftovers

_READY_WITHIN_S = 60.0
_GRACE_S = 10.0
_DEMO_MARK = "demo-played.json"

Answer = TypeVar("Answer")
ServiceList = Callable[[Doors, dict[str, str], Path], list[Service]]


class Interrupted(Exception):
    """Somebody asked us to end while we were still starting."""


class StepFailed(RuntimeError):
    """A step of the start went wrong; what it printed says why."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asked for."""

    data_dir: Path
    keep_database: bool = False
    with_demo: bool = True


def run(options: Options, console: Console, make_services: ServiceList = services.all_services) -> int:
    """Start everything, show what to open, run until Ctrl-C or SIGTERM, end everything; return the exit code."""
    return asyncio.run(_Run(options, console, make_services).until_ended())


class _Run:
    """One run, from the lock on its data directory to the last child's end."""

    def __init__(self, options: Options, console: Console, make_services: ServiceList) -> None:
        self._options = options
        self._data = options.data_dir.absolute()
        self._console = console
        self._make_services = make_services
        self._ending = asyncio.Event()
        self._began = time.monotonic()

    async def until_ended(self) -> int:
        """Run; every way out ends what was started."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._ending.set)
        try:
            with only_one(self._data / "up.lock"):
                return await self._with_database()
        except Interrupted:
            return 0
        except (AlreadyRunning, DatabaseRefused, PostgresUnavailable, NoFreePort, NotReady, StepFailed) as problem:
            self._console.print(str(problem), style="bold red", markup=False, highlight=False, soft_wrap=True)
            return 1

    async def _with_database(self) -> int:
        leftovers = await asyncio.to_thread(end_leftovers, self._data, _GRACE_S)
        if leftovers:
            self._say(f"ended what an earlier run had left behind: {', '.join(leftovers)}")
        with self._step("database"):
            opened = await asyncio.to_thread(ledger.open_ledger, self._data)
        try:
            if opened.warning is not None:
                self._say(f"{opened.warning} Fine for trying out; never for real data.")
            with services.open_doors() as doors:
                return await self._with_services(opened, doors)
        finally:
            await asyncio.to_thread(opened.close, self._options.keep_database)

    async def _with_services(self, opened: Ledger, doors: Doors) -> int:
        known = self._noted(doors.addresses)
        told = environment.for_services(opened.urls, known, environment.secrets_of(self._data))
        await self._migrate(opened, told)
        supervisor = Supervisor(self._data, self._say)
        try:
            await self._start(supervisor, self._make_services(doors, told, self._data))
            if self._options.with_demo:
                await self._play_demo(opened, known, told)
            show_what_to_open(self._console, known, self._data)
            self._say(f"ready after {time.monotonic() - self._began:.1f} s; Ctrl-C ends everything")
            await self._ending.wait()
            return 0
        finally:
            self._say("ending")
            await supervisor.stop(_GRACE_S)

    async def _start(self, supervisor: Supervisor, wanted: list[Service]) -> None:
        """Start what can be asked whether it serves, then the rest: started together they take each other's time."""
        with self._step("services"):
            supervisor.start(service for service in wanted if service.ready_url is not None)
            await self._or_ending(supervisor.wait_until_ready(_READY_WITHIN_S))
        supervisor.start(service for service in wanted if service.ready_url is None)

    def _noted(self, known: Addresses) -> Addresses:
        """Say where a usual port was taken, and write down where everything listens."""
        usual = services.addresses(services.API_PORT, services.STANDIN_PORT)
        for name, wanted, found in (("API", usual.api, known.api), ("stand-in", usual.standin, known.standin)):
            if found != wanted:
                self._say(f"port {wanted.rpartition(':')[2]} is taken: the {name} uses {found.rpartition(':')[2]}")
        write_private_json(self._data / environment.ADDRESSES, {"api": known.api, "standin": known.standin})
        return known

    async def _migrate(self, opened: Ledger, told: dict[str, str]) -> None:
        if await asyncio.to_thread(ledger.is_migrated, opened.urls):
            return
        with self._step("migrations"):
            command = (sys.executable, "-m", "alembic", "upgrade", "head")
            status = await self._to_the_end(command, environment.for_migrations(told, opened.urls))
        if status != 0:
            raise StepFailed("The migrations failed.")

    async def _play_demo(self, opened: Ledger, known: Addresses, told: dict[str, str]) -> None:
        mark = self._data / _DEMO_MARK
        if (read_private_json(mark) or {}).get("database") == opened.fingerprint():
            return
        command = (sys.executable, "-m", "switchboard.demo", "--api", known.api, "--standin", known.standin)
        status = await self._to_the_end((*command, "--data", str(self._data)), told)
        if status != 0:
            raise StepFailed(f"The demo day failed (exit code {status}). Logs are in {self._data / 'logs'}.")
        write_private_json(mark, {"database": opened.fingerprint()})

    async def _to_the_end(self, command: tuple[str, ...], told: dict[str, str]) -> int:
        """Run a child on our terminal until it ends; when we are asked to end, it is ended first."""
        child = await asyncio.create_subprocess_exec(*command, env=told, cwd=PROJECT, start_new_session=True)
        try:
            return await self._or_ending(child.wait())
        except Interrupted:
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(child.wait(), _GRACE_S)
            raise
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()

    async def _or_ending(self, work: Coroutine[object, None, Answer]) -> Answer:
        """Wait for the work; raise Interrupted as soon as we are asked to end, cancelling it."""
        working = asyncio.ensure_future(work)
        ending = asyncio.ensure_future(self._ending.wait())
        try:
            await asyncio.wait({working, ending}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise Interrupted
            return working.result()
        finally:
            for task in (working, ending):
                task.cancel()
            await asyncio.gather(working, ending, return_exceptions=True)

    @contextlib.contextmanager
    def _step(self, name: str) -> Iterator[None]:
        """Show that a step runs, and how long it took once it is done."""
        began = time.monotonic()
        with self._console.status(f"{name} …"):
            yield
        self._raise_if_ending()
        self._console.print(f"[green]✓[/] {name} [dim]{time.monotonic() - began:.1f} s[/]", highlight=False)

    def _raise_if_ending(self) -> None:
        if self._ending.is_set():
            raise Interrupted

    def _say(self, text: str) -> None:
        self._console.print(f"· {text}", markup=False, highlight=False, soft_wrap=True)
