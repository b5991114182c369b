"""Sending one message: the request, and what its answer proves (reliability.md 2.6 item 6, platforms.md 2.1, 2.3, 2.5)."""

from __future__ import annotations

from datetime import datetime

import orjson

from server.platforms.messenger.client import Answer, GraphCall, path
from server.platforms.messenger.errors import read_error, refusal_of
from server.platforms.messenger.reading import Json, identifier
from server.platforms.messenger.usage import wait_s
from server.platforms.port import FailureReason, NotSent, Outcome, OutgoingMessage, PageCredentials, Sent, Unknown


def call_for(page: PageCredentials, message: OutgoingMessage) -> GraphCall | NotSent:
    """Build the call for a message, or say why it can never be one."""
    is_marketing = message.marketing_token is not None or message.platform_campaign_id is not None
    built = _marketing(page, message) if is_marketing else _reply(page, message)
    if isinstance(built, NotSent):
        return built
    target, token, fields = built
    try:
        content = orjson.dumps(fields)
    except TypeError:  # half of a surrogate pair
        return NotSent(FailureReason.BAD_CONTENT, retryable=False, detail="the text is not valid Unicode")
    return GraphCall("POST", target, token, content=content)


def classify(answer: Answer, now: datetime) -> Outcome:
    """Say what an answer proves. 2xx with an id: sent. A documented refusal: not sent. Everything else: unknown."""
    if answer.is_success:
        return _taken(answer.json())
    if not 400 <= answer.status < 500:
        return Unknown(f"HTTP {answer.status}")
    error = read_error(answer.body)
    refusal = refusal_of(error) if error is not None else None
    if refusal is not None:
        wait = wait_s(answer.headers, now) if refusal.retryable else None
        return NotSent(refusal.reason, refusal.retryable, str(error), wait)
    if answer.status == 429:
        return NotSent(FailureReason.RATE_LIMITED, True, "HTTP 429", wait_s(answer.headers, now))
    return Unknown(f"HTTP {answer.status}: {error}" if error is not None else f"HTTP {answer.status}")


def _taken(body: Json) -> Outcome:
    if "error" in body:
        return Unknown("an error inside a success")
    # A marketing message is named by its tracking id; its mid first appears in the webhooks (platforms.md 2.5).
    named = identifier(body.get("marketing_message_tracking_id")) or identifier(body.get("message_id"))
    if named is None or body.get("success") is False:
        return Unknown("a success without the id of a message")
    return Sent(named)


def _reply(page: PageCredentials, message: OutgoingMessage) -> tuple[str, str, Json]:
    fields: Json = {
        "recipient": {"id": message.recipient_external_id},
        "messaging_type": "RESPONSE",
        "message": {"text": message.text, "metadata": message.reference},
    }
    if message.human_agent:
        fields |= {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
    return path(page.page_external_id, "messages"), page.page_token, fields


def _marketing(page: PageCredentials, message: OutgoingMessage) -> tuple[str, str, Json] | NotSent:
    if not message.marketing_token or not message.platform_campaign_id:
        return NotSent(FailureReason.BAD_CONTENT, False, "a marketing message needs both a token and a campaign")
    if not page.ad_account_id:
        return NotSent(FailureReason.PERMISSION, False, "the page has no ad account")
    fields: Json = {
        "message_id": message.platform_campaign_id,
        "messenger_delivery_data": {"subscription_token": message.marketing_token},
        "message": {"text": message.text},
    }
    return path(ad_account(page.ad_account_id), "messages"), page.account_token or page.page_token, fields


def ad_account(external_id: str) -> str:
    """Return the id as paths want it, with act_ in front."""
    return external_id if external_id.startswith("act_") else f"act_{external_id}"
