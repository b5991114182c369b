"""Says what a process would say at its start, and how the parts around it are: `python -m server.doctor`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator, Sequence

import psycopg
from pydantic import ValidationError

from server import config
from server.config import Settings
from server.models import metadata
from server.startup import guard, rules, service
from server.startup.problems import Part, Problem
from server.startup.readiness import Parts, Readiness, State

_CURES = {
    "rights": "Give the application role its rights back: switchboard migrate made them, the part walls names what lacks.",
    "write": "See that the server is the primary and that its disk has room.",
    "bell": "Start one: python -m workers.main bell.",
    "workers": "Start them: python -m workers.main run --queues …; until then what is owed waits in the ledger.",
    "broker": "See that the broker of BROKER_URL runs; what is owed waits in the ledger and goes out when it is back.",
    "mail": "See that SMTP_HOST and SMTP_PORT answer; mail waits in the ledger and goes out when they are back.",
}
_FINE = {State.OK, State.UNSET}


def examine(found: Settings) -> tuple[list[str], bool]:
    """Return one line or more for each part, and whether a process would refuse to start."""
    problems = service.check(found, metadata)
    refused = rules.refused(found.web.environment, problems)
    lines = list(_checked(problems, refused))
    lines += _around(asyncio.run(Readiness(found, found.database.app_dsn, found.database.system_dsn).parts()))
    return lines, bool(refused)


def _checked(problems: Sequence[Problem], refused: Sequence[Problem]) -> Iterator[str]:
    is_asked = not any(problem.part is Part.DATABASE for problem in problems)
    is_migrated = is_asked and not any(problem.part is Part.REVISION for problem in problems)
    for part in Part:
        own = [problem for problem in problems if problem.part is part]
        if own:
            for problem in own:
                verdict = "refuse" if problem in refused else "warn"
                yield from _line(verdict, part.value, problem.what, problem.cure)
        elif not is_asked and part in {Part.SAME, Part.VERSION, Part.ROLE, Part.REVISION, Part.WALLS}:
            yield f"?       {part}: not looked at, the database cannot be asked"
        elif not is_migrated and part is Part.WALLS:
            yield f"?       {part}: not looked at before the migrations"
        else:
            yield f"ok      {part}"


def _around(parts: Parts) -> Iterator[str]:
    for name, cure in _CURES.items():
        state = parts[name]
        if state in _FINE:
            yield f"ok      now/{name}" + ("" if state is State.OK else f": {state}")
        else:
            yield from _line("warn", f"now/{name}", state.value, cure)


def _line(verdict: str, part: str, what: str, cure: str) -> tuple[str, str]:
    return f"{verdict:<7} {part}: {what}", f"        {cure}"


def main(arguments: Sequence[str]) -> int:
    """Print every part; return 1 if a process would refuse to start."""
    parser = argparse.ArgumentParser(prog="python -m server.doctor", description=__doc__)
    parser.add_argument("--new-pepper", action="store_true", help="take the pepper of the settings as the database's")
    chosen = parser.parse_args(arguments)
    try:
        found = config.settings()
    except ValidationError:
        lines = [line for one in guard.unreadable() for line in _line("refuse", one.part.value, one.what, one.cure)]
        sys.stdout.write("\n".join(lines) + "\n")
        return 1
    if chosen.new_pepper:
        try:
            service.take_pepper(found)
        except psycopg.Error as error:
            sys.stdout.write("\n".join(_line("refuse", "pepper", *_unkept(error))) + "\n")
            return 1
    lines, refuses = examine(found)
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if refuses else 0


def _unkept(error: psycopg.Error) -> tuple[str, str]:
    problem = service.unreachable(error)
    return problem.what, problem.cure


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
