"""What all sends of Meta's networks have in common: building the call, and what its answer proves.

Reliability.md 2.6 item 6, platforms.md 2.1 to 2.5 and 3.2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import orjson

from server.platforms.capabilities.fitting import NOT_UNICODE, Unfit
from server.platforms.meta.client import GraphCall
from server.platforms.meta.errors import GraphError, read_error, scope_of
from server.platforms.meta.usage import usage_of, wait_s
from server.platforms.port import (
    Act,
    FailureReason,
    NotSent,
    Outcome,
    OutgoingKind,
    OutgoingMessage,
    PageCredentials,
    Sent,
    Signal,
    SignalKind,
    Unknown,
)
from server.platforms.wire.http import Answer
from server.platforms.wire.reading import Json, identifier
from server.platforms.wire.refusals import Refusal

_ACTIONS = {
    SignalKind.TYPING_ON: "typing_on",
    SignalKind.TYPING_OFF: "typing_off",
    SignalKind.MARK_READ: "mark_seen",
}


@dataclass(frozen=True, slots=True)
class Reader:
    """How a network's answers are read: what an error means, and under which names a message stands in a success."""

    refusal_of: Callable[[GraphError], Refusal | None]
    names: tuple[str, ...] = ("message_id",)


def built(build: Callable[[], tuple[str, Json]], token: str) -> GraphCall | NotSent:
    """Return the call that posts what `build` makes, or say why it can never be one. Nothing is ever cut."""
    try:
        where, fields = build()
        return GraphCall("POST", where, token, content=orjson.dumps(fields))
    except Unfit as problem:
        return problem.outcome
    except TypeError:  # half of a surrogate pair in an id
        return NOT_UNICODE


def signal_call(page: PageCredentials, where: str, signal: Signal) -> GraphCall:
    """Build the call that shows typing or a read mark."""
    fields: Json = {"recipient": {"id": signal.recipient_external_id}, "sender_action": _ACTIONS[signal.kind]}
    return GraphCall("POST", where, page.page_token, content=orjson.dumps(fields))


def act_of(message: OutgoingMessage) -> Act:
    """Say under which act the platform's words about allowances count: every direct message counts as a send."""
    return Act.COMMENT_REPLY if message.kind is OutgoingKind.COMMENT_REPLY else Act.SEND


def comment_id_of(message: OutgoingMessage) -> str:
    """Return the comment that a reply is for; raise Unfit."""
    if not message.comment_id:
        raise Unfit("the reply names no comment")
    return message.comment_id


def classify(answer: Answer, act: Act, reader: Reader, now: datetime) -> Outcome:
    """Say what an answer proves. 2xx with an id: sent. A documented refusal: not sent. Everything else: unknown."""
    usage = usage_of(answer.headers, act)
    if answer.is_success:
        named, recipient = _taken(answer.json(), act, reader)
        if named is None:
            return Unknown("a success without the id of a message", usage)
        return Sent(named, recipient, usage=usage)
    if not 400 <= answer.status < 500:
        return Unknown(f"HTTP {answer.status}", usage)
    error = read_error(answer.body)
    refusal = reader.refusal_of(error) if error is not None else None
    if error is not None and refusal is not None:
        wait = wait_s(answer.headers, now) if refusal.retryable else None
        return NotSent(refusal.reason, refusal.retryable, str(error), wait, scope_of(error), usage)
    if answer.status == 429:
        return NotSent(FailureReason.RATE_LIMITED, True, "HTTP 429", wait_s(answer.headers, now), usage=usage)
    return Unknown(f"HTTP {answer.status}: {error}" if error is not None else f"HTTP {answer.status}", usage)


def _taken(body: Json, act: Act, reader: Reader) -> tuple[str | None, str | None]:
    """Return the names of the message and of the person in a success; no name means that it proves nothing."""
    if "error" in body or body.get("success") is False:
        return None, None
    if act is Act.COMMENT_REPLY:  # a public reply is a comment
        return identifier(body.get("id")), None
    named = next((found for name in reader.names if (found := identifier(body.get(name)))), None)
    return named, identifier(body.get("recipient_id"))
