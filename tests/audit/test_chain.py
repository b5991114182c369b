"""The chain in the database: hashed as it is stored, one line without forks, and closed against the application itself."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st
from psycopg import errors as pg
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from server.audit import service as audit
from server.audit.actions import Action
from server.audit.models import AuditEventRow
from server.audit.rules import canonical, plain
from server.kit.db import Database
from server.kit.ids import new_id
from server.tenants.uow import begin, begin_read
from tests.factories.tenants import AnOrganization, an_agency


class Word(StrEnum):
    """An enum as services use them."""

    ONE = "one"


NASTY: dict[str, object] = {
    "z": 1,
    "a": 2,
    "é": "e\u0301 and \u00e9",
    "𝒜": '😀 \u2028 \u007f \\ " / \b\f\n\r\t\u0001',
    "\uffff": None,
    "sixteen": 1e16,
    "large": 1e300,
    "tiny": 5e-324,
    "third": 1 / 3,
    "minus zero": -0.0,
    "one": 1.0,
    "nan": float("nan"),
    "infinite": float("inf"),
    "exact": 2**53 - 1,
    "inexact": 2**53,
    "beyond": 2**80,
    "negative": -(2**63),
    "true": True,
    "nul": "a\0b",
    "half": "\ud83d",
    "when": datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    "id": UUID(int=5),
    "word": Word.ONE,
    "list": [1.5, (2, {"b": 1, "a": [None, -0.0]})],
    "empty": {"": {}, "list": []},
    "": "no name",
}


async def _events(database: Database, agency: AnOrganization) -> list[AuditEventRow]:
    async with begin_read(database, agency.scope) as uow:
        found = await uow.session.scalars(
            select(AuditEventRow).where(AuditEventRow.organization_id == agency.id).order_by(AuditEventRow.seq)
        )
        return list(found)


async def _verified(database: Database, agency: AnOrganization) -> int | None:
    async with begin_read(database, agency.scope) as uow:
        return await audit.verify(uow)


async def _record(database: Database, agency: AnOrganization, details: dict[str, object]) -> None:
    async with begin(database, agency.scope) as uow:
        await audit.record(uow, Action.UNIT_EDIT, new_id(), details)


async def test_what_is_hashed_is_what_comes_back_from_the_database_also_for_nasty_details(database: Database) -> None:
    agency = await an_agency(database)

    await _record(database, agency, NASTY)
    await _record(database, agency, {"after": "it"})

    event = (await _events(database, agency))[0]
    assert await _verified(database, agency) is None
    assert event.details == plain(NASTY)
    assert event.details["when"] == "2026-03-01T06:30:00.000005+00:00"
    assert (event.details["sixteen"], event.details["exact"], event.details["beyond"]) == (
        "1e+16",
        2**53 - 1,
        str(2**80),
    )


async def test_the_chain_holds_whatever_the_time_zone_of_the_session_is(database: Database) -> None:
    agency = await an_agency(database)
    async with begin(database, agency.scope) as uow:
        await uow.session.execute(text("SET LOCAL TIME ZONE 'Asia/Kolkata'"))
        await audit.record(uow, Action.UNIT_EDIT, new_id(), {})

    async with begin_read(database, agency.scope) as uow:
        await uow.session.execute(text("SET LOCAL TIME ZONE 'America/St_Johns'"))
        assert await audit.verify(uow) is None


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes(timezones=st.just(UTC)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=4), _VALUES, max_size=4))
@budget(max_examples=300, deadline=None)
def test_a_plain_value_has_one_written_form_whoever_reads_and_writes_it(details: dict[str, object]) -> None:
    written = canonical(plain(details))  # type: ignore[arg-type]  # a dict stays one

    again = json.dumps(json.loads(written), ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    assert again.encode() == written
    assert canonical(plain(json.loads(written))) == written  # type: ignore[arg-type]


async def test_random_details_hold_in_the_database(database: Database) -> None:
    agency = await an_agency(database)
    made = [
        {f"{n}": value, "nested": {"deep": [value, {"again": value}]}}
        for n, value in enumerate([0.1, 1e22, 123456789.123456789, 1e-7, "\u0085", 10**15 + 0.5, -1, 2**53 + 1])
    ]

    for one in made:
        await _record(database, agency, one)

    assert await _verified(database, agency) is None


async def test_events_of_transactions_that_run_at_once_make_one_line(database: Database) -> None:
    agency = await an_agency(database)

    await asyncio.gather(*(_record(database, agency, {"number": number}) for number in range(12)))

    events = await _events(database, agency)
    assert [one.seq for one in events] == list(range(1, len(events) + 1))
    assert [one.previous_hash for one in events[1:]] == [one.hash for one in events[:-1]]
    assert await _verified(database, agency) is None


async def test_an_effect_that_is_rolled_back_leaves_no_event(database: Database) -> None:
    agency = await an_agency(database)
    before = len(await _events(database, agency))

    async def undone() -> None:
        async with begin(database, agency.scope) as uow:
            await audit.record(uow, Action.UNIT_EDIT, new_id(), {})
            raise LookupError

    with pytest.raises(LookupError):
        await undone()

    assert len(await _events(database, agency)) == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_event SET actor_name = 'somebody else'",
        "DELETE FROM audit_event",
        "TRUNCATE audit_event",
        "ALTER TABLE audit_event DISABLE ROW LEVEL SECURITY",
        "DROP TABLE audit_event",
        "DELETE FROM audit_head",
        "TRUNCATE audit_head",
        "UPDATE audit_head SET organization_id = organization_id",
    ],
)
async def test_the_application_can_neither_change_nor_remove_what_was_written(
    database: Database, statement: str
) -> None:
    agency = await an_agency(database)
    await _record(database, agency, {})

    with pytest.raises(DBAPIError) as refused:
        async with begin(database, agency.scope) as uow:
            await uow.session.execute(text(statement))

    assert isinstance(refused.value.orig, pg.InsufficientPrivilege)


@pytest.mark.parametrize("step_back", [1, 2, 3])
async def test_a_chain_whose_end_was_set_back_cannot_be_continued(database: Database, step_back: int) -> None:
    agency = await an_agency(database)
    for number in range(4):
        await _record(database, agency, {"number": number})
    events = await _events(database, agency)
    earlier = events[-1 - step_back]
    async with begin(database, agency.scope) as uow:
        await uow.session.execute(
            text("UPDATE audit_head SET seq = :seq, hash = :hash"), {"seq": earlier.seq, "hash": earlier.hash}
        )

    assert await _verified(database, agency) == events[-1].seq + 1
    with pytest.raises(DBAPIError) as refused:
        await _record(database, agency, {"fork": True})

    assert isinstance(refused.value.orig, pg.UniqueViolation)
    assert [one.hash for one in await _events(database, agency)] == [one.hash for one in events]


async def test_an_event_cannot_pass_over_others_by_naming_an_earlier_one_as_its_predecessor(database: Database) -> None:
    agency = await an_agency(database)
    for number in range(3):
        await _record(database, agency, {"number": number})
    events = await _events(database, agency)
    forged = {column.name: getattr(events[-1], column.name) for column in AuditEventRow.__table__.columns}
    forged |= {"id": new_id(), "seq": events[-1].seq + 1, "previous_hash": events[0].hash, "hash": os.urandom(32)}

    with pytest.raises(DBAPIError) as refused:
        async with begin(database, agency.scope) as uow:
            await uow.session.execute(insert(AuditEventRow).values(**forged))

    assert isinstance(refused.value.orig, pg.UniqueViolation)


async def test_an_event_that_was_added_past_the_end_is_found(database: Database) -> None:
    agency = await an_agency(database)
    await _record(database, agency, {})
    last = (await _events(database, agency))[-1]
    forged = {column.name: getattr(last, column.name) for column in AuditEventRow.__table__.columns}
    forged |= {"id": new_id(), "seq": last.seq + 1, "previous_hash": last.hash, "hash": os.urandom(32)}
    async with begin(database, agency.scope) as uow:
        await uow.session.execute(insert(AuditEventRow).values(**forged))

    assert await _verified(database, agency) == last.seq + 1
