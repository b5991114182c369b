"""From an id or a text to the document that is served, in both modes, for everybody, somebody and nobody."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from server.config import DocumentMode, WebSettings
from server.documents import service as documents
from server.documents.counting import UseCounter
from server.documents.rules import MAX_NAME, build_named
from server.documents.service import UseFilter
from server.kit.db import Database
from server.schema.errors import ApiError, DocumentNotAllowed, DocumentNotFound
from server.schema.known_documents import KnownDocuments, Served
from server.tenants.scope import Scope
from server.tenants.uow import begin, begin_read
from tests.factories.documents import WEB_1, WEB_2, a_text, registered, the_id_of
from tests.factories.tenants import an_agency
from tests.schema.asking import statements

SHIPPED, OURS, THEIRS = a_text("Shipped"), a_text("Ours"), a_text("Theirs")
Known = Callable[..., KnownDocuments]


@pytest.fixture
def known(database: Database) -> Known:
    """Make the documents of a process, which ships one."""

    def make(**settings: float) -> KnownDocuments:
        return KnownDocuments(database, {the_id_of(SHIPPED): SHIPPED}, UseCounter(database), **settings)

    return make


@pytest.fixture
async def scopes(database: Database) -> tuple[Scope, Scope]:
    """Two organizations, of which each registered a document of its own."""
    ours, theirs = (await an_agency(database)).scope, (await an_agency(database)).scope
    await registered(database, ours, WEB_1, [OURS])
    await registered(database, theirs, WEB_1, [THEIRS])
    return ours, theirs


async def _answer(known: KnownDocuments, scope: Scope | None, mode: DocumentMode, *asked: str | None) -> object:
    try:
        return await known.served(scope, mode, *asked)
    except ApiError as error:
        return type(error), str(error)


@pytest.mark.parametrize("mode", list(DocumentMode))
async def test_an_id_is_what_is_shipped_or_what_the_callers_own_organization_registered(
    known: Known, scopes: tuple[Scope, Scope], mode: DocumentMode
) -> None:
    ours, theirs = scopes
    one = known()

    assert [await one.served(scope, mode, None, the_id_of(SHIPPED)) for scope in (ours, theirs, None)] == [
        Served(SHIPPED, the_id_of(SHIPPED))
    ] * 3
    assert await one.served(ours, mode, None, the_id_of(OURS)) == Served(OURS, the_id_of(OURS))
    assert await one.served(theirs, mode, None, the_id_of(THEIRS)) == Served(THEIRS, the_id_of(THEIRS))


@pytest.mark.parametrize("mode", list(DocumentMode))
async def test_a_foreign_a_withdrawn_and_an_unknown_id_are_told_the_same_with_the_same_work(
    known: Known, scopes: tuple[Scope, Scope], database: Database, mode: DocumentMode
) -> None:
    ours, _ = scopes
    gone = a_text("Gone")
    await registered(database, ours, WEB_2, [gone])
    async with begin(database, ours) as uow:
        await documents.withdraw_build(uow, WEB_2)
    one, heard, work = known(), [], []

    for text in (THEIRS, gone, a_text("Never")):
        with statements() as seen:
            heard.append(await _answer(one, ours, mode, None, the_id_of(text)))
        work.append(len(seen))

    assert heard == [(DocumentNotFound, str(DocumentNotFound()))] * 3
    assert work == [1, 1, 1]


async def test_who_is_not_known_reaches_shipped_documents_only_and_costs_no_statement(
    known: Known, scopes: tuple[Scope, Scope]
) -> None:
    one = known()

    with statements() as seen:
        by_id = await _answer(one, None, DocumentMode.KNOWN, None, the_id_of(OURS))
        by_text = await _answer(one, None, DocumentMode.KNOWN, OURS, None)
        shipped = await _answer(one, None, DocumentMode.KNOWN, SHIPPED, None)

    assert (by_id, by_text, shipped) == (
        (DocumentNotFound, str(DocumentNotFound())),
        (DocumentNotAllowed, str(DocumentNotAllowed())),
        Served(SHIPPED, the_id_of(SHIPPED)),
    )
    assert seen == []


@pytest.mark.parametrize("malformed", ["", "Ours", "sha256:", "sha256:" + "g" * 64, "x" * 100_000])
async def test_what_is_no_id_costs_no_statement(known: Known, scopes: tuple[Scope, Scope], malformed: str) -> None:
    with statements() as seen:
        answer = await _answer(known(), scopes[0], DocumentMode.OPEN, None, malformed)

    assert (answer, seen) == ((DocumentNotFound, str(DocumentNotFound())), [])


async def test_in_known_mode_a_text_is_served_if_it_is_byte_for_byte_a_document_of_the_caller(
    known: Known, scopes: tuple[Scope, Scope]
) -> None:
    ours, theirs = scopes
    one = known()

    assert await one.served(ours, DocumentMode.KNOWN, OURS, None) == Served(OURS, the_id_of(OURS))
    for scope, text in ((theirs, OURS), (ours, f"{OURS} "), (ours, a_text("Never")), (ours, "")):
        assert (await _answer(one, scope, DocumentMode.KNOWN, text, None)) == (
            DocumentNotAllowed,
            str(DocumentNotAllowed()),
        )


async def test_in_open_mode_any_text_is_run_and_none_is_looked_up(known: Known, scopes: tuple[Scope, Scope]) -> None:
    with statements() as seen:
        served = await known().served(scopes[0], DocumentMode.OPEN, a_text("Never"), None)

    assert (served, seen) == (Served(a_text("Never"), None), [])


@pytest.mark.parametrize("mode", list(DocumentMode))
async def test_an_id_beside_a_text_must_be_that_of_the_text(
    known: Known, scopes: tuple[Scope, Scope], mode: DocumentMode
) -> None:
    ours, _ = scopes
    one, new = known(), a_text("New")

    assert (await one.served(ours, mode, OURS, the_id_of(OURS))).text == OURS
    assert await _answer(one, ours, mode, SHIPPED, the_id_of(OURS)) == (DocumentNotFound, str(DocumentNotFound()))
    # Code generators send both while the manifest is not registered yet.
    in_open_mode = mode is DocumentMode.OPEN
    assert await _answer(one, ours, mode, new, the_id_of(new)) == (
        Served(new, None) if in_open_mode else (DocumentNotAllowed, str(DocumentNotAllowed()))
    )


async def test_a_document_that_was_served_is_remembered_for_its_organization_alone(
    known: Known, scopes: tuple[Scope, Scope]
) -> None:
    ours, theirs = scopes
    one = known()
    await one.served(ours, DocumentMode.KNOWN, None, the_id_of(OURS))

    with statements() as seen:
        again = await one.text_of(ours, the_id_of(OURS))
        elsewhere = await one.text_of(theirs, the_id_of(OURS))

    assert (again, elsewhere, len(seen)) == (OURS, None, 1)


async def test_a_withdrawal_holds_as_soon_as_what_is_remembered_is_over(
    known: Known, scopes: tuple[Scope, Scope], database: Database
) -> None:
    ours, _ = scopes
    forgetful, mindful = known(kept_s=0.0), known(kept_s=3_600.0)
    for one in (forgetful, mindful):
        await one.served(ours, DocumentMode.KNOWN, None, the_id_of(OURS))

    async with begin(database, ours) as uow:
        await documents.withdraw_build(uow, WEB_1)

    assert await forgetful.text_of(ours, the_id_of(OURS)) is None
    assert await mindful.text_of(ours, the_id_of(OURS)) == OURS, "the bound is what it is remembered for"


async def test_a_document_is_served_the_moment_it_is_registered_also_where_it_was_asked_for_before(
    known: Known, scopes: tuple[Scope, Scope], database: Database
) -> None:
    ours, _ = scopes
    one, new = known(kept_s=3_600.0), a_text("New")
    assert await one.text_of(ours, the_id_of(new)) is None

    await registered(database, ours, WEB_2, [new])

    assert await one.text_of(ours, the_id_of(new)) == new


async def test_uses_are_counted_for_the_callers_organization_shipped_documents_included(
    database: Database, scopes: tuple[Scope, Scope]
) -> None:
    ours, theirs = scopes
    counter = UseCounter(database)
    one = KnownDocuments(database, {the_id_of(SHIPPED): SHIPPED}, counter)

    with statements() as seen:
        one.note_use(ours.organization_id, the_id_of(OURS), "Ours", build_named("web", "1.0.0"))
        one.note_use(ours.organization_id, the_id_of(SHIPPED), "Shipped", build_named("web\r\n", "v" * (MAX_NAME + 1)))
        one.note_use(ours.organization_id, "nothing", "Shipped", build_named(None, None))
    await counter.flush()

    async with begin_read(database, ours) as uow:
        found = await documents.list_uses(uow, UseFilter(timedelta(days=1)))
    async with begin_read(database, theirs) as uow:
        elsewhere = await documents.list_uses(uow, UseFilter(timedelta(days=1)))
    assert seen == []
    assert sorted((one.operation_name, one.app, one.version, one.uses) for one in found) == [
        ("Ours", "web", "1.0.0", 1),
        ("Shipped", "", "", 1),
    ]
    assert elsewhere == []


@pytest.mark.parametrize(
    ("environment", "given", "mode"),
    [
        ("production", None, DocumentMode.KNOWN),
        ("production", "open", DocumentMode.OPEN),
        ("development", None, DocumentMode.OPEN),
        ("development", "known", DocumentMode.KNOWN),
        ("test", None, DocumentMode.OPEN),
    ],
)
def test_production_runs_known_documents_unless_it_is_told_otherwise(
    environment: str, given: str | None, mode: DocumentMode
) -> None:
    settings = WebSettings.model_validate({"SWITCHBOARD_ENV": environment, "SWITCHBOARD_DOCUMENTS": given})

    assert settings.document_mode is mode
