"""The proofs can fail: one policy, one filter or one permission taken away is reported (shown one by one)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text

from server.config import Settings
from server.kit.crypto import KeyRing
from server.kit.db import Database
from server.kit.ids import new_id
from server.tenants.rules import Permission, Role
from server.tenants.scope import Scope
from server.tenants.uow import begin_read
from switchboard.postgres import OWNER, Server
from tests.api import Api
from tests.factories.tenants import AnOrganization, an_agency
from tests.tenancy.asking import Call
from tests.tenancy.canaries import a_canary
from tests.tenancy.conftest import Unwalled, database_settings
from tests.tenancy.forgetful import forgetting
from tests.tenancy.hop import of_kinds
from tests.tenancy.rows import TENANT_TABLES, Territory
from tests.tenancy.scenes import Scene, two_organizations
from tests.tenancy.seats import a_seat

FILTERED = ("contact", "conversation", "message", "note", "campaign", "page", "reply_template", "topic", "audit_event")
PERMITTED = (Permission.CONTACT_READ, Permission.INBOX_READ, Permission.CONTACT_WRITE, Permission.TEMPLATE_WRITE)


async def foreign_rows(database: Database, ours: AnOrganization, table: str) -> int:
    """Count the rows of others that a bare SELECT shows."""
    async with begin_read(database, ours.scope) as uow:
        statement = f"SELECT count(*) FROM {table} WHERE organization_id <> '{ours.id}'"
        return int((await uow.session.execute(text(statement))).scalar_one())


async def test_each_policy_that_is_taken_away_shows_rows_of_others(postgres: Server, settings: Settings) -> None:
    # Given: two organizations with a row in every table, in a database of our own.
    name = f"breakable_{new_id().hex}"
    postgres.create_database(name, template="sb_template")
    database = Database(database_settings(postgres, name), KeyRing.parse(settings.security.keys.get_secret_value()))
    ours, theirs = await an_agency(database), await an_agency(database)
    await Territory(database, theirs, theirs.units["client 1"], is_whole=True).add_bare_rows(a_canary())

    # When: each table loses its policy, one at a time. Then: its rows are seen, and no others are.
    silent = []
    with psycopg.connect(postgres.dsn(name, OWNER), autocommit=True) as owner:
        for table in (one.name for one in TENANT_TABLES):
            assert await foreign_rows(database, ours, table) == 0
            owner.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY")
            silent += [] if await foreign_rows(database, ours, table) else [table]
            owner.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    await database.aclose()
    postgres.drop_database(name)

    assert silent == []


async def is_noticed(scene: Scene, row_ids: Sequence[UUID]) -> bool:
    """Ask for each row as a node of each kind; say whether the walk would fail: something is shown, or breaks when shown."""
    nodes = scene.shapes.roots("query")["nodes"]
    for ids in of_kinds(row_ids):
        heard = await scene.hop.asker.ask("query", "nodes", nodes, [Call({"ids": ids}, tuple(ids))], 1)
        data = heard[0].body["data"]
        if data is None or any(one is not None and one["id"] not in scene.own_ids() for one in data["a0"]):
            return True
    return False


async def test_each_filter_that_is_forgotten_shows_what_it_kept_back(
    unwalled: Unwalled, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, database, settings = unwalled
    scene = await two_organizations(api, database, settings)
    row_ids = await scene.territory.one_id_a_table()
    assert not await is_noticed(scene, row_ids)

    silent = []
    for table in FILTERED:
        with forgetting(monkeypatch, only=frozenset({table})):
            silent += [] if await is_noticed(scene, row_ids) else [table]

    assert silent == []


async def test_each_permission_that_is_not_asked_for_shows_or_does_what_it_kept_back(
    walk_api: Api, walk_database: Database, walk_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seat = await a_seat(walk_api, walk_database, walk_settings, Role.APPROVER)
    asked = Scope.may

    silent = []
    for permission in PERMITTED:

        def careless(
            self: Scope, wanted: Permission, unit_id: object = None, forgotten: Permission = permission
        ) -> bool:
            return wanted is forgotten or asked(self, wanted, unit_id)  # type: ignore[arg-type]  # handed on as it came

        monkeypatch.setattr(Scope, "may", careless)
        seen = [*await seat.found_by_id(), *await seat.done_by_mutations()]
        monkeypatch.undo()
        silent += [] if seen else [permission.value]

    assert silent == []
