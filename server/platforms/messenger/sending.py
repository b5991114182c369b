"""Sending: the request of each kind (platforms.md 2.1 to 2.5)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from server.platforms.capabilities import catalogue
from server.platforms.capabilities.capability import Capability
from server.platforms.capabilities.fitting import Unfit
from server.platforms.meta import content
from server.platforms.meta.client import GraphCall
from server.platforms.meta.errors import refusal_of
from server.platforms.meta.sending import Reader, built, comment_id_of
from server.platforms.port import FailureReason, NotSent, OutgoingKind, OutgoingMessage, PageCredentials
from server.platforms.wire.http import path
from server.platforms.wire.reading import Json

_MAX_PARAMETER = 1_024
Built = tuple[str, Json]


# A marketing message is named by its tracking id; its mid first appears in the webhooks (platforms.md 2.5).
READER = Reader(refusal_of, ("marketing_message_tracking_id", "message_id"))


def call_for(page: PageCredentials, message: OutgoingMessage, now: datetime) -> GraphCall | NotSent:
    """Build the call for a message, or say why it can never be one."""
    is_marketing = message.kind is OutgoingKind.MARKETING
    token = (is_marketing and page.account_token) or page.page_token
    allowed = catalogue.at(page.channel, now)
    return built(lambda: _BUILDERS[message.kind](page, message, allowed), token)


def _message(page: PageCredentials, message: OutgoingMessage, allowed: Capability) -> Built:
    fields: Json = {
        "recipient": {"id": message.recipient_external_id},
        "messaging_type": "RESPONSE",
        "message": content.direct(message, allowed),
    }
    if message.human_agent:
        fields |= {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
    return path(page.page_external_id, "messages"), fields


def _private_reply(page: PageCredentials, message: OutgoingMessage, allowed: Capability) -> Built:
    """One message to whoever wrote a comment, within seven days of it (platforms.md 2.4)."""
    fields: Json = {
        "recipient": {"comment_id": comment_id_of(message)},
        "messaging_type": "RESPONSE",
        "message": content.direct(message, allowed),
    }
    return path(page.page_external_id, "messages"), fields


def _comment_reply(page: PageCredentials, message: OutgoingMessage, allowed: Capability) -> Built:
    return path(comment_id_of(message), "comments"), content.public_reply(message, allowed)


def _utility(page: PageCredentials, message: OutgoingMessage, allowed: Capability) -> Built:
    """A template that the platform approved; its text is the platform's, only parameters travel (platforms.md 2.4)."""
    template = message.utility
    if not allowed.offers_utility or template is None or not template.name or not template.language:
        raise Unfit("a utility message needs the name and the language of an approved template")
    if message.media or message.quick_replies or message.buttons:
        raise Unfit("a utility message holds its template only")
    if any(not one.strip() or len(one) > _MAX_PARAMETER for one in template.parameters):
        raise Unfit(f"each parameter of a template has 1 to {_MAX_PARAMETER} characters")
    written: Json = {"name": template.name, "language": {"code": template.language}}
    if template.parameters:
        parameters = [{"type": "text", "text": one} for one in template.parameters]
        written["components"] = [{"type": "body", "parameters": parameters}]
    fields: Json = {
        "recipient": {"id": message.recipient_external_id},
        "messaging_type": "UTILITY",
        "message": {"template": written, "metadata": message.reference},
    }
    return path(page.page_external_id, "messages"), fields


def _marketing(page: PageCredentials, message: OutgoingMessage, allowed: Capability) -> Built:
    if not message.marketing_token or not message.platform_campaign_id:
        raise Unfit("a marketing message needs both a token and a campaign")
    if message.media or message.quick_replies or message.buttons:
        raise Unfit("a marketing message holds text only")
    if not page.ad_account_id:
        raise Unfit("the page has no ad account", FailureReason.PERMISSION)
    fields: Json = {
        "message_id": message.platform_campaign_id,
        "messenger_delivery_data": {"subscription_token": message.marketing_token},
        "message": content.plain(message.text, allowed),
    }
    return path(ad_account(page.ad_account_id), "messages"), fields


_BUILDERS: dict[OutgoingKind, Callable[[PageCredentials, OutgoingMessage, Capability], Built]] = {
    OutgoingKind.MESSAGE: _message,
    OutgoingKind.PRIVATE_REPLY: _private_reply,
    OutgoingKind.COMMENT_REPLY: _comment_reply,
    OutgoingKind.UTILITY: _utility,
    OutgoingKind.MARKETING: _marketing,
}


def ad_account(external_id: str) -> str:
    """Return the id as paths want it, with act_ in front."""
    return external_id if external_id.startswith("act_") else f"act_{external_id}"
