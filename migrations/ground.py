"""What the ledger stands on: versions of PostgreSQL, names of roles, the newest revision.

Imports nothing of ours, so that the launcher, the server and the migrations, which share no other code, read one truth.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

OWNER = "switchboard_owner"
"""What the launcher calls the owner of the tables; an operator's owner may have any name."""
APP = "switchboard_app"
SYSTEM = "switchboard_system"
"""These two names are fixed: grants and policies of the migrations name them."""

# Below these, an upsert reads or writes rows that row security hides (CVE-2026-120154, CVE-2026-16237).
FLOORS: Mapping[int, int] = {15: 150020, 16: 160016, 17: 170012, 18: 180007}

VERSIONS = Path(__file__).parent / "versions"

_REVISION = re.compile(r"^(revision|down_revision)\b[^=]*=\s*(.+)$", re.MULTILINE)
_NAMES = re.compile(r"[\"']([^\"']+)[\"']")


def version_problem(number: int, floors: Mapping[int, int] = FLOORS) -> str | None:
    """Return why row security of this server cannot be trusted, None if it can. `number` is libpq's server version."""
    floor = floors.get(number // 10_000)
    if number < min(floors.values()) or (floor is not None and number < floor):
        wanted = ", ".join(f"{value // 10_000}.{value % 10_000}" for value in floors.values())
        return (
            f"PostgreSQL {number // 10_000}.{number % 10_000} lets upserts pass row-level security "
            f"(CVE-2026-120154, CVE-2026-16237); it is mended in {wanted} and later."
        )
    return None


def known_revisions(versions: Path = VERSIONS) -> set[str]:
    """Return every revision there is a migration for."""
    return _revisions(versions)[0]


def newest_revisions(versions: Path = VERSIONS) -> set[str]:
    """Return the revisions that no other migration builds upon, without loading Alembic."""
    revisions, followed = _revisions(versions)
    return revisions - followed


def _revisions(versions: Path) -> tuple[set[str], set[str]]:
    revisions: set[str] = set()
    followed: set[str] = set()
    for path in versions.glob("*.py"):
        for kind, value in _REVISION.findall(path.read_text()):
            (revisions if kind == "revision" else followed).update(_NAMES.findall(value))
    return revisions, followed
