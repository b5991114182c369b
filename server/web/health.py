"""Health: `live` says that the process answers, `ready` that its databases do."""

from __future__ import annotations

import asyncio

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from server.web.answers import Refused
from server.web.dependencies import WebDependencies

_TIMEOUT_S = 2.0


def routes(deps: WebDependencies) -> list[BaseRoute]:
    """Return /health/live and /health/ready."""

    async def live(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(_request: Request) -> Response:
        answers = await asyncio.gather(_answers(deps.database.app_engine), _answers(deps.database.system_engine))
        if not all(answers):
            raise Refused(503, "unavailable", "The database does not answer.", {"retry-after": "5"})
        return JSONResponse({"status": "ok"})

    return [Route("/health/live", live, methods=["GET"]), Route("/health/ready", ready, methods=["GET"])]


async def _answers(engine: AsyncEngine) -> bool:
    try:
        async with asyncio.timeout(_TIMEOUT_S), engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    except (SQLAlchemyError, OSError, TimeoutError):
        return False
    return True
