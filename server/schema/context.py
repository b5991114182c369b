"""What every resolver is given: the caller's scope, ways to open units of work, and the loaders of one request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import strawberry
from strawberry.dataloader import DataLoader

from server.auth import service as auth
from server.auth.service import Caller
from server.config import Settings
from server.kit.db import Database
from server.kit.live import Listener
from server.platforms.registry import Registry
from server.schema.declarations import reads_with
from server.schema.errors import Unauthenticated
from server.schema.loaders import Loaders
from server.tenants.scope import Scope
from server.tenants.uow import UnitOfWork, begin, begin_read


@dataclass(frozen=True, slots=True)
class Services:
    """What all requests of one process share."""

    database: Database
    registry: Registry
    settings: Settings
    listener: Listener


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
    connection_params: dict[str, object] | None = None
    """What a WebSocket's connection_init brought; browsers cannot send a header with the upgrade."""
    traces: DataLoader[tuple[UUID, UUID], None] | None = None
    """Writes traces of privileged reads; made by the first of them."""
    loaders: Loaders = field(init=False)

    def __post_init__(self) -> None:
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
        """Open a READ ONLY unit of work in the caller's scope. Siblings run concurrently: each opens its own."""
        async with begin_read(self.services.database, self.scope) as uow:
            yield uow

    @asynccontextmanager
    async def write(self) -> AsyncIterator[UnitOfWork]:
        """Open the unit of work of one mutation field."""
        async with begin(self.services.database, self.scope) as uow:
            yield uow
        self.loaders = Loaders(self.read)  # what was loaded before the change is stale

    async def reach_anew(self) -> None:
        """Resolve the token again after a change of the tree, so that the answer shows what its maker now reaches."""
        if not self.scope.all_units:
            await self.refresh()

    async def refresh(self) -> None:
        """Resolve the token again, so that a revoked right takes effect at the next delivery of a subscription."""
        if self.token is None:
            raise Unauthenticated
        services = self.services
        self.caller = await auth.authenticate(services.database, services.settings.security, self.token)
        self.loaders = Loaders(self.read)


Info = strawberry.Info[ApiContext, None]
