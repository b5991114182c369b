"""What every resolver is given: the caller's scope, ways to open units of work, and the loaders of one request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from uuid import UUID

import strawberry

from server.audit import service as audit
from server.auth import service as auth
from server.auth.service import Caller
from server.config import Settings
from server.documents.rules import UNNAMED, ClientBuild
from server.kit.admission import Admission, Turn
from server.kit.budgets import Budgets, Standing
from server.kit.db import Database
from server.kit.live import Listener
from server.platforms.registry import Registry
from server.schema.declarations import reads_with
from server.schema.errors import Unauthenticated
from server.schema.known_documents import KnownDocuments
from server.schema.limits import Prepared
from server.schema.loaders import Loaders
from server.schema.metering import Meter
from server.tenants.scope import Scope
from server.tenants.shared_read import SharedRead
from server.tenants.uow import UnitOfWork


@dataclass(frozen=True, slots=True)
class Services:
    """What all requests of one process share."""

    database: Database
    registry: Registry
    settings: Settings
    listener: Listener
    admission: Admission
    budgets: Budgets
    known: KnownDocuments


_NOBODY = Caller("unknown", "unknown")


@dataclass(slots=True)
class ApiContext:
    """One request, or one WebSocket. `token` is kept so that a subscription can ask again what it may see."""

    services: Services
    request_id: str
    token: str | None
    caller: Scope | None
    idempotency_key: str | None = None
    is_socket: bool = False
    cookie: str | None = None
    """The token cookie of a WebSocket's page; it signs nobody in before connection_init has brought its other half."""
    sender: Caller = _NOBODY
    """The browser and the network that the request comes from, for what strangers may ask."""
    build: ClientBuild = UNNAMED
    """Which client a WebSocket says it is; a request's is noted where the request is answered."""
    connection_params: dict[str, object] | None = None
    """What a WebSocket's connection_init brought; browsers cannot send a header with the upgrade."""
    turn: Turn | None = None
    """The place among those at work that the request holds; None on a WebSocket, which takes one for each change."""
    prepared: Prepared | None = None
    """The document of a request, read already; None on a WebSocket, whose documents are read as they come."""
    meter: Meter | None = None
    """What the operation costs so far; None on a WebSocket."""
    price: int = 0
    """What the operation may cost at most, in points."""
    is_refunded: bool = True
    """Whether what the price did not use is given back: of queries. What a mutation really cost could tell what is there."""
    standing: Standing | None = None
    """What was left of the tightest budget after the price was taken."""
    end: Callable[[BaseException], None] | None = None
    """Ends the operation as a whole with one error."""
    traces: dict[UUID, UUID] = field(default_factory=dict)
    """Conversations, with their units, that the answer shows by a right from above: traced before the answer leaves."""
    _tracing: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    reads: SharedRead = field(init=False)
    loaders: Loaders = field(init=False)

    def __post_init__(self) -> None:
        self.reads = SharedRead(
            self.services.database,
            lambda: self.scope,
            self._failed,
            admit=self._delivery if self.is_socket else nullcontext,
            is_kept=not self.is_socket,
        )
        self.loaders = Loaders(self.read)

    @property
    def scope(self) -> Scope:
        """Return the caller's scope; raise Unauthenticated without a valid token."""
        if self.caller is None:
            raise Unauthenticated
        return self.caller

    def may_read(self, kind: type) -> bool:
        """Say whether the caller holds, on any unit, the permission with which objects of a GraphQL type are read."""
        needed = reads_with(kind)
        return needed is None or self.scope.may(needed)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[UnitOfWork]:
        """Take a turn at the operation's READ ONLY transaction. Await no loader and no other read inside: it would never come."""
        async with self.reads.turn() as uow:
            yield uow

    @asynccontextmanager
    async def write(self, scope: Scope | None = None) -> AsyncIterator[UnitOfWork]:
        """Open the unit of work of one mutation field, on the operation's connection; in a narrower scope, if one is given."""
        async with self.reads.writing(scope) as uow:
            yield uow
        self.loaders = Loaders(self.read)  # what was loaded before the change is stale

    async def wait(self, seconds: float) -> None:
        """Wait for somebody else, holding neither the connection nor the turn."""
        await self.reads.begin_anew()
        async with nullcontext() if self.turn is None else self.turn.paused():
            await asyncio.sleep(seconds)

    async def reach_anew(self) -> None:
        """Resolve the token again after a change of the tree, so that the answer shows what its maker now reaches."""
        if not self.scope.all_units:
            await self.refresh()

    async def refresh(self) -> None:
        """Resolve the token again, so that a revoked right takes effect at the next delivery of a subscription."""
        if self.token is None:
            raise Unauthenticated
        services = self.services
        async with self.reads.elsewhere(), self._lane():
            self.caller = await auth.authenticate(services.database, services.settings.security, self.token)
        self.loaders = Loaders(self.read)

    async def write_traces(self) -> None:
        """Commit the traces of what the answer shows, on the operation's connection. Before the first byte of it leaves."""
        async with self._tracing:  # another subscription of the socket may be committing what this one shows
            traces = dict(self.traces)
            if traces:
                async with self.reads.writing() as uow:
                    await audit.trace_reads(uow, traces)
                self.traces = {one: unit for one, unit in self.traces.items() if one not in traces}

    def _lane(self) -> AbstractAsyncContextManager[object]:
        """Return the lane in which the token is read again; a request has its turn already."""
        if not self.is_socket:
            return nullcontext()
        if self.caller is None:
            return self.services.admission.stranger(self.sender.network)
        return self._delivery()

    def _delivery(self) -> AbstractAsyncContextManager[None]:
        return self.services.admission.delivery(self.scope.organization_id)

    def _failed(self, error: BaseException) -> None:
        if self.end is not None:
            self.end(error)


Info = strawberry.Info[ApiContext, None]
