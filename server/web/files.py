"""Files over plain HTTP: POST /files takes what imports read and messages carry, GET /files/{id} gives it back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast
from urllib.parse import quote
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from server.audit import service as audit
from server.audit.actions import Action
from server.auth import service as auth
from server.kit import media_types
from server.kit.errors import DomainError, InvalidInput, NotFound, PermissionDenied
from server.kit.ids import MalformedId, decode_as, encode
from server.platforms.capabilities import catalogue
from server.platforms.capabilities.catalogue import CATALOGUE
from server.tenants import service as tenants
from server.tenants.models import StoredFileRow
from server.tenants.rules import Permission
from server.tenants.scope import Scope
from server.tenants.service import NewFile
from server.tenants.uow import begin
from server.web.answers import Refused, too_large
from server.web.dependencies import WebDependencies
from server.web.downloads import Download, Kept, Place
from server.web.sign_in import caller_of

UNIT_PREFIX, FILE_PREFIX = "unit", "file"
"""As the GraphQL schema writes these ids."""
MEDIA_TYPES = frozenset({"text/csv", "application/jsonl", "application/x-ndjson"})
_IN_MEMORY = 1 << 20
_CHUNK = 1 << 16
_STATUS: dict[type[DomainError], int] = {NotFound: 404, PermissionDenied: 403, InvalidInput: 400}


def routes(deps: WebDependencies) -> list[BaseRoute]:
    """Return the way in and the way out of files."""

    async def store(request: Request) -> Response:
        scope = await caller(request, deps)
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        limit = media_limit(media_type, datetime.now(UTC))
        if media_type not in MEDIA_TYPES and limit is None:
            raise Refused(415, "unsupported_media_type", f"Send the file as one of {', '.join(taken_types())}.")
        try:
            unit_id = _id(UNIT_PREFIX, request.query_params.get("unit", ""), "unit")
            scope.require(Permission.UNIT_MANAGE if limit is None else Permission.INBOX_REPLY, unit_id)
            new = _new(deps, unit_id, request.query_params.get("name", ""), media_type, limit)
            row = await _store(request, deps, scope, new, limit)
        except DomainError as error:
            raise _refused(error) from None
        return JSONResponse(_told(row), status_code=201)

    async def fetch(request: Request) -> Response:
        scope = await caller(request, deps)
        async with Place(deps, scope.organization_id) as place:
            try:
                file_id = _id(FILE_PREFIX, request.path_params["id"], "id")
                async with deps.admission.tenant(scope.organization_id), begin(deps.database, scope) as uow:
                    row = await tenants.file_of(uow, file_id)
                    await audit.record(uow, Action.FILE_READ, row.id, {"name": row.name})
            except DomainError as error:
                raise _refused(error) from None
            kept = Kept(scope, row.size, lambda uow, number: tenants.part_of(uow, file_id, number))
            return Download(place, kept, {"content-disposition": attachment(row.name)}, row.media_type)

    return [Route("/files", store, methods=["POST"]), Route("/files/{id}", fetch, methods=["GET"])]


async def caller(request: Request, deps: WebDependencies) -> Scope:
    """Return who asks by bearer token; refuse with 401.

    The token is verified in the lane that GraphQL would give it. That turn has ended when this returns: what comes next may
    wait for a slow client.
    """
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    scope = None

    async def verify() -> UUID | None:
        nonlocal scope
        scope = await auth.authenticate(deps.database, deps.settings.security, token.strip())
        return None if scope is None else scope.organization_id

    if kind.lower() == "bearer" and token.strip():
        await deps.admission.verified(token.strip(), caller_of(request).network, verify)
    if scope is None:
        raise Refused(401, "unauthenticated", "Send a valid bearer token.", {"www-authenticate": "Bearer"})
    return scope


def _id(prefix: str, text: str, path: str) -> UUID:
    try:
        return decode_as(prefix, text)
    except MalformedId:
        raise NotFound(path=(path,)) from None


def taken_types() -> list[str]:
    """Return every type that is taken."""
    offered = {
        one for rules in CATALOGUE.values() for rule in rules for media in rule.media for one in media.mime_types
    }
    return sorted(MEDIA_TYPES | {one for one in offered if media_types.is_known(one)})


def media_limit(media_type: str, now: datetime) -> int | None:
    """Return the bytes that the most generous channel takes of media of this type now; None if none takes any."""
    if not media_types.is_known(media_type):
        return None
    rules = [
        rule for channel in CATALOGUE for rule in catalogue.at(channel, now).media if media_type in rule.mime_types
    ]
    return max((rule.max_bytes for rule in rules), default=None)


def _new(deps: WebDependencies, unit_id: UUID, name: str, media_type: str, limit: int | None) -> NewFile:
    web = deps.settings.web
    if limit is None:
        return NewFile(unit_id, name, media_type, timedelta(days=web.file_days))
    return NewFile(unit_id, name, media_type, timedelta(days=web.media_days), Permission.INBOX_READ)


async def _store(
    request: Request, deps: WebDependencies, scope: Scope, new: NewFile, limit: int | None
) -> StoredFileRow:
    """Take the whole body first: a slow client must hold neither a turn nor a transaction with its connection."""
    size = 0
    with SpooledTemporaryFile(max_size=_IN_MEMORY) as spool:
        async for chunk in request.stream():
            size += len(chunk)
            if limit is not None and size > limit:
                raise too_large(limit)
            spool.write(chunk)
        spool.seek(0)
        if limit is not None and not media_types.agrees(new.media_type, spool.read(media_types.HEAD_BYTES)):
            raise Refused(
                415, "media_type_differs", f"The file is not what it says: its bytes are not {new.media_type}."
            )
        spool.seek(0)
        async with deps.admission.tenant(scope.organization_id), begin(deps.database, scope) as uow:
            row = await tenants.store_file(uow, new, _chunks(cast("BinaryIO", spool)))
            details = {"name": row.name, "unit": str(row.unit_id), "sha256": bytes(row.sha256 or b"").hex()}
            await audit.record(uow, Action.FILE_STORE, row.id, details)
    return row


async def _chunks(file: BinaryIO) -> AsyncIterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk


def _told(row: StoredFileRow) -> dict[str, object]:
    return {
        "id": encode(FILE_PREFIX, row.id),
        "name": row.name,
        "size": row.size,
        "sha256": bytes(row.sha256 or b"").hex(),
        "expiresAt": row.expires_at.isoformat(),
    }


def attachment(name: str) -> str:
    """Name the download (RFC 6266): plain ASCII for old clients, and the true name as RFC 8187 writes it."""
    plain = "".join(letter if letter.isascii() and letter not in '"\\%' else "_" for letter in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _refused(error: DomainError) -> Refused:
    return Refused(_STATUS.get(type(error), 400), error.code, error.message)
