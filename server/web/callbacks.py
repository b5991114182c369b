"""Callbacks of platforms on behalf of a person (platforms.md 1.5): our app was removed, or the person's data must go.

Each is verified before anything is written. A deletion is answered with an address where anybody who has its code can see
how far it is; that page names nobody.
"""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from server.channels import service as channels
from server.channels.models import CallbackKind
from server.platforms.port import NotOffered, SignatureInvalid
from server.web.answers import Refused, connector_of, too_large
from server.web.dependencies import WebDependencies

_MAX_BYTES = 20_000
_MAX_FIELDS = 20


def routes(deps: WebDependencies) -> list[BaseRoute]:
    """Return the callbacks of each channel, and the status page of deletions."""

    async def take(request: Request, kind: CallbackKind) -> str:
        connector = connector_of(deps.registry, request.path_params["channel"])
        try:
            callback = connector.read_callback(await _form(request))
        except SignatureInvalid:
            raise Refused(
                401, "callback.signature_invalid", "The request is not signed with a secret of ours."
            ) from None
        except NotOffered:
            raise Refused(404, "not_found", "This network has no such callback.") from None
        return await channels.take_callback(deps.database, connector, kind, callback)

    async def deauthorize(request: Request) -> Response:
        await take(request, CallbackKind.DEAUTHORIZE)
        return JSONResponse({"received": True})

    async def delete(request: Request) -> Response:
        code = await take(request, CallbackKind.DELETION)
        url = f"{deps.settings.web.public_url.rstrip('/')}/deletion/{code}"
        return JSONResponse({"url": url, "confirmation_code": code})

    async def show(request: Request) -> Response:
        state = await channels.request_state(deps.database, request.path_params["code"])
        if state is None or state.kind is not CallbackKind.DELETION:
            raise Refused(404, "not_found", "There is no such request.")
        return HTMLResponse(_page("DONE" if state.done_at else "RECEIVED"))

    return [
        Route("/callbacks/{channel}/deauthorize", deauthorize, methods=["POST"]),
        Route("/callbacks/{channel}/data-deletion", delete, methods=["POST"]),
        Route("/deletion/{code}", show, methods=["GET"]),
    ]


async def _form(request: Request) -> dict[str, str]:
    """Read a small urlencoded form; what is none has no fields."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BYTES:
            raise too_large(_MAX_BYTES)
    try:
        return dict(parse_qsl(bytes(body).decode(), max_num_fields=_MAX_FIELDS))
    except ValueError:
        return {}


def _page(state: str) -> str:
    told = {
        "RECEIVED": "We received the request and are carrying it out.",
        "DONE": "What we held of this login was deleted.",
    }[state]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Switchboard</title>'
        f"<body><h1>Deletion request: {state}</h1><p>{told}</p></body></html>"
    )
