"""Operations that schemathesis makes from our SDL are answered or refused, and none of them is a fault of ours."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import httpx
import pytest
import schemathesis
from graphql import (
    DocumentNode,
    GraphQLSchema,
    IntValueNode,
    Node,
    StringValueNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    build_schema,
    get_named_type,
    parse,
    print_ast,
    visit,
)
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.graphql import nodes

from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.tenants.rules import Role
from tests.api import MODERN, Api
from tests.conftest import ROOT
from tests.factories.tenants import AnOrganization, a_person, an_agency

pytestmark = pytest.mark.faults

CASES = int(os.environ.get("SCHEMATHESIS_CASES", "4000"))
SDL = (ROOT / "frontend-contract" / "schema.graphql").read_text()
SEED = 9
# A field that ends the caller's own way in would leave the rest of the cases to nobody.
ENDS_THE_TOKEN = ("sessionEnd",)


@dataclass(slots=True)
class Asker:
    """Sends documents of one person, one after the other, and keeps what the server said of each."""

    url: str
    token: str
    http: httpx.Client
    statuses: Counter[int] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def ask(self, document: str) -> None:
        """Send one document, and note it if the server failed."""
        headers = {
            "authorization": f"Bearer {self.token}",
            "accept": MODERN,
            "idempotency-key": new_id().hex,
        }
        answer = self.http.post(f"{self.url}/graphql", json={"query": document}, headers=headers)
        codes = [error["extensions"]["code"] for error in answer.json().get("errors", [])]
        self.statuses[answer.status_code] += 1
        self.codes.update(set(codes))
        if answer.status_code >= 500 or "INTERNAL" in codes:
            self.faults.append(f"{answer.status_code} {sorted(set(codes))}\n{document}")


class _RealIds(Visitor):
    """Puts ids that exist in the place of half of the ids that were made up, so that some operations get further."""

    def __init__(self, info: TypeInfo, ids: Sequence[str], dice: random.Random) -> None:
        super().__init__()
        self._info, self._ids, self._dice = info, ids, dice

    def enter_string_value(self, node: StringValueNode, *_rest: object) -> Node:
        """Look at a text that stands where an id may stand."""
        return self._exchanged(node)

    def enter_int_value(self, node: IntValueNode, *_rest: object) -> Node:
        """Look at a number that stands where an id may stand."""
        return self._exchanged(node)

    def _exchanged(self, node: Node) -> Node:
        wanted = self._info.get_input_type()
        if wanted is None or get_named_type(wanted).name != "ID" or self._dice.random() < 0.5:
            return node
        return StringValueNode(value=self._dice.choice(self._ids))


def with_real_ids(schema: GraphQLSchema, document: DocumentNode, ids: Sequence[str], dice: random.Random) -> str:
    """Return the document with some of its ids exchanged."""
    info = TypeInfo(schema)
    return print_ast(visit(document, TypeInfoVisitor(info, _RealIds(info, ids, dice))))


def scalars() -> None:
    """Tell schemathesis what our own scalars look like, the edges of what a calendar holds included."""
    schemathesis.graphql.scalar("BigInt", st.integers(-(2**70), 2**70).map(lambda one: nodes.String(str(one))))
    schemathesis.graphql.scalar("Date", st.dates().map(lambda one: nodes.String(one.isoformat())))
    zones = st.sampled_from(["Z", "+14:00", "-12:00", ""])
    moments = st.tuples(st.datetimes(), zones).map(lambda one: nodes.String(one[0].isoformat() + one[1]))
    schemathesis.graphql.scalar("DateTime", moments)


def ids_of(agency: AnOrganization, member: UUID) -> Iterator[str]:
    """Yield ids that exist, and one of a kind that does but names nothing."""
    yield from (encode("unit", unit) for unit in (agency.root_id, *agency.units.values()))
    yield encode("mem", member)
    yield encode("conv", new_id())


def ask_many(asker: Asker, ids: Sequence[str], cases: int) -> Counter[str]:
    """Ask about as many cases of every root field; return how many of each were asked."""
    scalars()
    read = schemathesis.graphql.from_file(SDL)
    schema, dice = build_schema(SDL), random.Random(SEED)
    operations = [one.ok() for one in read.get_all_operations()]
    operations = [one for one in operations if one.label.partition(".")[2] not in ENDS_THE_TOKEN]
    each, asked = -(-cases // len(operations)), Counter[str]()
    for operation in operations:

        @seed(SEED)
        @settings(
            max_examples=each,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy())
        def one(case: schemathesis.Case) -> None:
            asked[case.operation.label] += 1
            asker.ask(with_real_ids(schema, parse(str(case.body)), ids, dice))

        # A field without arguments has fewer different cases than it is asked for: those are asked again.
        while asked[operation.label] < each:
            one()
    return asked


async def test_no_generated_operation_is_a_fault_of_ours(api: Api, database: Database, settings: Settings) -> None:
    agency = await an_agency(database)
    somebody = await a_person(database, settings, agency, agency.root_id, Role.OWNER)
    other = await a_person(database, settings, agency, agency.root_id, Role.OPERATOR, name="Grace")
    ids = list(ids_of(agency, other.member_id))

    with httpx.Client(timeout=60, trust_env=False) as http:
        asker = Asker(api.url, somebody.token, http)
        asked = await asyncio.to_thread(ask_many, asker, ids, CASES)
    alive = await api.ask("{ viewer { name } }", token=somebody.token)

    verdict = f"{asked.total()} cases of {len(asked)} operations: {dict(asker.statuses)}, {dict(asker.codes)}"
    print(f"\n{verdict}")  # noqa: T201 - the verdict of a long run
    assert asked.total() >= CASES
    assert asker.faults == [], "\n\n".join(asker.faults)
    assert alive.data["viewer"]["name"] == "Ada"
