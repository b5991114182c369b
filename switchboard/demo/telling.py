"""How the demo day tells what happens: a line per step, facts for the table at the end, and checks that end it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.table import Table

T = TypeVar("T")
_LONGEST_PAUSE_S = 0.5


class NotSo(Exception):
    """Something is not as it must be. The demo ends with a non-zero exit code."""


class Stage:
    """The terminal, the clock of the scenes, and the facts."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._facts: list[tuple[str, str, str]] = []
        self._times: list[tuple[str, float]] = []
        self._scene = ""
        self._last = time.monotonic()
        self.checks = 0

    @contextmanager
    def scene(self, letter: str, title: str) -> Iterator[None]:
        """Show that a scene runs, and how long it took."""
        self._scene = letter
        began = self._last = time.monotonic()
        self._console.print(f"[bold cyan]{letter}[/] {title}", highlight=False)
        with self._console.status(f"{title} …"):
            yield
        self._times.append((letter, time.monotonic() - began))

    def step(self, text: str) -> None:
        """Say what was just done, and how long it took since the step before."""
        now = time.monotonic()
        took, self._last = now - self._last, now
        self._console.print(f"  [green]✓[/] {text} [dim]{took:.1f} s[/]", highlight=False, soft_wrap=True)

    def fact(self, what: str, value: object) -> None:
        """Keep a number for the table."""
        self._facts.append((self._scene, what, str(value)))

    def equal(self, what: str, found: object, wanted: object) -> None:
        """Raise NotSo unless what was found is what must be."""
        self.checks += 1
        if found != wanted:
            raise NotSo(f"{what}: found {_short(found)}, wanted {_short(wanted)}")

    def true(self, what: str, holds: bool) -> None:
        """Raise NotSo unless it holds."""
        self.equal(what, holds, True)

    def table(self) -> None:
        """Show what happened and how long each scene took."""
        table = Table(title="The demo day", title_justify="left", show_edge=False)
        table.add_column("scene", justify="center")
        table.add_column("what happened")
        table.add_column("measured", justify="right")
        before = ""
        for letter, what, value in self._facts:
            if before not in {"", letter}:
                table.add_section()
            table.add_row(letter if letter != before else "", what, value)
            before = letter
        self._console.print(table)
        times = "  ".join(f"{letter} {seconds:.1f} s" for letter, seconds in self._times)
        total = sum(seconds for _, seconds in self._times)
        self._console.print(f"{self.checks} checks held in {total:.1f} s: {times}", highlight=False)

    def failed(self, problem: str) -> None:
        """Say why the demo ends here."""
        self._console.print(f"[bold red]✗ scene {self._scene}:[/] ", end="")
        self._console.print(problem, markup=False, highlight=False)


async def until(
    what: str, probe: Callable[[], Awaitable[T | None]], timeout_s: float = 60.0, pause_s: float = 0.05
) -> T:
    """Ask again and again until there is an answer that is neither None nor False; raise NotSo after `timeout_s`.

    Pauses begin with `pause_s` and grow to half a second.
    """
    clock = asyncio.get_running_loop().time
    deadline, pause = clock() + timeout_s, pause_s
    while True:
        answer = await probe()
        if answer is not None and answer is not False:
            return answer
        if clock() > deadline:
            raise NotSo(f"{what} did not come true within {timeout_s:.0f} s")
        await asyncio.sleep(pause)
        pause = max(pause_s, min(pause * 1.5, _LONGEST_PAUSE_S))


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 400 else f"{text[:400]} …"
