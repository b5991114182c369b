"""The one connection of an operation: its reads share a READ ONLY transaction, and what it must write follows on the same one.

Sibling resolvers run concurrently and a connection carries one statement at a time, so each takes a turn. A session for each
of them would let one document of ten aliases take the whole pool from everybody.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Set
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext, suppress
from contextvars import ContextVar
from typing import cast

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from server.kit.db import Database
from server.kit.errors import TookTooLong, Unavailable
from server.tenants.scope import Scope
from server.tenants.uow import UnitOfWork, begin_on, begin_read_on

_BROKEN = (SQLAlchemyError, Unavailable, TookTooLong)
_has_turn: ContextVar[bool] = ContextVar("has_turn", default=False)


class ReadInsideRead(RuntimeError):
    """Somebody who has the turn waits for another one, and would wait for ever: a mistake in a resolver."""


class OperationIsOver(RuntimeError):
    """Somebody still wants to read for an operation that has ended; nobody waits for what it would find."""


class SharedRead:
    """What all resolvers of one operation read with. Belongs to one event loop.

    `on_failure` hears the first failure of a statement: the transaction is lost with it, so the operation is. `is_kept` says
    whether the transaction lives until `aclose`, as it does for a request, or ends when nobody reads, as a subscription
    needs that waits for hours between two changes. `admit` is entered before a connection is taken.
    """

    def __init__(
        self,
        database: Database,
        scope: Callable[[], Scope],
        on_failure: Callable[[BaseException], None],
        *,
        admit: Callable[[], AbstractAsyncContextManager[object]] = nullcontext,
        is_kept: bool = True,
    ) -> None:
        self._database = database
        self._scope = scope
        self._on_failure = on_failure
        self._admit = admit
        self._is_kept = is_kept
        self._turns = asyncio.Lock()
        self._wanting = 0
        self._users: set[asyncio.Task[object]] = set()
        self._is_over = False
        self._held = AsyncExitStack()
        self._connection: AsyncConnection | None = None
        self._transaction = AsyncExitStack()
        self._uow: UnitOfWork | None = None
        self._failure: BaseException | None = None

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[UnitOfWork]:
        """Take a turn at the READ ONLY transaction, which begins with the first one.

        Raises what ended the transaction, also for everybody who comes later; ReadInsideRead to who has the turn already.
        """
        async with self._alone():
            try:
                async with self._database.translated():
                    yield await self._reading()
            except asyncio.CancelledError as error:
                await self._drop(error)  # a statement may have been cut in the middle; the next turn begins anew
                raise
            except _BROKEN as error:
                await self._fail(error)
                raise

    @asynccontextmanager
    async def writing(self, scope: Scope | None = None) -> AsyncIterator[UnitOfWork]:
        """End the reading and open a unit of work that may write, on the same connection; commit at the end.

        Nobody reads meanwhile. What is read afterwards sees what was written.
        """
        async with self._alone():
            await self._end_reading()
            try:
                connection = await self._connected()
                async with begin_on(self._database, connection, scope or self._scope()) as uow:
                    yield uow
            except (asyncio.CancelledError, *_BROKEN) as error:
                await self._drop(error)
                raise

    @asynccontextmanager
    async def elsewhere(self) -> AsyncIterator[None]:
        """Give the connection back for what opens transactions of its own, so that an operation never holds two.

        The next turn begins a transaction anew, with the scope of that moment.
        """
        async with self._alone():
            await self.aclose()
            yield

    async def begin_anew(self) -> None:
        """Give the connection back: the next turn begins a transaction, with the scope of that moment."""
        async with self._alone():
            await self.aclose()

    async def end(self) -> None:
        """End whoever still reads, and their statements, and give the connection back. Nobody gets a turn afterwards.

        A loader reads in a task of its own, which goes on when those who asked it are cancelled.
        """
        self._is_over = True
        users = self._users - {asyncio.current_task()}
        for one in users:
            one.cancel()
        await _to_the_end(self._close_after(users))

    async def _close_after(self, users: Set[asyncio.Task[object]]) -> None:
        if users:
            await asyncio.wait(users)
        await self.aclose()

    async def aclose(self) -> None:
        """End the transaction and give the connection back, when nobody has the turn."""
        await self._let_go(None)

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        if _has_turn.get():
            raise ReadInsideRead("whoever has the turn at an operation's connection must not wait for another one")
        if self._is_over:
            raise OperationIsOver("the operation has ended")
        task = cast("asyncio.Task[object]", asyncio.current_task())
        self._users.add(task)
        self._wanting += 1
        try:
            async with self._turns:
                mark = _has_turn.set(True)
                try:
                    yield
                finally:
                    _has_turn.reset(mark)
                    if not self._is_kept and self._wanting == 1:
                        await self.aclose()
        finally:
            self._wanting -= 1
            self._users.discard(task)

    async def _reading(self) -> UnitOfWork:
        if self._failure is not None:
            raise self._failure
        if self._uow is None:
            connection = await self._connected()
            opened = begin_read_on(self._database, connection, self._scope())
            self._uow = await self._transaction.enter_async_context(opened)
        return self._uow

    async def _connected(self) -> AsyncConnection:
        if self._connection is None:
            await self._held.enter_async_context(self._admit())
            self._connection = await self._held.enter_async_context(self._database.connection())
        return self._connection

    async def _end_reading(self) -> None:
        ending, self._transaction, self._uow = self._transaction, AsyncExitStack(), None
        await _to_the_end(ending.aclose())

    async def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            # A socket lives on: the next change is read in a transaction of its own.
            self._failure = error if self._is_kept else None
            self._on_failure(error)
        await self._drop(error)

    async def _drop(self, error: BaseException) -> None:
        """Roll back and give the connection away: the pool resets it, or replaces it when the driver lost it."""
        with suppress(asyncio.CancelledError):
            await self._let_go(error)

    async def _let_go(self, error: BaseException | None) -> None:
        """Take leave of transaction and connection at once, so that whoever comes next begins anew, and close both."""
        stacks = self._transaction, self._held
        self._transaction, self._held = AsyncExitStack(), AsyncExitStack()
        self._connection = self._uow = None
        await _to_the_end(_closed(stacks, error))


async def _closed(stacks: Iterable[AsyncExitStack], error: BaseException | None) -> None:
    for stack in stacks:
        with suppress(*_BROKEN, asyncio.CancelledError):
            await stack.__aexit__(None if error is None else type(error), error, None)


_closing: set[asyncio.Task[None]] = set()


async def _to_the_end(closing: Coroutine[object, object, None]) -> None:
    """Wait for what must happen also when the one who waits is cut off: a connection half closed would be lost to the pool."""
    task = asyncio.ensure_future(closing)
    _closing.add(task)
    task.add_done_callback(_closing.discard)
    await asyncio.shield(task)
