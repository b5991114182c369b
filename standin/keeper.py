"""Keeps the world in a file over restarts: read at the start, written while things change and at the end."""

import asyncio
import contextlib
import hashlib
import os
import sys
import time
from pathlib import Path

from standin.jsonish import BadBody
from standin.runtime import Runtime
from standin.stored import dumped, load

EVERY_S = 2.0
MOST_BUSY = 0.05  # of the event loop's time; a large world is written less often


class Keeper:
    """Lives on the server's event loop between `start` and `stop`."""

    def __init__(self, run: Runtime, path: Path) -> None:
        self._run = run
        self._path = path
        self._ending = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._written = b""
        self._said: str | None = None
        self.is_touched = False

    async def start(self) -> None:
        """Read the file if there is one, then watch for changes. A file that is of no use is put aside, with a message."""
        try:
            load(self._run, self._path.read_bytes())
        except FileNotFoundError:
            pass
        except (OSError, BadBody) as problem:
            self._put_aside(problem)
        await self._save()  # before the first number is given out: a later process then leaves out those of this one
        self._task = asyncio.get_running_loop().create_task(self._watch())

    async def stop(self) -> None:
        """Write a last time."""
        self._ending.set()
        if self._task is not None:
            await self._task
        await self._save()

    async def _watch(self) -> None:
        was_busy, pause_s = False, EVERY_S
        while not await self._ends_within(pause_s):
            is_busy = bool(self._run.pending or self._run.receipts.pending)
            if self.is_touched or is_busy or was_busy:
                self.is_touched = False
                pause_s = max(EVERY_S, await self._save() / MOST_BUSY)
            was_busy = is_busy

    async def _ends_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), seconds)
        return self._ending.is_set()

    async def _save(self) -> float:
        """Write the world if it is another than in the file; gives the seconds for which the event loop stood still."""
        began = time.monotonic()
        try:
            raw = dumped(self._run)
        except TypeError as problem:
            self._say_once(f"the state cannot be written: {problem}")
            return time.monotonic() - began
        digest = hashlib.blake2b(raw).digest()
        spent_s = time.monotonic() - began
        if digest != self._written:
            try:
                await asyncio.to_thread(write_private, self._path, raw)
                self._written, self._said = digest, None
            except OSError as problem:
                self.is_touched = True
                self._say_once(f"the state cannot be written to {self._path}: {problem.strerror}")
        return spent_s

    def _put_aside(self, problem: Exception) -> None:
        aside = self._path.with_name(f"{self._path.name}.unreadable-{time.time_ns()}")
        text = f"the state in {self._path} cannot be read ({problem}), so the world is empty"
        try:
            self._path.rename(aside)
            text += f"; the file is now {aside.name}"
        except OSError as failure:
            text += f"; the file cannot be put aside ({failure.strerror}) and will be replaced"
        self._say_once(text)

    def _say_once(self, text: str) -> None:
        if text != self._said:
            sys.stderr.write(f"standin: {text}\n")
            sys.stderr.flush()
        self._said = text


def write_private(path: Path, raw: bytes) -> None:
    """Replace the file by these bytes as a whole or not at all; nobody else may read it (0600), ever."""
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
