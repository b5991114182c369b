"""Bodies that arrive together are stored together, and each caller hears of its own rows only."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import text

from server.channels import service as channels
from server.channels.service import Ingested, Intake
from server.kit.db import Database
from server.kit.errors import Unavailable
from server.platforms.messenger.connector import MessengerConnector
from server.platforms.port import BodyMalformed
from tests.channels.conftest import Scripted, an_event
from tests.factories.channels import a_body, a_page, a_text
from tests.factories.tenants import an_agency
from tests.schema.asking import statements

BEYOND_POSTGRESQL = datetime(2026, 5, 1, tzinfo=timezone(timedelta(hours=20)))
"""PostgreSQL knows no zone so far from Greenwich: it refuses the row, and everything else in the statement."""


async def stored_ids(database: Database, page_id: object) -> list[str]:
    """The platform's names of the stored events of a page."""
    async with database.unscoped_system() as session:
        found = await session.execute(
            text("SELECT external_id FROM platform_event WHERE page_id = :page ORDER BY external_id"), {"page": page_id}
        )
        return list(found.scalars())


async def test_bodies_that_arrive_together_share_their_statements(
    database: Database, messenger: MessengerConnector
) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    intake = Intake(database)
    bodies = [a_body(a_text(page.external_id, str(number), mid=f"m_{number:03}")) for number in range(200)]

    with statements() as seen:
        told = await asyncio.gather(*(intake.record(messenger, body) for body in bodies))

    assert told == [Ingested(1, 0, 0)] * 200
    assert len(seen) < 20
    assert len(await stored_ids(database, page.id)) == 200


async def test_each_body_is_told_of_its_own_items(database: Database, messenger: MessengerConnector) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    intake = Intake(database)
    one, two = a_text(page.external_id, mid="m_1"), a_text(page.external_id, mid="m_2")
    nobodys = a_text("4", mid=f"m_{page.id}")
    await intake.record(messenger, a_body(one))

    told = await asyncio.gather(
        *(intake.record(messenger, body) for body in (a_body(one, two), a_body(two), a_body(nobodys), a_body(nobodys)))
    )

    assert sorted(told[:2], key=lambda each: each.stored) == [Ingested(0, 1, 0), Ingested(1, 1, 0)]
    assert told[2:] == [Ingested(0, 0, 1), Ingested(0, 1, 0)]


async def test_a_row_that_postgresql_refuses_costs_nobody_else_theirs(database: Database) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    intake = Intake(database)
    good = [Scripted([an_event(page.external_id, f"m_{number}")]) for number in range(5)]
    strange = Scripted(
        [
            an_event(page.external_id, "m_before"),
            an_event(page.external_id, f"m_strange_{page.id}", occurred_at=BEYOND_POSTGRESQL),
            an_event(page.external_id, "m_after"),
        ]
    )

    told = await asyncio.gather(*(intake.record(each, b"") for each in (*good[:2], strange, *good[2:])))
    again = await intake.record(strange, b"")

    assert told.pop(2) == Ingested(stored=2, duplicates=0, strays=1)
    assert told == [Ingested(1, 0, 0)] * 5
    assert again == Ingested(stored=0, duplicates=3, strays=0)
    assert await stored_ids(database, page.id) == ["m_0", "m_1", "m_2", "m_3", "m_4", "m_after", "m_before"]


async def test_a_malformed_body_is_its_senders_trouble_alone(database: Database, messenger: MessengerConnector) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    intake = Intake(database)

    told = await asyncio.gather(
        intake.record(messenger, b"no json"),
        intake.record(messenger, a_body(a_text(page.external_id))),
        return_exceptions=True,
    )

    assert isinstance(told[0], BodyMalformed)
    assert told[1] == Ingested(1, 0, 0)


async def test_a_caller_that_goes_away_harms_nobody_and_blocks_nothing(
    database: Database, messenger: MessengerConnector
) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    intake = Intake(database)
    calls = [
        asyncio.create_task(intake.record(messenger, a_body(a_text(page.external_id, mid=f"m_{number}"))))
        for number in range(60)
    ]

    for turn in range(3):
        await asyncio.sleep(0)
        calls[turn * 7].cancel()
    calls[59].cancel()
    told = await asyncio.gather(*calls, return_exceptions=True)
    await intake.aclose()

    gone = [place for place, one in enumerate(told) if isinstance(one, asyncio.CancelledError)]
    assert gone == [0, 7, 14, 59]
    assert [one for one in told if isinstance(one, Ingested)] == [Ingested(1, 0, 0)] * 56
    stored = set(await stored_ids(database, page.id))
    assert stored >= {f"m_{number}" for number in range(60) if number not in gone}


async def test_more_than_may_wait_is_refused_so_that_the_platform_comes_again(
    database: Database, messenger: MessengerConnector
) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    intake = Intake(database, most_waiting=10)
    bodies = [a_body(*(a_text(page.external_id, str(one)) for one in range(6))) for _ in range(8)]

    told = await asyncio.gather(*(intake.record(messenger, body) for body in bodies), return_exceptions=True)
    later = await intake.record(messenger, a_body(a_text(page.external_id, mid=f"m_{datetime.now(UTC)}")))

    assert {type(one) for one in told} == {Ingested, Unavailable}
    stored = sum(one.stored for one in told if isinstance(one, Ingested))
    assert later == Ingested(1, 0, 0)
    assert len(await stored_ids(database, page.id)) == stored + 1


async def test_a_single_body_larger_than_what_may_wait_is_still_taken(
    database: Database, messenger: MessengerConnector
) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])

    body = a_body(*(a_text(page.external_id, str(one)) for one in range(30)))
    told = await Intake(database, most_waiting=10).record(messenger, body)

    assert told == Ingested(30, 0, 0)


@pytest.mark.parametrize("items", [1, 7])
async def test_with_and_without_company_the_same_is_stored(
    items: int, database: Database, messenger: MessengerConnector
) -> None:
    agency = await an_agency(database)
    pages = [await a_page(database, agency, agency.units["client 1"]) for _ in range(2)]
    bodies = [
        [a_body(*(a_text(page.external_id, mid=f"m_{each}_{one}", at_ms=1) for one in range(items))) for each in "ab"]
        for page in pages
    ]

    alone = [await channels.record_events(database, messenger, body) for body in bodies[0]]
    intake = Intake(database)
    together = await asyncio.gather(*(intake.record(messenger, body) for body in bodies[1]))

    assert alone == list(together) == [Ingested(items, 0, 0)] * 2
    assert await stored_ids(database, pages[0].id) == await stored_ids(database, pages[1].id)
