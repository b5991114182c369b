"""Somebody answers for every service token and app at the moment of its making, whatever is done to its maker meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import text

from server.auth import service as auth
from server.auth.errors import CredentialHasDependents, MemberDeactivated
from server.auth.oauth_rules import AppGrantType, AppKind
from server.auth.service import oauth
from server.auth.service.oauth import NewApp
from server.config import Settings
from server.kit.db import Database
from server.kit.errors import DomainError, PermissionDenied
from server.kit.ids import decode
from server.tenants.rules import Permission, Role
from server.tenants.uow import UnitOfWork, begin, begin_read
from tests.factories.tenants import AnOrganization, APerson, a_person, an_agency
from tests.schema.test_members import membership_of

Act = Callable[[UnitOfWork], Awaitable[object]]


@pytest.fixture
async def agency(database: Database) -> AnOrganization:
    """An agency with two clients."""
    return await an_agency(database)


@pytest.fixture
async def owner(database: Database, settings: Settings, agency: AnOrganization) -> APerson:
    """Its owner Olga, who ends others."""
    return await a_person(database, settings, agency, agency.root_id, Role.OWNER, "Olga")


@pytest.fixture
async def admin(database: Database, settings: Settings, agency: AnOrganization) -> APerson:
    """Its administrator Ada, who makes things."""
    return await a_person(database, settings, agency, agency.root_id, Role.ADMIN)


def making(settings: Settings, agency: AnOrganization, what: str) -> Act:
    """Return the act that makes a service token or an app on the first client."""
    unit_ids, may = frozenset({agency.units["client 1"]}), frozenset({Permission.TEMPLATE_READ})

    async def make(uow: UnitOfWork) -> None:
        if what == "token":
            await auth.issue_service_token(uow, settings.security, name="Bot", unit_ids=unit_ids, permissions=may)
        else:
            itself = frozenset({AppGrantType.CLIENT_CREDENTIALS})
            wanted = NewApp("Robot", AppKind.CONFIDENTIAL, may, [], itself, unit_ids)
            await oauth.register_app(uow, settings.security, wanted)

    return make


def ending(person: APerson) -> Act:
    """Return the act that deactivates somebody."""

    async def end(uow: UnitOfWork) -> None:
        await auth.deactivate_member(uow, person.member_id)

    return end


async def second_while_first_commits(
    database: Database, first: tuple[APerson, Act], second: tuple[APerson, Act]
) -> type[DomainError] | None:
    """Let the second act begin before the first is committed; return how the second was refused, if it was."""

    async def wait() -> None:
        async with begin(database, second[0].scope) as uow:
            await second[1](uow)

    async with begin(database, first[0].scope) as uow:
        await first[1](uow)
        waiting = asyncio.create_task(wait())
        await until_it_waits(database, first[0], waiting)
    try:
        await waiting
    except DomainError as error:
        return type(error)
    return None


async def until_it_waits(database: Database, person: APerson, act: asyncio.Task[None]) -> None:
    """Return when a statement of this database waits for a lock, or the act is over without having waited."""
    waiting = text(
        "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database()"
    )
    while not act.done():
        async with begin_read(database, person.scope) as uow:
            if (await uow.session.execute(waiting)).scalar_one():
                return
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("what", ["token", "app"])
async def test_who_is_being_deactivated_makes_nothing_more(
    database: Database, settings: Settings, agency: AnOrganization, owner: APerson, admin: APerson, what: str
) -> None:
    refused = await second_while_first_commits(
        database, (owner, ending(admin)), (admin, making(settings, agency, what))
    )

    assert refused is MemberDeactivated


@pytest.mark.parametrize("what", ["token", "app"])
async def test_who_is_losing_a_role_makes_nothing_more_with_it(
    database: Database, settings: Settings, agency: AnOrganization, owner: APerson, admin: APerson, what: str
) -> None:
    _, membership_id = decode(await membership_of(database, agency, admin))

    async def take(uow: UnitOfWork) -> None:
        await auth.revoke_membership(uow, membership_id)

    refused = await second_while_first_commits(database, (owner, take), (admin, making(settings, agency, what)))

    assert refused is PermissionDenied


@pytest.mark.parametrize("what", ["token", "app"])
async def test_what_is_being_made_is_seen_by_who_deactivates_its_maker(
    database: Database, settings: Settings, agency: AnOrganization, owner: APerson, admin: APerson, what: str
) -> None:
    refused = await second_while_first_commits(
        database, (admin, making(settings, agency, what)), (owner, ending(admin))
    )

    assert refused is CredentialHasDependents
