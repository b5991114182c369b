"""Repositories that forget: their own conditions are struck out of the SQL, so that row-level security stands alone (G25)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from server.tenants.scope import Scope

APP_ROLE = "switchboard_app"
_ORGANIZATION = re.compile(r"\b(?P<table>\w+)\.organization_id = (?:%\(\w+\)s|:\w+)(?:::UUID)?", re.IGNORECASE)
_UNITS = re.compile(r"\b\w+\.unit_id (?:IN \([^()]*\)|= ANY \([^()]*(?:\([^()]*\))?[^()]*\))", re.IGNORECASE)


@dataclass(slots=True)
class Forgotten:
    """How many conditions were struck out."""

    organizations: int = 0
    units: int = 0


@contextmanager
def forgetting(patch: pytest.MonkeyPatch, *, only: frozenset[str] | None = None) -> Iterator[Forgotten]:
    """Strike out every comparison of an organization or a unit with a value, and let every scope cut nothing by itself.

    `only` names tables whose comparison with the organization is forgotten; all else is kept then. What joins tables to
    each other stays: it is no filter.
    """
    counted = Forgotten()

    def strike(
        connection: Any, _cursor: object, statement: str, parameters: object, _context: object, _many: bool
    ) -> tuple[str, object]:
        if connection.engine.url.username != APP_ROLE or statement.lstrip().upper().startswith("INSERT"):
            return statement, parameters

        def one(found: re.Match[str]) -> str:
            if only is not None and found["table"] not in only:
                return found[0]
            counted.organizations += 1
            return "true"

        statement = _ORGANIZATION.sub(one, statement)
        if only is None:
            statement, units = _UNITS.subn("true", statement)
            counted.units += units
        return statement, parameters

    event.listen(Engine, "before_cursor_execute", strike, retval=True)
    try:
        if only is None:
            patch.setattr(Scope, "reaches", lambda _self, _unit_id: True)
        yield counted
    finally:
        patch.undo()
        event.remove(Engine, "before_cursor_execute", strike)
