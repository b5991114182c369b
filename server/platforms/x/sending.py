"""Sending one message: the request, and what its answer proves (platforms.md 4.2, 4.3 and 8; reliability.md 2.6 item 6)."""

from __future__ import annotations

from datetime import datetime

from server.platforms.capabilities import catalogue
from server.platforms.capabilities.capability import Capability
from server.platforms.capabilities.fitting import NOT_UNICODE, Unfit, media_of, text_of
from server.platforms.port import (
    Act,
    FailureReason,
    NotSent,
    Outcome,
    OutgoingKind,
    OutgoingMessage,
    PageCredentials,
    QuotaScope,
    Sent,
    Unknown,
)
from server.platforms.wire.http import Answer, BadToken, bearer, path
from server.platforms.wire.reading import Json, identifier, mapping
from server.platforms.wire.refusals import Refusal
from server.platforms.x.client import XCall, document
from server.platforms.x.errors import read_error, refusal_of
from server.platforms.x.limits import usage_of, used_up, wait_s
from server.platforms.x.names import is_person, other_of


def call_for(page: PageCredentials, message: OutgoingMessage, now: datetime) -> XCall | NotSent:
    """Build the call for a message, or say why it can never be one. Nothing is cut to fit."""
    try:
        _check(message, catalogue.at(page.channel, now))
    except Unfit as problem:
        return problem.outcome
    where = _where(page, message)
    if where is None:
        return NotSent(FailureReason.BAD_CONTENT, False, "the recipient is neither a person nor a conversation of X")
    body: Json = {"text": message.text} if message.text.strip() else {}
    if message.media:
        body["attachments"] = [{"media_id": message.media[0].platform_media_id}]
    try:
        content = document(body)
    except TypeError:  # half of a surrogate pair
        return NOT_UNICODE
    try:
        return XCall("POST", where, bearer(page.page_token), content=content)
    except BadToken as bad:
        return NotSent(FailureReason.AUTH, False, str(bad))


def classify(answer: Answer, now: datetime) -> Outcome:
    """Say what an answer proves. 2xx with an id: sent. A documented refusal: not sent. Everything else: unknown."""
    usage = usage_of(answer.headers, Act.SEND)
    if answer.is_success:
        data = mapping(answer.json().get("data"))
        event_id = identifier(data.get("dm_event_id"))
        if event_id is None:
            return Unknown("a success without the id of a message", usage)
        return Sent(event_id, thread_external_id=identifier(data.get("dm_conversation_id")), usage=usage)
    if not 400 <= answer.status < 500:
        return Unknown(f"HTTP {answer.status}", usage)
    error = read_error(answer)
    refusal = refusal_of(error) if error is not None else None
    if refusal is None and error is not None and answer.status == 404:
        refusal = Refusal(FailureReason.NOT_CONNECTED)
    if refusal is None and answer.status == 429:
        refusal = Refusal(FailureReason.RATE_LIMITED, retryable=True)
    detail = str(error) if error is not None else f"HTTP {answer.status}"
    if refusal is None:
        return Unknown(detail, usage)
    if refusal.reason is not FailureReason.RATE_LIMITED:
        return NotSent(refusal.reason, refusal.retryable, detail, usage=usage)
    empty = used_up(answer.headers, Act.SEND)
    # Without a word about whose allowance it was only this account stops: one tenant's limit must not stop all.
    scope = empty.scope if empty is not None else QuotaScope.PAGE
    return NotSent(refusal.reason, True, detail, wait_s(answer.headers, Act.SEND, now), scope, usage)


def _check(message: OutgoingMessage, allowed: Capability) -> None:
    """Raise Unfit for what X has no form for."""
    if message.kind is not OutgoingKind.MESSAGE:
        raise Unfit(f"X offers no {message.kind.value.lower().replace('_', ' ')}", FailureReason.POLICY)
    if message.quick_replies or message.buttons:
        raise Unfit("messages on X carry no quick replies and no buttons")
    if message.media:
        media_of(message.media, allowed)
    if message.text.strip() or not message.media:
        text_of(message.text, allowed)


def _where(page: PageCredentials, message: OutgoingMessage) -> str | None:
    """Return the path: into a named conversation, or to a person. A group is its own recipient.

    A conversation that is between two people must be the one with the recipient; a name of any other thread is not used,
    so that an answer to one person can never land where others read it.
    """
    thread, person = message.thread_external_id, message.recipient_external_id
    if thread and (thread == person or other_of(thread, page.page_external_id) == person):
        return path("2", "dm_conversations", thread, "messages")
    if is_person(person):
        return path("2", "dm_conversations", "with", person, "messages")
    return None
