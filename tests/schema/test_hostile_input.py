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


Path = tuple[str | int, ...]


def _spoiled(value: object, unit: str, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield the arguments with one text, number or id replaced by something hostile, each in turn; and the place of it."""
    match value:
        case Wanted():
            yield from ((path, f"{kind}{text}") for kind in ("", "unit_") for text in TEXTS)
        case bool() | None:
            yield path, value
        case str():
            yield from ((path, text) for text in TEXTS)
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
        tried: set[Path] = set()
        for variant in shapes.variants(one):
            # A place that an earlier way to call the field has spoiled is left alone in the later ones.
            spoiled = [(at, bad) for at, bad in _spoiled(dict(variant.arguments), unit) if at not in tried]
            tried |= {at for at, _ in spoiled}
            calls = [Call(bad) for _, bad in spoiled]
            asked += len(calls)
            # One call a request: a value that its type refuses would keep its neighbours from being tried.
            for heard in [(await asker.ask(operation, name, one, [call], 1))[0] for call in calls]:
                codes = {error["extensions"]["code"] for error in heard.body.get("errors", [])}
                if heard.status >= 500 or codes & {"INTERNAL", "TIMEOUT"}:
                    faults.append(f"{name}: {heard.text[:300]}")

    assert asked > 100
    assert faults == []
