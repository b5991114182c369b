"""The Send API: who may be written to, when, how fast; then the ledger, the thread and the receipts."""

import hashlib

from standin.content import Content, check_message
from standin.errors import GraphError, bad_parameter, no_permission, no_such_person, object_gone, outside_window
from standin.fetching import fetch
from standin.graph import Call, need_scope, page_of, throttle
from standin.jsonish import Json, as_dict
from standin.ledger import Entry, reference_of
from standin.receipts import echo_item
from standin.state import Comment, Customer, Message, OptinToken, Page, Token
from standin.templates import SCOPES, filled

DAY_MS = 86_400_000
HOUR_S = 3_600.0
MOST_SIGNALS = 20
RECIPIENTS = ("id", "user_ref", "post_id", "comment_id", "notification_messages_token")
RETIRED_TAGS = {"CONFIRMED_EVENT_UPDATE", "ACCOUNT_UPDATE", "POST_PURCHASE_UPDATE"}
SENDER_ACTIONS = {"typing_on", "typing_off", "mark_seen", "react", "unreact"}
NOTIFICATION_TYPES = {"REGULAR", "SILENT_PUSH", "NO_PUSH"}


async def send(call: Call) -> Json:
    """POST /{page|me}/messages."""
    page, token = page_of(call)
    need_scope(call, token, "pages_messaging", subcode=2018028)
    kind, value = _recipient(call)
    if call.params.get("sender_action") is not None:
        return _sender_action(call, page, kind, value)
    body = as_dict(call.params.get("message"))
    if body is None:
        raise bad_parameter("The parameter message is required.")
    if page.is_restricted:
        raise GraphError(10, "(#10) This page is temporarily restricted from sending messages.", 1893063)
    content = check_message(body, page.id, call.run.world.attachments)
    _check_type(call, content)
    _throttle(call, page, kind, content)
    if kind == "notification_messages_token":
        return _send_to_token(call, page, token, value, content)
    shown = content.text
    if content.template is not None:
        need_scope(call, token, *SCOPES)
        shown = filled(call, page, content.template)
    for media, url in content.urls:
        await fetch(call, media, url)
    customer = _addressee(call, page, kind, value)
    _check_reply_to(call, customer, content)
    return await _accept(call, page, token, customer, content, shown)


def _throttle(call: Call, page: Page, kind: str, content: Content) -> None:
    config = call.run.world.config
    throttle(call, page, "send", config.send_rate_per_s)
    if content.is_slow_media:
        throttle(call, page, "media", config.media_rate_per_s)
    if kind in ("comment_id", "post_id"):
        throttle(call, page, "private_reply", config.private_replies_per_hour, HOUR_S)


async def upload(call: Call) -> Json:
    """POST /{page|me}/message_attachments: keep a file for later sends of the same page."""
    page, token = page_of(call)
    need_scope(call, token, "pages_messaging", subcode=2018028)
    message = as_dict(call.params.get("message"))
    attachment = as_dict(message.get("attachment")) if message is not None else None
    if attachment is None:
        raise bad_parameter("Param message[attachment] is required.")
    content = check_message({"attachment": attachment}, page.id, call.run.world.attachments)
    for media, url in content.urls:
        await fetch(call, media, url)
    upload_id = call.run.world.new_id()
    call.run.world.attachments[upload_id] = page.id
    return {"attachment_id": upload_id}


def _recipient(call: Call) -> tuple[str, str]:
    recipient = as_dict(call.params.get("recipient"))
    named = [key for key in RECIPIENTS if recipient is not None and recipient.get(key) is not None]
    if recipient is None or len(named) != 1:
        raise bad_parameter("Param recipient must have exactly one of " + ", ".join(RECIPIENTS))
    value = recipient[named[0]]
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise bad_parameter(f"Param recipient[{named[0]}] must be a string")
    return named[0], str(value)


def _sender_action(call: Call, page: Page, kind: str, value: str) -> Json:
    if call.params.get("message") is not None:
        raise bad_parameter("Cannot have both message and sender_action.")
    if call.param("sender_action") not in SENDER_ACTIONS:
        raise bad_parameter("Param sender_action is invalid.")
    if kind != "id" or value not in page.customers:
        raise no_such_person()
    customer = page.customers[value]
    _check_owner(customer)
    customer.signals = [*customer.signals, call.param("sender_action") or ""][-MOST_SIGNALS:]
    return {"recipient_id": value}


def _check_owner(customer: Customer) -> None:
    if customer.owner_app is not None:
        raise bad_parameter("Message failed to send because another app is controlling this thread now.", 2018300)


def _check_reply_to(call: Call, customer: Customer, content: Content) -> None:
    message = call.run.world.messages.get(content.reply_to or "")
    if content.reply_to is not None and (message is None or message.psid != customer.psid):
        raise bad_parameter("Param message[reply_to][mid] is no message of this thread.")


def _check_type(call: Call, content: Content) -> None:
    kind, tag = call.param("messaging_type"), call.param("tag")
    if kind not in (None, "RESPONSE", "UPDATE", "MESSAGE_TAG", "UTILITY"):
        raise bad_parameter("Param messaging_type must be one of {RESPONSE, UPDATE, MESSAGE_TAG, UTILITY}")
    if kind == "MESSAGE_TAG":
        if tag is None:
            raise bad_parameter("Param tag is required when messaging_type is MESSAGE_TAG.")
        if tag in RETIRED_TAGS:
            raise bad_parameter(f"The message tag {tag} is no longer supported.")
        if tag != "HUMAN_AGENT":
            raise bad_parameter("Param tag is invalid.")
    if (kind == "UTILITY") != (content.template is not None):
        raise bad_parameter("messaging_type UTILITY and message[template] belong together.")
    if call.param("notification_type") not in (None, *NOTIFICATION_TYPES):
        raise bad_parameter("Param notification_type must be one of {REGULAR, SILENT_PUSH, NO_PUSH}")


