"""The walk: everything that somebody else has, asked for by a person who must not have it."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from graphql import GraphQLField

from server.kit.ids import encode
from server.schema.nodes import Kind
from tests.tenancy.asking import DEPTH, Asker, Call, Heard, a_random_id_like, filled
from tests.tenancy.shapes import EVERYTHING, Shapes, Variant, Wanted, is_connection

IDS_EACH = 2
NODES_AT_ONCE = 100
MOST_TRIES = 12
REFUSED_BEFORE_THE_POINT = frozenset({"NOT_FOUND", "INVALID_INPUT", "INVALID_CURSOR", "PERMISSION_DENIED"})


@dataclass(slots=True)
class Harvest:
    """What one person can see: ids by type, and cursors by list ("Query.pages", "Conversation.messages")."""

    ids: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    cursors: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def note(self, value: object, place: str) -> None:
        """Keep the ids of all objects below and the cursors of the list itself."""
        for one in objects(value):
            kind, id_ = one.get("__typename"), one.get("id")
            if isinstance(kind, str) and isinstance(id_, str) and id_ not in self.ids[kind]:
                self.ids[kind].append(id_)
        if isinstance(value, dict) and "pageInfo" in value:
            shown = [edge["cursor"] for edge in value["edges"]]
            self.cursors[place] += [one for one in dict.fromkeys(shown) if one not in self.cursors[place]]
        if isinstance(value, str):
            self.cursors[place].append(value)

    def without(self, others: Harvest) -> Harvest:
        """Return what the others cannot see."""
        left = {
            kind: [one for one in ids if one not in set(others.ids.get(kind, ()))] for kind, ids in self.ids.items()
        }
        cursors = {place: shown for place, shown in self.cursors.items() if shown}
        return Harvest({kind: ids for kind, ids in left.items() if ids}, cursors)

    def prefer(self, one: str) -> None:
        """Let this id be the first of its type: where the person's own things are."""
        for ids in self.ids.values():
            if one in ids:
                ids.remove(one)
                ids.insert(0, one)

    def some(self, kind: str | None) -> list[str]:
        """Return ids of a type; without a type, one of each."""
        return list(self.ids.get(kind, ())) if kind else [ids[0] for ids in self.ids.values() if ids]


def objects(value: object) -> Iterator[dict[str, Any]]:
    """Yield every JSON object inside of a value."""
    match value:
        case dict():
            yield value
            for one in value.values():
                yield from objects(one)
        case list():
            for one in value:
                yield from objects(one)


async def harvest(asker: Asker, row_ids: Sequence[UUID]) -> Harvest:
    """Read every list, and try the ids of rows as ids of every kind; return all that was seen."""
    found = Harvest()
    fields = asker.shapes.roots("query")
    first = {name: asker.shapes.variants(one)[0] for name, one in fields.items()}
    plain = [name for name, variant in first.items() if not variant.places()]
    answers = await asyncio.gather(
        *(asker.ask("query", name, fields[name], [Call(first[name].arguments)]) for name in plain)
    )
    for name, heard in zip(plain, answers, strict=True):
        found.note((heard[0].body.get("data") or {}).get("a0"), f"Query.{name}")
    seen = {one.rpartition("_")[0] for ids in found.ids.values() for one in ids}
    for ids in of_kinds(row_ids, [kind for kind in Kind if kind.value not in seen]):
        answer = await asker.ask("query", "nodes", fields["nodes"], [Call({"ids": ids})], 1)
        assert "data" in answer[0].body, answer[0].body
        found.note(answer[0].body["data"], "")
    for name in [name for name, variant in first.items() if variant.places()]:
        choices = itertools.product(*(found.some(place.type_name)[:3] for place in first[name].places()))
        calls = [Call(filled(first[name].arguments, ids)) for ids in choices]
        for one in await asker.ask("query", name, fields[name], calls, 3):
            for shown in (one.body.get("data") or {}).values():
                found.note(shown, f"Query.{name}")
    await _harvest_nested(asker, found)
    return found


