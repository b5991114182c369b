"""Counting uses: in memory while requests are answered, and written every few seconds for all organizations at once."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from server.documents import repository
from server.documents.repository import UseKey
from server.documents.rules import ClientBuild
from server.kit import log
from server.kit.clock import monotonic_s
from server.kit.db import Database
from server.kit.errors import TookTooLong, Unavailable
from server.tenants.uow import system_scope

MAX_PENDING = 20_000
"""Different things to count that wait for a database which is away; beyond them nothing new is counted."""
MAX_BUILDS = 100
"""Builds of one organization that this process tells apart in a day: their names are what callers say of themselves."""
OTHERS = ClientBuild("(others)", "")
"""What all further builds of the organization are counted as, for that day and process."""
_MAX_ORGANIZATIONS = 2_000
_DAY_S = 86_400.0
_logger = log.get(__name__)


class UseCounter:
    """Counts uses of documents in one process. Notes cost no I/O; a killed process loses what it noted since the last write."""

    def __init__(self, database: Database, *, pause_s: float = 5.0) -> None:
        self._database = database
        self._pause_s = pause_s
        self._pending: dict[UseKey, int] = {}
        self._builds: OrderedDict[UUID, set[ClientBuild]] = OrderedDict()
        self._builds_until = 0.0
        self._is_ending = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write every few seconds, in the running event loop."""
        self._task = asyncio.create_task(self._run(), name="document-uses")

    async def aclose(self) -> None:
        """Write what is left, so that a graceful end loses nothing. Call it before the database is closed."""
        self._is_ending.set()
        task, self._task = self._task, None
        if task is not None:
            await task  # never cancelled: a write that is under way must be known to have happened or not
        await self.flush()
        if self._pending:
            _logger.error("uses of documents are lost", uses=sum(self._pending.values()))

    def note(self, organization_id: UUID, digest: bytes, operation_name: str, build: ClientBuild) -> None:
        """Count one use of a document, with the build that the caller says it is."""
        told = self._told_apart(organization_id, build)
        key = UseKey(organization_id, digest, operation_name, told.app, told.version)
        if key in self._pending or len(self._pending) < MAX_PENDING:
            self._pending[key] = self._pending.get(key, 0) + 1

    async def flush(self) -> None:
        """Write what was noted in one statement; keep it for the next time if the database does not take it."""
        if not self._pending:
            return
        counted, self._pending = self._pending, {}
        try:
            async with system_scope(self._database) as session:
                await repository.add_uses(session, counted)
        except (Unavailable, TookTooLong, SQLAlchemyError) as error:
            _logger.warning("uses of documents wait for the database", error=type(error).__name__, kinds=len(counted))
            for key, uses in counted.items():
                self._pending[key] = self._pending.get(key, 0) + uses

    def _told_apart(self, organization_id: UUID, build: ClientBuild) -> ClientBuild:
        if monotonic_s() >= self._builds_until:
            self._builds.clear()
            self._builds_until = monotonic_s() + _DAY_S
        seen = self._builds.setdefault(organization_id, set())
        self._builds.move_to_end(organization_id)
        if len(self._builds) > _MAX_ORGANIZATIONS:
            self._builds.popitem(last=False)
        if build not in seen and len(seen) >= MAX_BUILDS:
            return OTHERS
        seen.add(build)
        return build

    async def _run(self) -> None:
        while not self._is_ending.is_set():
            try:
                await asyncio.wait_for(self._is_ending.wait(), self._pause_s)
            except TimeoutError:
                await self.flush()
