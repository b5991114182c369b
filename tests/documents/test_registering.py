"""Registering and withdrawing: bounds, repetitions, races, and walls between organizations."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from server.config import Settings
from server.documents import service as documents
from server.documents.errors import TooManyDocuments
from server.documents.rules import MAX_LIVE, MAX_WITHDRAWN, ClientBuild
from server.documents.service import DocumentFilter, Registered, UseFilter
from server.kit.db import Database
from server.kit.errors import InvalidInput, NotFound, PermissionDenied, Problems
from server.kit.ids import new_id
from server.kit.pagination import PageArguments
from server.tenants.rules import Role
from server.tenants.scope import Scope
from server.tenants.uow import begin, begin_read
from tests.factories.documents import WEB_1, WEB_2, a_text, as_new, registered, the_id_of
from tests.factories.tenants import a_person, an_agency

A, B = a_text("A"), a_text("B")


async def _found(database: Database, scope: Scope, one: str) -> str | None:
    async with begin_read(database, scope) as uow:
        return await documents.find(uow, as_digest(one))


def as_digest(one: str) -> bytes:
    """The digest of a text."""
    return bytes.fromhex(the_id_of(one).removeprefix("sha256:"))


async def _acts(database: Database, scope: Scope) -> list[tuple[str, dict[str, object]]]:
    async with begin_read(database, scope) as uow:
        statement = text("SELECT action, details FROM audit_event WHERE action LIKE 'document:%' ORDER BY seq")
        return [(row[0], row[1]) for row in await uow.session.execute(statement)]


async def _fill(database: Database, scope: Scope, count: int, *, withdrawn: bool) -> None:
    """Insert so many registrations, as if they had been made one by one."""
    async with begin(database, scope) as uow:
        statement = text(
            "INSERT INTO known_document (organization_id, id, digest, text, operation_name, operation_type, app, version,"
            " registered_by, withdrawn_at)"
            " SELECT ctx.organization(), gen_random_uuid(), sha256(n::text::bytea), n::text, 'Q', 'QUERY', 'filler', '1',"
            " gen_random_uuid(), CASE WHEN :withdrawn THEN now() - make_interval(secs => n) END"
            " FROM generate_series(1, :count) AS n"
        )
        await uow.session.execute(statement, {"count": count, "withdrawn": withdrawn})


async def _count(database: Database, scope: Scope, condition: str) -> int:
    async with begin_read(database, scope) as uow:
        found = await uow.session.execute(text(f"SELECT count(*) FROM known_document WHERE {condition}"))
        return int(found.scalar_one())


async def test_a_manifest_is_registered_once_however_often_it_is_sent(database: Database) -> None:
    scope = (await an_agency(database)).scope

    first = await registered(database, scope, WEB_1, [A, B])
    again = await registered(database, scope, WEB_1, [B, A, A])

    assert (first.new_count, again.new_count) == (2, 0)
    assert [row.text for row in again.rows] == [B, A]
    assert {row.id for row in first.rows} == {row.id for row in again.rows}
    build = {"app": "web", "version": "1.0.0"}
    assert await _acts(database, scope) == [
        ("document:self:register", build | {"new": 2, "documents": sorted([the_id_of(A), the_id_of(B)])})
    ]


async def test_two_registrations_of_one_manifest_at_once_make_it_once(database: Database) -> None:
    scope = (await an_agency(database)).scope
    manifest = [a_text(f"Q{n}") for n in range(100)]

    made = await asyncio.gather(
        *(registered(database, scope, WEB_1, some) for some in (manifest, manifest[::-1], manifest))
    )

    assert sum(one.new_count for one in made) == 100
    assert {len(one.rows) for one in made} == {100}
    assert await _count(database, scope, "true") == 100
    assert len(await _acts(database, scope)) == 1


async def test_an_organization_finds_its_own_documents_and_no_others(database: Database, settings: Settings) -> None:
    ours, theirs = await an_agency(database), await an_agency(database)
    await registered(database, ours.scope, WEB_1, [A])

    assert await _found(database, ours.scope, A) == A
    assert await _found(database, theirs.scope, A) is None
    assert await _found(database, ours.scope, B) is None
    local = await a_person(database, settings, ours, ours.units["client 1"], Role.ANALYST)
    assert await _found(database, local.scope, A) == A, "whoever works for the organization sends its documents"


async def test_what_one_organization_withdraws_lives_on_in_another(database: Database) -> None:
    ours, theirs = (await an_agency(database)).scope, (await an_agency(database)).scope
    for scope in (ours, theirs):
        await registered(database, scope, WEB_1, [A])

    async with begin(database, ours) as uow:
        gone = await documents.withdraw_build(uow, WEB_1)

    assert [row.text for row in gone] == [A]
    assert (await _found(database, ours, A), await _found(database, theirs, A)) == (None, A)


async def test_a_text_lives_as_long_as_one_of_its_builds(database: Database) -> None:
    scope = (await an_agency(database)).scope
    for build in (WEB_1, WEB_2):
        await registered(database, scope, build, [A])

    async with begin(database, scope) as uow:
        await documents.withdraw_build(uow, WEB_1)
    after_one = await _found(database, scope, A)
    async with begin(database, scope) as uow:
        await documents.withdraw_build(uow, WEB_2)

    assert (after_one, await _found(database, scope, A)) == (A, None)


async def test_a_withdrawn_document_is_registered_anew_and_its_history_stays(database: Database) -> None:
    scope = (await an_agency(database)).scope
    (first,) = (await registered(database, scope, WEB_1, [A])).rows
    async with begin(database, scope) as uow:
        await documents.withdraw(uow, [first.id])

    again = await registered(database, scope, WEB_1, [A])
    async with begin_read(database, scope) as uow:
        listed = await documents.list_documents(uow, PageArguments(), DocumentFilter())

    assert (again.new_count, await _found(database, scope, A)) == (1, A)
    assert [row.withdrawn_at is None for row in listed.items] == [True, False]


async def test_a_withdrawal_is_repeatable_and_written_into_the_trail_once(database: Database) -> None:
    scope = (await an_agency(database)).scope
    rows = (await registered(database, scope, WEB_1, [A, B])).rows

    async with begin(database, scope) as uow:
        first = await documents.withdraw(uow, [row.id for row in rows])
    async with begin(database, scope) as uow:
        again = await documents.withdraw(uow, [row.id for row in rows])

    assert (len(first), len(again)) == (2, 0)
    assert [one for one, _ in await _acts(database, scope)] == ["document:self:register", "document:self:withdraw"]


async def test_an_id_that_is_none_of_the_organizations_withdraws_nothing(database: Database) -> None:
    ours, theirs = (await an_agency(database)).scope, (await an_agency(database)).scope
    (mine,) = (await registered(database, ours, WEB_1, [A])).rows
    (foreign,) = (await registered(database, theirs, WEB_1, [A])).rows

    async with begin(database, ours) as uow:
        with pytest.raises(Problems) as refused:
            await documents.withdraw(uow, [mine.id, foreign.id, new_id()])
        with pytest.raises(NotFound):
            await documents.withdraw_build(uow, WEB_2)

    assert [(type(one), one.path) for one in refused.value.problems] == [
        (NotFound, ("ids", "1")),
        (NotFound, ("ids", "2")),
    ]
    assert [await _found(database, scope, A) for scope in (ours, theirs)] == [A, A]


async def test_the_bound_of_live_documents_is_exact_also_for_two_at_once(database: Database) -> None:
    scope = (await an_agency(database)).scope
    await _fill(database, scope, MAX_LIVE - 1, withdrawn=False)

    made = await asyncio.gather(*(registered(database, scope, WEB_1, [one]) for one in (A, B)), return_exceptions=True)

    assert sorted(type(one).__name__ for one in made) == [Registered.__name__, TooManyDocuments.__name__]
    assert await _count(database, scope, "withdrawn_at IS NULL") == MAX_LIVE
    async with begin(database, scope) as uow:
        await documents.withdraw_build(uow, ClientBuild("filler", "1"))
    assert (await registered(database, scope, WEB_1, [A, B])).new_count == 1


async def test_of_what_was_withdrawn_the_newest_stay_listed(database: Database) -> None:
    scope = (await an_agency(database)).scope
    await _fill(database, scope, MAX_WITHDRAWN, withdrawn=True)
    rows = (await registered(database, scope, WEB_1, [A, B])).rows

    async with begin(database, scope) as uow:
        await documents.withdraw(uow, [row.id for row in rows])

    assert await _count(database, scope, "withdrawn_at IS NOT NULL") == MAX_WITHDRAWN
    assert await _count(database, scope, "app = 'web'") == 2


@pytest.mark.parametrize("role", [Role.MANAGER, Role.ADMIN])
async def test_who_does_not_hold_the_permission_on_the_whole_tree_manages_nothing(
    database: Database, settings: Settings, role: Role
) -> None:
    agency = await an_agency(database)
    (row,) = (await registered(database, agency.scope, WEB_1, [A])).rows
    at = agency.root_id if role is Role.MANAGER else agency.units["client 1"]
    local = await a_person(database, settings, agency, at, role)

    async with begin(database, local.scope) as uow:
        for refused in (
            documents.register(uow, WEB_2, [as_new(B)]),
            documents.withdraw(uow, [row.id]),
            documents.withdraw_build(uow, WEB_1),
            documents.list_documents(uow, PageArguments(), DocumentFilter()),
            documents.list_uses(uow, UseFilter(timedelta(days=1))),
        ):
            with pytest.raises(PermissionDenied):
                await refused
        assert await documents.documents_by_id(uow, [row.id]) == []
        assert await documents.uses_of(uow, [row.id]) == {}
    assert await _count(database, agency.scope, "withdrawn_at IS NULL") == 1


async def test_uses_are_asked_for_as_long_as_they_are_kept(database: Database) -> None:
    scope = (await an_agency(database)).scope

    async with begin_read(database, scope) as uow:
        for days in (0, 91):
            with pytest.raises(InvalidInput):
                await documents.list_uses(uow, UseFilter(timedelta(days=days)))
        assert await documents.list_uses(uow, UseFilter(timedelta(days=90))) == []
