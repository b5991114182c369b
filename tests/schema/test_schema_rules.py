"""Rules that every slice's GraphQL follows, read from the built schema (contract.md section 1)."""

from __future__ import annotations

import importlib
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
import strawberry
from graphql import (
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
)
from strawberry.types import get_object_definition
from strawberry.types.field import StrawberryField

import server
from server.kit import jobs
from server.kit.errors import IdempotencyInProgress, IdempotencyKeyReused, IdempotencyRequired, error_classes
from server.schema import root
from server.schema.guards import ROOTS, is_declared, is_wrapping, objects
from server.schema.permissions import declared
from server.schema.results import IdempotencyIsRequired, UserErrorCode, enum_name
from workers.actors.registry import ACTORS

ACTS_OUTSIDE = re.compile(
    r"(Send|Reply|Submit|Decide|Approve|Reject|Publish|PublishVersion|Release|RollBack|Resume|Retry|Start)$"
)
"""What the last word of a mutation's name says of a send, an approval or a publication."""
TOP_LEVEL = {IdempotencyRequired, IdempotencyKeyReused, IdempotencyInProgress}


@pytest.fixture(scope="module")
def schema() -> strawberry.Schema:
    """The schema as it is served."""
    return root.build(introspection=True)


@pytest.fixture(scope="module")
def core(schema: strawberry.Schema) -> GraphQLSchema:
    """The same for graphql-core."""
    return schema._schema


def _undescribed(core: GraphQLSchema) -> Iterator[str]:
    for name, kind in core.type_map.items():
        if name.startswith("__"):
            continue
        if not kind.description:
            yield name
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            for field_name, field in kind.fields.items():
                yield from _undescribed_field(f"{name}.{field_name}", field)
        if isinstance(kind, GraphQLInputObjectType):
            yield from (f"{name}.{one}" for one, field in kind.fields.items() if not field.description)
    for directive in core.directives:
        yield from (f"@{directive.name}" for _ in [0] if not directive.description)


def _undescribed_field(name: str, field: GraphQLField) -> Iterator[str]:
    if not field.description:
        yield name
    yield from (f"{name}({one})" for one, argument in field.args.items() if not argument.description)


def _root_fields(schema: strawberry.Schema) -> list[tuple[str, StrawberryField]]:
    kinds = [schema.query, schema.mutation, schema.subscription]
    return [
        (f"{kind.__name__}.{field.python_name}", field)
        for kind in kinds
        if kind is not None
        for field in get_object_definition(kind, strict=True).fields
    ]


def test_everything_has_a_description(core: GraphQLSchema) -> None:
    assert list(_undescribed(core)) == []


def test_every_root_field_declares_its_permission_or_that_it_is_public(schema: strawberry.Schema) -> None:
    undeclared = [
        name
        for name, field in _root_fields(schema)
        if not name.startswith("Subscription") and len(declared(field)) != 1
    ]
    mute = [
        name
        for name, field in _root_fields(schema)
        if not any(type(one).__name__ in {"Requires", "Public", "Anonymous"} for one in field.directives)
    ]

    assert undeclared == []
    assert mute == []


def test_every_type_declares_with_which_permission_its_objects_are_read(schema: strawberry.Schema) -> None:
    ours = [kind for kind in objects(schema) if kind.name not in ROOTS and not is_wrapping(kind)]

    assert len(ours) > 40
    assert [kind.name for kind in ours if not is_declared(kind)] == []


def test_every_mutation_is_nullable_with_one_input_and_a_payload_with_user_errors(core: GraphQLSchema) -> None:
    assert core.mutation_type is not None
    crooked = []
    for name, field in core.mutation_type.fields.items():
        payload = field.type
        errors = payload.fields.get("userErrors") if isinstance(payload, GraphQLObjectType) else None
        has_form = errors is not None and str(errors.type) == "[UserError!]!" and payload.name.endswith("Payload")
        (argument,) = [*field.args] if len(field.args) == 1 else [None]
        is_input = argument == "input" and isinstance(field.args["input"].type, GraphQLNonNull)
        if not (has_form and is_input and isinstance(field.args["input"].type.of_type, GraphQLInputObjectType)):
            crooked.append(name)

    assert crooked == []


def test_what_sends_approves_or_publishes_needs_an_idempotency_key(schema: strawberry.Schema) -> None:
    needy = {
        schema.config.name_converter.get_graphql_name(field)
        for name, field in _root_fields(schema)
        if any(isinstance(one, IdempotencyIsRequired) for one in field.directives)
    }
    acting = {name for name in schema._schema.mutation_type.fields if ACTS_OUTSIDE.search(name)}  # type: ignore[union-attr]

    assert acting <= needy
    assert {"campaignSubmit", "campaignDecide", "campaignResume", "templatePublishVersion"} <= acting


def test_the_printed_schema_is_the_one_that_is_served() -> None:
    checked = subprocess.run(  # in a process of its own, as CI does it
        [sys.executable, "-m", "server.schema.export", "--check"], capture_output=True, text=True, check=False
    )

    assert checked.returncode == 0, checked.stderr


def test_lists_are_connections_or_hold_no_null(core: GraphQLSchema) -> None:
    loose = [
        f"{name}.{field_name}"
        for name, kind in core.type_map.items()
        if isinstance(kind, GraphQLObjectType) and not name.startswith("__") and name != "Query"
        for field_name, field in kind.fields.items()
        if "[" in str(field.type) and not _holds_no_null(field)
    ]

    assert loose == []


def _holds_no_null(field: GraphQLField) -> bool:
    kind = field.type.of_type if isinstance(field.type, GraphQLNonNull) else field.type
    return isinstance(kind, GraphQLList) and isinstance(kind.of_type, GraphQLNonNull)


def test_the_error_codes_are_those_of_all_refusals_of_all_slices() -> None:
    for module in pkgutil.walk_packages(server.__path__, "server."):
        importlib.import_module(module.name)
    declared_here = {
        kind for kind in error_classes() if kind.__module__.startswith("server.") and kind not in TOP_LEVEL
    }
    expected = {enum_name(kind.code) for kind in declared_here}

    shown = {one.name for one in UserErrorCode}

    assert shown == expected


def test_two_kinds_of_refusal_never_share_a_code() -> None:
    for module in pkgutil.walk_packages(server.__path__, "server."):
        importlib.import_module(module.name)
    codes = sorted(kind.code for kind in error_classes() if kind.__module__.startswith("server."))

    assert [code for code in set(codes) if codes.count(code) > 1] == []


def test_every_registered_job_has_an_actor_and_every_actor_a_job() -> None:
    for module in pkgutil.walk_packages(server.__path__, "server."):
        if module.name.endswith(".jobs"):
            importlib.import_module(module.name)

    missing = {kind.__name__ for kind in jobs.registered() if kind.__module__.startswith("server.")} - {
        kind.__name__ for kind in ACTORS
    }

    assert missing == set()
    assert set(ACTORS) <= jobs.registered()
