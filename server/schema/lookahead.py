"""Look-ahead: which fields of a page the document selects, read once at its root (architecture.md section 5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from graphql import FieldNode, FragmentSpreadNode, InlineFragmentNode, SelectionSetNode

from server.schema.context import Info


def selected(info: Info, *ways: str) -> frozenset[str]:
    """Return the names of the fields selected under the resolved field along any of the ways.

    A way is dotted, for example "edges.node"; "" is the field itself. Fields under @skip or @include count as selected:
    too much is fetched then, never too little.
    """
    names: set[str] = set()
    for node in info._raw_info.field_nodes:
        if node.selection_set is not None:
            for way in ways:
                names.update(_names(info, [node.selection_set], [step for step in way.split(".") if step]))
    return frozenset(names)


def _names(info: Info, sets: Iterable[SelectionSetNode], way: list[str]) -> Iterator[str]:
    for selection_set in sets:
        for field in _fields(info, selection_set, set()):
            if not way:
                yield field.name.value
            elif field.name.value == way[0] and field.selection_set is not None:
                yield from _names(info, [field.selection_set], way[1:])


def _fields(info: Info, selection_set: SelectionSetNode, visited: set[str]) -> Iterator[FieldNode]:
    for selection in selection_set.selections:
        match selection:
            case FieldNode():
                yield selection
            case InlineFragmentNode():
                yield from _fields(info, selection.selection_set, visited)
            case FragmentSpreadNode():
                name = selection.name.value
                fragment = info._raw_info.fragments.get(name)
                if fragment is not None and name not in visited:
                    visited.add(name)
                    definition = getattr(fragment, "definition", fragment)
                    yield from _fields(info, definition.selection_set, visited)
