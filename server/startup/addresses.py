"""Every address at which a process reaches the database: who must sign in there, and whether a pooler stands before it."""

from __future__ import annotations

from dataclasses import dataclass, field

from migrations.ground import APP, SYSTEM
from server.config import DatabaseSettings, Pooler


@dataclass(frozen=True, slots=True)
class Address:
    """One address of the database. `is_kept` marks the one that a role keeps connections to, never through a pooler."""

    setting: str
    role: str
    dsn: str = field(repr=False)
    is_pooled: bool
    is_kept: bool


def addresses_of(database: DatabaseSettings) -> list[Address]:
    """Return the addresses that are used: two, or four where both roles have one past a pooler."""
    is_pooled = database.pooler is Pooler.TRANSACTION
    found: list[Address] = []
    for role, prefix, served, kept in (
        (APP, "", database.served_app_dsn, database.app_dsn),
        (SYSTEM, "SYSTEM_", database.served_system_dsn, database.system_dsn),
    ):
        is_one = served == kept and not is_pooled
        found.append(Address(f"{prefix}DATABASE_URL", role, served, is_pooled, is_one))
        if not is_one:
            found.append(Address(f"{prefix}DATABASE_DIRECT_URL", role, kept, False, True))
    return found
