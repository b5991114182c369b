"""What can be asked, read from the schema's introspection: selections, inputs and the places where an id is wanted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    get_named_type,
    is_leaf_type,
    is_required_argument,
    is_required_input_field,
)

PAGING = ("first", "after", "last", "before")
Path = tuple[str, ...]
EVERYTHING = ("everything",)
_MOST_VALUES = 8


class Uncallable(AssertionError):
    """The walk does not know how to ask for a field. Teach it; a field must not be left out."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A place in the arguments where an id of a kind stands."""

    path: Path
    type_name: str | None
    """The Node type that it most likely names; None: any."""
    is_guess: bool
    """Whether nothing but the field's own type speaks for it, so that ids of every other type are tried too."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to fill the arguments of a field: values with `Wanted` wherever an id belongs."""

    arguments: Mapping[str, object]
    focus: Path = ()

    def places(self) -> list[Wanted]:
        """Return the places of ids, in order."""
        return list(_wanted(self.arguments))


def _wanted(value: object) -> Iterator[Wanted]:
    match value:
        case Wanted():
            yield value
        case dict():
            for one in value.values():
                yield from _wanted(one)
        case list():
            for one in value:
                yield from _wanted(one)


@dataclass(frozen=True, slots=True)
class Shapes:
    """The schema, as far as the walk reads it."""

    schema: GraphQLSchema

    def roots(self, operation: str) -> Mapping[str, GraphQLField]:
        """Return the root fields of "query", "mutation" or "subscription"."""
        root = {
            "query": self.schema.query_type,
            "mutation": self.schema.mutation_type,
            "subscription": self.schema.subscription_type,
        }[operation]
        return {} if root is None else root.fields

    def node_types(self) -> list[GraphQLObjectType]:
        """Return every type that has a global id."""
        node = self.schema.type_map["Node"]
        assert isinstance(node, GraphQLInterfaceType)
        return list(self.schema.get_implementations(node).objects)

    # ------------------------------------------------------------------ selections

    def select(self, kind: GraphQLOutputType, depth: int, fragments: dict[str, str]) -> str:
        """Return a selection of everything down to `depth` objects; its fragments are added to `fragments`."""
        named = get_named_type(kind)
        return "" if is_leaf_type(named) else f"{{ {self._spread(named, depth, fragments)} }}"

    def _spread(self, named: GraphQLNamedType, depth: int, fragments: dict[str, str]) -> str:
        name = f"{named.name}_{depth}"
        if name not in fragments:
            fragments[name] = ""
            fragments[name] = f"fragment {name} on {named.name} {{ {self._body(named, depth, fragments)} }}"
        return f"...{name}"

    def _body(self, named: GraphQLNamedType, depth: int, fragments: dict[str, str]) -> str:
        assert isinstance(named, (GraphQLObjectType, GraphQLInterfaceType)), named
        parts = ["__typename"]
        for name, one in named.fields.items():
            if any(is_required_argument(argument) for argument in one.args.values()):
                raise Uncallable(f"{named.name}.{name} has an argument that the selection does not fill")
            if is_leaf_type(get_named_type(one.type)):
                parts.append(name)
            elif depth > 1:
                parts.append(f"{name} {self.select(one.type, depth - 1, fragments)}")
        if isinstance(named, GraphQLInterfaceType):
            parts.extend(self._branches(named))
        return " ".join(parts)

    def _branches(self, interface: GraphQLInterfaceType) -> Iterator[str]:
        """Yield the plain fields of every implementation, leaving out those whose name two of them type differently."""
        types = {name: str(one.type) for name, one in interface.fields.items()}
        for implementation in self.schema.get_implementations(interface).objects:
            plain = [
                f"{name} {_flat(one)}"
                for name, one in implementation.fields.items()
                if _flat(one) is not None and types.setdefault(name, str(one.type)) == str(one.type)
            ]
            yield f"... on {implementation.name} {{ __typename {' '.join(plain)} }}"

    # ------------------------------------------------------------------ arguments

    def variants(self, field: GraphQLField) -> list[Variant]:
        """Return the ways to call a field: what is required, that with each optional value in turn, and everything."""
        owner = self.node_of(field.type)
        filler = _Filler(self, owner)
        optional = [path for path in filler.optional(field) if path[0] not in PAGING or not is_connection(field.type)]
        found = [Variant(filler.fill(field, frozenset()))]
        found += [Variant(filler.fill(field, _with_parents(path)), path) for path in optional]
        if len(optional) > 1:
            found.append(Variant(filler.fill(field, frozenset(optional)), EVERYTHING))
        for path, values in filler.choices(field):
            found += [Variant(filler.fill(field, _with_parents(path), {path: one})) for one in values[1:_MOST_VALUES]]
        return found

    def node_of(self, kind: GraphQLOutputType) -> str | None:
        """Return the Node type that a field shows: itself, or what its connection or payload carries."""
        named = get_named_type(kind)
        names = {one.name for one in self.node_types()}
        if not isinstance(named, GraphQLObjectType):
            return None
        if named.name in names:
            return named.name
        inside = [get_named_type(one.type).name for one in named.fields.values()]
        return next((name for name in inside if name in names), None)

    def named_by(self, word: str) -> str | None:
        """Return the Node type that an argument's name speaks of: by a field of that name or by a word in it."""
        names = {one.name for one in self.node_types()}
        for kind in self.schema.type_map.values():
            if isinstance(kind, GraphQLObjectType) and word in kind.fields:
                target: str = get_named_type(kind.fields[word].type).name
                if target in names:
                    return target
        inside = [name for name in sorted(names, key=len, reverse=True) if name.lower() in word.lower()]
        return inside[0] if inside else None