async def _harvest_nested(asker: Asker, found: Harvest) -> None:
    for kind, name, _ in nested_lists(asker.shapes):
        for one in found.ids.get(kind, [])[:3]:
            document = (
                f"query Walk($id: ID!) {{ node(id: $id) {{ ... on {kind} {{ {name} "
                "{ edges { cursor node { __typename id } } pageInfo { endCursor } } } } }"
            )
            heard = await asker.post(document, {"id": one})
            found.note(((heard.body.get("data") or {}).get("node") or {}).get(name), f"{kind}.{name}")


def nested_lists(shapes: Shapes) -> list[tuple[str, str, GraphQLField]]:
    """Return (type, field, definition) of every list with cursors inside of an object that has an id."""
    return [
        (kind.name, name, one)
        for kind in shapes.node_types()
        for name, one in kind.fields.items()
        if is_connection(one.type) and "after" in one.args
    ]


def of_kinds(row_ids: Sequence[UUID], kinds: Iterable[Kind] = Kind) -> Iterator[list[str]]:
    """Yield ids by the hundred: each row's as an id of each kind."""
    ids = [encode(kind.value, one) for kind in kinds for one in row_ids]
    for start in range(0, len(ids), NODES_AT_ONCE):
        yield ids[start : start + NODES_AT_ONCE]


@dataclass(slots=True)
class Hop:
    """One person with their own ids, before the ids of others."""

    asker: Asker
    own: Harvest
    foreign: Harvest
    sees_everything: bool = True
    """Whether the person has something of every kind; else what they lack is asked for with ids of nothing."""
    compares: bool = True
    """Whether each foreign id is followed by a random one and the two answers compared; else only what shows counts."""
    differences: list[str] = field(default_factory=list)
    ids_each: int = IDS_EACH
    """How many foreign ids of a type are put at a place that wants one."""

    async def ask_by_id(self, operation: str) -> None:
        """Put a foreign id, then a random one, at each place of an id in each way to call each field; note differences."""
        fields = self.asker.shapes.roots(operation).items()
        if operation == "query":
            await asyncio.gather(*(self._ask_field(operation, name, one) for name, one in fields))
            return
        for name, one in fields:
            await self._ask_field(operation, name, one)

    async def _ask_field(self, operation: str, name: str, one: GraphQLField) -> None:
        variants = self.asker.shapes.variants(one)
        is_query = operation == "query"
        theirs = [call for variant in variants for call in self._with_foreign_ids(variant, tries_all=is_query)]
        depth = DEPTH if is_query else DEPTH - 1
        answers = await self.asker.ask(operation, name, one, theirs, depth)
        if not self.compares:
            return
        expected = await self.asker.ask(operation, name, one, [_made_random(call) for call in theirs], depth)
        for foreign, random in zip(answers, expected, strict=True):
            self._compare(name, foreign, random)

    def _with_foreign_ids(self, variant: Variant, *, tries_all: bool) -> list[Call]:
        places = variant.places()
        found = []
        for number, place in enumerate(places):
            ids = self.foreign.some(place.type_name)[: self.ids_each]
            if tries_all and place.is_guess and variant.focus != EVERYTHING:
                ids = [*ids, *(one for one in self.foreign.some(None) if one not in ids)]
            for one in ids:
                given = [self.own_id(other) for other in places]
                given[number] = one
                found.append(Call(filled(variant.arguments, given), (one, *given)))
        return found

    def own_id(self, place: Wanted) -> str:
        """Return an id of the person's own for a place; fail for a kind of which a_world makes none."""
        ids = self.own.some(place.type_name)
        assert ids or not self.sees_everything, f"the person has no {place.type_name} for {'.'.join(place.path)}"
        return ids[0] if ids else a_random_id_like((self.foreign.some(place.type_name) or self.own.some(None))[0])

    async def ask_with_cursors(self) -> None:
        """Give the cursors that others were given to the same lists."""
        for name, one in self.asker.shapes.roots("query").items():
            if not is_connection(one.type):
                continue
            variant = self.asker.shapes.variants(one)[0]
            own = filled(variant.arguments, [self.own_id(place) for place in variant.places()])
            given = [
                Call(own | {argument: cursor})
                for argument in ("after", "before")
                for cursor in self._cursors(f"Query.{name}")
            ]
            await self.asker.ask("query", name, one, given)
        for kind, name, _ in nested_lists(self.asker.shapes):
            for argument in ("after", "before"):
                document = (
                    f"query Walk($id: ID!, $cursor: String) {{ node(id: $id) {{ ... on {kind} {{ {name}({argument}: $cursor) "
                    "{ edges { cursor } nodes { __typename id } } } } }"
                )
                for cursor in self._cursors(f"{kind}.{name}"):
                    for own_id in self.own.some(kind)[:1]:
                        await self.asker.post(document, {"id": own_id, "cursor": cursor}, (own_id,))

    def _cursors(self, place: str) -> list[str]:
        found = self.foreign.cursors.get(place, [])
        assert found or not self.sees_everything, f"nobody was given a cursor of {place}; add what it lists to a_world"
        return found[:1]

    async def ask_nodes(self, row_ids: Sequence[UUID]) -> list[object]:
        """Ask for every row's id as an id of every kind; return what was not null."""
        seen: list[object] = []
        nodes = self.asker.shapes.roots("query")["nodes"]
        visible = {one for ids in self.own.ids.values() for one in ids}
        for ids in of_kinds(row_ids):
            hidden = [one for one in ids if one not in visible]
            heard = await self.asker.ask("query", "nodes", nodes, [Call({"ids": hidden}, tuple(hidden))], 1)
            seen += [one for one in heard[0].body["data"]["a0"] if one is not None]
        return seen

    def _compare(self, name: str, foreign: Heard, random: Heard) -> None:
        told, expected = foreign.told(), random.told()
        if told != expected:
            start = next((n for n, pair in enumerate(zip(told, expected, strict=False)) if pair[0] != pair[1]), 0)
            around = slice(max(0, start - 200), start + 200)
            self.differences.append(
                f"{name}: a foreign id is told …{told[around]}… and a random one …{expected[around]}…"
            )

    async def uncallable(self, operation: str, tokens: Iterator[str]) -> list[str]:
        """Call everything with own ids only; return the fields that were refused before they could have shown anything.

        Each mutation is called with a token of its own: it may be the one that is revoked.
        """
        failed = []
        for name, one in self.asker.shapes.roots(operation).items():
            refusals: list[str] = []
            asker = Asker(self.asker.api, self.asker.shapes, next(tokens), self.asker.heard)
            for arguments in self._own_ways(one):
                refusal = refusal_of((await asker.ask(operation, name, one, [Call(arguments)], 2))[0])
                if refusal is None:
                    break
                refusals.append(refusal)
            else:
                failed.append(f"{name}: {sorted(set(refusals))}")
        return failed

    def _own_ways(self, one: GraphQLField) -> Iterator[Any]:
        for variant in self.asker.shapes.variants(one):
            choices = [self.own.some(place.type_name)[:3] for place in variant.places()]
            for ids in itertools.islice(itertools.product(*choices), MOST_TRIES):
                yield filled(variant.arguments, ids)


