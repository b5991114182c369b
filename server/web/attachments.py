"""Our copies of attachments over plain HTTP: GET /attachments/{id} with a bearer token."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from server.inbox.service import media
from server.kit.errors import NotFound, PermissionDenied
from server.kit.ids import MalformedId, decode_as
from server.tenants.uow import begin_read
from server.web.answers import Refused
from server.web.dependencies import WebDependencies
from server.web.downloads import Download, Kept, Place
from server.web.files import caller

PREFIX = "med"
"""As the GraphQL schema writes these ids."""
_INLINE = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


def routes(deps: WebDependencies) -> list[BaseRoute]:
    """Return the way out of copies."""

    async def fetch(request: Request) -> Response:
        scope = await caller(request, deps)
        async with Place(deps, scope.organization_id) as place:
            try:
                media_id = decode_as(PREFIX, request.path_params["id"])
                async with deps.admission.tenant(scope.organization_id), begin_read(deps.database, scope) as uow:
                    row = await media.copy_of(uow, media_id)
            except (MalformedId, NotFound):
                raise Refused(404, "not_found", "There is no such attachment.") from None
            except PermissionDenied as error:
                raise Refused(403, error.code, error.message) from None
            media_type = row.media_type or "application/octet-stream"
            # Whoever wrote it is a stranger: it must not run as a page of ours, whatever it is.
            headers = {
                "content-disposition": "inline" if media_type in _INLINE else "attachment",
                "content-security-policy": "default-src 'none'; sandbox",
                "x-content-type-options": "nosniff",
                "cache-control": "private, max-age=3600",
            }
            kept = Kept(scope, row.size or 0, lambda uow, number: media.piece_of(uow, media_id, number))
            return Download(place, kept, headers, media_type)

    return [Route("/attachments/{id}", fetch, methods=["GET"])]