def is_connection(kind: GraphQLOutputType) -> bool:
    """Say whether a field's type is a list with cursors."""
    named = get_named_type(kind)
    return isinstance(named, GraphQLObjectType) and {"edges", "pageInfo"} <= named.fields.keys()


def _flat(field: GraphQLField) -> str | None:
    """Return the selection of a value or of an object of values only; None for what goes deeper."""
    named = get_named_type(field.type)
    if is_leaf_type(named):
        return ""
    is_plain = isinstance(named, GraphQLObjectType) and all(
        is_leaf_type(get_named_type(one.type)) and not one.args for one in named.fields.values()
    )
    return f"{{ {' '.join(named.fields)} }}" if is_plain and isinstance(named, GraphQLObjectType) else None


def _with_parents(path: Path) -> frozenset[Path]:
    return frozenset(path[:end] for end in range(1, len(path) + 1))


@dataclass(frozen=True, slots=True)
class _Filler:
    shapes: Shapes
    owner: str | None

    def optional(self, field: GraphQLField) -> list[Path]:
        return [path for path, _, is_required in self._slots(field) if not is_required]

    def choices(self, field: GraphQLField) -> list[tuple[Path, list[str]]]:
        """Return the enums that must be given, with their values."""
        found = [(path, get_named_type(kind)) for path, kind, is_required in self._slots(field) if is_required]
        return [(path, list(one.values)) for path, one in found if isinstance(one, GraphQLEnumType)]

    def _slots(self, field: GraphQLField) -> Iterator[tuple[Path, GraphQLInputType, bool]]:
        for name, argument in field.args.items():
            yield (name,), argument.type, is_required_argument(argument)
            yield from self._inside((name,), argument.type)

    def _inside(self, path: Path, kind: GraphQLInputType) -> Iterator[tuple[Path, GraphQLInputType, bool]]:
        named = get_named_type(kind)
        if isinstance(named, GraphQLInputObjectType) and len(path) < 3:
            for name, one in named.fields.items():
                yield (*path, name), one.type, is_required_input_field(one)
                yield from self._inside((*path, name), one.type)

    def fill(
        self, field: GraphQLField, include: frozenset[Path], chosen: Mapping[Path, str] | None = None
    ) -> dict[str, object]:
        return {
            name: self._value((name,), argument.type, include, chosen or {})
            for name, argument in field.args.items()
            if is_required_argument(argument) or (name,) in include
        }

    def _value(
        self, path: Path, kind: GraphQLInputType, include: frozenset[Path], chosen: Mapping[Path, str]
    ) -> object:
        match kind:
            case GraphQLNonNull():
                return self._value(path, kind.of_type, include, chosen)
            case GraphQLList():
                return [self._value(path, kind.of_type, include, chosen)]
            case GraphQLInputObjectType():
                return {
                    name: self._value((*path, name), one.type, include, chosen)
                    for name, one in kind.fields.items()
                    if is_required_input_field(one) or (*path, name) in include
                }
            case GraphQLEnumType():
                return chosen.get(path, next(iter(kind.values)))
            case _:
                return self._scalar(path, get_named_type(kind).name)

    def _scalar(self, path: Path, kind: str) -> object:
        name = path[-1]
        if kind == "ID":
            word = name.removesuffix("s").removesuffix("d").removesuffix("I") if name not in {"id", "ids"} else ""
            target = self.shapes.named_by(word) if word else self.owner
            return Wanted(path, target or self.owner, is_guess=target is None)
        values: dict[str, object] = {
            "String": "ab" * 32 if "digest" in name.lower() else "A walk",
            "Int": 1,
            "Boolean": True,
            "Float": 1.0,
            "BigInt": "1",
            "DateTime": (datetime.now(UTC) + timedelta(days=2)).isoformat(),
        }
        if kind not in values:
            raise Uncallable(f"no value is known for {'.'.join(path)} of type {kind}")
        return values[kind]
