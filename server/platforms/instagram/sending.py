"""Sending: the request of each kind, and whose allowance its answer speaks of (platforms.md 2.3 and 3.2)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from server.platforms.capabilities import catalogue
from server.platforms.capabilities.capability import Capability
from server.platforms.instagram.errors import refusal_of
from server.platforms.instagram.hosts import edge
from server.platforms.meta import content
from server.platforms.meta.client import GraphCall
from server.platforms.meta.sending import Reader, built, comment_id_of
from server.platforms.port import (
    FailureReason,
    Login,
    NotSent,
    Outcome,
    OutgoingKind,
    OutgoingMessage,
    PageCredentials,
    QuotaScope,
)
from server.platforms.wire.http import path
from server.platforms.wire.reading import Json

READER = Reader(refusal_of)
_NOT_OFFERED = {
    OutgoingKind.UTILITY: "there are no utility templates on this channel",
    OutgoingKind.MARKETING: "there are no marketing messages on this channel",
}


def call_for(page: PageCredentials, message: OutgoingMessage, now: datetime) -> GraphCall | NotSent:
    """Build the call for a message, or say why it can never be one."""
    if message.kind in _NOT_OFFERED:
        return NotSent(FailureReason.POLICY, False, _NOT_OFFERED[message.kind])
    allowed = catalogue.at(page.channel, now)
    return built(lambda: _request(page, message, allowed), page.page_token)


def counted(outcome: Outcome, login: Login) -> Outcome:
    """Count the use of Messenger's app against the account alone.

    The app behind Facebook's login is not the one under whose name this channel counts: accounts of the other app must not
    stand still for it, and each further account learns it from its own answer.
    """
    if login is not Login.FACEBOOK:
        return outcome
    own = replace(outcome, usage=tuple(replace(one, scope=QuotaScope.PAGE) for one in outcome.usage))
    return replace(own, scope=QuotaScope.PAGE) if isinstance(own, NotSent) else own


def _request(page: PageCredentials, message: OutgoingMessage, allowed: Capability) -> tuple[str, Json]:
    if message.kind is OutgoingKind.COMMENT_REPLY:
        return path(comment_id_of(message), "replies"), content.public_reply(message, allowed)
    return edge(page, "messages"), _direct(message, allowed)


def _direct(message: OutgoingMessage, allowed: Capability) -> Json:
    is_private_reply = message.kind is OutgoingKind.PRIVATE_REPLY
    fields: Json = {
        "recipient": {"comment_id": comment_id_of(message)}
        if is_private_reply
        else {"id": message.recipient_external_id},
        "messaging_type": "RESPONSE",
        # No mark of ours comes back from this platform, so none is sent (platforms.md 8).
        "message": content.direct(replace(message, reference=""), allowed),
    }
    if message.human_agent and not is_private_reply:
        fields |= {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
    return fields
