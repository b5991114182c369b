"""Top-level errors: a closed list of codes. What a caller did wrong with a mutation's input is data instead (results.py)."""

from __future__ import annotations

from enum import StrEnum


class ErrorCode(StrEnum):
    """Every value that `errors[].extensions.code` can have."""

    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    BAD_REQUEST = "BAD_REQUEST"
    VALIDATION_FAILED = "VALIDATION_FAILED"
    DOCUMENT_NOT_FOUND = "DOCUMENT_NOT_FOUND"
    DOCUMENT_NOT_ALLOWED = "DOCUMENT_NOT_ALLOWED"
    QUERY_TOO_COMPLEX = "QUERY_TOO_COMPLEX"
    RATE_LIMITED = "RATE_LIMITED"
    IDEMPOTENCY_REQUIRED = "IDEMPOTENCY_REQUIRED"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    IDEMPOTENCY_IN_PROGRESS = "IDEMPOTENCY_IN_PROGRESS"
    TIMEOUT = "TIMEOUT"
    UNAVAILABLE = "UNAVAILABLE"
    INTERNAL = "INTERNAL"


class ApiError(Exception):
    """An error that is told as it is, with its code."""

    code = ErrorCode.BAD_REQUEST


class Unauthenticated(ApiError):
    """There is no bearer token, or it is unknown, expired or revoked."""

    code = ErrorCode.UNAUTHENTICATED

    def __init__(self) -> None:
        super().__init__("Send a valid token: Authorization: Bearer <token>. It may be expired or revoked.")


class TooComplex(ApiError):
    """The document passes a limit of limits.json."""

    code = ErrorCode.QUERY_TOO_COMPLEX


class DocumentNotFound(ApiError):
    """No trusted document has this id."""

    code = ErrorCode.DOCUMENT_NOT_FOUND

    def __init__(self) -> None:
        super().__init__("No trusted document has this documentId. Check frontend-contract/persisted-documents.json.")


class OnlySubscriptions(ApiError):
    """A query or mutation came over the WebSocket."""

    def __init__(self) -> None:
        super().__init__("The WebSocket carries subscriptions only. Send queries and mutations by POST.")
