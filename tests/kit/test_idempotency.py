"""Idempotency: one intention, one effect, one answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest
from sqlalchemy import text

from server.kit.db import Database
from server.kit.errors import IdempotencyInProgress, IdempotencyKeyReused, InvalidInput
from server.kit.ids import new_id
from server.tenants import service as tenants
from server.tenants.idempotency import fingerprint, forget_old, in_turn, once
from server.tenants.rules import UnitKind
from server.tenants.scope import Scope
from server.tenants.uow import UnitOfWork, begin, begin_read
from tests.factories.tenants import AnOrganization
from tests.kit.errands import Refused, refused_in

MARK = fingerprint("unitCreate", {"name": "new"})


async def _create(uow: UnitOfWork, agency: AnOrganization) -> Mapping[str, object]:
    unit = await tenants.create_unit(uow, parent_id=agency.root_id, kind=UnitKind.CLIENT, name=f"new {new_id()}")
    return {"id": str(unit.id), "nested": {"list": [1, None, "ü"]}}


async def _ask(
    database: Database, agency: AnOrganization, key: str, mark: bytes = MARK, scope: Scope | None = None
) -> Mapping[str, object]:
    async def attempt() -> Mapping[str, object]:
        async with begin(database, scope or agency.scope) as uow:
            return await once(uow, key, mark, lambda: _create(uow, agency))

    return await in_turn(attempt)


async def _made(database: Database, agency: AnOrganization) -> int:
    async with begin_read(database, agency.scope) as uow:
        found = await uow.session.execute(text("SELECT count(*) FROM unit WHERE name LIKE 'new %'"))
        return int(found.scalar_one())


async def test_fifty_at_once_with_one_key_have_one_effect_and_fifty_equal_answers(
    database: Database, agency: AnOrganization
) -> None:
    answers = await asyncio.gather(*(_ask(database, agency, "k") for _ in range(50)))

    assert len(answers) == 50
    assert all(answer == answers[0] for answer in answers)
    assert await _made(database, agency) == 1


async def test_each_key_is_an_intention_of_its_own(database: Database, agency: AnOrganization) -> None:
    await asyncio.gather(*(_ask(database, agency, f"k{n % 5}") for n in range(25)))

    assert await _made(database, agency) == 5


async def test_another_input_under_the_same_key_is_refused_and_has_no_effect(
    database: Database, agency: AnOrganization
) -> None:
    await _ask(database, agency, "k")

    with pytest.raises(IdempotencyKeyReused):
        await _ask(database, agency, "k", fingerprint("unitCreate", {"name": "other"}))
    with pytest.raises(IdempotencyKeyReused):
        await _ask(database, agency, "k", fingerprint("unitMove", {"name": "new"}))

    assert await _made(database, agency) == 1


async def test_of_two_inputs_at_once_one_has_its_effect_and_the_other_is_refused(
    database: Database, agency: AnOrganization
) -> None:
    marks = [fingerprint("unitCreate", {"name": f"{n}"}) for n in range(8)]

    answers = await asyncio.gather(*(_ask(database, agency, "k", mark) for mark in marks), return_exceptions=True)

    assert sorted(type(answer).__name__ for answer in answers) == ["IdempotencyKeyReused"] * 7 + ["dict"]
    assert await _made(database, agency) == 1


async def test_a_failure_stores_nothing_and_may_be_repeated(database: Database, agency: AnOrganization) -> None:
    async def fail() -> Mapping[str, object]:
        raise Refused

    for _ in range(2):
        with pytest.raises(Refused):
            async with begin(database, agency.scope) as uow:
                await once(uow, "k", MARK, fail)
    async with refused_in(begin(database, agency.scope)) as uow:
        await once(uow, "k", MARK, lambda: _create(uow, agency))

    assert await _made(database, agency) == 0
    assert await _ask(database, agency, "k", fingerprint("unitCreate", {"name": "mended"}))
    assert await _made(database, agency) == 1


async def test_whoever_waits_for_one_that_fails_does_the_work(database: Database, agency: AnOrganization) -> None:
    started = asyncio.Event()
    release = asyncio.Event()

    async def slow_failure() -> Mapping[str, object]:
        started.set()
        await release.wait()
        raise Refused

    async def first() -> None:
        async with begin(database, agency.scope) as uow:
            await once(uow, "k", MARK, slow_failure)

    failing = asyncio.create_task(first())
    await asyncio.wait_for(started.wait(), 10)
    waiting = asyncio.create_task(_ask(database, agency, "k"))
    await asyncio.sleep(0.05)
    release.set()

    with pytest.raises(Refused):
        await failing
    assert await waiting
    assert await _made(database, agency) == 1


async def test_whoever_waits_is_told_so_at_once_and_holds_no_connection(
    database: Database, agency: AnOrganization
) -> None:
    held: list[int] = []

    async def look(_seconds: float) -> None:
        held.append(database.app_engine.pool.checkedout())  # type: ignore[attr-defined]

    async def attempt() -> None:
        async with begin(database, agency.scope) as uow:
            await once(uow, "k", MARK, lambda: _create(uow, agency))

    async with begin(database, agency.scope) as first:
        await once(first, "k", MARK, lambda: _create(first, agency))
        own = database.app_engine.pool.checkedout()  # type: ignore[attr-defined]
        with pytest.raises(IdempotencyInProgress):
            await in_turn(attempt, look)

    assert len(held) > 10
    assert set(held) == {own}

    assert await _made(database, agency) == 1


async def test_the_key_of_one_actor_is_not_the_key_of_another(database: Database, agency: AnOrganization) -> None:
    other = replace(agency.scope, actor=replace(agency.scope.actor, id=new_id()))

    mine, theirs = await _ask(database, agency, "k"), await _ask(database, agency, "k", scope=other)

    assert mine != theirs
    assert await _made(database, agency) == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "a\nb", "a\0b", "\x7f", "\u202e"])
async def test_a_key_that_cannot_be_stored_or_shown_is_refused(
    database: Database, agency: AnOrganization, key: str
) -> None:
    with pytest.raises(InvalidInput):
        await _ask(database, agency, key)


async def test_the_longest_key_and_one_of_any_script_are_fine(database: Database, agency: AnOrganization) -> None:
    for key in ("x" * 255, "ключ 鍵 🔑", "' OR 1=1 --"):
        assert await _ask(database, agency, key) == await _ask(database, agency, key)


def test_a_fingerprint_knows_the_field_and_every_value_but_not_the_order_of_names() -> None:
    mark = fingerprint("f", {"a": 1, "b": {"c": [1, 2], "d": None}})

    assert mark == fingerprint("f", {"b": {"d": None, "c": [1, 2]}, "a": 1})
    assert mark != fingerprint("g", {"a": 1, "b": {"c": [1, 2], "d": None}})
    assert mark != fingerprint("f", {"a": 1, "b": {"c": [2, 1], "d": None}})
    assert mark != fingerprint("f", {"a": "1", "b": {"c": [1, 2], "d": None}})


async def test_keys_are_forgotten_after_a_week_and_not_before(database: Database, agency: AnOrganization) -> None:
    first = await _ask(database, agency, "k")
    async with begin(database, agency.scope) as uow:
        await uow.session.execute(text("UPDATE idempotency SET created_at = created_at - interval '6 days 23 hours'"))
        await forget_old(uow)
    kept = await _ask(database, agency, "k")
    async with begin(database, agency.scope) as uow:
        await uow.session.execute(text("UPDATE idempotency SET created_at = created_at - interval '2 hours'"))
        await forget_old(uow)

    assert kept == first
    assert await _ask(database, agency, "k") != first
