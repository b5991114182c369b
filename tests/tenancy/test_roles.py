"""Role by role, in the same unit: what the matrix of the contract does not give is not shown and not done (G21, G22)."""

from __future__ import annotations

import pytest

from server.config import Settings
from server.kit.db import Database
from server.tenants.rules import Role
from tests.api import Api
from tests.tenancy.seats import Seat, a_seat

NARROW = (Role.APPROVER, Role.ANALYST, Role.OPERATOR)


@pytest.fixture(scope="module", params=NARROW, ids=[role.value for role in NARROW])
async def seat(request: pytest.FixtureRequest, walk_api: Api, walk_database: Database, walk_settings: Settings) -> Seat:
    """One unit for each role."""
    return await a_seat(walk_api, walk_database, walk_settings, request.param)


async def test_no_object_of_a_type_that_the_role_may_not_read_is_found_by_its_id(seat: Seat) -> None:
    assert any(seat.ids.some(kind) for kind in seat.kept_from())
    assert await seat.found_by_id() == []


async def test_no_list_leads_to_what_the_role_may_not_read_here(seat: Seat) -> None:
    assert await seat.led_to() == set()


async def test_no_mutation_that_the_role_may_not_use_does_anything_here(seat: Seat) -> None:
    before = await seat.territory.checksums()

    assert await seat.done_by_mutations() == []
    assert await seat.territory.checksums() == before
