"""What errors.json says: every code, what it means, whether a repetition helps, and what a front end does about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from graphql import GraphQLEnumType, GraphQLSchema

from server.schema.errors import ErrorCode


class Remedy(StrEnum):
    """What helps. The words are part of the contract."""

    MEND_INPUT = "MEND_INPUT"
    RELOAD = "RELOAD"
    WAIT = "WAIT"
    SIGN_IN = "SIGN_IN"
    ASK_ADMINISTRATOR = "ASK_ADMINISTRATOR"
    MEND_CLIENT = "MEND_CLIENT"
    GIVE_UP = "GIVE_UP"


_TOLD = {
    Remedy.MEND_INPUT: "Show the message at the input that path names and let the person change it.",
    Remedy.RELOAD: "Load the object again, show what changed, and let the person decide anew.",
    Remedy.WAIT: "Repeat the same request later, with the same idempotency key; honour Retry-After.",
    Remedy.SIGN_IN: "Ask for a new token.",
    Remedy.ASK_ADMINISTRATOR: "Hide or disable the action; say which permission is missing.",
    Remedy.MEND_CLIENT: "A fault of the client: log it, and do not repeat the request unchanged.",
    Remedy.GIVE_UP: "Show the message with the request id; do not repeat the request by itself.",
}
_REPEATABLE = frozenset({Remedy.WAIT})


@dataclass(frozen=True, slots=True)
class _TopLevel:
    meaning: str
    remedy: Remedy
    status: int = 200


_TOP_LEVEL: Mapping[ErrorCode, _TopLevel] = {
    ErrorCode.UNAUTHENTICATED: _TopLevel("No token, or one that is unknown, expired or revoked.", Remedy.SIGN_IN, 401),
    ErrorCode.FORBIDDEN: _TopLevel("The caller holds the field's permission on no unit.", Remedy.ASK_ADMINISTRATOR),
    ErrorCode.BAD_REQUEST: _TopLevel(
        "The request or an argument is malformed; a query's refusal is told in extensions.reason.",
        Remedy.MEND_CLIENT,
        400,
    ),
    ErrorCode.VALIDATION_FAILED: _TopLevel("The document does not fit the schema.", Remedy.MEND_CLIENT, 400),
    ErrorCode.DOCUMENT_NOT_FOUND: _TopLevel("No known document has this documentId.", Remedy.MEND_CLIENT, 400),
    ErrorCode.DOCUMENT_NOT_ALLOWED: _TopLevel("Only known documents are served here.", Remedy.MEND_CLIENT, 400),
    ErrorCode.QUERY_TOO_COMPLEX: _TopLevel("The document passes a limit of limits.json.", Remedy.MEND_CLIENT, 400),
    ErrorCode.RATE_LIMITED: _TopLevel("Too many requests of this caller.", Remedy.WAIT, 429),
    ErrorCode.IDEMPOTENCY_REQUIRED: _TopLevel(
        "The mutation sends, approves or publishes and came without an idempotency key.", Remedy.MEND_CLIENT
    ),
    ErrorCode.IDEMPOTENCY_KEY_REUSED: _TopLevel("The key was used before with another input.", Remedy.MEND_CLIENT),
    ErrorCode.IDEMPOTENCY_IN_PROGRESS: _TopLevel("The first request with this key is still running.", Remedy.WAIT),
    ErrorCode.TIMEOUT: _TopLevel("The operation took too long and was ended.", Remedy.WAIT),
    ErrorCode.UNAVAILABLE: _TopLevel("The database cannot be reached; nothing was written.", Remedy.WAIT, 503),
    ErrorCode.INTERNAL: _TopLevel("A fault of ours; the log knows it by the requestId.", Remedy.GIVE_UP),
}

_REMEDIES: Mapping[str, Remedy] = {
    "APP_ARCHIVED": Remedy.RELOAD,
    "APP_KEEPS_NO_SECRET": Remedy.GIVE_UP,
    "APPROVALS_ALREADY_DECIDED": Remedy.RELOAD,
    "APPROVALS_ALREADY_PENDING": Remedy.RELOAD,
    "APPROVALS_ALREADY_VOTED": Remedy.RELOAD,
    "APPROVALS_CONTENT_CHANGED": Remedy.RELOAD,
    "APPROVALS_PERSON_NEEDED": Remedy.GIVE_UP,
    "APPROVALS_SELF_APPROVAL": Remedy.GIVE_UP,
    "AUTH_APP_MAY_NOT": Remedy.GIVE_UP,
    "CAMPAIGN_REVISION_CHANGED": Remedy.RELOAD,
    "CAMPAIGN_WRONG_STATE": Remedy.RELOAD,
    "CHANNEL_CONNECTION_NOT_OPEN": Remedy.RELOAD,
    "CHANNEL_PAGE_DISCONNECTED": Remedy.RELOAD,
    "CHANNEL_PAGE_TAKEN": Remedy.GIVE_UP,
    "CONFLICT_EXCEPTION_NOT_OPEN": Remedy.RELOAD,
    "CONFLICT_EXCEPTION_SELF": Remedy.GIVE_UP,
    "CONFLICT_SEPARATED": Remedy.ASK_ADMINISTRATOR,
    "DOCUMENT_DIGEST_MISMATCH": Remedy.MEND_CLIENT,
    "DOCUMENT_INVALID": Remedy.MEND_CLIENT,
    "DOCUMENT_TOO_MANY": Remedy.ASK_ADMINISTRATOR,
    "INBOX_CONVERSATION_CHANGED": Remedy.RELOAD,
    "INBOX_CONVERSATION_MOVED": Remedy.RELOAD,
    "INBOX_REPLY_REFUSED": Remedy.GIVE_UP,
    "INBOX_WINDOW_CLOSED": Remedy.GIVE_UP,
    "INVITATION_ADDRESS_TAKEN": Remedy.ASK_ADMINISTRATOR,
    "INVITATION_INVALID": Remedy.GIVE_UP,
    "INVITATION_NOT_GRANTABLE": Remedy.ASK_ADMINISTRATOR,
    "INVITATION_NOT_OPEN": Remedy.RELOAD,
    "INVITATION_OTHER_ADDRESS": Remedy.SIGN_IN,
    "INVITATION_TOO_MANY": Remedy.WAIT,
    "MEMBER_DEACTIVATED": Remedy.ASK_ADMINISTRATOR,
    "MEMBER_LAST_OWNER": Remedy.GIVE_UP,
    "MEMBER_PERSON_NEEDED": Remedy.GIVE_UP,
    "NOT_FOUND": Remedy.RELOAD,
    "PERMISSION_DENIED": Remedy.ASK_ADMINISTRATOR,
    "SEND_NOT_OPEN": Remedy.RELOAD,
    "SESSION_ENDED": Remedy.SIGN_IN,
    "SESSION_NEEDED": Remedy.SIGN_IN,
    "SESSION_PROOF_NEEDED": Remedy.SIGN_IN,
    "SIGN_IN_TICKET_INVALID": Remedy.SIGN_IN,
    "SIGN_IN_TOO_MANY_ATTEMPTS": Remedy.WAIT,
}
"""What helps against a refusal; against any other the person changes the input."""


def errors(schema: GraphQLSchema) -> Mapping[str, object]:
    """Return the content of errors.json for a schema."""
    kind = schema.type_map["UserErrorCode"]
    if not isinstance(kind, GraphQLEnumType) or not _REMEDIES.keys() <= kind.values.keys():
        raise LookupError(f"no such UserErrorCode: {sorted(_REMEDIES.keys() - getattr(kind, 'values', {}).keys())}")
    return {
        "remedies": {one.value: {"do": _TOLD[one], "isRetryable": one in _REPEATABLE} for one in Remedy},
        "topLevel": {code.value: _top_level(_TOP_LEVEL[code]) for code in ErrorCode},
        "userErrors": {
            name: {"meaning": value.description or "", "remedy": _REMEDIES.get(name, Remedy.MEND_INPUT).value}
            for name, value in kind.values.items()
        },
    }


def _top_level(told: _TopLevel) -> Mapping[str, object]:
    return {"meaning": told.meaning, "remedy": told.remedy.value, "httpStatus": told.status}
