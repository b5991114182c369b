"""Known documents over GraphQL: registering a manifest, seeing what the schema says of it now, withdrawing it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.config import Settings
from server.documents.rules import MAX_AT_ONCE
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.schema import limits, pricing
from server.schema.documents.listing import MAX_LOOKED_AT
from server.tenants.rules import Role
from tests.api import Answer, Api
from tests.factories.documents import WEB_1, a_text, as_input, registered, the_id_of
from tests.factories.tenants import AnOrganization, APerson, a_person, an_agency
from tests.schema.asking import change, codes, details

REGISTERED = "newCount documents { id documentId operationName operationType text app version isValid problems }"
WITHDRAWN = "withdrawnCount documents { id withdrawnAt }"
LIST = """query($first: Int, $after: String, $last: Int, $before: String, $filter: DocumentFilter) {
  documents(first: $first, after: $after, last: $last, before: $before, filter: $filter) {
    nodes { operationName isValid problems withdrawnAt } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
USES = (
    "query($filter: DocumentUseFilter) { documentUses(filter: $filter) { documentId operationName app version uses } }"
)
OF_WEB = {"app": "web", "version": "1.0.0"}
A_MUTATION = "mutation Rename($input: ContactRenameInput!) { contactRename(input: $input) { contact { id } } }"
A_SUBSCRIPTION = "subscription Changes { inboxChanges { cursor } }"


@pytest.fixture
async def agency(database: Database) -> AnOrganization:
    """An agency with two clients."""
    return await an_agency(database)


@pytest.fixture
async def admin(database: Database, settings: Settings, agency: AnOrganization) -> APerson:
    """Who may manage the documents of the agency."""
    return await a_person(database, settings, agency, agency.root_id, Role.ADMIN)


async def _register(api: Api, person: APerson, manifest: list[dict[str, str]], **build: str) -> dict[str, Any]:
    return await change(
        api, "documentsRegister", REGISTERED, {**OF_WEB, **build, "documents": manifest}, token=person.token
    )


async def _withdraw(api: Api, person: APerson, **which: object) -> dict[str, Any]:
    return await change(api, "documentsWithdraw", WITHDRAWN, which, token=person.token)


async def _list(api: Api, person: APerson, **variables: object) -> dict[str, Any]:
    listed: dict[str, Any] = (await api.ask(LIST, variables, token=person.token)).data["documents"]
    return listed


async def test_a_manifest_is_registered_in_its_order_with_what_the_schema_reads_in_it(api: Api, admin: APerson) -> None:
    texts = (a_text("First"), A_MUTATION, A_SUBSCRIPTION)

    done = await _register(api, admin, as_input(*texts))
    again = await _register(api, admin, as_input(*texts))

    assert (done["newCount"], again["newCount"], done["userErrors"]) == (3, 0, [])
    shown = done["documents"]
    assert [(one["operationName"], one["operationType"]) for one in shown] == [
        ("First", "QUERY"),
        ("Rename", "MUTATION"),
        ("Changes", "SUBSCRIPTION"),
    ]
    assert [(one["documentId"], one["text"]) for one in shown] == [(the_id_of(one), one) for one in texts]
    assert {(one["app"], one["version"], one["isValid"]) for one in shown} == {("web", "1.0.0", True)}
    assert again["documents"] == shown


_DEEP = "query Deep { " + "a { " * 15 + "b" + " }" * 15 + " }"
_ALIASED = "query Aliased { " + " ".join(f"a{n}: viewer {{ name }}" for n in range(pricing.MAX_ROOT_FIELDS + 1)) + " }"


@pytest.mark.parametrize(
    ("_case", "text", "complaint"),
    [
        ("nothing", "", "Syntax Error"),
        ("not GraphQL", "select * from member", "Syntax Error"),
        ("a field that is not there", "query A { nothing }", "Cannot query field 'nothing'"),
        ("no name", "{ viewer { name } }", "exactly one operation"),
        ("two operations", "query A { viewer { name } } query B { viewer { name } }", "exactly one operation"),
        ("fragments alone", "fragment A on Viewer { name }", "exactly one operation"),
        ("types", "type A { a: Int }", "exactly one operation"),
        ("introspection, which production does not offer", "query A { __schema { types { name } } }", "introspection"),
        ("circles", "query A { viewer { ...B } } fragment B on Viewer { ...B }", "Cannot spread fragment 'B'"),
        ("too deep", _DEEP, "depth 15; the limit is 14"),
        ("too wide", _ALIASED, "root fields 21; the limit is 20"),
        ("too long", f"query A {{ viewer {{ name }} }} #{'x' * limits.MAX_CHARACTERS}", "the limit is 15000"),
        ("too many words", "query A { viewer { " + "name " * limits.MAX_TOKENS + "} }", "more than 2000 tokens"),
        (
            "one field over and over",
            "query A {viewer{" + "organization{id} " * 480 + "}}",
            "pairs would have to be compared",
        ),
        ("brackets without end", "query A " + "{ a " * 3_000, "nested too deeply"),
    ],
)
async def test_what_the_schema_would_not_serve_is_not_registered(
    api: Api, admin: APerson, _case: str, text: str, complaint: str
) -> None:
    done = await _register(api, admin, as_input(a_text("Fine"), text))

    assert {(one["code"], tuple(one["path"])) for one in done["userErrors"]} == {
        ("DOCUMENT_INVALID", ("documents", "1", "text"))
    }
    assert complaint in done["userErrors"][0]["message"]
    assert (done["documents"], done["newCount"]) == ([], None)
    assert (await _list(api, admin))["nodes"] == [], "nothing of a refused manifest is registered"


async def test_everything_that_is_wrong_with_a_manifest_is_told_at_once(api: Api, admin: APerson) -> None:
    right, wrong = a_text("Right"), "query Wrong { nothing }"
    manifest = [{"documentId": the_id_of(right).upper(), "text": right}, *as_input(wrong)]

    done = await _register(api, admin, manifest, app=" web", version="ü")

    told = [(one["code"], one["path"]) for one in done["userErrors"]]
    assert told == [
        ("INVALID_INPUT", ["app"]),
        ("INVALID_INPUT", ["version"]),
        ("DOCUMENT_DIGEST_MISMATCH", ["documents", "0", "documentId"]),
        ("DOCUMENT_INVALID", ["documents", "1", "text"]),
    ]
    assert details(done["userErrors"][2]) == {"documentId": [the_id_of(right)]}


async def test_a_manifest_has_from_one_to_250_documents(api: Api, admin: APerson) -> None:
    most = as_input(*(a_text(f"Q{n}") for n in range(MAX_AT_ONCE)))

    assert codes(await _register(api, admin, [])) == ["INVALID_INPUT"]
    assert codes(await _register(api, admin, [*most, *as_input(a_text("More"))])) == ["INVALID_INPUT"]
    assert (await _register(api, admin, most))["newCount"] == MAX_AT_ONCE


async def test_two_pipelines_that_register_one_manifest_at_once_both_succeed(api: Api, admin: APerson) -> None:
    manifest = as_input(*(a_text(f"Q{n}") for n in range(40)))

    done = await asyncio.gather(*(_register(api, admin, some) for some in (manifest, manifest[::-1])))

    assert [one["userErrors"] for one in done] == [[], []]
    assert sorted(one["newCount"] for one in done) == [0, 40]


async def test_only_who_manages_the_whole_organization_registers_sees_and_withdraws(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, admin: APerson
) -> None:
    (one,) = (await _register(api, admin, as_input(a_text("A"))))["documents"]
    people = [
        await a_person(database, settings, agency, agency.units["client 1"], Role.ADMIN),
        await a_person(database, settings, agency, agency.root_id, Role.MANAGER),
    ]

    for person in people:
        assert codes(await _register(api, person, as_input(a_text("B")))) == ["PERMISSION_DENIED"]
        assert codes(await _withdraw(api, person, ids=[one["id"]])) == ["PERMISSION_DENIED"]
        assert codes(await _withdraw(api, person, **OF_WEB)) == ["PERMISSION_DENIED"]
        for question in (LIST, USES):
            assert (await api.ask(question, token=person.token)).codes == ["FORBIDDEN"]
        nodes = await api.ask("query($id: ID!) { node(id: $id) { id } }", {"id": one["id"]}, token=person.token)
        assert nodes.data == {"node": None}
    assert (await api.ask(LIST, token=None)).codes == ["UNAUTHENTICATED"]


async def test_another_organization_cannot_tell_a_foreign_document_from_none(
    api: Api, database: Database, settings: Settings, admin: APerson
) -> None:
    other = await an_agency(database)
    stranger = await a_person(database, settings, other, other.root_id, Role.OWNER)
    text_of_both = a_text("Both")
    (mine,) = (await _register(api, admin, as_input(text_of_both)))["documents"]

    async def asked(id_: str) -> tuple[Answer, dict[str, Any]]:
        node = await api.ask("query($id: ID!) { node(id: $id) { __typename } }", {"id": id_}, token=stranger.token)
        return node, await _withdraw(api, stranger, ids=[id_])

    foreign, random = await asked(mine["id"]), await asked(encode("doc", new_id()))
    by_build = await _withdraw(api, stranger, **OF_WEB)
    theirs = await _register(api, stranger, as_input(text_of_both))

    assert foreign == random
    assert (codes(foreign[1]), codes(by_build)) == (["NOT_FOUND"], ["NOT_FOUND"])
    assert theirs["newCount"] == 1, "a text that somebody else registered is as new as any other"
    assert (await _withdraw(api, stranger, **OF_WEB))["withdrawnCount"] == 1
    assert [one["withdrawnAt"] for one in (await _list(api, admin))["nodes"]] == [None]


@pytest.mark.parametrize(
    ("_case", "which", "code"),
    [
        ("nothing", {}, "INVALID_INPUT"),
        ("both", {"ids": [], "app": "web", "version": "1.0.0"}, "INVALID_INPUT"),
        ("an app without a version", {"app": "web"}, "INVALID_INPUT"),
        ("a version without an app", {"version": "1.0.0"}, "INVALID_INPUT"),
        ("no ids", {"ids": []}, "INVALID_INPUT"),
        ("too many ids", {"ids": [encode("doc", new_id())] * (MAX_AT_ONCE + 1)}, "INVALID_INPUT"),
        ("an id of another kind", {"ids": [encode("app", new_id())]}, "NOT_FOUND"),
        ("no id", {"ids": ["sha256:ab"]}, "NOT_FOUND"),
        ("a build that never was", {"app": "web", "version": "9"}, "NOT_FOUND"),
        ("a name that none can have", {"app": "web", "version": "\n"}, "INVALID_INPUT"),
    ],
)
async def test_a_withdrawal_that_names_nothing_is_refused(
    api: Api, admin: APerson, _case: str, which: dict[str, object], code: str
) -> None:
    await _register(api, admin, as_input(a_text("A")))

    done = await _withdraw(api, admin, **which)

    assert codes(done) == [code]
    assert [one["withdrawnAt"] for one in (await _list(api, admin))["nodes"]] == [None]


async def test_a_withdrawal_ends_what_was_served_and_repeats_without_an_effect(api: Api, admin: APerson) -> None:
    made = (await _register(api, admin, as_input(a_text("A"), a_text("B"), a_text("C"))))["documents"]

    by_id = await _withdraw(api, admin, ids=[made[0]["id"]])
    by_build = await _withdraw(api, admin, **OF_WEB)
    again = await _withdraw(api, admin, **OF_WEB)

    assert [one["withdrawnCount"] for one in (by_id, by_build, again)] == [1, 2, 0]
    assert by_id["documents"][0]["withdrawnAt"] is not None
    names = {
        is_withdrawn: [
            one["operationName"] for one in (await _list(api, admin, filter={"isWithdrawn": is_withdrawn}))["nodes"]
        ]
        for is_withdrawn in (True, False)
    }
    assert names == {True: ["C", "B", "A"], False: []}


async def test_what_is_valid_is_asked_of_the_schema_that_runs_not_of_the_one_that_was(
    api: Api, database: Database, agency: AnOrganization, admin: APerson
) -> None:
    await _register(api, admin, as_input(a_text("Stays")))
    # As an earlier version of the schema would have let it in.
    await registered(database, agency.scope, WEB_1, ["query Was { aFieldThatWent }"])

    every = (await _list(api, admin))["nodes"]
    by_validity = {
        is_valid: [one["operationName"] for one in (await _list(api, admin, filter={"isValid": is_valid}))["nodes"]]
        for is_valid in (True, False)
    }

    assert [(one["operationName"], one["isValid"]) for one in every] == [("Was", False), ("Stays", True)]
    assert "aFieldThatWent" in every[0]["problems"][0]
    assert by_validity == {True: ["Stays"], False: ["Was"]}


@pytest.mark.parametrize("forward", [True, False])
async def test_a_list_by_validity_is_walked_to_its_end_from_either_side(
    api: Api, database: Database, agency: AnOrganization, admin: APerson, forward: bool
) -> None:
    fine = [a_text(f"Fine{n}") for n in range(MAX_LOOKED_AT + 60)]
    broken = [f"query Broken{n} {{ nothing }}" for n in range(3)]
    for some in ([broken[0], *fine[:200]], [broken[1], *fine[200:]], [broken[2]]):
        await registered(database, agency.scope, WEB_1, some)

    found: list[str] = []
    pages, at = 0, None
    while True:
        window = {"first": 2, "after": at} if forward else {"last": 2, "before": at}
        page = await _list(api, admin, filter={"isValid": False}, **window)
        names = [one["operationName"] for one in page["nodes"]]
        found += names if forward else names[::-1]
        info, pages = page["pageInfo"], pages + 1
        at = info["endCursor" if forward else "startCursor"]
        if not info["hasNextPage" if forward else "hasPreviousPage"]:
            break

    assert found == (["Broken2", "Broken1", "Broken0"] if forward else ["Broken0", "Broken1", "Broken2"])
    assert pages > 1


async def test_lists_are_cut_by_app_and_version_and_their_cursors_belong_to_them(api: Api, admin: APerson) -> None:
    for app, version in (("web", "1"), ("web", "2"), ("phone", "1")):
        await _register(api, admin, as_input(a_text("A"), a_text("B")), app=app, version=version)

    of_web = await _list(api, admin, first=3, filter={"app": "web"})
    rest = await _list(api, admin, filter={"app": "web"}, after=of_web["pageInfo"]["endCursor"])
    of_both = await _list(api, admin, filter={"app": "phone", "version": "1"})
    elsewhere = await api.ask(
        LIST, {"after": of_web["pageInfo"]["endCursor"], "filter": {"app": "phone"}}, token=admin.token
    )

    assert [len(one["nodes"]) for one in (of_web, rest, of_both)] == [3, 1, 2]
    assert elsewhere.codes == ["BAD_REQUEST"]


async def test_a_registration_with_a_key_happens_once(api: Api, admin: APerson) -> None:
    key, given = new_id().hex, {**OF_WEB, "documents": as_input(a_text("A"))}

    first = await change(api, "documentsRegister", REGISTERED, given, token=admin.token, key=key)
    again = await change(api, "documentsRegister", REGISTERED, given, token=admin.token, key=key)

    assert first == again
    assert first["newCount"] == 1
