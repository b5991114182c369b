"""The hop test can fail: each wall taken away by itself is reported, and the detector knows every form of a mark."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import AsyncIterator
from uuid import UUID

import psycopg
import pytest

from server.config import Settings
from server.kit.crypto import KeyRing
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.tenants.models import UnitRow
from server.tenants.uow import begin, begin_read
from switchboard.postgres import OWNER, Server
from tests.factories.tenants import AnOrganization, an_agency
from tests.tenancy.asking import Heard, a_random_id_like
from tests.tenancy.canaries import Canary, a_canary, listening_to_logs
from tests.tenancy.conftest import database_settings
from tests.tenancy.rows import Territory


@pytest.fixture
async def breakable(postgres: Server, settings: Settings) -> AsyncIterator[tuple[Database, str]]:
    """A database of one test, whose walls may be torn down, and its name."""
    name = f"breakable_{new_id().hex}"
    postgres.create_database(name, template="sb_template")
    opened = Database(database_settings(postgres, name), KeyRing.parse(settings.security.keys.get_secret_value()))
    yield opened, name
    await opened.aclose()
    postgres.drop_database(name)


async def what_a_forgotten_filter_shows(database: Database, ours: AnOrganization, theirs: AnOrganization) -> str:
    """Read units as a service would that took the organization from the caller's input instead of from the scope."""
    async with begin_read(database, ours.scope) as uow:
        units = [await uow.session.get(UnitRow, (theirs.id, one)) for one in theirs.units.values()]
        return json.dumps([one.name for one in units if one is not None])


async def test_a_forgotten_filter_is_caught_by_the_second_wall_and_seen_by_the_detector_without_it(
    breakable: tuple[Database, str], postgres: Server
) -> None:
    # Given: an organization in which everything is marked, and a read that names the wrong organization.
    database, name = breakable
    ours, theirs = await an_agency(database), await an_agency(database)
    canary = a_canary()
    await Territory(database, theirs, theirs.root_id, is_whole=True).mark_all_rows(canary)
    assert await what_a_forgotten_filter_shows(database, ours, theirs) == "[]"

    # When: the table's wall is taken away.
    with psycopg.connect(postgres.dsn(name, OWNER), autocommit=True) as owner:
        owner.execute("ALTER TABLE unit NO FORCE ROW LEVEL SECURITY")
        owner.execute("ALTER TABLE unit DISABLE ROW LEVEL SECURITY")

    # Then: the read leaks, and the detector says what.
    shown = await what_a_forgotten_filter_shows(database, ours, theirs)
    assert canary.sightings(shown) == {"unit.name"}


async def test_a_filter_that_looks_at_units_only_is_caught_too(
    breakable: tuple[Database, str], postgres: Server
) -> None:
    database, name = breakable
    ours, theirs = await an_agency(database), await an_agency(database)
    canary = a_canary()
    await Territory(database, theirs, theirs.root_id, is_whole=True).mark_all_rows(canary)

    with psycopg.connect(postgres.dsn(name, OWNER), autocommit=True) as owner:
        owner.execute("CREATE POLICY too_wide ON unit FOR SELECT TO switchboard_app USING ((select ctx.all_units()))")

    assert canary.sightings(await what_a_forgotten_filter_shows(database, ours, theirs)) == {"unit.name"}


async def test_a_single_changed_value_changes_the_checksum_of_its_table(walk_database: Database) -> None:
    ours = await an_agency(walk_database)
    territory = Territory(walk_database, ours, ours.units["client 1"], is_whole=True)
    before = await territory.checksums()

    async with begin(walk_database, ours.scope) as uow:
        row = await uow.session.get(UnitRow, (ours.id, ours.units["client 2"]))
        assert row is not None
        row.name = "another name"

    after = await territory.checksums()
    assert {name for name in before if before[name] != after[name]} == {"unit"}


CANARY = Canary("cnry0123456789abcdef", frozenset({UUID("01890a5d-ac96-774b-bcce-b302099a8057")}))
ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (f'{{"name": "{CANARY.of("unit", "name")}17"}}', {"unit.name"}),
        (CANARY.of("unit", "name").upper(), {"UNIT.NAME"}),
        (f"{CANARY.of('note', 'text')} and {CANARY.of('page', 'name')}", {"note.text", "page.name"}),
        ("cnry0123456789abcdef", {"the mark"}),
        (CANARY.mark.encode().hex(), {"the mark in hexadecimal digits"}),
        (f"page_{encode('x', ID)[2:]}", {f"the id {encode('x', ID)[2:]}"}),
        (str(ID), {f"the id {encode('x', ID)[2:]}"}),
        (ID.hex.upper(), {f"the id {encode('x', ID)[2:]}"}),
        ("cnry0123456789abcde", set()),
        ("Nothing to see.", set()),
        (encode("page", UUID("01890a5d-ac96-774b-bcce-b302099a8058")), set()),
    ],
)
def test_the_detector_knows_a_mark_in_every_form(text: str, seen: set[str]) -> None:
    assert CANARY.sightings(text) == seen


@pytest.mark.parametrize("before", ["", "a", "ab", "abc", '["digest","'])
def test_the_detector_looks_into_cursors(before: str) -> None:
    cursor = base64.urlsafe_b64encode(f'{before}{CANARY.of("unit", "name")}"]'.encode()).decode().rstrip("=")

    assert CANARY.sightings(f'{{"cursor": "{cursor}"}}') == {"the mark in base64"}


def test_an_id_that_the_asker_gave_may_come_back_and_no_other() -> None:
    assert CANARY.sightings(f"no {encode('page', ID)}", sent=[encode("page", ID)]) == set()
    assert CANARY.sightings(f"no {encode('page', ID)}", sent=[encode("page", new_id())]) != set()


def test_two_answers_are_equal_but_for_the_id_that_was_sent_and_the_number_of_the_request() -> None:
    def heard(id_: str, message: str, status: int = 200, **headers: str) -> Heard:
        errors = [{"message": message, "path": ["a0"], "extensions": {"requestId": encode("req", new_id())}}]
        return Heard(status, headers, {"data": None, "errors": errors}, "", (id_,))

    foreign = encode("page", new_id())
    random = a_random_id_like(foreign)

    assert heard(foreign, f"no {foreign}").told() == heard(random, f"no {random}").told()
    assert heard(foreign, "no").told() != heard(random, "not yours").told()
    assert heard(foreign, "no").told() != heard(random, "no", 403).told()
    assert heard(foreign, "no", etag="1").told() != heard(random, "no").told()


def test_what_is_logged_is_heard_with_its_traceback() -> None:
    logger = logging.getLogger("tests.tenancy")
    with listening_to_logs() as logged:
        try:
            raise LookupError(CANARY.of("unit", "name"))
        except LookupError:
            logger.exception("failed")

    assert CANARY.sightings("\n".join(logged)) == {"unit.name"}
