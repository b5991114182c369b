"""The ledger of costs holds differences; its sums are what the platforms said last."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from server.config import Settings
from server.kit.db import Database
from server.kit.errors import PermissionDenied
from server.kit.ids import new_id
from server.kit.money import Micros, Money
from server.metering import service as metering
from server.metering.models import Origin
from server.metering.service import Reading
from server.tenants.rules import Role
from server.tenants.uow import begin, begin_read
from tests.factories.tenants import AnOrganization, a_person, an_agency

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


def a_reading(organization: AnOrganization, spend_micros: int, delivered: int) -> Reading:
    """A first reading of a fresh campaign at a fresh page of client 1."""
    return Reading(
        unit_id=organization.units["client 1"],
        page_id=new_id(),
        origin=Origin.CAMPAIGN,
        origin_id=new_id(),
        reference=f"reading {new_id()}",
        spend_micros_total=spend_micros,
        delivered_total=delivered,
        currency="USD",
        at=AT,
    )


def later(reading: Reading, spend_micros: int, delivered: int, minutes: int = 5) -> Reading:
    """The reading of the same meter some minutes later."""
    return replace(
        reading,
        reference=f"reading {new_id()}",
        spend_micros_total=spend_micros,
        delivered_total=delivered,
        at=reading.at + timedelta(minutes=minutes),
    )


async def spend_of(database: Database, organization: AnOrganization, reading: Reading) -> list[Money]:
    """What the ledger says the reading's origin has cost."""
    async with begin_read(database, organization.scope) as uow:
        return (await metering.totals_by_origin(uow, [reading.origin_id]))[reading.origin_id]


async def test_readings_of_a_growing_total_add_up_to_the_last_one(database: Database) -> None:
    agency = await an_agency(database)
    first = a_reading(agency, 1_000_000, 70)

    async with begin(database, agency.scope) as uow:
        assert await metering.record_reading(uow, first)
        assert await metering.record_reading(uow, later(first, 2_500_000, 180))

    assert await spend_of(database, agency, first) == [Money(Micros(2_500_000), "USD")]


async def test_a_repeated_reading_and_one_without_change_add_nothing(database: Database) -> None:
    agency = await an_agency(database)
    first = a_reading(agency, 1_000_000, 70)

    async with begin(database, agency.scope) as uow:
        assert await metering.record_reading(uow, first)
        assert not await metering.record_reading(uow, first)
        assert not await metering.record_reading(uow, later(first, 1_000_000, 70))
        assert not await metering.record_reading(uow, replace(first, spend_micros_total=3_000_000))

    assert await spend_of(database, agency, first) == [Money(Micros(1_000_000), "USD")]


async def test_a_total_that_the_platform_restates_downwards_is_followed(database: Database) -> None:
    agency = await an_agency(database)
    first = a_reading(agency, 1_000_000, 70)

    async with begin(database, agency.scope) as uow:
        await metering.record_reading(uow, first)
        await metering.record_reading(uow, later(first, 900_000, 65))

    assert await spend_of(database, agency, first) == [Money(Micros(900_000), "USD")]


async def test_a_reading_that_arrives_late_does_not_turn_the_total_back(database: Database) -> None:
    agency = await an_agency(database)
    first = a_reading(agency, 1_000_000, 70)

    async with begin(database, agency.scope) as uow:
        await metering.record_reading(uow, later(first, 2_000_000, 140))
        assert not await metering.record_reading(uow, first)

    assert await spend_of(database, agency, first) == [Money(Micros(2_000_000), "USD")]


async def test_pages_count_apart_and_currencies_are_never_added(database: Database) -> None:
    agency = await an_agency(database)
    first = a_reading(agency, 1_000_000, 70)
    second = replace(first, page_id=new_id(), reference="second page " + str(new_id()), spend_micros_total=500_000)
    third = replace(first, page_id=new_id(), reference="third page " + str(new_id()), currency="EUR")

    async with begin(database, agency.scope) as uow:
        for reading in (first, second, third):
            await metering.record_reading(uow, reading)

    assert await spend_of(database, agency, first) == [
        Money(Micros(1_000_000), "EUR"),
        Money(Micros(1_500_000), "USD"),
    ]


async def test_ten_imports_at_once_count_the_total_once(database: Database) -> None:
    agency = await an_agency(database)
    first = a_reading(agency, 1_000_000, 70)

    async def record(reading: Reading) -> bool:
        async with begin(database, agency.scope) as uow:
            return await metering.record_reading(uow, reading)

    readings = [replace(first, reference=f"import {new_id()}") for _ in range(10)]
    added = await asyncio.gather(*(record(one) for one in readings))

    assert sum(added) == 1
    assert await spend_of(database, agency, first) == [Money(Micros(1_000_000), "USD")]


async def test_costs_need_the_permission_and_stay_with_their_client(database: Database, settings: Settings) -> None:
    agency = await an_agency(database)
    operator = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)
    other = await a_person(database, settings, agency, agency.units["client 2"], Role.APPROVER)
    first = a_reading(agency, 1_000_000, 70)
    async with begin(database, agency.scope) as uow:
        await metering.record_reading(uow, first)

    with pytest.raises(PermissionDenied):
        async with begin_read(database, operator.scope) as uow:
            await metering.totals_by_origin(uow, [first.origin_id])
    async with begin_read(database, other.scope) as uow:
        assert await metering.totals_by_origin(uow, [first.origin_id]) == {first.origin_id: []}
