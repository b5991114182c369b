"""Health: `live` says that the process answers, `ready` that it can do its work, and how each part is that it needs."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from server.startup.readiness import Readiness, is_ready
from server.web.answers import request_id
from server.web.dependencies import WebDependencies

_AGAIN_S = "5"


def routes(deps: WebDependencies) -> list[BaseRoute]:
    """Return /health/live and /health/ready."""
    readiness = Readiness(deps.settings, deps.database.app_dsn, deps.database.system_dsn)

    async def live(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(request: Request) -> Response:
        found = await readiness.parts()
        parts = {name: state.value for name, state in found.items()}
        if is_ready(found):
            return JSONResponse({"status": "ok", "parts": parts})
        message = "A part that is needed does not answer; `parts` names it."
        error = {"code": "unavailable", "message": message, "requestId": request_id(request.scope)}
        body = {"status": "unavailable", "parts": parts, "error": error}
        return JSONResponse(body, 503, {"retry-after": _AGAIN_S})

    return [Route("/health/live", live, methods=["GET"]), Route("/health/ready", ready, methods=["GET"])]
