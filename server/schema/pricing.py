"""The price of a document, found before it is validated: what its answer can cost at most.

Anybody may send any document, so finding the price is bounded itself: fragments are followed where they are spread, as the
executor does, and the walk ends with a refusal after `MAX_FIELDS` fields. The overlapping-fields rule of validation
compares every two fields of one response name, so these pairs are counted too and refused beyond `MAX_PAIRS`: 440 repetitions
of one field in 10 kB were 1.5 s of CPU.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
)

from server.schema.cost import PLAIN, STATEMENT, FieldCost, cost_of
from server.schema.errors import TooComplex
from server.schema.sizes import MOST, OneOf, Size, Variables, items, literal

MAX_DEPTH = 14
MAX_ALIASES = 30
MAX_DIRECTIVES = 50
MAX_ROOT_FIELDS = 20
MAX_OPERATIONS = 20
MAX_VARIABLES = 100
MAX_FIELDS = 10_000
"""Fields of a document, fragments counted where they are spread."""
MAX_PAIRS = 6_000
"""Pairs of fields with one response name, which validation compares."""
INTROSPECTION = frozenset({"__schema", "__type"})
_INTROSPECTION_DEPTH = 20
_INTROSPECTION_COST = 1_000
BASE = STATEMENT
"""The transaction of the operation."""
_VALUES = 10
"""How many items of a list cost one point by themselves; what is selected on each is added."""


@dataclass(slots=True)
class Plan:
    """Points that do not depend on sizes, and those of each item of the lists below."""

    points: int = 0
    lists: list[tuple[Size | OneOf, Plan]] = field(default_factory=list)

    def total(self, variables: Variables) -> int:
        """Add up for these variables."""
        found = self.points
        for size, each in self.lists:
            found += size.of(variables) * each.total(variables)
        return min(found, MOST)


@dataclass(frozen=True, slots=True)
class Price:
    """What one operation costs."""

    plan: Plan
    statements: int
    is_exact: bool
    """Whether something of it leads to a send, an approval or a publication."""

    def points(self, variables: Variables) -> int:
        """Return the points for these variables."""
        return BASE + self.statements * STATEMENT + self.plan.total(variables)


class Prices:
    """The prices of a schema's documents."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._costs: dict[tuple[str, str], FieldCost] = {}

    def of(self, document: DocumentNode) -> dict[str | None, Price]:
        """Return the price of each operation by its name; raise TooComplex for a document that passes a limit."""
        fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
        budget = _Budget()
        operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
        refuse("operations", len(operations), MAX_OPERATIONS)
        found: dict[str | None, Price] = {}
        for one in operations:
            refuse("variables", len(one.variable_definitions or ()), MAX_VARIABLES)
            budget.note_directives(one, *(one.variable_definitions or ()))
            walk = _Walk(self, fragments, _defaults(one), budget)
            root = self._schema.get_root_type(one.operation)
            plan = walk.selected([(root, one.selection_set)], _NONE, 1)
            walk.count_pairs([one.selection_set])
            found[one.name.value if one.name else None] = Price(plan, walk.statements, walk.is_exact)
        self._look_at_unused(document, fragments, budget)
        return found

    def _look_at_unused(
        self, document: DocumentNode, fragments: Mapping[str, FragmentDefinitionNode], budget: _Budget
    ) -> None:
        """Count what no operation spreads, and namesakes: it costs nothing to run, but validation compares its fields too."""
        walk = _Walk(self, fragments, {}, budget)
        for one in document.definitions:
            if not isinstance(one, FragmentDefinitionNode):
                continue
            if one.name.value not in budget.spread or fragments[one.name.value] is not one:
                walk.selected([(self._schema.get_type(one.type_condition.name.value), one.selection_set)], _NONE, 2)
                walk.count_pairs([one.selection_set])

    def cost(self, parent: GraphQLNamedType | None, name: str) -> tuple[FieldCost, GraphQLNamedType | None]:
        """Return what a field costs and the type it shows; of one that does not exist, one point."""
        fields = getattr(parent, "fields", {})
        known = fields.get(name)
        if parent is None or known is None:
            return PLAIN, self._schema.get_type("__Schema") if name == "__schema" else None
        key = parent.name, name
        if key not in self._costs:
            self._costs[key] = cost_of(known)
        return self._costs[key], get_named_type(known.type)


