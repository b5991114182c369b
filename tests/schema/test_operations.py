"""Long work and files over the API: who sees what, how far it is, and why it failed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

from server.config import Settings
from server.kit.db import Database
from server.kit.errors import InvalidInput
from server.kit.ids import encode, new_id
from server.tenants import service as tenants
from server.tenants.rules import OperationKind, Permission, Role
from server.tenants.service import LineProblem, NewFile
from server.tenants.uow import begin
from tests.api import Api
from tests.factories.tenants import AnOrganization, a_person, an_agency

_LIST = "{ operations { nodes { id kind state } } }"
_ONE = """query($id: ID!) { operation(id: $id) {
  id state isDryRun total done failed counts { name value } failure { code message } startedAt finishedAt file { name url }
  problems(first: 1) { nodes { line code message path } pageInfo { hasNextPage } }
} }"""


async def _bytes() -> AsyncIterator[bytes]:
    yield b"external_code,name\n"


async def _an_import(database: Database, agency: AnOrganization, unit_id: UUID) -> tuple[UUID, UUID]:
    async with begin(database, agency.scope) as uow:
        file = await tenants.store_file(uow, NewFile(unit_id, "a.csv", "text/csv", timedelta(days=1)), _bytes())
        row = await tenants.start_operation(uow, OperationKind.UNIT_IMPORT, unit_id, file.id, is_dry_run=True)
    return row.id, file.id


async def test_an_operation_tells_how_far_it_is_and_what_was_wrong_with_each_line(
    database: Database, settings: Settings, api: Api
) -> None:
    agency = await an_agency(database)
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    operation_id, _ = await _an_import(database, agency, agency.units["client 1"])

    async with begin(database, agency.scope) as uow:
        row = await tenants.advance(uow, operation_id, total=5, done=3, failed=2)
        problems = [LineProblem(2, InvalidInput("No.", path=("name",))), LineProblem(4, InvalidInput("No."))]
        await tenants.note_problems(uow, row, problems)
        await tenants.fail(uow, operation_id, InvalidInput("Mend the file."))
    answer = await api.ask(_ONE, {"id": encode("opn", operation_id)}, token=owner.token)

    told = answer.data["operation"]
    assert (told["state"], told["isDryRun"], told["total"], told["done"], told["failed"]) == ("FAILED", True, 5, 3, 2)
    assert told["failure"] == {"code": "INVALID_INPUT", "message": "Mend the file."}
    assert told["problems"] == {
        "nodes": [{"line": 2, "code": "INVALID_INPUT", "message": "No.", "path": ["name"]}],
        "pageInfo": {"hasNextPage": True},
    }
    assert told["file"]["name"] == "a.csv"
    assert told["startedAt"] is not None
    assert told["finishedAt"] is not None


async def test_numbers_of_the_result_are_counts(database: Database, settings: Settings, api: Api) -> None:
    agency = await an_agency(database)
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    operation_id, _ = await _an_import(database, agency, agency.root_id)

    async with begin(database, agency.scope) as uow:
        await tenants.finish(uow, operation_id, {"updated": 0, "created": 7, "note": "text"})
    answer = await api.ask(_ONE, {"id": encode("opn", operation_id)}, token=owner.token)

    told = answer.data["operation"]
    assert told["counts"] == [{"name": "created", "value": 7}, {"name": "updated", "value": 0}]
    assert (told["state"], told["failure"]) == ("SUCCEEDED", None)


async def test_an_operation_and_its_file_do_not_exist_for_a_sibling_client_or_another_organization(
    database: Database, settings: Settings, api: Api
) -> None:
    agency, stranger = await an_agency(database), await an_agency(database)
    sibling = await a_person(database, settings, agency, agency.units["client 2"], Role.ADMIN)
    foreign = await a_person(database, settings, stranger, stranger.root_id, Role.OWNER)
    operation_id, file_id = await _an_import(database, agency, agency.units["client 1"])

    for person in (sibling, foreign):
        one = await api.ask(_ONE, {"id": encode("opn", operation_id)}, token=person.token)
        listed = await api.ask(_LIST, token=person.token)
        node = await api.ask(
            "query($id: ID!) { node(id: $id) { id } }", {"id": encode("file", file_id)}, token=person.token
        )

        assert (one.data["operation"], listed.data["operations"]["nodes"], node.data["node"]) == (None, [], None)


async def test_who_reaches_the_unit_without_the_permission_sees_neither_the_import_nor_its_file(
    database: Database, settings: Settings, api: Api
) -> None:
    agency = await an_agency(database)
    operator = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)
    admin = await a_person(database, settings, agency, agency.units["client 1"], Role.ADMIN)
    operation_id, file_id = await _an_import(database, agency, agency.units["client 1"])

    unseen = await api.ask(_ONE, {"id": encode("opn", operation_id)}, token=operator.token)
    no_file = await api.ask(
        "query($id: ID!) { node(id: $id) { id } }", {"id": encode("file", file_id)}, token=operator.token
    )
    seen = await api.ask(_LIST, token=admin.token)

    assert (unseen.data["operation"], no_file.data["node"]) == (None, None)
    assert [one["id"] for one in seen.data["operations"]["nodes"]] == [encode("opn", operation_id)]


async def test_an_export_of_another_permission_is_not_seen_with_unit_manage_alone(
    database: Database, settings: Settings
) -> None:
    agency = await an_agency(database)
    manager = await a_person(database, settings, agency, agency.units["client 1"], Role.ADMIN)
    async with begin(database, agency.scope) as uow:
        made = NewFile(
            agency.units["client 1"], "x.zip", "application/zip", timedelta(days=1), Permission.UNIT_OFFBOARD
        )
        file = await tenants.store_file(uow, made, _bytes())

    assert not manager.scope.may(Permission.UNIT_OFFBOARD, agency.units["client 1"])
    assert not tenants.may_read(manager.scope, file)


async def test_a_random_operation_is_null_and_the_list_is_filtered(
    database: Database, settings: Settings, api: Api
) -> None:
    agency = await an_agency(database)
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    operation_id, _ = await _an_import(database, agency, agency.root_id)

    random = await api.ask(_ONE, {"id": encode("opn", new_id())}, token=owner.token)
    listed = await api.ask(
        "query($f: OperationFilter) { operations(filter: $f) { nodes { id } } }",
        {"f": {"kind": "UNIT_IMPORT", "state": "QUEUED"}},
        token=owner.token,
    )
    other = await api.ask(
        "query($f: OperationFilter) { operations(filter: $f) { nodes { id } } }",
        {"f": {"kind": "AUDIT_EXPORT"}},
        token=owner.token,
    )

    assert random.data["operation"] is None
    assert listed.data["operations"]["nodes"] == [{"id": encode("opn", operation_id)}]
    assert other.data["operations"]["nodes"] == []
