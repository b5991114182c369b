"""GET /media/{token}: one of our media files, for whoever holds a link that has not expired; no bearer token."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from server.kit import media_types
from server.kit.errors import NotFound
from server.sends import media_links
from server.tenants import service as tenants
from server.tenants.scope import worker_scope
from server.tenants.uow import begin_read
from server.web.answers import Refused
from server.web.dependencies import WebDependencies
from server.web.downloads import Download, Kept, Place
from server.web.files import attachment

_SHOWN = "image/"


def routes(deps: WebDependencies) -> list[BaseRoute]:
    """Return the way out of media."""
    pepper = deps.settings.security.pepper.get_secret_value()

    async def fetch(request: Request) -> Response:
        link = media_links.read(pepper, request.path_params["token"], datetime.now(UTC))
        if link is None:
            raise _gone()
        scope = worker_scope(link.organization_id)
        async with Place(deps, link.organization_id) as place:
            try:
                # Who signed the link names the organization: nothing has to be verified before it takes its turn.
                async with deps.admission.tenant(link.organization_id), begin_read(deps.database, scope) as uow:
                    row = await tenants.file_of(uow, link.file_id)
            except NotFound:
                raise _gone() from None
            if not media_types.is_known(row.media_type):
                raise _gone()
            left_s = int((link.expires_at - datetime.now(UTC)).total_seconds())
            headers = {
                "content-disposition": "inline" if row.media_type.startswith(_SHOWN) else attachment(row.name),
                "cache-control": f"private, max-age={max(0, min(left_s, 3_600))}",
                "x-content-type-options": "nosniff",
            }
            kept = Kept(scope, row.size, lambda uow, number: tenants.part_of(uow, link.file_id, number))
            return Download(place, kept, headers, row.media_type)

    return [Route(f"{media_links.PATH}{{token}}", fetch, methods=["GET"])]


def _gone() -> Refused:
    """Answer the same for a forged, an expired and an old link, and for a file that is no longer kept."""
    return Refused(404, "not_found", "There is nothing here, or not any more. Ask for a new link.")
