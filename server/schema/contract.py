"""Writes frontend-contract/: `python -m server.schema.contract [--check]`. No Node is needed for any of it.

Generated: schema.graphql, introspection.json, persisted-documents.json, errors.json, limits.json, permissions.json.
Written by hand and only
checked: operations/*.graphql, one operation a file, each valid for the schema, within the limits, and with an
idempotency key where the schema demands one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson
from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    ObjectTypeDefinitionNode,
    OperationDefinitionNode,
    OperationType,
    build_schema,
    introspection_from_schema,
    parse,
    validate,
)

from server.config import (
    LONGEST_TARGET,
    MOST_HEADERS,
    BudgetSettings,
    OperationSettings,
    SocketSettings,
    WebSettings,
)
from server.documents.rules import MAX_AT_ONCE, MAX_LIVE, MAX_NAME, USES_KEPT, digest_of, document_id
from server.kit.pagination import DEFAULT_PAGE, MAX_PAGE
from server.schema import limits, pricing, spending
from server.schema.channels.mutations import MAX_CHOICES
from server.schema.contract_errors import errors
from server.schema.contract_permissions import matrix
from server.schema.cost import STATEMENT
from server.schema.requests import MAX_VALUES
from server.schema.root import MAX_NODES, MAX_PRICE, build
from server.schema.sockets import MAX_ID_BYTES
from server.tenants.idempotency import KEPT_FOR, MAX_KEY

BUDGETS, OPERATIONS = BudgetSettings.model_fields, OperationSettings.model_fields
TARGET = Path(__file__).parent.parent.parent / "frontend-contract"


class OperationRefused(Exception):
    """A file of operations/ is not what the contract promises; the message names it and says why."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One file of operations/: its text is the document, byte for byte."""

    path: Path
    text: str
    document: DocumentNode
    definition: OperationDefinitionNode

    @property
    def name(self) -> str:
        """Return the operation's name; it has one."""
        return self.definition.name.value if self.definition.name else ""


def generate(folder: Path = TARGET) -> dict[str, bytes]:
    """Return every generated file by its name; raise OperationRefused for a document that must not be published."""
    built = build(introspection=True, is_sorted=True)
    sdl = built.as_str().rstrip() + "\n"
    schema = build_schema(sdl)
    operations = list(read_operations(folder / "operations"))
    check(operations, schema, _fields_with_key(sdl), built.documents)
    return {
        "schema.graphql": sdl.encode(),
        "introspection.json": _json(introspection_from_schema(schema)),
        "persisted-documents.json": _json({document_id(digest_of(one.text)): one.text for one in operations}),
        "errors.json": _json(errors(schema)),
        "limits.json": _json(_limits(operations, built.documents)),
        "permissions.json": _json(matrix(built)),
    }


def read_operations(folder: Path) -> Iterator[Operation]:
    """Read the reference operations by file name; raise OperationRefused for a file that is not one named operation."""
    for path in sorted(folder.glob("*.graphql")):
        text = path.read_text()
        try:
            document = parse(text)
        except GraphQLError as error:
            raise OperationRefused(f"{path.name}: {error.message}") from error
        definitions = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
        if len(definitions) != 1 or definitions[0].name is None:
            raise OperationRefused(f"{path.name}: a file holds one named operation")
        yield Operation(path, text, document, definitions[0])


def check(
    operations: list[Operation], schema: GraphQLSchema, with_key: frozenset[str], documents: limits.Documents
) -> None:
    """Raise OperationRefused unless every operation can be sent as it stands. Names are unique."""
    names: set[str] = set()
    for one in operations:
        if one.name in names:
            raise OperationRefused(f"{one.path.name}: another file holds the operation {one.name}")
        names.add(one.name)
        problems = validate(schema, one.document)
        if problems:
            raise OperationRefused(f"{one.path.name}: {problems[0].message}")
        price = _price(one, documents)
        if price > MAX_PRICE:
            raise OperationRefused(f"{one.path.name}: it costs {price} points, and the limit is {MAX_PRICE}")
        for field in _keyless(one, with_key):
            raise OperationRefused(f"{one.path.name}: {field} needs @idempotent(key:)")


def _price(operation: Operation, documents: limits.Documents) -> int:
    """Return what an operation costs with its default page sizes."""
    prepared = documents.read(operation.text)
    return documents.price(prepared, prepared.chosen(operation.name)).points({})


