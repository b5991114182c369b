"""Alembic's environment: migrations run as the owner of the tables, one transaction each."""

from __future__ import annotations

import os

from alembic import context
from sqlalchemy import create_engine, pool

from server.models import metadata
from server.startup import guard


def _url() -> str:
    url = context.config.attributes.get("url") or os.environ.get("OWNER_DATABASE_URL")
    if not url:
        raise SystemExit("Set OWNER_DATABASE_URL to the address of the role that owns the tables.")
    return str(url)


def run() -> None:
    """Run the migrations that are missing, each in its own transaction."""
    if context.is_offline_mode():
        context.configure(url=_url(), target_metadata=metadata, literal_binds=True, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()
        return
    guard.begin_migrating(_url().replace("postgresql+psycopg://", "postgresql://", 1))
    engine = create_engine(_url(), poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run()
