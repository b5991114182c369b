"""The short resolvers: they answer what Strawberry's own answer, and stand nowhere that something is checked."""

from __future__ import annotations

from collections.abc import AsyncIterator

import orjson
import pytest
from graphql import GraphQLField, GraphQLObjectType
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.field import StrawberryField

from server.config import Settings
from server.documents.counting import UseCounter
from server.kit.admission import Admission
from server.kit.budgets import Budgets
from server.kit.db import Database
from server.kit.live import Listener
from server.platforms import registry
from server.schema.context import ApiContext, Services
from server.schema.known_documents import KnownDocuments
from server.schema.plain import shorten
from server.schema.root import ApiSchema, build, declared
from server.tenants.rules import Role
from tests.factories.tenants import APerson, a_person, an_agency
from tests.schema.test_inbox import NESTED, WHOLE, a_full_inbox

LONG, SHORT = declared(introspection=True), build(introspection=True)
AROUND = """{ viewer { name reaches { unitId permissions } }
  units(first: 2) { edges { cursor node { id name kind } } nodes { name } pageInfo { startCursor endCursor hasNextPage } }
  conversations(first: 1) { edges { node { messages { edges { cursor node { id text author { name } } } }
  notes { nodes { id } } assignments { createdAt assignee { name } actor { id } } } } } }"""
REFUSED = '{ conversations(first: 1000) { nodes { id } } units(after: "nonsense") { nodes { id } } viewer { name } }'
ABOUT_ITSELF = "{ __schema { types { name fields { name type { name } } } } }"


@pytest.fixture
async def services(database: Database, settings: Settings) -> AsyncIterator[Services]:
    """What requests share."""
    connectors = registry.build(settings)
    admission = Admission(settings.admission, settings.database)
    budgets = Budgets(database, settings.security.pepper.get_secret_value())
    known = KnownDocuments(database, {}, UseCounter(database))
    yield Services(database, connectors, settings, Listener(""), admission, budgets, known)
    await connectors.aclose()


@pytest.fixture
async def clerk(database: Database, settings: Settings) -> APerson:
    """Somebody whose inbox holds three conversations."""
    agency = await an_agency(database)
    clerk = await a_person(database, settings, agency, agency.units["client 1"], Role.MANAGER)
    await a_full_inbox(database, agency, clerk, 3)
    return clerk


async def answer(schema: ApiSchema, services: Services, person: APerson, document: str) -> bytes:
    """Execute a document and write all of the answer, in the order of its fields."""
    context = ApiContext(services, "request", person.token, person.scope)
    context.prepared = schema.documents.read(document)
    try:
        result = await schema.execute(document, context_value=context)
    finally:
        await context.reads.end()
    return orjson.dumps({"data": result.data, "errors": [error.formatted for error in result.errors or ()]})


@pytest.mark.parametrize(
    ("_case", "document", "must_hold"),
    [
        ("parts of the list's own statement", NESTED, b"Grace Hopper"),
        ("parts from loaders", WHOLE, b"humanAgentClosesAt"),
        ("lists of all kinds", AROUND, b"startCursor"),
        ("refusals", REFUSED, b"INVALID"),
        ("the schema itself", ABOUT_ITSELF, b"ConversationConnection"),
    ],
)
async def test_a_document_gives_the_same_bytes_with_and_without_the_short_resolvers(
    services: Services, clerk: APerson, _case: str, document: str, must_hold: bytes
) -> None:
    long = await answer(LONG, services, clerk, document)
    short = await answer(SHORT, services, clerk, document)

    assert must_hold in short, short
    assert short == long


def fields(schema: ApiSchema) -> dict[tuple[str, str], GraphQLField]:
    """Return the fields of all object types."""
    kinds = (one for one in schema._schema.type_map.values() if isinstance(one, GraphQLObjectType))
    return {(kind.name, name): field for kind in kinds for name, field in kind.fields.items()}


def test_no_field_that_checks_converts_or_awaits_something_is_shortened() -> None:
    schema = declared(introspection=True)
    before = {place: field.resolve for place, field in fields(schema).items()}

    shortened = {place: field for place, field in fields(shorten(schema)).items() if field.resolve is not before[place]}

    assert {("Conversation", "status"), ("Conversation", "page"), ("Conversation", "labels")} <= set(shortened)
    assert not {kind for kind, _ in shortened} & {"Query", "Mutation", "Subscription"}
    for place, field in shortened.items():
        origin = field.extensions[GraphQLCoreConverter.DEFINITION_BACKREF]
        assert isinstance(origin, StrawberryField)
        assert (field.args, origin.extensions, origin.permission_classes, origin.is_async) == ({}, [], [], False), place
