"""Whatever a stranger writes into any argument of any field is refused or taken as text; it is never a fault of ours."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from graphql import GraphQLField

from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode
from server.tenants.rules import Role
from tests.api import Api
from tests.factories.accounts import a_signed_in_person
from tests.factories.tenants import an_agency
from tests.tenancy.asking import Asker, Call, read_shapes
from tests.tenancy.shapes import Wanted, is_connection

TEXTS = ("\0", "\ud800", "\u202e\ufeff\u0007", "a" * 20_000, "%_\\'\"; --", "-1", "9" * 400)
TIMES = (
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "9999-12-31T24:00:00Z",
    "1969-12-31T23:59:59Z",
    "2026-12-01T09:00:00",
    "2026-12-01T09:00:00+99:99",
    "0001-01-01",
    "9999-12-31",
)
NUMBERS = (-1, 0, 2**31 - 1, 2**31, -(2**63) - 1, 10**400, 1.5, 1e308, math.nan, math.inf)
OTHER_KINDS = ({"a": "\0"}, [["\ud800"]], True)
CURSORS = (*TEXTS, "W10", "bnVsbA", "e30")
"""Beside texts the base64 of an empty list, of null and of an empty object."""


Path = tuple[str | int, ...]


def _spoiled(value: object, unit: str, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield the arguments with one text, number or id replaced by something hostile, each in turn; and the place of it."""
    match value:
        case Wanted():
            yield from ((path, f"{kind}{text}") for kind in ("", "unit_") for text in TEXTS)
        case bool() | None:
            yield path, value
        case str():
            yield from ((path, text) for text in (*TEXTS, *OTHER_KINDS, *(TIMES if _is_time(value) else ())))
        case int() | float():
            yield from ((path, number) for number in NUMBERS)
        case dict():
            for name, one in value.items():
                sound = _sound(value, unit)
                yield from ((at, {**sound, name: bad}) for at, bad in _spoiled(one, unit, (*path, name)))
        case list():
            yield (*path, "empty"), []
            for place, one in enumerate(value):
                sound = _sound(value, unit)
                for at, bad in _spoiled(one, unit, (*path, place)):
                    yield at, [*sound[:place], bad, *sound[place + 1 :]]


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _pages(one: GraphQLField) -> Iterator[tuple[Path, Any]]:
    """Yield hostile ways to ask for a page of a list."""
    if is_connection(one.type) and "after" in one.args:
        yield from (((name, text), {name: text}) for name in ("after", "before") for text in CURSORS)
        yield from (((name, str(number)), {name: number}) for name in ("first", "last") for number in NUMBERS)


def _sound(value: object, unit: str) -> Any:
    match value:
        case Wanted():
            return unit
        case dict():
            return {name: _sound(one, unit) for name, one in value.items()}
        case list():
            return [_sound(one, unit) for one in value]
        case _:
            return value


@pytest.mark.parametrize("operation", ["query", "mutation"])
async def test_no_text_number_time_or_id_in_any_argument_is_answered_as_a_fault_of_ours(
    api: Api, database: Database, settings: Settings, operation: str
) -> None:
    agency = await an_agency(database, clients=1)
    person = await a_signed_in_person(database, settings, agency, agency.root_id, Role.OWNER)
    shapes = await read_shapes(api, person.token)
    asker = Asker(api, shapes, person.token)
    unit = encode("unit", agency.units["client 1"])

    faults, asked = [], 0
    for name, one in shapes.roots(operation).items():
        if name == "sessionEnd":  # it would end the session that asks
            continue
        tried: set[Path] = set()
        for variant in shapes.variants(one):
            # A place that an earlier way to call the field has spoiled is left alone in the later ones.
            spoiled = [(at, bad) for at, bad in _spoiled(dict(variant.arguments), unit) if at not in tried]
            tried |= {at for at, _ in spoiled}
            if variant.focus == ():
                sound = _sound(dict(variant.arguments), unit)
                spoiled += [(at, {**sound, **page}) for at, page in _pages(one)]
            calls = [Call(bad) for _, bad in spoiled]
            asked += len(calls)
            # One call a request: a value that its type refuses would keep its neighbours from being tried.
            for heard in [(await asker.ask(operation, name, one, [call], 1))[0] for call in calls]:
                codes = {error["extensions"]["code"] for error in heard.body.get("errors", [])}
                if heard.status >= 500 or codes & {"INTERNAL", "TIMEOUT"}:
                    faults.append(f"{name}: {heard.text[:300]}")

    assert asked > 100
    assert faults == []
