"""The tree as the house rules read it: every Python file of ours, parsed once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCT = ("server", "workers", "standin", "switchboard", "migrations")
TREES = (*PRODUCT, "tests", "bench")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One file: its path from the root of the project, its text and its tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        """Return how many lines it has."""
        return len(self.text.splitlines())

    def functions(self) -> Iterator[tuple[str, Function]]:
        """Yield every function with its dotted name inside the file."""
        yield from _functions(self.tree, "")

    def at(self, node: ast.stmt | ast.expr | ast.excepthandler) -> str:
        """Name a place as people and editors do."""
        return f"{self.path}:{node.lineno}"


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for child in ast.iter_child_nodes(node):
        name = f"{prefix}{child.name}" if isinstance(child, Function | ast.ClassDef) else prefix
        if isinstance(child, Function):
            yield name, child
        inner = f"{name}." if isinstance(child, Function | ast.ClassDef) else prefix
        yield from _functions(child, inner)


def sources(*trees: str) -> Iterator[Source]:
    """Yield the parsed files of the named folders, or of all."""
    for tree in trees or TREES:
        yield from _parsed(tree)


@cache
def _parsed(tree: str) -> tuple[Source, ...]:
    found = []
    for path in sorted((ROOT / tree).rglob("*.py")):
        text = path.read_text()
        found.append(Source(path.relative_to(ROOT).as_posix(), text, ast.parse(text, str(path))))
    return tuple(found)


@cache
def nodes(source: Source) -> tuple[ast.AST, ...]:
    """Return every node of a file, walked once."""
    return tuple(ast.walk(source.tree))


def imported(source: Source) -> Iterator[tuple[str, ast.stmt]]:
    """Yield every dotted name that a file imports, `from a import b` as `a.b`, wherever the import stands."""
    for node in nodes(source):
        match node:
            case ast.Import(names=names):
                yield from ((name.name, node) for name in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield from ((f"{module}.{name.name}", node) for name in names)
            case ast.ImportFrom():
                yield f"{'.' * node.level}{node.module or ''}", node
