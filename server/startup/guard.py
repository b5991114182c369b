"""Where a process begins: it gets its settings, or ends with everything that is wrong and how to mend it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from typing import NoReturn

from pydantic import ValidationError
from sqlalchemy import MetaData

from server import config
from server.config import Environment, Settings, WebSettings
from server.kit import log
from server.kit.clock import monotonic_s
from server.startup import rules, service
from server.startup.problems import Part, Problem, told

PATIENCE_S = 30.0
"""How long a database that is away is waited for."""
_PAUSE_S = 2.0

_logger = log.get(__name__)


def begin(metadata: MetaData) -> Settings:
    """Read the settings and check what this process stands on; raise SystemExit with every problem in production.

    Elsewhere problems are logged as warnings, and only what no process could run with is refused. Blocks up to 30 s while a
    production database is away.
    """
    found = _settings()
    problems = service.check(found, metadata)
    ends_at = monotonic_s() + PATIENCE_S
    while rules.refuses(found.web.environment) and _only_waits(problems) and monotonic_s() < ends_at:
        _logger.warning("start waits", reason=problems[0].what)
        threading.Event().wait(_PAUSE_S)
        problems = service.check(found, metadata)
    _settle(found.web.environment, problems)
    return found


def begin_migrating(dsn: str) -> None:
    """Check, before migrations run, what they stand on; raise SystemExit with every problem in production.

    Asks for no revision. Settings of the services are looked at where all that they need is set.
    """
    problems = service.check_owner(dsn)
    if not config.mistakes():
        problems += service.settings_problems(config.settings())
    _settle(WebSettings().environment, problems)


def _only_waits(problems: Sequence[Problem]) -> bool:
    return bool(problems) and all(problem.is_passing for problem in problems)


def _settings() -> Settings:
    try:
        return config.settings()
    except ValidationError:
        _refuse(unreadable())


def unreadable() -> list[Problem]:
    """Return every setting that cannot be read."""
    cure = "docs/operations.md names the settings of a process."
    return [Problem(Part.SETTINGS, f"{name}: {said}", cure) for name, said in config.mistakes()]


def _settle(environment: Environment, problems: Sequence[Problem]) -> None:
    refused = rules.refused(environment, problems)
    if refused:
        _refuse(refused)
    for problem in problems:
        _logger.warning("would not start in production", part=problem.part.value, what=problem.what, cure=problem.cure)


def _refuse(problems: Sequence[Problem]) -> NoReturn:
    count = f"{len(problems)} problem" + ("s" if len(problems) > 1 else "")
    sys.stderr.write(f"Switchboard does not start: {count}.\n{told(problems)}\n")
    sys.stderr.flush()
    raise SystemExit(1)
