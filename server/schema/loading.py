"""How loaders are made; `loaders` lists them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar
from uuid import UUID

from strawberry.dataloader import DataLoader

from server.kit.errors import DomainError
from server.tenants.uow import UnitOfWork

R = TypeVar("R", bound=Any)
K = TypeVar("K", bound=Hashable)
Read = Callable[[], AbstractAsyncContextManager[UnitOfWork]]
Fetch = Callable[[UnitOfWork, Sequence[UUID]], Awaitable[Mapping[UUID, R] | Sequence[R]]]
FetchKeys = Callable[[UnitOfWork, Sequence[K]], Awaitable[Mapping[K, R | DomainError]]]


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
        self._together: dict[str, DataLoader[Any, Any]] = {}

    def by_id(self, fetch: Fetch[R]) -> DataLoader[UUID, R | None]:
        """Make a loader from a function that returns what the scope sees of the wanted ids."""

        async def load(keys: list[UUID]) -> list[R | None]:
            async with self._read() as uow:
                rows = await fetch(uow, keys)
            found = rows if isinstance(rows, Mapping) else {row.id: row for row in rows}
            return [found.get(key) for key in keys]

        return SharedLoader(load_fn=load)

    def by_key(self, fetch: FetchKeys[K, R]) -> DataLoader[K, R]:
        """Make a loader from a function that returns, for each of the wanted keys, what there is or why there is nothing.

        An error is told to whoever asked with its key, and to nobody else of the batch.
        """

        async def load(keys: list[K]) -> list[R | DomainError]:
            async with self._read() as uow:
                found = await fetch(uow, keys)
            return [found[key] for key in keys]

        return SharedLoader(load_fn=load)

    def together(self, name: str, fetch: Callable[[K], Awaitable[R]]) -> DataLoader[K, R]:
        """Return the reader of this name: those who ask it for a key at the same time share one answer; none is kept.

        For what the scope's own session cannot read, such as how a person signs in.
        """

        async def load(keys: list[K]) -> list[R]:
            found = {key: await fetch(key) for key in dict.fromkeys(keys)}
            return [found[key] for key in keys]

        return self._together.setdefault(name, SharedLoader(load_fn=load, cache=False))