def refusal_of(heard: Heard) -> str | None:
    """Return why a call did not come to its point; None if it did, also when the domain then refused it."""
    data, errors = heard.of("a0")
    for error in errors:
        reason = error["extensions"].get("reason", error["extensions"]["code"])
        if error["extensions"]["code"] != "BAD_REQUEST" or reason in REFUSED_BEFORE_THE_POINT:
            return f"{reason} {error['extensions'].get('path')}: {error['message']}"
    if errors:
        return None
    if data is None:
        return "null"
    for one in data.get("userErrors", []) if isinstance(data, dict) else []:
        if one["code"] in REFUSED_BEFORE_THE_POINT:
            return f"{one['code']} {one['path']}: {one['message']}"
    return None


def _made_random(call: Call) -> Call:
    """Return the call with its foreign id, the first one of `sent`, replaced by a random one."""
    foreign, *rest = call.sent
    random = a_random_id_like(foreign)

    def put(value: object) -> Any:
        match value:
            case dict():
                return {key: put(one) for key, one in value.items()}
            case list():
                return [put(one) for one in value]
            case _:
                return random if value == foreign else value

    return Call(put(dict(call.arguments)), (random, *(one for one in rest if one != foreign)))


def codes_of(heard: Sequence[Heard]) -> Mapping[str, int]:
    """Count the codes of top-level errors."""
    found: dict[str, int] = defaultdict(int)
    for one in heard:
        for error in one.body.get("errors", []):
            found[error["extensions"]["code"]] += 1
    return found