def _keyless(operation: Operation, with_key: frozenset[str]) -> Iterator[str]:
    if operation.definition.operation is not OperationType.MUTATION:
        return
    for field in operation.definition.selection_set.selections:
        if not isinstance(field, FieldNode) or field.name.value not in with_key:
            continue
        if not any(one.name.value == "idempotent" for one in field.directives or ()):
            yield field.name.value


def _fields_with_key(sdl: str) -> frozenset[str]:
    """Return the mutation fields that are refused without an idempotency key."""
    return frozenset(
        field.name.value
        for one in parse(sdl).definitions
        if isinstance(one, ObjectTypeDefinitionNode) and one.name.value == "Mutation"
        for field in one.fields or ()
        if any(directive.name.value == "idempotencyRequired" for directive in field.directives or ())
    )


def _request() -> Mapping[str, object]:
    fields, sockets = WebSettings.model_fields, SocketSettings.model_fields
    return {
        "bytes": fields["max_graphql_bytes"].default,
        "documentCharacters": limits.MAX_CHARACTERS,
        "documentTokens": limits.MAX_TOKENS,
        "depth": pricing.MAX_DEPTH,
        "aliases": pricing.MAX_ALIASES,
        "directives": pricing.MAX_DIRECTIVES,
        "rootFields": pricing.MAX_ROOT_FIELDS,
        "operations": pricing.MAX_OPERATIONS,
        "variables": pricing.MAX_VARIABLES,
        "fields": pricing.MAX_FIELDS,
        "comparedPairs": pricing.MAX_PAIRS,
        "variableValues": MAX_VALUES,
        "deadlineSeconds": OPERATIONS["deadline_s"].default,
        "mutationDeadlineSeconds": OPERATIONS["mutation_deadline_s"].default,
        "answerBytes": OPERATIONS["max_bytes"].default,
        "receiveSeconds": fields["receive_timeout_s"].default,
        "headerBytes": sockets["max_header_bytes"].default,
        "headers": MOST_HEADERS,
        "targetBytes": LONGEST_TARGET,
        "headerSeconds": sockets["header_timeout_s"].default,
        "idleSeconds": sockets["idle_timeout_s"].default,
        "operationsPerRequest": 1,
    }


def _cost(operations: list[Operation], documents: limits.Documents) -> Mapping[str, object]:
    return {
        "field": 1,
        "statement": STATEMENT,
        "charactersReadForAPoint": spending.CHARACTERS_A_POINT,
        "transaction": pricing.BASE,
        "maxPrice": MAX_PRICE,
        "maxAnonymousPrice": OPERATIONS["max_anonymous_price"].default,
        "budgets": {
            who: {"points": BUDGETS[who].default, "pointsPerSecond": BUDGETS[f"{who}_per_s"].default}
            for who in ("organization", "token", "network")
        },
        "operations": {one.name: _price(one, documents) for one in operations},
    }


def _limits(operations: list[Operation], documents: limits.Documents) -> Mapping[str, object]:
    fields, sockets = WebSettings.model_fields, SocketSettings.model_fields
    return {
        "request": _request(),
        "cost": _cost(operations, documents),
        "pages": {"default": DEFAULT_PAGE, "max": MAX_PAGE},
        "lists": {"nodesIds": MAX_NODES, "channelConnectFinishPages": MAX_CHOICES},
        "idempotency": {"keyCharacters": MAX_KEY, "keptDays": KEPT_FOR.days},
        "knownDocuments": {
            "registered": MAX_LIVE,
            "perCall": MAX_AT_ONCE,
            "characters": limits.MAX_CHARACTERS,
            "nameCharacters": MAX_NAME,
            "usesKeptDays": USES_KEPT.days,
        },
        "subscriptions": {
            "perConnection": 50,
            "protocol": "graphql-transport-ws",
            "messageBytes": fields["max_graphql_bytes"].default,
            "operationIdBytes": MAX_ID_BYTES,
            "initSeconds": sockets["init_timeout_s"].default,
            "pingSeconds": sockets["ping_s"].default,
        },
    }


def _json(content: object) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"


def main(arguments: list[str]) -> int:
    """Write the files, or with --check say which differ; return the exit status."""
    try:
        files = generate()
    except OperationRefused as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    stale = [name for name, text in files.items() if not _holds(TARGET / name, text)]
    if "--check" in arguments:
        for name in stale:
            sys.stderr.write(f"{name} does not match the code; run: python -m server.schema.contract\n")
        return 1 if stale else 0
    for name in stale:
        (TARGET / name).write_bytes(files[name])
    return 0


def _holds(path: Path, text: bytes) -> bool:
    return path.exists() and path.read_bytes() == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
