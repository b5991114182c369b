"""The database that holds the ledger: embedded, or the user's own by DATABASE_URL; and whether it is migrated."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import psycopg

from migrations import ground
from switchboard import database, postgres
from switchboard.database import Urls

DBNAME = "switchboard"
PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Ledger:
    """An open database and the embedded server below it, if there is one."""

    urls: Urls
    server: postgres.Server | None
    warning: str | None

    def close(self, keep: bool) -> None:
        """Stop the embedded server if this process has to, unless it is to be kept."""
        if self.server is not None:
            self.server.stop(keep=keep)

    def fingerprint(self) -> str:
        """Return a text that differs for every database; no secret can be read from it."""
        return hashlib.sha256(self.urls.owner.encode()).hexdigest()


def open_ledger(data_dir: Path) -> Ledger:
    """Start the embedded server or prepare the one of DATABASE_URL; raise PostgresUnavailable or DatabaseRefused."""
    given = os.environ.get("DATABASE_URL")
    if given:
        return Ledger(database.prepare(given, data_dir), None, None)
    server = postgres.ensure_running(data_dir / "postgres")
    server.create_database(DBNAME)
    urls = Urls(server.app_url(DBNAME), server.system_url(DBNAME), server.owner_url(DBNAME))
    with psycopg.connect(database.libpq(urls.app), connect_timeout=10) as connection:
        return Ledger(urls, server, ground.version_problem(connection.info.server_version))


def is_migrated(urls: Urls, project: Path = PROJECT) -> bool:
    """Say whether the newest migration is applied, without loading Alembic."""
    with psycopg.connect(database.libpq(urls.owner), connect_timeout=10) as connection:
        found = connection.execute("SELECT to_regclass('alembic_version')").fetchone()
        if found is None or found[0] is None:
            return False
        applied = {str(row[0]) for row in connection.execute("SELECT version_num FROM alembic_version")}
    return applied == ground.newest_revisions(project / "migrations" / "versions")
