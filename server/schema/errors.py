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


class Malformed(ApiError):
    """The request is not one of GraphQL over HTTP, or does not say which operation it means."""


class RateLimited(ApiError):
    """The caller's budget is used up, or too many of its requests are open; after `retry_after_s` seconds there is more."""

    code = ErrorCode.RATE_LIMITED

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class DeadlinePassed(ApiError):
    """The operation took longer than it may. A mutation was rolled back, unless it had ended already."""

    code = ErrorCode.TIMEOUT

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"This took longer than {seconds:g} s and was ended. Ask for less at once, or try again later."
        )


class AnswerTooLarge(ApiError):
    """The answer grew beyond its limit, and the operation was ended."""

    code = ErrorCode.QUERY_TOO_COMPLEX

    def __init__(self, limit: int) -> None:
        super().__init__(f"The answer would have more than {limit} bytes and was ended. Ask for smaller pages.")


class DocumentNotFound(ApiError):
    """No shipped document has this id, and none that the caller's organization registered and did not withdraw."""

    code = ErrorCode.DOCUMENT_NOT_FOUND

    def __init__(self) -> None:
        super().__init__(
            "No known document has this documentId. It is neither shipped (frontend-contract/persisted-documents.json) nor "
            "registered for your organization, or it was withdrawn. Register it with documentsRegister."
        )


class DocumentNotAllowed(ApiError):
    """Only known documents are served here, and this text is none of them."""

    code = ErrorCode.DOCUMENT_NOT_ALLOWED

    def __init__(self) -> None:
        super().__init__(
            "Only known documents are served here: send the documentId or the exact text of a registered one. Register yours "
            "with documentsRegister or `switchboard documents register`; without a token only the shipped ones are known."
        )


class OnlySubscriptions(ApiError):
    """A query or mutation came over the WebSocket."""

    def __init__(self) -> None:
        super().__init__("The WebSocket carries subscriptions only. Send queries and mutations by POST.")
