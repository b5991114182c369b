"""Times and texts that nobody could compute with or keep are refused by name, wherever they stand."""

from __future__ import annotations

import json

import pytest

from server.config import Settings
from server.kit.db import Database
from server.kit.errors import InvalidInput
from server.kit.ids import encode
from server.schema.scalars import FIRST_YEAR, LAST_YEAR
from server.schema.storable import refuse_unstorable
from server.tenants.rules import Role
from tests.api import MODERN, Api
from tests.factories.tenants import a_person, an_agency

EXPORT = """mutation($input: AuditExportInput!) { auditExport(input: $input) {
  operation { state } userErrors { code message path } } }"""
RENAME = """mutation($input: UnitUpdateInput!) { unitUpdate(input: $input) {
  unit { name } userErrors { code message path } } }"""

OUT_OF_TIME = (
    "0001-01-01T00:00:00+14:00",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59-14:00",
    f"{LAST_YEAR}-12-31T23:59:59-00:01",
    f"{FIRST_YEAR}-01-01T00:00:00+00:01",
)


@pytest.fixture
async def owner(database: Database, settings: Settings) -> tuple[str, str]:
    """Return an owner's token and the id of a client."""
    agency = await an_agency(database, clients=1)
    person = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    return person.token, encode("unit", agency.units["client 1"])


@pytest.mark.parametrize("side", ["from", "to"])
@pytest.mark.parametrize("moment", OUT_OF_TIME)
async def test_a_time_that_is_out_of_the_years_in_utc_is_refused_by_its_name(
    api: Api, owner: tuple[str, str], side: str, moment: str
) -> None:
    answer = await api.ask(EXPORT, {"input": {side: moment}}, token=owner[0])

    assert answer.data["auditExport"]["operation"] is None
    (error,) = answer.data["auditExport"]["userErrors"]
    assert (error["code"], error["path"]) == ("INVALID_INPUT", [side])
    assert f"{FIRST_YEAR} to {LAST_YEAR}" in error["message"]


async def test_the_first_and_the_last_moment_are_taken_and_a_time_without_offset_is_not(
    api: Api, owner: tuple[str, str]
) -> None:
    ends = {"from": f"{FIRST_YEAR}-01-01T00:00:00Z", "to": f"{LAST_YEAR}-12-31T23:59:59Z"}

    taken = await api.ask(EXPORT, {"input": ends}, token=owner[0])
    zoneless = await api.ask(EXPORT, {"input": {"from": "2026-12-01T09:00:00"}}, token=owner[0])
    backwards = await api.ask(EXPORT, {"input": {"from": ends["to"], "to": ends["from"]}}, token=owner[0])

    assert taken.data["auditExport"]["userErrors"] == []
    assert [one["path"] for one in zoneless.data["auditExport"]["userErrors"]] == [["from"]]
    assert [one["path"] for one in backwards.data["auditExport"]["userErrors"]] == [["to"]]


@pytest.mark.parametrize("moment", ["9999-12-31T24:00:00Z", "yesterday", "", "2026-13-01T00:00:00Z"])
async def test_what_is_no_time_at_all_is_refused_before_anything_runs(
    api: Api, owner: tuple[str, str], moment: str
) -> None:
    answer = await api.ask(EXPORT, {"input": {"from": moment}}, token=owner[0])

    assert answer.codes == ["VALIDATION_FAILED"]
    assert "ISO 8601" in answer.body["errors"][0]["message"]


async def test_a_text_with_nul_is_refused_by_its_name_and_half_a_surrogate_pair_is_no_json(
    api: Api, owner: tuple[str, str]
) -> None:
    token, unit = owner
    headers = {"authorization": f"Bearer {token}", "accept": MODERN, "content-type": "application/json"}
    body = json.dumps({"query": RENAME, "variables": {"input": {"unitId": unit, "name": "a\ud800b"}}})

    with_nul = await api.ask(RENAME, {"input": {"unitId": unit, "name": "a\0b"}}, token=token)
    with_half = await api.http.post(f"{api.url}/graphql", content=body, headers=headers)

    (error,) = with_nul.data["unitUpdate"]["userErrors"]
    assert (error["code"], error["path"]) == ("INVALID_INPUT", ["name"])
    assert with_half.status_code == 400
    assert with_half.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


@pytest.mark.parametrize("text", ["a\ud800b", "\udfff", "ä\udc00"])
def test_half_a_surrogate_pair_is_refused_however_it_came_in(text: str) -> None:
    with pytest.raises(InvalidInput, match="surrogate") as refused:
        refuse_unstorable({"input": {"lines": [{"some_name": text}]}})

    assert refused.value.path == ("lines", "0", "someName")


def test_a_pair_and_every_other_letter_are_no_halves() -> None:
    refuse_unstorable({"input": {"name": "\U0001f382 zwölf \uffff"}})
