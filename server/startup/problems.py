"""What keeps a process from starting, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Part(StrEnum):
    """What is looked at before a process starts."""

    SETTINGS = "settings"
    ADDRESS = "address"
    ORIGINS = "origins"
    PLATFORMS = "platforms"
    KEYS = "keys"
    PEPPER = "pepper"
    MAIL = "mail"
    BROKER = "broker"
    LIBRARIES = "libraries"
    DATABASE = "database"
    SAME = "same database"
    VERSION = "version"
    ROLE = "role"
    REVISION = "revision"
    WALLS = "walls"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong (`what`) and how it is mended (`cure`); neither holds a secret.

    `is_passing` marks what may heal by itself, such as a database that still starts: it is waited for a while. `is_fatal`
    marks what no process could run with, wherever it is: it is refused in development too.
    """

    part: Part
    what: str
    cure: str
    is_passing: bool = False
    is_fatal: bool = False


def told(problems: Iterable[Problem]) -> str:
    """Return the problems for a person: what is wrong, and below it what to do."""
    return "\n".join(f"- {problem.part}: {problem.what}\n  {problem.cure}" for problem in problems)
