"""Answers of GraphQL over HTTP: `application/graphql-response+json` answers a refused request with 4xx or 5xx, plain
`application/json` answers what validation found with 200.
"""

from __future__ import annotations

from typing import Any

import orjson
from graphql import GraphQLError
from starlette.responses import Response

from server.kit.errors import TookTooLong, Unavailable
from server.schema.context import ApiContext
from server.schema.errors import ApiError, ErrorCode, RateLimited
from server.schema.masking import mask
from server.schema.requests import MODERN

Answer = dict[str, Any]
_RETRY_AFTER_S = 5
_ALWAYS = {ErrorCode.UNAUTHENTICATED: 401, ErrorCode.UNAVAILABLE: 503}
"""The status of an answer of which any part has this code."""
_ENDED = {**_ALWAYS, ErrorCode.RATE_LIMITED: 429, ErrorCode.TIMEOUT: 504, ErrorCode.INTERNAL: 500}
"""The status of a request that was ended as a whole; what else is refused is 400."""


def told(errors: list[GraphQLError], request_id: str) -> list[dict[str, Any]]:
    """Write errors as they are shown: with a code, and nothing of what was not expected."""
    for error in errors:
        mask(error, request_id)
    return [dict(error.formatted) for error in errors]


def refused(error: Exception, request_id: str) -> Answer:
    """Write the one error of a request that is answered with nothing else."""
    return {"errors": [dict(refusal(error, request_id).formatted)]}


def refusal(error: Exception, request_id: str) -> GraphQLError:
    """Return what is told of what ended a request or a subscription before it began."""
    shown = error if isinstance(error, GraphQLError) else GraphQLError(str(error), original_error=error)
    mask(shown, request_id)
    if isinstance(error, (RateLimited, Unavailable)) and shown.extensions is not None:
        shown.extensions["retryAfterSeconds"] = error.retry_after_s
    return shown


def cost(context: ApiContext) -> dict[str, Any]:
    """Write what the operation cost, and what is left of the tightest budget."""
    shown: dict[str, Any] = {"requestedQueryCost": context.price}
    if context.meter is not None:
        shown["actualQueryCost"] = context.meter.points if context.is_refunded else context.price
    if context.standing is not None:
        shown["throttleStatus"] = {
            "maximumAvailable": int(context.standing.maximum),
            "currentlyAvailable": int(context.standing.available),
            "restoreRate": int(context.standing.restore_per_s),
        }
    return shown


def response(answer: Answer, *, is_modern: bool) -> Response:
    """Make the response. Without data the request as a whole was refused, and the status says so."""
    errors = answer.get("errors", ())
    codes = {one["extensions"]["code"] for one in errors}
    by_code, otherwise = (_ALWAYS, 200) if "data" in answer else (_ENDED, 400)
    status = next((number for code, number in by_code.items() if code.value in codes), otherwise)
    if status == 400 and not is_modern and ErrorCode.BAD_REQUEST.value not in codes:
        status = 200
    headers = {}
    if status in (429, 503):
        waits = [one["extensions"].get("retryAfterSeconds", 0) for one in errors]
        headers["retry-after"] = str(max(waits) or _RETRY_AFTER_S)
    media = f"{MODERN}; charset=utf-8" if is_modern else "application/json; charset=utf-8"
    return Response(orjson.dumps(answer, default=str), status, headers, media)


EXPECTED = (ApiError, Unavailable, TookTooLong, GraphQLError)
"""What ends a request with one typed error; everything else is a bug, logged and masked."""
