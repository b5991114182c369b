"""The mail that a development machine kept instead of sending it. In production there is no such page."""

from __future__ import annotations

import re
from html import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from server.auth import mail
from server.web.browser import page
from server.web.dependencies import WebDependencies

_NEWEST = 50
_ADDRESS = re.compile(r"https?://[^\s<>\"]+")


def routes(deps: WebDependencies) -> list[BaseRoute]:
    """Return /dev/mail, nothing in production."""
    if not deps.settings.web.is_open_for_development:
        return []

    async def show(_request: Request) -> Response:
        kept = await mail.newest(deps.database, _NEWEST)
        letters = "".join(
            f"<section><h2>{escape(one.subject)}</h2><p>to {escape(one.to)}, {one.at:%Y-%m-%d %H:%M:%S}</p>"
            f"<pre>{_linked(one.text)}</pre></section>"
            for one in kept
        )
        return page("Mail that was not sent", letters or "<p>There is none.</p>")

    return [Route("/dev/mail", show, methods=["GET"])]


def _linked(text: str) -> str:
    """Escape a mail's text and make its addresses clickable."""
    return _ADDRESS.sub(lambda found: f'<a href="{found[0]}">{found[0]}</a>', escape(text))
