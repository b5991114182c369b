"""The way back from a platform's consent dialogue, in the browser of the person who was there."""

from __future__ import annotations

from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from server.channels import rules
from server.channels import service as channels
from server.channels.errors import StateInvalid
from server.channels.service import CallbackResult
from server.kit.ids import encode
from server.web.answers import Refused, connector_of
from server.web.dependencies import WebDependencies

CONNECTION_PREFIX = "con"
"""The prefix of a connection's id, as the GraphQL schema writes it."""


def routes(deps: WebDependencies) -> list[BaseRoute]:
    """Return the callback of each channel's dialogue."""

    async def come_back(request: Request) -> Response:
        channel = connector_of(deps.registry, request.path_params["channel"]).channel
        try:
            result = await channels.complete_callback(
                deps.database, deps.registry, deps.settings, channel, dict(request.query_params)
            )
        except StateInvalid as error:
            raise Refused(400, error.code, error.message) from None
        told = _told(result)
        if result.return_url is None:
            return HTMLResponse(_page(told))
        return RedirectResponse(rules.with_query(result.return_url, told), status_code=303)

    return [Route("/oauth/{channel}/callback", come_back, methods=["GET"])]


def _told(result: CallbackResult) -> dict[str, str]:
    told = {"connection": encode(CONNECTION_PREFIX, result.connection_id)}
    if result.completion is not None:
        return told | {"completion": result.completion}
    return told | {"error": result.failure or "failed"}


def _page(told: dict[str, str]) -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd><code>{escape(value)}</code></dd>" for name, value in told.items())
    heading = "The page was not connected" if "error" in told else "Almost done: choose the pages in your application"
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Switchboard</title>'
        f"<body><h1>{heading}</h1><dl>{rows}</dl></body></html>"
    )
