"""Exports: asked for over HTTP, written by a worker, checked by the command that knows nothing of the service."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from server.audit import service as audit
from server.audit.actions import Action
from server.config import Settings
from server.kit.db import Database
from server.kit.ids import decode, new_id
from server.tenants import service as tenants
from server.tenants.rules import Role
from server.tenants.scope import Scope
from server.tenants.uow import begin, begin_read
from switchboard.audit import Noted, verify
from tests.api import Api
from tests.factories.tenants import AnOrganization, APerson, a_person, an_agency
from tests.workshop import Workshop

EXPORT = """mutation($input: AuditExportInput!) {
  auditExport(input: $input) { operation { id state } userErrors { code path } } }"""
OPERATION = "query($id: ID!) { operation(id: $id) { state done total counts { name value } file { id name } } }"


async def _events(database: Database, agency: AnOrganization, count: int) -> None:
    async with begin(database, agency.scope) as uow:
        for number in range(count):
            await audit.record(uow, Action.UNIT_EDIT, new_id(), {"number": number, "text": "é \u2028"})


async def _asked(api: Api, person: APerson, **range_: Any) -> str:
    payload = (await api.ask(EXPORT, {"input": range_}, token=person.token)).data["auditExport"]
    assert payload["userErrors"] == []
    return str(payload["operation"]["id"])


async def _file_of(api: Api, database: Database, agency: AnOrganization, person: APerson, operation: str) -> bytes:
    found = (await api.ask(OPERATION, {"id": operation}, token=person.token)).data["operation"]
    assert found["state"] == "SUCCEEDED"
    assert found["done"] == found["total"]
    return await _content(database, person.scope, decode(found["file"]["id"])[1])


async def _content(database: Database, scope: Scope, file_id: UUID) -> bytes:
    async with begin_read(database, scope) as uow:
        await tenants.file_of(uow, file_id)
        return b"".join([part async for part in tenants.contents(uow, file_id)])


async def test_an_export_of_everything_is_checked_by_the_command_up_to_the_noted_end(
    api: Api, database: Database, settings: Settings, workshop: Workshop
) -> None:
    agency = await an_agency(database)
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    await _events(database, agency, 1_203)
    noted = (await api.ask("{ auditHead { seq hash } }", token=owner.token)).data["auditHead"]

    operation = await _asked(api, owner)
    await workshop.settle(agency.id)

    content = await _file_of(api, database, agency, owner, operation)
    found = verify(io.BytesIO(content), Noted(noted["hash"], noted["seq"]))
    assert (found.organization_id, found.first_seq) == (str(agency.id), 1)
    assert found.count == found.last_seq == noted["seq"] + 1
    last = json.loads(content.splitlines()[-2])["content"]
    assert (last["action"], last["subject_id"]) == ("audit:trail:export", str(decode(operation)[1]))


async def test_an_export_of_a_range_begins_with_the_hash_before_it_and_is_checked_by_itself(
    api: Api, database: Database, settings: Settings, workshop: Workshop
) -> None:
    agency = await an_agency(database)
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    await _events(database, agency, 3)
    async with begin_read(database, agency.scope) as uow:
        between = await uow.now()
    await _events(database, agency, 4)
    async with begin_read(database, agency.scope) as uow:
        end = await uow.now()

    later = await _asked(api, owner, **{"from": between.isoformat(), "to": end.isoformat()})
    nothing = await _asked(api, owner, to=(between - timedelta(days=1)).isoformat())
    await workshop.settle(agency.id)

    found = verify(io.BytesIO(await _file_of(api, database, agency, owner, later)))
    assert (found.count, found.first_seq, found.last_seq) == (4, 5, 8)  # the first one is the owner's token
    assert verify(io.BytesIO(await _file_of(api, database, agency, owner, nothing))).count == 0


async def test_a_range_that_ends_before_it_begins_is_refused(api: Api, database: Database, settings: Settings) -> None:
    agency = await an_agency(database)
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)

    answer = await api.ask(
        EXPORT, {"input": {"from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}}, token=owner.token
    )

    assert answer.data["auditExport"]["userErrors"] == [{"code": "INVALID_INPUT", "path": ["to"]}]


async def test_only_who_may_read_the_whole_trail_exports_it_or_reads_an_export(
    api: Api, database: Database, settings: Settings, workshop: Workshop
) -> None:
    agency, other = await an_agency(database), await an_agency(database)
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    local = await a_person(database, settings, agency, agency.units["client 1"], Role.ADMIN)
    manager = await a_person(database, settings, agency, agency.root_id, Role.MANAGER)
    stranger = await a_person(database, settings, other, other.root_id, Role.OWNER)
    operation = await _asked(api, owner)
    await workshop.settle(agency.id)
    file = (await api.ask(OPERATION, {"id": operation}, token=owner.token)).data["operation"]["file"]["id"]

    for person in (local, manager):
        refused = (await api.ask(EXPORT, {"input": {}}, token=person.token)).data["auditExport"]
        assert [one["code"] for one in refused["userErrors"]] == ["PERMISSION_DENIED"]
        assert (await api.ask("{ auditHead { seq } }", token=person.token)).codes == ["FORBIDDEN"]
    for person in (local, manager, stranger):
        assert (await api.ask(OPERATION, {"id": operation}, token=person.token)).data["operation"] is None
        seen = await api.ask("query($id: ID!) { node(id: $id) { id } }", {"id": file}, token=person.token)
        assert seen.data["node"] is None


async def test_an_export_that_was_cut_off_leaves_nothing_and_is_written_when_it_is_tried_again(
    api: Api, database: Database, settings: Settings, workshop: Workshop
) -> None:
    agency = await an_agency(database)
    owner = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    await _events(database, agency, 5)
    operation = await _asked(api, owner)

    async def cut_off() -> None:
        async with begin(database, agency.scope) as uow:
            await audit.write_export(uow, decode(operation)[1], None, None)
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await cut_off()
    async with begin_read(database, agency.scope) as uow:
        assert (await uow.session.execute(text("SELECT count(*) FROM stored_file"))).scalar_one() == 0
    await workshop.settle(agency.id)

    assert verify(io.BytesIO(await _file_of(api, database, agency, owner, operation))).count == 7
