"""Sending one message: the request, and what its answer proves (platforms.md 6.2, 6.3 and 8).

Nothing is ever cut: what is too long or of a wrong kind is refused before anything is called.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from server.platforms.capabilities import catalogue
from server.platforms.capabilities.capability import Buttons, Capability
from server.platforms.capabilities.fitting import NOT_UNICODE, Unfit, buttons_of, media_of, text_of, within
from server.platforms.port import (
    Act,
    Button,
    FailureReason,
    NotSent,
    Outcome,
    OutgoingKind,
    OutgoingMessage,
    PageCredentials,
    PlatformCallFailed,
    QuotaScope,
    Sent,
    Signal,
    SignalKind,
    Unknown,
    Usage,
)
from server.platforms.tiktok.asking import THROTTLE_WAIT_S, ask
from server.platforms.tiktok.client import Call, TikTokClient, post
from server.platforms.tiktok.errors import THROTTLED, code_of, error_of, refusal_of
from server.platforms.tiktok.pictures import Allowed
from server.platforms.wire.calling import attempt
from server.platforms.wire.http import Answer
from server.platforms.wire.reading import Json, identifier, mapping

_MAX_BUTTON_ID = 40
# A button card holds titles of 20 characters, a link card longer ones.
_SHORT_TITLE = 20
_SEND = "business/message/send"
_ACTIONS = {SignalKind.TYPING_ON: "TYPING", SignalKind.MARK_READ: "MARK_READ"}


async def send(
    client: TikTokClient, allowed: Allowed, page: PageCredentials, message: OutgoingMessage, deadline_s: float
) -> Outcome:
    """Send one message within `deadline_s` seconds in all; only a cancellation is raised."""
    call = call_for(page, message, datetime.now(UTC))
    if isinstance(call, NotSent):
        return call
    until = time.monotonic() + deadline_s
    if message.media:
        refused = await _pictures_refused(client, allowed, page, message, deadline_s)
        if refused is not None:
            return refused
    answer = await attempt(client.call(call, until - time.monotonic()))
    if not isinstance(answer, Answer):
        return answer
    return classify(answer, message.thread_external_id)


async def signal(client: TikTokClient, page: PageCredentials, wanted: Signal) -> None:
    """Show typing, which ends by itself after seconds, or a read mark; raise PlatformCallFailed."""
    if wanted.kind is SignalKind.TYPING_OFF:
        return
    if not wanted.thread_external_id:
        raise PlatformCallFailed(FailureReason.BAD_CONTENT, "the person has no conversation yet")
    action: Json = {"message_type": "SENDER_ACTION", "sender_action": _ACTIONS[wanted.kind]}
    await ask(client, post(_SEND, page.page_token, _to(page, wanted.thread_external_id) | action))


def call_for(page: PageCredentials, message: OutgoingMessage, now: datetime) -> Call | NotSent:
    """Build the call for a message, or say why it can never be one."""
    try:
        allowed = catalogue.at(page.channel, now)
        body = _target(page, message) | _content(message, allowed) | _reference(message)
        return post(_SEND, page.page_token, body)
    except Unfit as problem:
        return problem.outcome
    except TypeError:  # half of a surrogate pair
        return NOT_UNICODE


def classify(answer: Answer, thread: str | None) -> Outcome:
    """Say what an answer proves. Code 0 with an id: sent. A documented refusal: not sent. Everything else: unknown."""
    error = error_of(answer)
    if error is None:
        return _without_error(answer, thread)
    refusal = refusal_of(error)
    if refusal is None:
        return Unknown(f"HTTP {answer.status}: {error}")
    if error.code == THROTTLED:
        return _throttled(str(error))
    return NotSent(refusal.reason, refusal.retryable, str(error))


def _without_error(answer: Answer, thread: str | None) -> Outcome:
    if answer.status == 429:
        return _throttled("HTTP 429")
    if not answer.is_success or code_of(answer) != 0:
        return Unknown(f"HTTP {answer.status}")
    told = mapping(mapping(answer.json().get("data")).get("message"))
    named = identifier(told.get("message_id"))
    if named is None:
        return Unknown("a success without the id of a message")
    return Sent(named, thread_external_id=identifier(told.get("conversation_id")) or thread)


def _throttled(detail: str) -> NotSent:
    """40100 is the platform's only word about its limits: no header tells what is left (platforms.md 6.2)."""
    usage = Usage(QuotaScope.PAGE, Act.SEND, remaining=0, wait_s=THROTTLE_WAIT_S)
    return NotSent(FailureReason.RATE_LIMITED, True, detail, THROTTLE_WAIT_S, QuotaScope.PAGE, (usage,))


