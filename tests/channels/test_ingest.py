"""Storing bodies: items that PostgreSQL refuses, many writers, and the ledger's keys."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import text

from server.channels import service as channels
from server.channels.service import Ingested
from server.kit.db import Database
from server.kit.ids import new_id
from server.platforms.messenger.connector import MessengerConnector
from server.platforms.port import BodyMalformed
from tests.channels.conftest import Scripted, an_event
from tests.factories.channels import a_body, a_page, a_text, an_external_id
from tests.factories.tenants import an_agency
from tests.schema.asking import statements


def nested(depth: int) -> dict[str, object]:
    """A payload that is nested beyond what anybody writes."""
    found: dict[str, object] = {"end": 1}
    for _ in range(depth):
        found = {"in": found}
    return found


@pytest.mark.parametrize(
    ("_case", "changes"),
    [
        ("NUL in the payload", {"payload": {"text": "a\x00b"}}),
        ("NUL in a name of the payload", {"payload": {"a\x00": 1}}),
        ("NUL behind a backslash", {"payload": {"text": "\\\x00"}}),
        ("high half of a pair", {"payload": {"text": "\ud83d"}}),
        ("low half of a pair", {"payload": {"a": ["\ude00"]}}),
        ("not a number", {"payload": {"a": float("nan")}}),
        ("infinite", {"payload": {"a": float("-inf")}}),
        ("nested", {"payload": nested(100_000)}),
        ("not JSON at all", {"payload": {"a": object()}}),
        ("NUL in the id", {"external_id": "m_\x00"}),
        ("half a pair in the id", {"external_id": "m_\ud83d"}),
        ("an id beyond an index row", {"external_id": "é" * 501}),
        ("NUL in the mailbox", {"mailbox": "\x00"}),
        ("a long mailbox", {"mailbox": "7" * 1_001}),
        ("NUL in the kind", {"kind": "a\x00"}),
        ("a time without a zone", {"occurred_at": datetime(2026, 5, 1)}),  # noqa: DTZ001
    ],
)
async def test_an_item_that_no_row_can_hold_becomes_one_stray_and_the_others_are_stored(
    _case: str, changes: dict[str, object], database: Database
) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    odd = an_event(page.external_id, **{"external_id": "m_odd", **changes})
    connector = Scripted([an_event(page.external_id, "m_1"), odd, an_event(page.external_id, "m_2")])

    first = await channels.record_events(database, connector, b"the body")
    second = await channels.record_events(database, connector, b"the body")

    assert first == Ingested(stored=2, duplicates=0, strays=1)
    assert second == Ingested(stored=0, duplicates=3, strays=0)


async def test_the_page_of_an_item_may_be_as_odd_as_its_text(database: Database) -> None:
    for name in ("1\x00", "\ud83d", "9" * 5_000):
        told = await channels.record_events(database, Scripted([an_event(name, new_id().hex)]), b"")
        assert told == Ingested(stored=0, duplicates=0, strays=1)


@pytest.mark.parametrize("value", ["\\u0000", "\\\\u0000", '"\\ud83d"', "😀", "\u2028", "a\\", 10**400, 1.5, None])
async def test_what_only_looks_like_trouble_is_stored_as_it_came(value: object, database: Database) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])

    told = await channels.record_events(database, Scripted([an_event(page.external_id, payload={"a": value})]), b"")

    assert told.stored == 1
    async with database.scoped(agency.scope.context(read_only=True)) as session:
        payload = (await session.execute(text("SELECT payload FROM platform_event"))).scalar_one()
    assert payload == {"a": value}


async def test_bodies_that_name_the_same_pages_in_another_order_do_not_lock_each_other_out(
    database: Database, messenger: MessengerConnector
) -> None:
    agency, other = await an_agency(database), await an_agency(database)
    pages = [await a_page(database, one, one.units["client 1"]) for one in (agency, other)]
    bodies = []
    for number in range(10):
        ordered = pages if number % 2 else pages[::-1]
        bodies.append(a_body(*(a_text(page.external_id, str(person)) for page in ordered for person in range(20))))

    told = await asyncio.gather(*(channels.record_events(database, messenger, body) for body in bodies))

    assert sum(one.stored for one in told) == 400


async def test_a_body_for_many_organizations_takes_as_many_statements_as_one_for_a_single_page(
    database: Database, messenger: MessengerConnector
) -> None:
    agencies = [await an_agency(database) for _ in range(5)]
    pages = [await a_page(database, one, one.units["client 1"]) for one in agencies]
    counts = []

    for body in (a_body(a_text(pages[0].external_id)), a_body(*(a_text(page.external_id) for page in pages))):
        with statements() as seen:
            await channels.record_events(database, messenger, body)
        counts.append(len(seen))

    assert counts[0] == counts[1]
    for agency in agencies:
        async with database.scoped(agency.scope.context(read_only=True)) as session:
            owed = await session.execute(text("SELECT count(*) FROM job WHERE kind = 'channels.drain_page'"))
            assert owed.scalar_one() >= 1


async def test_a_time_is_stored_to_the_microsecond_and_as_the_same_moment(database: Database) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    at = datetime(2026, 5, 1, 12, 0, 0, 123_457, tzinfo=timezone(timedelta(hours=5, minutes=45)))

    await channels.record_events(database, Scripted([an_event(page.external_id, occurred_at=at)]), b"")

    async with database.scoped(agency.scope.context(read_only=True)) as session:
        assert (await session.execute(text("SELECT occurred_at FROM platform_event"))).scalar_one() == at


async def test_the_same_item_twice_in_one_body_is_stored_once(
    database: Database, messenger: MessengerConnector
) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    item = a_text(page.external_id)

    assert await channels.record_events(database, messenger, a_body(item, item)) == Ingested(1, 1, 0)


async def test_an_item_keeps_its_key_when_another_page_uses_the_same_id(
    database: Database, messenger: MessengerConnector
) -> None:
    agency = await an_agency(database)
    pages = [await a_page(database, agency, agency.units["client 1"]) for _ in range(2)]

    told = await channels.record_events(
        database, messenger, a_body(*(a_text(page.external_id, mid="m_same") for page in pages))
    )

    assert told.stored == 2


async def test_a_body_without_items_changes_nothing(database: Database) -> None:
    assert await channels.record_events(database, Scripted([]), b"{}") == Ingested(0, 0, 0)


async def test_a_malformed_body_is_raised_again_after_it_was_kept(
    database: Database, messenger: MessengerConnector
) -> None:
    body = f"not json {new_id()}".encode()

    for _ in range(2):
        with pytest.raises(BodyMalformed):
            await channels.record_events(database, messenger, body)

    async with database.unscoped_system() as session:
        kept = await session.execute(text("SELECT reason FROM stray_event WHERE body = :body"), {"body": body})
        assert kept.scalars().all() == ["malformed"]


async def test_a_stray_holds_enough_to_take_the_item_up_again(
    database: Database, messenger: MessengerConnector
) -> None:
    name = an_external_id()
    at = datetime(2026, 5, 1, 12, tzinfo=UTC)
    await channels.record_events(database, Scripted([an_event(name, "m_lost", occurred_at=at)]), b"")

    async with database.unscoped_system() as session:
        kept = await session.execute(
            text("SELECT convert_from(body, 'UTF8')::jsonb FROM stray_event WHERE detail LIKE :name"),
            {"name": f"%{name}%"},
        )
        assert kept.scalar_one() == {
            "page_external_id": name,
            "kind": "message",
            "external_id": "m_lost",
            "mailbox": "77",
            "occurred_at": at.isoformat(),
            "payload": {"message": {"text": "hello"}},
        }
