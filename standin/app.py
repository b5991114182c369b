"""Composes the stand-in: control API, phone, and everything else is Graph."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from standin.config import StandinConfig
from standin.control import control_routes
from standin.keeper import Keeper
from standin.messenger import graph
from standin.phone import phone_routes
from standin.plugins import make_plugins
from standin.runtime import make_runtime

METHODS = ["GET", "POST", "DELETE"]


class Touching:
    """Tells the keeper of every call, as any of them may change the world."""

    def __init__(self, app: ASGIApp, keeper: Keeper) -> None:
        self._app = app
        self._keeper = keeper

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Mark before, as an answer may take long, and after, as the change may have come late."""
        self._keeper.is_touched = True
        try:
            await self._app(scope, receive, send)
        finally:
            self._keeper.is_touched = True


def create_app(config: StandinConfig) -> Starlette:
    """A stand-in of its own. Its lifespan must run: it reads and writes the state and closes connections and files."""
    run = make_runtime(config)
    run.plugins += make_plugins(run)
    keeper = Keeper(run, config.state_file) if config.state_file is not None else None

    async def answer(request: Request) -> Response:
        return await graph(request, run)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        if keeper is not None:
            await keeper.start()
        yield
        run.receipts.forget()
        await run.webhooks.stop()
        for plugin in run.plugins:
            await plugin.stop()
        if keeper is not None:
            await keeper.stop()
        run.world.ledger.close()

    return Starlette(
        routes=[
            *control_routes(run),
            *phone_routes(run),
            *(route for plugin in run.plugins for route in (*plugin.control_routes(), *plugin.routes())),
            Route("/{path:path}", answer, methods=METHODS),
        ],
        middleware=[Middleware(Touching, keeper)] if keeper is not None else [],
        exception_handlers={ClientDisconnect: _nobody_listens},
        lifespan=lifespan,
    )


async def _nobody_listens(_request: Request, _gone: Exception) -> Response:
    return Response(status_code=400)
