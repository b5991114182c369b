"""Sending: a public reply to a comment, and for partners a member's message (platforms.md 5.1, 5.3 and 8)."""

from __future__ import annotations

from datetime import datetime

from server.platforms.capabilities import catalogue
from server.platforms.capabilities.capability import Capability
from server.platforms.capabilities.fitting import NOT_UNICODE, Unfit, comment_of, text_of
from server.platforms.linkedin.client import Call, encoded, json_of
from server.platforms.linkedin.errors import refusal_of, until_midnight_s
from server.platforms.linkedin.urns import comment_below, is_comment, thread_of, urn
from server.platforms.port import (
    Act,
    FailureReason,
    NotSent,
    Outcome,
    OutgoingKind,
    OutgoingMessage,
    PageCredentials,
    Sent,
    Unknown,
    Usage,
)
from server.platforms.wire.http import Answer
from server.platforms.wire.reading import Json, identifier

_ID_HEADER = "x-restli-id"


def call_for(page: PageCredentials, message: OutgoingMessage, *, partner: bool, now: datetime) -> Call | NotSent:
    """Build the call for a message, or say why it can never be one."""
    try:
        _check(message, catalogue.at(page.channel, now))
    except Unfit as problem:
        return problem.outcome
    match message.kind:
        case OutgoingKind.COMMENT_REPLY:
            built = _reply(page, message)
        case OutgoingKind.MESSAGE:
            built = _member_message(message, partner=partner)
        case _:
            built = _policy(f"LinkedIn has nothing like {message.kind}")
    if isinstance(built, NotSent):
        return built
    where, body = built
    try:
        return Call("POST", where, page.page_token, content=json_of(body))
    except TypeError:  # half of a surrogate pair
        return NOT_UNICODE


def classify(answer: Answer, message: OutgoingMessage, now: datetime) -> Outcome:
    """Say what an answer proves. 2xx with an id: sent. A documented refusal: not sent. Everything else: unknown."""
    if answer.is_success:
        named = _named(answer, message)
        return Unknown("a success without an id") if named is None else Sent(named, message.recipient_external_id)
    refusal = refusal_of(answer, now)
    if refusal is None:
        return Unknown(f"HTTP {answer.status}")
    reason = refusal.reason
    if answer.status == 404 and message.kind is OutgoingKind.MESSAGE:
        reason = FailureReason.BLOCKED_BY_CONTACT
    usage: tuple[Usage, ...] = ()
    if reason is FailureReason.RATE_LIMITED:
        wait_s = refusal.wait_s if refusal.wait_s is not None else until_midnight_s(now)
        act = Act.COMMENT_REPLY if message.kind is OutgoingKind.COMMENT_REPLY else Act.SEND
        usage = (Usage(refusal.scope, act, remaining=0, wait_s=wait_s),)
    return NotSent(reason, refusal.retryable, refusal.detail, refusal.wait_s, refusal.scope, usage)


def _check(message: OutgoingMessage, allowed: Capability) -> None:
    """Raise Unfit for what is no plain text or too long, before anything is called."""
    if message.media or message.quick_replies or message.buttons or message.utility is not None:
        raise Unfit("LinkedIn takes text only")
    if message.kind is OutgoingKind.COMMENT_REPLY:
        comment_of(message.text, allowed)
    else:
        text_of(message.text, allowed)


def _reply(page: PageCredentials, message: OutgoingMessage) -> tuple[str, Json] | NotSent:
    """A reply stands below the comment that it answers; a post that mentions the organisation is commented on itself."""
    target = urn(message.comment_id)
    if target is None:
        return _bad("there is no comment to reply to")
    body: Json = {
        "actor": page.page_external_id,
        "object": thread_of(target),
        "message": {"text": message.text},
    }
    if is_comment(target):
        body["parentComment"] = target
    return f"rest/socialActions/{encoded(target)}/comments", body


def _member_message(message: OutgoingMessage, *, partner: bool) -> tuple[str, Json] | NotSent:
    """A message of the member who gave the grant: to a connection, or within a thread, which excludes recipients."""
    if not partner:
        return _policy("LinkedIn has no inbox for organisations, and member messages are for its partners")
    if not message.human_agent:
        return _policy("LinkedIn allows member messages only where a person wrote and sent each of them")
    body: Json = {"body": message.text}
    if message.thread_external_id is not None:
        body["thread"] = message.thread_external_id
        return "v2/messages", body
    recipient = urn(message.recipient_external_id, "person")
    if recipient is None:
        return _bad("there is no person to write to")
    body["recipients"] = [recipient]
    return "v2/messages", body


def _named(answer: Answer, message: OutgoingMessage) -> str | None:
    """Return the new id. A comment that is named by its number alone gets the URN under which its webhooks tell it."""
    body = answer.json()
    given = next(
        (
            found
            for value in (answer.headers.get(_ID_HEADER), body.get("$URN"), body.get("commentUrn"), body.get("id"))
            if (found := identifier(value)) is not None
        ),
        None,
    )
    if given is None or message.kind is not OutgoingKind.COMMENT_REPLY:
        return given
    named = urn(given)
    if named is not None:
        return named
    thread = urn(body.get("object")) or thread_of(urn(message.comment_id) or "")
    return comment_below(thread, given)


def _bad(detail: str) -> NotSent:
    return NotSent(FailureReason.BAD_CONTENT, retryable=False, detail=detail)


def _policy(detail: str) -> NotSent:
    return NotSent(FailureReason.POLICY, retryable=False, detail=detail)
