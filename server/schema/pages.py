"""Connections: `edges` and `nodes`, keyset cursors, and a page size from 1 to 100."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

import strawberry

from server.kit.pagination import Page
from server.schema.declarations import readable

T = TypeVar("T")
R = TypeVar("R")

First = Annotated[
    int | None, strawberry.argument(description="How many items from the start: 1 to 100, 25 by default.")
]
After = Annotated[
    str | None, strawberry.argument(description="Start behind this cursor of the same list and arguments.")
]
Last = Annotated[int | None, strawberry.argument(description="How many items from the end: 1 to 100. Not with first.")]
Before = Annotated[
    str | None, strawberry.argument(description="End before this cursor of the same list and arguments.")
]


@readable(None)
@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    """Relay's page info."""

    has_next_page: bool = strawberry.field(description="Whether items follow.")
    has_previous_page: bool = strawberry.field(description="Whether items come before.")
    start_cursor: str | None = strawberry.field(description="Cursor of the first item.")
    end_cursor: str | None = strawberry.field(
        description="Cursor of the last item; give it as `after` for the next page."
    )


@strawberry.type(description="One item of a list with its cursor.")
class Edge(Generic[T]):
    """An item and where it stands."""

    cursor: str = strawberry.field(description="Opaque; valid for this list and these arguments.")
    node: T = strawberry.field(description="The item.")


@strawberry.type(description="A page of a list.")
class Connection(Generic[T]):
    """A page, as edges with cursors and as plain nodes. Who asks for nodes alone pays for no edges."""

    nodes: list[T] = strawberry.field(description="The items.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")
    cursors: strawberry.Private[Sequence[str]]

    @strawberry.field(description="The items with their cursors.")
    def edges(self) -> list[Edge[T]]:
        """Show the edges."""
        return [Edge(cursor=cursor, node=node) for cursor, node in zip(self.cursors, self.nodes, strict=True)]


def connection(page: Page[R], show: Callable[[R], T]) -> Connection[T]:
    """Show a page."""
    cursors = page.cursors
    return Connection(
        nodes=[show(item) for item in page.items],
        page_info=PageInfo(
            has_next_page=page.has_next,
            has_previous_page=page.has_previous,
            start_cursor=cursors[0] if cursors else None,
            end_cursor=cursors[-1] if cursors else None,
        ),
        cursors=cursors,
    )
