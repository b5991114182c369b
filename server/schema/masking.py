"""How top-level errors are shown: a code for each, a request id, and nothing of what was not expected.

Used by the schema itself, so that HTTP and WebSocket answer alike.
"""

from __future__ import annotations

from graphql import GraphQLError
from strawberry.exceptions import MissingQueryError

from server.kit import log
from server.kit.errors import (
    DomainError,
    IdempotencyInProgress,
    IdempotencyKeyReused,
    IdempotencyRequired,
    PermissionDenied,
    Problems,
    TookTooLong,
    Unavailable,
)
from server.kit.turns import LineIsFull
from server.schema.errors import ApiError, ErrorCode
from server.schema.results import enum_name

_logger = log.get(__name__)
_BY_TYPE = {
    IdempotencyRequired: ErrorCode.IDEMPOTENCY_REQUIRED,
    IdempotencyKeyReused: ErrorCode.IDEMPOTENCY_KEY_REUSED,
    IdempotencyInProgress: ErrorCode.IDEMPOTENCY_IN_PROGRESS,
    MissingQueryError: ErrorCode.BAD_REQUEST,
}


def code_of(error: GraphQLError) -> tuple[ErrorCode, dict[str, object]]:
    """Return an error's code and what else its extensions tell."""
    cause = error.original_error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    more: dict[str, object] = {}
    match cause:
        case None | GraphQLError():
            code = ErrorCode.VALIDATION_FAILED
        case ApiError():
            code = cause.code
        case Unavailable():
            code = ErrorCode.RATE_LIMITED if isinstance(cause, LineIsFull) else ErrorCode.UNAVAILABLE
        case TookTooLong():
            code = ErrorCode.TIMEOUT
        case IdempotencyRequired() | IdempotencyKeyReused() | IdempotencyInProgress() | MissingQueryError():
            code = _BY_TYPE[type(cause)]
        case PermissionDenied():
            code, more = ErrorCode.FORBIDDEN, dict(cause.data)
        case DomainError():
            code, more = ErrorCode.BAD_REQUEST, {"reason": enum_name(cause.code), "path": list(cause.path)}
        case Problems():
            code, more = ErrorCode.BAD_REQUEST, {"reasons": [enum_name(one.code) for one in cause.problems]}
        case _:
            code = ErrorCode.INTERNAL
    return code, more


def mask(error: GraphQLError, request_id: str) -> None:
    """Give an error its code and the request's id; what is not expected is logged and loses its text. Repeatable."""
    if error.extensions and "requestId" in error.extensions:
        return
    given = (error.extensions or {}).get("code")
    code, more = code_of(error) if not isinstance(given, str) else (ErrorCode(given), dict(error.extensions or {}))
    if code is ErrorCode.INTERNAL:
        _logger.error("resolver failed", request_id=request_id, path=error.path, exc_info=error.original_error)
        error.message = f"Something went wrong on our side. Quote this request id: {request_id}."
    error.extensions = {**more, "code": code.value, "requestId": request_id}