@dataclass(slots=True)
class _Budget:
    """How much of a document was walked; shared by its operations."""

    fields: int = 0
    pairs: int = 0
    aliases: int = 0
    directives: int = 0
    spread: set[str] = field(default_factory=set)
    """Fragments that were followed anywhere."""

    def note(self, node: Any) -> None:
        self.fields += 1
        if isinstance(node, FieldNode) and node.alias:
            self.aliases += 1
        refuse("aliases", self.aliases, MAX_ALIASES)
        refuse("fields", self.fields, MAX_FIELDS)
        self.note_directives(node)

    def note_directives(self, *nodes: Any) -> None:
        self.directives += sum(len(node.directives or ()) for node in nodes)
        refuse("directives", self.directives, MAX_DIRECTIVES)

    def note_pairs(self, pairs: int) -> None:
        self.pairs += pairs
        if self.pairs > MAX_PAIRS:
            raise TooComplex(
                f"The document repeats response names or fragments in one place: {self.pairs} pairs would have to be compared;"
                f" the limit is {MAX_PAIRS}. Ask for each field once."
            )


@dataclass(frozen=True, slots=True)
class _Pending:
    """The size of a connection, which its fields `nodes` and `edges` take."""

    names: frozenset[str]
    size: Size | OneOf


_NONE = _Pending(frozenset(), Size(1))
_Selected = tuple["GraphQLNamedType | None", SelectionSetNode]