async def _pictures_refused(
    client: TikTokClient, allowed: Allowed, page: PageCredentials, message: OutgoingMessage, deadline_s: float
) -> NotSent | None:
    """Ask whether this conversation takes pictures; nothing has left yet, so every failure is certain."""
    try:
        await allowed.insist(client, page, message.thread_external_id, deadline_s / 2)
    except PlatformCallFailed as problem:
        if problem.reason is FailureReason.RATE_LIMITED:
            return _throttled(problem.detail)
        return NotSent(problem.reason, problem.retryable, problem.detail, problem.retry_after_s)
    return None


def _target(page: PageCredentials, message: OutgoingMessage) -> Json:
    if message.kind is OutgoingKind.PRIVATE_REPLY:
        if not message.comment_id:
            raise Unfit("a private reply needs the comment that it answers")
        reply: Json = {"reply_type": "COMMENT_REPLY", "comment_reply": {"comment_id": message.comment_id}}
        return {"business_id": page.page_external_id, "direct_reply": reply}
    if message.kind is not OutgoingKind.MESSAGE:
        raise Unfit(f"the platform does not offer {message.kind.value.lower()} messages", FailureReason.POLICY)
    if not message.thread_external_id:
        raise Unfit("the person has no conversation yet")
    return _to(page, message.thread_external_id)


def _to(page: PageCredentials, thread: str) -> Json:
    return {"business_id": page.page_external_id, "recipient_type": "CONVERSATION", "recipient": thread}


def _content(message: OutgoingMessage, allowed: Capability) -> Json:
    if message.quick_replies:
        raise Unfit("the platform does not offer quick replies; use buttons")
    if message.media:
        return _image(message, allowed)
    if message.buttons:
        return _card(message, allowed)
    return {"message_type": "TEXT", "text": {"body": text_of(message.text, allowed)}}


def _image(message: OutgoingMessage, allowed: Capability) -> Json:
    if message.text or message.buttons:
        raise Unfit("the platform does not send words and a picture in one message")
    if message.kind is OutgoingKind.PRIVATE_REPLY:
        raise Unfit("a private reply is a text")
    (picture,) = media_of(message.media, allowed)
    return {"message_type": "IMAGE", "image": {"media_id": picture.platform_media_id}}


def _card(message: OutgoingMessage, allowed: Capability) -> Json:
    """Words with buttons are a card; the platform has two kinds, which differ in how long a button's title may be."""
    if message.kind is OutgoingKind.PRIVATE_REPLY:
        raise Unfit("a private reply is a text")
    rule = buttons_of(len(message.buttons), allowed)
    title = text_of(message.text, allowed, rule.text_limit)
    longest = max(len(button.title) for button in message.buttons)
    kind = "QA_BUTTON_CARD" if longest <= _SHORT_TITLE else "QA_LINK_CARD"
    buttons = [_button(button, rule) for button in message.buttons]
    return {"message_type": "TEMPLATE", "template": {"type": kind, "title": title, "buttons": buttons}}


def _button(button: Button, rule: Buttons) -> Json:
    if button.url is not None:
        raise Unfit("the platform has no buttons that open an address")
    title = within(button.title, rule.title, "the title of a button")
    return {"type": "REPLY", "title": title, "id": within(button.payload, _MAX_BUTTON_ID, "the answer of a button")}


def _reference(message: OutgoingMessage) -> Json:
    if not message.reply_to_message_id:
        return {}
    if message.media or message.buttons:
        raise Unfit("only a text can answer one certain message")
    return {"referenced_message_info": {"referenced_message_id": message.reply_to_message_id}}
