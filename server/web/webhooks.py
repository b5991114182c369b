"""Webhooks in: verify over the raw bytes, store, answer. What the items mean is read by the workers."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from server.kit.errors import TookTooLong, Unavailable
from server.platforms.port import BodyMalformed, SignatureInvalid
from server.web.answers import Refused, connector_of, too_large
from server.web.dependencies import WebDependencies


def routes(deps: WebDependencies) -> list[BaseRoute]:
    """Return the callback of each channel: GET for the platform's handshake, POST for its events."""

    async def shake_hands(request: Request) -> Response:
        connector = connector_of(deps.registry, request.path_params["channel"])
        answer = connector.answer_handshake(request.query_params)
        if answer is None:
            raise Refused(403, "webhook.handshake_refused", "This is no handshake of the platform with our app.")
        return Response(answer.body, media_type=answer.media_type)

    async def receive(request: Request) -> Response:
        connector = connector_of(deps.registry, request.path_params["channel"])
        body = await _body(request, deps.settings.web.max_webhook_bytes)
        try:
            connector.verify(dict(request.headers), body)
        except SignatureInvalid:
            raise Refused(401, "webhook.signature_invalid", "The body is not signed with a secret of ours.") from None
        try:
            told = await deps.intake.record(connector, body)
        except BodyMalformed:
            raise Refused(
                400, "webhook.body_malformed", "The signed body is not what the platform documents."
            ) from None
        except TookTooLong:
            raise Unavailable from None  # nothing was stored; the platform delivers it again
        return JSONResponse({"stored": told.stored, "duplicates": told.duplicates, "strays": told.strays})

    return [
        Route("/webhooks/{channel}", shake_hands, methods=["GET"]),
        Route("/webhooks/{channel}", receive, methods=["POST"]),
    ]


async def _body(request: Request, limit: int) -> bytes:
    """Read the raw bytes and stop at the limit."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise too_large(limit)
    return bytes(body)