def _addressee(call: Call, page: Page, kind: str, value: str) -> Customer:
    if kind in ("comment_id", "post_id"):
        customer = _private_reply(call, page, value)
    else:
        found = page.customers.get(value) if kind == "id" else None
        if found is None:
            raise no_such_person()
        customer = found
        _check_owner(customer)
        _check_window(call, customer)
    if customer.is_blocked:
        raise GraphError(551, "(#551) This person isn't available right now.", 1545041)
    return customer


def _check_window(call: Call, customer: Customer) -> None:
    kind = call.param("messaging_type")
    if kind == "UTILITY":
        return
    allowed_ms = 7 * DAY_MS if kind == "MESSAGE_TAG" else DAY_MS
    last = customer.last_action_ms
    if last is None or call.run.world.now_ms() - last > allowed_ms:
        raise outside_window()


def _private_reply(call: Call, page: Page, comment_id: str) -> Customer:
    comment: Comment | None = call.run.world.comments.get(comment_id)
    if comment is None or comment.page != page.id or comment.from_page or comment.is_gone:
        raise object_gone(comment_id)
    if call.run.world.now_ms() - comment.created_ms > 7 * DAY_MS:
        raise object_gone(comment_id)
    customer = call.run.world.customer(page, comment.psid)
    if customer.is_blocked:
        return customer
    if comment.is_answered:
        raise GraphError(10900, "(#10900) Activity already replied to")
    comment.is_answered = True
    return customer


async def _accept(
    call: Call, page: Page, token: Token, customer: Customer, content: Content, shown: str | None
) -> Json:
    world = call.run.world
    now = world.now_ms()
    message = Message(world.new_mid(), page.id, customer.psid, True, shown, content.attachments, now, content.metadata)
    world.add_message(customer, message)
    record(call, token, message, "service", details=_details(call, content))
    early = call.run.faults.webhooks.echo_before_answer
    if early:
        await call.run.webhooks.emit_now(page, "message_echoes", echo_item(world, message))
    call.run.receipts.follow_service(page, customer, message, has_echo=not early)
    return {"recipient_id": customer.psid, "message_id": message.mid}


def _details(call: Call, content: Content) -> Json:
    """What else the message carried."""
    recipient = as_dict(call.params.get("recipient")) or {}
    given: Json = {
        "quick_replies": content.quick_replies,
        "reply_to": content.reply_to,
        "tag": call.param("tag"),
        "comment_id": recipient.get("comment_id"),
        "template": (content.template or {}).get("name"),
    }
    return {name: value for name, value in given.items() if value}


def record(
    call: Call,
    token: Token,
    message: Message,
    kind: str,
    *,
    campaign: str | None = None,
    tracking_id: str | None = None,
    details: Json | None = None,
) -> None:
    """Write the accepted message to the ledger; from here on it counts, whatever happens to the answer."""
    ledger = call.run.world.ledger
    reference = reference_of(message.metadata)
    if campaign is not None:
        reference = f"campaign:{campaign}:{message.psid}"
    call.entry = Entry(
        seq=ledger.next_seq(),
        page=message.page,
        person=message.psid,
        mid=message.mid,
        kind=kind,
        text=message.text,
        attachments=message.attachments,
        metadata=message.metadata,
        reference=reference,
        messaging_type=call.param("messaging_type"),
        campaign=campaign,
        tracking_id=tracking_id,
        accepted_at=message.created_ms,
        token_sha256=hashlib.sha256(token.value.encode()).hexdigest(),
        fault=call.fault,
        details=details or {},
    )
    ledger.append(call.entry)


def check_optin(call: Call, page: Page, value: str) -> OptinToken:
    """The marketing token if it may be used now, else its documented error."""
    world = call.run.world
    token = world.optins.get(value)
    now = world.now_ms()
    if token is None or token.page != page.id or token.expires_ms <= now:
        raise object_gone(value)
    if token.is_stopped:
        raise GraphError(10, "(#10) The person has stopped notifications for this topic.", 1893015)
    gap_ms = world.config.marketing_interval_s * 1000
    if token.last_sent_ms is not None and now - token.last_sent_ms < gap_ms:
        raise GraphError(4, "(#4) Marketing message sent too soon after the last one.", 2018354)
    return token


def _send_to_token(call: Call, page: Page, token: Token, value: str, content: Content) -> Json:
    world = call.run.world
    optin = check_optin(call, page, value)
    customer = page.customers[optin.psid]
    if customer.is_blocked:
        raise no_permission("This person isn't available right now.", 1545041)
    now = optin.last_sent_ms = world.now_ms()
    message = Message(
        world.new_mid(), page.id, customer.psid, True, content.text, content.attachments, now, content.metadata
    )
    world.add_message(customer, message)
    record(call, token, message, "marketing")
    call.run.receipts.follow_service(page, customer, message)
    return {"recipient_id": customer.psid, "message_id": message.mid}
