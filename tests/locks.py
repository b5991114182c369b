"""A table that nobody can read for a while, and who waits for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from server.config import Settings


@dataclass(frozen=True, slots=True)
class Locked:
    """A table that is locked until `release`."""

    table: str
    connection: psycopg.AsyncConnection[Any]

    async def waiting(self) -> int:
        """Return how many sessions wait for the table."""
        found = await self.connection.execute(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = %s::regclass", [self.table]
        )
        row = await found.fetchone()
        return 0 if row is None else int(row[0])

    async def release(self) -> None:
        """Let everybody go on."""
        await self.connection.rollback()


@asynccontextmanager
async def locked(settings: Settings, table: str) -> AsyncIterator[Locked]:
    """Keep every reader of a table waiting."""
    assert settings.database.owner is not None
    dsn = settings.database.owner.get_secret_value().replace("postgresql+psycopg://", "postgresql://", 1)
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        await connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(table)))
        yield Locked(table, connection)