class _Walk:
    """Adds up one operation."""

    def __init__(
        self,
        prices: Prices,
        fragments: Mapping[str, FragmentDefinitionNode],
        defaults: Variables,
        budget: _Budget,
    ) -> None:
        self._prices = prices
        self._fragments = fragments
        self._defaults = defaults
        self._budget = budget
        self.statements = 0
        self.is_exact = False

    def selected(self, sets: list[_Selected], pending: _Pending, depth: int) -> Plan:
        """Add up what is selected on one object, by all selection sets that are merged there."""
        plan = Plan()
        groups: dict[tuple[str, str], list[tuple[GraphQLNamedType | None, FieldNode]]] = {}
        for parent, node in self._fields(sets):
            groups.setdefault((_shown_as(node), parent.name if parent else ""), []).append((parent, node))
        if depth == 1:
            refuse("root fields", sum(map(len, groups.values())), MAX_ROOT_FIELDS)
        if groups and depth > MAX_DEPTH:
            refuse("depth", depth, MAX_DEPTH)
        for group in groups.values():
            self._field(plan, group, pending, depth)
        return plan

    def _field(
        self, plan: Plan, group: list[tuple[GraphQLNamedType | None, FieldNode]], pending: _Pending, depth: int
    ) -> None:
        parent, node = group[0]
        name = node.name.value
        if name in INTROSPECTION:
            self._introspected(plan, [one for _, one in group])
            return
        cost, shown = self._prices.cost(parent, name)
        self.statements += cost.statements
        self.is_exact = self.is_exact or cost.is_exact
        size = self._size(cost, node)
        plan.points += cost.weight + len(group) - 1 + (0 if size is None or cost.sized else size.number // _VALUES)
        below = [(shown, one.selection_set) for _, one in group if one.selection_set is not None]
        taken = _Pending(cost.sized, size) if size is not None and cost.sized else _NONE
        inner = self.selected(below, taken, depth + 1) if below else Plan()
        if name in pending.names:
            plan.lists.append((pending.size, inner))
        elif size is not None and not cost.sized:
            plan.lists.append((size, inner))
        else:
            plan.points += inner.points
            plan.lists += inner.lists

    def _size(self, cost: FieldCost, node: FieldNode) -> Size | OneOf | None:
        if cost.size is None:
            return None
        given = {one.name.value: one.value for one in node.arguments or ()}
        sizes = []
        for slicing in cost.sliced_by:
            name, *way = slicing.split(".")
            if name in given and not isinstance(given[name], NullValueNode):
                sizes.append(self._given(given[name], tuple(way), cost.size))
        # Of several only one may have a value, which the variables tell.
        return OneOf(cost.size, tuple(sizes)) if len(sizes) > 1 else sizes[0] if sizes else Size(cost.size)

    def _given(self, value: ValueNode, way: tuple[str, ...], assumed: int) -> Size:
        match value:
            case VariableNode():
                name = value.name.value
                return Size(assumed, name, self._defaults.get(name), way)
            case ObjectValueNode() if way:
                inner = next((one.value for one in value.fields if one.name.value == way[0]), None)
                return Size(assumed) if inner is None else self._given(inner, way[1:], assumed)
            case _ if way:
                return Size(assumed)
            case IntValueNode() if len(value.value) < 10:
                return Size(items(int(value.value), assumed))
            case ListValueNode():
                return Size(items(value.values, assumed))
            case _:
                return Size(assumed)

    def _introspected(self, plan: Plan, nodes: list[FieldNode]) -> None:
        """Tools ask the standard query, 15 deep and wide: it has one price, and only its fields are counted."""
        plan.points += _INTROSPECTION_COST * len(nodes)
        self._look_into([one.selection_set for one in nodes if one.selection_set is not None], 1)

    def _look_into(self, sets: list[SelectionSetNode], depth: int) -> None:
        if depth > _INTROSPECTION_DEPTH:
            refuse("depth", depth, _INTROSPECTION_DEPTH)
        for nodes in self._by_name(sets):
            inner = [one.selection_set for one in nodes if one.selection_set is not None]
            if inner:
                self._look_into(inner, depth + 1)

    def count_pairs(self, sets: list[SelectionSetNode]) -> None:
        """Count what validation compares: every two fields of one response name, on whatever types, and so on below both.

        Comes after `selected`, which refuses what is too deep to be walked.
        """
        for nodes in self._by_name(sets, comparing=True):
            self._budget.note_pairs(len(nodes) * (len(nodes) - 1) // 2)
            inner = [one.selection_set for one in nodes if one.selection_set is not None]
            if inner:
                self.count_pairs(inner)

    def _by_name(self, sets: list[SelectionSetNode], *, comparing: bool = False) -> Iterable[list[FieldNode]]:
        found: dict[str, list[FieldNode]] = {}
        for _, node in self._fields([(None, one) for one in sets], comparing=comparing):
            found.setdefault(_shown_as(node), []).append(node)
        return found.values()

    def _fields(
        self, sets: list[_Selected], *, comparing: bool = False
    ) -> Iterator[tuple[GraphQLNamedType | None, FieldNode]]:
        """Yield the fields of merged selection sets, each fragment once, as the executor collects them."""
        spread: set[str] = set()
        waiting = [(parent, iter(one.selections)) for parent, one in reversed(sets)]
        while waiting:
            parent, selections = waiting[-1]
            node = next(selections, None)
            if node is None:
                waiting.pop()
                continue
            if not comparing:
                self._budget.note(node)
            match node:
                case FieldNode():
                    yield parent, node
                case InlineFragmentNode():
                    waiting.append((self._narrowed(parent, node), iter(node.selection_set.selections)))
                case FragmentSpreadNode():
                    if node.name.value in spread:
                        continue
                    spread.add(node.name.value)
                    self._budget.spread.add(node.name.value)
                    if comparing:
                        self._budget.note_pairs(len(spread) - 1)  # every two fragments of one place
                    fragment = self._fragments.get(node.name.value)
                    if fragment is not None:
                        waiting.append((self._narrowed(parent, fragment), iter(fragment.selection_set.selections)))

    def _narrowed(
        self, parent: GraphQLNamedType | None, node: InlineFragmentNode | FragmentDefinitionNode
    ) -> GraphQLNamedType | None:
        condition = node.type_condition
        return parent if condition is None else self._prices._schema.get_type(condition.name.value)


def _shown_as(node: FieldNode) -> str:
    return node.alias.value if node.alias else node.name.value


def _defaults(operation: OperationDefinitionNode) -> dict[str, object]:
    return {
        one.variable.name.value: literal(one.default_value)
        for one in operation.variable_definitions or ()
        if one.default_value is not None
    }


def refuse(what: str, found: int, limit: int) -> None:
    """Raise TooComplex that names the limit, if it is passed."""
    if found > limit:
        raise TooComplex(f"The document has {what} {found}; the limit is {limit}. Ask for less at once.")
