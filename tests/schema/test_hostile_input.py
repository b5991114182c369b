"""Whatever a stranger writes into any argument of any field is refused or taken as text; it is never a fault of ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode
from server.tenants.rules import Role
from tests.api import Api
from tests.factories.accounts import a_signed_in_person
from tests.factories.tenants import an_agency
from tests.tenancy.asking import Asker, Call, read_shapes
from tests.tenancy.shapes import Wanted

TEXTS = ("\0", "\u202e\ufeff\u0007", "a" * 20_000, "%_\\'\"; --", "-1", "9" * 400)
NUMBERS = (-1, 0, 2**31 - 1)


def _spoiled(value: object, unit: str) -> Iterator[Any]:
    """Yield the arguments with one text, number or id replaced by something hostile, each in turn."""
    match value:
        case Wanted():
            yield from (f"{kind}{text}" for kind in ("", "unit_") for text in TEXTS)
        case bool() | None:
            yield value
        case str():
            yield from TEXTS
        case int() | float():
            yield from NUMBERS
        case dict():
            for name, one in value.items():
                yield from ({**_sound(value, unit), name: bad} for bad in _spoiled(one, unit))
        case list():
            yield []
            for place, one in enumerate(value):
                sound = _sound(value, unit)
                yield from ([*sound[:place], bad, *sound[place + 1 :]] for bad in _spoiled(one, unit))


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
async def test_no_text_number_or_id_in_any_argument_is_answered_as_a_fault_of_ours(
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
        for variant in shapes.variants(one):
            calls = [Call(bad) for bad in _spoiled(dict(variant.arguments), unit)]
            asked += len(calls)
            # One call a request: a value that its type refuses would keep its neighbours from being tried.
            for heard in [(await asker.ask(operation, name, one, [call], 1))[0] for call in calls]:
                codes = {error["extensions"]["code"] for error in heard.body.get("errors", [])}
                if heard.status >= 500 or codes & {"INTERNAL", "TIMEOUT"}:
                    faults.append(f"{name}: {heard.text[:300]}")

    assert asked > 100
    assert faults == []
