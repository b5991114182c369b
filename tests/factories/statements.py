"""Counting SQL: a budget compares two sizes instead of naming a magic number."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event

from server.kit.db import Database


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """Collect the statements that the application's engine executes inside of the block."""
    statements: list[str] = []

    def note(_conn: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    engine = database.app_engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)
