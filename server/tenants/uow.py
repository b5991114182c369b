"""The unit of work: one transaction that carries a scope, owns its commit, and collects what must happen after.

`async with begin(database, scope) as uow` commits once at its end. On an error nothing was written, deferred or announced.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from server.kit import jobs, live
from server.kit.clock import database_now
from server.kit.crypto import KeyRing
from server.kit.db import Database, change_context, seen_as
from server.tenants.scope import Scope


class UnitOfWork:
    """One transaction in one scope. Services take it as their first argument; only repositories use `session`.

    `keys` seals and opens the secrets of its rows.
    """

    def __init__(self, session: AsyncSession, scope: Scope, keys: KeyRing) -> None:
        self.session = session
        self.keys = keys
        self.scope = scope
        self._deferred: list[jobs.Deferred] = []
        self._hints: set[live.Hint] = set()
        self._now: datetime | None = None

    async def now(self) -> datetime:
        """Return the database's time, read once per unit of work."""
        if self._now is None:
            self._now = await database_now(self.session)
        return self._now

    async def reach(self, unit_id: UUID, *, under: UUID) -> None:
        """Reach a unit that is about to be made under one that the scope reaches, with the permissions held there.

        The walls know a scope by its units; without this one that does not reach all of them could not add any.
        """
        if self.scope.all_units:
            return
        self.scope = replace(self.scope, by_unit={**self.scope.by_unit, unit_id: self.scope.by_unit[under]})
        await change_context(self.session, self.scope.context(read_only=False))

    @asynccontextmanager
    async def whole_organization(self) -> AsyncIterator[None]:
        """Let the enclosed statements see every unit, to decide what the actor may not see the reasons of.

        Nothing that is read so may be told to the actor. A test lists the files that may call this.
        """
        wide = replace(self.session.info["context"], all_units=True, unit_ids=frozenset(), lineage_ids=frozenset())
        async with seen_as(self.session, wide):
            yield

    def defer(
        self, work: jobs.Job, *, key: str = "", delay: timedelta = timedelta(), queue: jobs.Queue | None = None
    ) -> None:
        """Ask for work after the commit; with a `key`, work of that kind and key is owed at most once."""
        self._deferred.append(jobs.Deferred(work, key, delay, queue))

    def announce(self, topic: str) -> None:
        """Tell viewers of this organization, after the commit, that something about `topic` changed."""
        self._hints.add(live.Hint(topic, self.scope.organization_id))

    async def flush(self) -> None:
        """Write what was deferred and announced into the transaction; called by `begin` before the commit."""
        deferred, self._deferred = self._deferred, []
        hints, self._hints = self._hints, set()
        await self.session.flush()
        await jobs.write(self.session, self.scope.organization_id, deferred)
        await live.announce(self.session, hints)


@asynccontextmanager
async def begin(database: Database, scope: Scope) -> AsyncIterator[UnitOfWork]:
    """Open a unit of work that may write."""
    async with database.scoped(scope.context(read_only=False)) as session:
        uow = UnitOfWork(session, scope, database.keys)
        yield uow
        await uow.flush()


@asynccontextmanager
async def begin_read(database: Database, scope: Scope) -> AsyncIterator[UnitOfWork]:
    """Open a READ ONLY unit of work: a resolver that writes fails by construction."""
    async with database.scoped(scope.context(read_only=True)) as session:
        yield UnitOfWork(session, scope, database.keys)


@asynccontextmanager
async def begin_on(database: Database, connection: AsyncConnection, scope: Scope) -> AsyncIterator[UnitOfWork]:
    """Open a unit of work that may write on a connection that is held already."""
    async with database.scoped_on(connection, scope.context(read_only=False)) as session:
        uow = UnitOfWork(session, scope, database.keys)
        yield uow
        await uow.flush()


@asynccontextmanager
async def begin_read_on(database: Database, connection: AsyncConnection, scope: Scope) -> AsyncIterator[UnitOfWork]:
    """Open a READ ONLY unit of work on a connection that is held already."""
    async with database.scoped_on(connection, scope.context(read_only=True)) as session:
        yield UnitOfWork(session, scope, database.keys)


@asynccontextmanager
async def system_scope(database: Database) -> AsyncIterator[AsyncSession]:
    """Open a transaction of the system role, across organizations; a test lists the files that may call this."""
    async with database.unscoped_system() as session:
        yield session
