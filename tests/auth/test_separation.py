"""Walls between units as other parts of the service call them, and deciding over more than the actor sees."""

from __future__ import annotations

import pytest
from psycopg import errors as pg
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from server.auth import service as auth
from server.auth.service import GivenRole
from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.tenants import service as tenants
from server.tenants.errors import Separated
from server.tenants.rules import Role
from server.tenants.uow import UnitOfWork, begin, begin_read
from tests.factories.people import a_link, an_address, outcomes
from tests.factories.tenants import AnOrganization, APerson, a_person, an_agency
from tests.workshop import Workshop


@pytest.fixture
async def agency(database: Database) -> AnOrganization:
    """An agency with three clients."""
    return await an_agency(database, clients=3)


@pytest.fixture
async def owner(database: Database, settings: Settings, agency: AnOrganization) -> APerson:
    """Its owner."""
    return await a_person(database, settings, agency, agency.root_id, Role.OWNER)


async def test_a_change_of_the_tree_that_brings_both_sides_together_is_seen(
    database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    grace = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)
    async with begin(database, owner.scope) as uow:
        await auth.flag_conflict(uow, agency.units["client 1"], agency.units["client 2"], "Rivals")
        await auth.check_separation(uow)
    async with begin(database, agency.scope) as uow:
        await tenants.grant_role(uow, grace.member_id, agency.units["client 2"], Role.ANALYST)

    with pytest.raises(Separated) as of_all:
        async with begin(database, owner.scope) as uow:
            await auth.check_separation(uow)
    with pytest.raises(Separated):
        async with begin(database, grace.scope) as uow:
            await auth.check_separation(uow, grace.member_id)

    assert of_all.value.data["memberIds"] == [encode("mem", grace.member_id)]


async def _units_in_sight(uow: UnitOfWork) -> int:
    found = await uow.session.execute(text("SELECT count(*) FROM unit WHERE kind = 'CLIENT'"))
    return int(found.scalar_one())


async def test_what_is_decided_over_the_whole_organization_leaves_the_scope_as_it_was(
    database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    local = await a_person(database, settings, agency, agency.units["client 1"], Role.OWNER)

    async with begin(database, local.scope) as uow:
        before = await _units_in_sight(uow)
        await tenants.check_separation(uow, [local.member_id])
        async with uow.whole_organization():
            inside = await _units_in_sight(uow)
        after = await _units_in_sight(uow)
        given = GivenRole(Role.ANALYST)
        await auth.grant_membership(uow, local.member_id, agency.units["client 1"], given)

    assert (before, inside, after) == (1, len(agency.units), 1)


async def test_an_error_in_a_wider_view_takes_the_view_back(
    database: Database, settings: Settings, agency: AnOrganization
) -> None:
    local = await a_person(database, settings, agency, agency.units["client 1"], Role.OWNER)
    ids = list(agency.units.values())

    async with begin(database, local.scope) as uow:
        with pytest.raises(ProgrammingError):
            async with uow.whole_organization():
                await uow.session.execute(text("SELECT nothing FROM unit"))
        after_statement = await tenants.units_by_id(uow, ids)
        with pytest.raises(Separated):
            async with uow.whole_organization():
                raise Separated
        after_refusal = await tenants.units_by_id(uow, ids)

    assert (list(after_statement), list(after_refusal)) == ([agency.units["client 1"]], [agency.units["client 1"]])


async def test_a_wider_view_shows_no_other_organization_and_does_not_write_in_a_read(
    database: Database, settings: Settings, agency: AnOrganization
) -> None:
    other = await an_agency(database)
    local = await a_person(database, settings, agency, agency.units["client 1"], Role.OWNER)

    async with begin(database, local.scope) as uow, uow.whole_organization():
        foreign = await uow.session.execute(
            text("SELECT count(*) FROM unit WHERE organization_id = :o"), {"o": other.id}
        )
        seen = foreign.scalar_one()
    with pytest.raises(Exception) as refused:  # noqa: PT011 - the cause is asserted below
        async with begin_read(database, local.scope) as uow, uow.whole_organization():
            await uow.session.execute(text("UPDATE member SET name = 'x'"))

    assert seen == 0
    assert isinstance(getattr(refused.value, "orig", None), pg.ReadOnlySqlTransaction)


async def test_an_invitation_does_not_lead_over_a_wall(
    database: Database, settings: Settings, workshop: Workshop, agency: AnOrganization, owner: APerson
) -> None:
    email, user_id = an_address(), new_id()
    one, two = [
        await a_link(database, workshop, owner, agency.units[f"client {number}"], Role.ANALYST, email)
        for number in (1, 2)
    ]
    async with begin(database, owner.scope) as uow:
        await auth.flag_conflict(uow, agency.units["client 1"], agency.units["client 2"], "Rivals")

    async def accept(link: str) -> object:
        return await auth.accept_invitation(database, settings, link, user_id=user_id, email=email, name="Grace")

    told = await outcomes([accept(one), accept(two)])
    left = one if await auth.read_invitation(database, settings, one) else two
    with pytest.raises(Separated) as refused:
        await accept(left)

    assert told == ["conflict.separated", "done"]
    assert refused.value.data == {}
