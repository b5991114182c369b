"""Lists inside lists: the same page of the lists of many parents, read with one statement for all of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, FromClause, Uuid, func, literal, literal_column, select, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, aliased

from server.kit.errors import DomainError
from server.kit.pagination import Keyset, KeyValue, Page, PageArguments

T = TypeVar("T")
K = TypeVar("K")
R = TypeVar("R", bound=DeclarativeBase)

Listing = tuple[UUID, PageArguments]
"""The list of one parent, and which page of it is wanted."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Parents of whose lists the same page is wanted; `keyset` is the order that all of them share."""

    parents: Sequence[UUID]
    keyset: Keyset
    arguments: PageArguments


Fetch = Callable[[Batch], Awaitable[Mapping[UUID, Sequence[T]]]]
"""Returns up to `size + 1` rows of each parent in the batch's order; a parent without rows may be left out."""


@dataclass(frozen=True, slots=True)
class Nested(Generic[T]):
    """A list that each of many parents has."""

    keyset: Callable[[UUID], Keyset]
    """The order of one parent's list. Its shape names the parent, so that no cursor fits another parent's list."""
    values: Callable[[T], Sequence[KeyValue]]
    """What a cursor of an item is made of."""
    meant: Callable[[PageArguments], PageArguments] = lambda arguments: arguments
    """What the arguments stand for, for a list that does not begin at its first item by itself."""

    async def pages(
        self, wanted: Iterable[Listing], fetch: Fetch[T], refused: Mapping[UUID, DomainError]
    ) -> dict[Listing, Page[T] | DomainError]:
        """Return each wanted page, or why there is none; `refused` names the parents whose lists must not be read.

        `fetch` is called once for all parents with the same arguments. What is wrong with the arguments of one parent,
        such as a cursor of another list, is told for this one alone.
        """
        pages: dict[Listing, Page[T] | DomainError] = {}
        alike: dict[PageArguments, dict[Listing, Keyset]] = {}
        for parent, arguments in wanted:
            meant = self.meant(arguments)
            checked = refused.get(parent) or _checked(self.keyset(parent), meant)
            if isinstance(checked, Keyset):
                alike.setdefault(meant, {})[parent, arguments] = checked
            else:
                pages[parent, arguments] = checked
        for meant, keysets in alike.items():
            # A cursor names its parent, so parents that share arguments share what lies beyond them too.
            batch = Batch(list({parent for parent, _ in keysets}), next(iter(keysets.values())), meant)
            rows = await fetch(batch)
            for listing, keyset in keysets.items():
                pages[listing] = keyset.page(rows.get(listing[0], ()), meant, self.values)
        return pages


def _checked(keyset: Keyset, arguments: PageArguments) -> Keyset | DomainError:
    try:
        keyset.beyond(arguments)
        _ = arguments.size
    except DomainError as error:
        return error
    return keyset


def the(found: Mapping[K, T | DomainError], key: K) -> T:
    """Return what was found for a key, or raise why there is nothing."""
    one = found[key]
    if isinstance(one, DomainError):
        raise one
    return one


async def rows_of_each(
    session: AsyncSession,
    kind: type[R],
    batch: Batch,
    conditions: Callable[[ColumnElement[UUID]], Iterable[ColumnElement[bool]]],
) -> dict[UUID, list[R]]:
    """Return up to `size + 1` rows of each parent of the batch, in its order, in one statement.

    `conditions` selects the list of one parent: they are those of a single list, with a column in place of the id.
    """
    keyset, arguments = batch.keyset, batch.arguments
    parent = func.unnest(literal(list(batch.parents), ARRAY(Uuid()))).table_valued("id", name="parent").render_derived()
    # LATERAL with a LIMIT reads the head of each list from its index; a window function would read all of every list.
    # The LIMIT is text: with a parameter there PostgreSQL plans for a tenth of all rows.
    listed = (
        select(kind)
        .where(*conditions(parent.c.id), *keyset.beyond(arguments))
        .order_by(*keyset.order(arguments))
        .limit(literal_column(str(arguments.size + 1)))
        .correlate(parent)
        .lateral("listed")
    )
    row = aliased(kind, listed)
    statement = select(parent.c.id, row).join_from(parent, listed, true())
    found: dict[UUID, list[R]] = {}
    for parent_id, one in await session.execute(statement.order_by(*over(keyset, listed).order(arguments))):
        found.setdefault(parent_id, []).append(one)
    return found


def over(keyset: Keyset, rows: FromClause) -> Keyset:
    """Return the same order over the columns of a subquery."""
    return replace(keyset, keys=tuple(replace(key, column=_column(rows, key.column)) for key in keyset.keys))


def _column(rows: FromClause, column: Any) -> ColumnElement[Any]:
    return rows.c[str(column.key)]
