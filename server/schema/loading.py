"""How loaders are made; `loaders` lists them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar
from uuid import UUID

from strawberry.dataloader import DataLoader

from server.tenants.uow import UnitOfWork

R = TypeVar("R", bound=Any)
K = TypeVar("K", bound=Hashable)
Read = Callable[[], AbstractAsyncContextManager[UnitOfWork]]
Fetch = Callable[[UnitOfWork, Sequence[UUID]], Awaitable[Mapping[UUID, R] | Sequence[R]]]


class SharedLoader(DataLoader[K, R]):
    """A loader whose answers survive that one of those who wait for them is cancelled.

    When a field fails that must not be null, its neighbours are cancelled; a neighbour that waits for a row would cancel
    the row for every other place of the document that waits for it too.
    """

    def load(self, key: K) -> Awaitable[R]:
        """Return the row of a key."""
        shared = asyncio.ensure_future(super().load(key))
        shared.add_done_callback(_noticed)  # nobody may be left to hear of a failure; it was told where it was awaited
        return asyncio.shield(shared)


def _noticed(ended: asyncio.Future[Any]) -> None:
    if not ended.cancelled():
        ended.exception()


class Loading:
    """How loaders are made: each batch in a short READ ONLY session of its own."""

    def __init__(self, read: Read) -> None:
        self._read = read

    def by_id(self, fetch: Fetch[R]) -> DataLoader[UUID, R | None]:
        """Make a loader from a function that returns what the scope sees of the wanted ids."""

        async def load(keys: list[UUID]) -> list[R | None]:
            async with self._read() as uow:
                rows = await fetch(uow, keys)
            found = rows if isinstance(rows, Mapping) else {row.id: row for row in rows}
            return [found.get(key) for key in keys]

        return SharedLoader(load_fn=load)

    def one_by_one(self, fetch: Callable[[UnitOfWork, K], Awaitable[R]]) -> DataLoader[K, R]:
        """Make a loader of what only single reads exist for: one after the other in one session, so that a page of them
        takes one connection of the pool and not one for each row."""

        async def load(keys: list[K]) -> list[R]:
            async with self._read() as uow:
                return [await fetch(uow, key) for key in keys]

        return SharedLoader(load_fn=load)
