"""POST /business/message/send/: what goes to a person, and the signals that are no messages."""

import hashlib
from collections.abc import Callable

from standin.jsonish import Json, as_dict, as_list
from standin.ledger import Entry
from standin.tiktok.hooks import message_content
from standin.tiktok.state import EUROPE, Account, Comment, Conversation, Message, new_id
from standin.tiktok.wire import BAD_PARAMETER, NO_PERMISSION, NOT_FOUND, REFUSED, Call, Refused

MOST_TEXT = 6_000
CARDS = {"QA_BUTTON_CARD": 20, "QA_LINK_CARD": 40}  # the longest title of a button
MOST_TITLE, MOST_ID, MOST_BUTTONS = 40, 40, 3
COMMENT_S, QUIET_S = 48 * 3600, 24 * 3600
COMMENT_REGIONS = {"VN", "ID", "TH"}
BLOCKS = ("text", "image", "share_post", "template", "sender_action")


def op_of(body: Json) -> str:
    """A signal is counted apart."""
    return "signal" if body.get("message_type") == "SENDER_ACTION" else "send"


async def send(call: Call) -> Json:
    """Check the message in the order of the documentation, keep it, tell its echo, answer its id."""
    account = call.account("message.list.send", "send")
    kind = call.text("message_type")
    present = {name for name in BLOCKS if name in call.body}
    if kind == "SENDER_ACTION":
        return _signal(call, account, present)
    made = MAKERS.get(kind)
    if made is None:
        raise Refused(BAD_PARAMETER, "message_type is not supported.")
    if present != {kind.lower()}:
        raise Refused(BAD_PARAMETER, f"A message of type {kind} holds {kind.lower()} and nothing else.")
    block = made(call, account)
    referenced = _referenced(call, kind)
    is_reply = "direct_reply" in call.body
    thread = _by_comment(call, account, kind) if is_reply else _by_conversation(call, account, referenced)
    message = Message(new_id("u5B"), True, kind.lower(), block, call.tiktok.now_ms(), "API", referenced)
    await _accept(call, account, thread, message)
    return {"message": {"message_id": message.id}}


async def _accept(call: Call, account: Account, thread: Conversation, message: Message) -> None:
    call.tiktok.add(thread, message)
    thread.sent += 1
    thread.is_single = True
    _note(call, account, thread, message)
    content = message_content(account, thread, message)
    settings, hooks = call.tiktok.memory.settings, call.tiktok.hooks
    if call.tiktok.run.faults.webhooks.echo_before_answer:
        await hooks.emit_now(account, "im_send_msg", content)
    else:
        hooks.emit(account, "im_send_msg", content, settings.echo_ms)
    if settings.read_ms is not None:
        hooks.emit(account, "im_mark_read_msg", read_content(call.tiktok.now_ms(), content, message), settings.read_ms)


def read_content(now_ms: int, echo: Json, message: Message) -> Json:
    """The read mark of the person whom a message went to."""
    names = {"from": echo["to"], "to": echo["from"], "from_user": echo["to_user"], "to_user": echo["from_user"]}
    person = as_dict(echo["to_user"]) or {}
    return names | {
        "unique_identifier": person.get("id"),
        "conversation_id": echo["conversation_id"],
        "timestamp": now_ms,
        "read": {"last_read_timestamp": message.timestamp},
    }


def _note(call: Call, account: Account, thread: Conversation, message: Message) -> None:
    ledger = call.tiktok.run.world.ledger
    token = call.request.headers.get("access-token", "")
    ledger.append(
        Entry(
            seq=ledger.next_seq(),
            page=account.id,
            person=thread.person,
            mid=message.id,
            kind="service",
            text=message.text,
            attachments=[message.block] if message.type != "text" else [],
            metadata=None,
            # A picture may be sent again on purpose, so only words count as a mark.
            reference=None if message.text is None else f"text:{thread.person}:{message.text}",
            messaging_type=message.type,
            campaign=None,
            tracking_id=None,
            accepted_at=message.timestamp,
            token_sha256=hashlib.sha256(token.encode()).hexdigest(),
            fault=call.fault,
            platform="tiktok",
        )
    )


def _by_conversation(call: Call, account: Account, referenced: str | None) -> Conversation:
    if call.text("recipient_type") != "CONVERSATION":
        raise Refused(BAD_PARAMETER, "recipient_type must be CONVERSATION.")
    thread = call.conversation(account, call.body.get("recipient"))
    if referenced is not None and all(message.id != referenced for message in thread.messages):
        raise Refused(NOT_FOUND, "The referenced message does not exist.")
    settings = call.tiktok.memory.settings
    since = thread.last_inbound_ms
    if since is None or call.tiktok.now_ms() - since > settings.window_s * 1000:
        raise Refused(REFUSED, "The person has not written within 48 hours.")
    if thread.sent >= settings.window_messages:
        raise Refused(REFUSED, "Ten messages have been sent since the person last wrote.")
    return thread


def _by_comment(call: Call, account: Account, kind: str) -> Conversation:
    if "recipient" in call.body or "recipient_type" in call.body:
        raise Refused(BAD_PARAMETER, "direct_reply and recipient exclude each other.")
    reply = call.part("direct_reply")
    told = as_dict(reply.get("comment_reply")) or {}
    if reply.get("reply_type") != "COMMENT_REPLY" or not isinstance(told.get("comment_id"), str):
        raise Refused(BAD_PARAMETER, "direct_reply needs COMMENT_REPLY and a comment_id.")
    if kind != "TEXT":
        raise Refused(BAD_PARAMETER, "A direct reply is a text.")
    if account.region not in COMMENT_REGIONS or not account.comment_to_message:
        raise Refused(NO_PERMISSION, "Comment-to-Message is not available for the account.")
    comment = call.tiktok.memory.comments.get(str(told["comment_id"]))
    if comment is None or comment.account != account.id:
        raise Refused(NOT_FOUND, "The comment does not exist.")
    _may_answer(call, account, comment)
    comment.is_answered = True
    return account.conversation(comment.person)


def _may_answer(call: Call, account: Account, comment: Comment) -> None:
    now = call.tiktok.now_ms()
    thread = account.conversation_of(comment.person)
    refusals = {
        "Only first-level comments can be answered.": comment.parent is not None,
        "The comment is older than 48 hours.": now - comment.created_ms > COMMENT_S * 1000,
        "The comment has been answered already.": comment.is_answered,
        "There was a direct message in the last 24 hours.": thread is not None
        and bool(thread.messages)
        and now - thread.updated_ms < QUIET_S * 1000,
        "The person is not an adult.": not account.person(comment.person).is_adult,
        "The person's region does not allow it.": account.person(comment.person).region in EUROPE,
    }
    found = next((sentence for sentence, applies in refusals.items() if applies), None)
    if found is not None:
        raise Refused(REFUSED, found)


def _signal(call: Call, account: Account, present: set[str]) -> Json:
    if present != {"sender_action"} or call.body["sender_action"] not in ("TYPING", "MARK_READ"):
        raise Refused(BAD_PARAMETER, "sender_action must be TYPING or MARK_READ.")
    if call.text("recipient_type") != "CONVERSATION":
        raise Refused(BAD_PARAMETER, "recipient_type must be CONVERSATION.")
    call.conversation(account, call.body.get("recipient"))
    return {"message": {"message_id": ""}}


def _referenced(call: Call, kind: str) -> str | None:
    if "referenced_message_info" not in call.body:
        return None
    found = call.part("referenced_message_info").get("referenced_message_id")
    if kind != "TEXT" or not isinstance(found, str):
        raise Refused(BAD_PARAMETER, "referenced_message_info goes with a text and names a message.")
    return found


def _text(call: Call, _account: Account) -> Json:
    body = call.part("text").get("body")
    if not isinstance(body, str) or not 1 <= len(body) <= MOST_TEXT:
        raise Refused(BAD_PARAMETER, "text.body must have 1 to 6000 characters.")
    return {"body": body}


def _image(call: Call, account: Account) -> Json:
    media_id = call.part("image").get("media_id")
    found = call.tiktok.memory.media.get(media_id) if isinstance(media_id, str) else None
    life_ms = call.tiktok.memory.settings.media_s * 1000
    if found is None or found.account != account.id or call.tiktok.now_ms() - found.created_ms > life_ms:
        raise Refused(BAD_PARAMETER, "image.media_id is unknown or older than 30 days.")
    if not account.images:
        raise Refused(NO_PERMISSION, "Images are not available in the region of the account.")
    return {"media_id": found.id}


def _share_post(call: Call, _account: Account) -> Json:
    item = call.part("share_post").get("item_id")
    if not isinstance(item, str) or not item:
        raise Refused(BAD_PARAMETER, "share_post.item_id is required.")
    return {"video_id": item, "embed_url": f"https://www.tiktok.com/player/v1/{item}"}


def _template(call: Call, _account: Account) -> Json:
    card = call.part("template")
    buttons = [as_dict(button) or {} for button in as_list(card.get("buttons")) or []]
    kind = card.get("type")
    longest = CARDS.get(kind) if isinstance(kind, str) else None
    if longest is None or not _is_short(card.get("title"), MOST_TITLE) or not 1 <= len(buttons) <= MOST_BUTTONS:
        raise Refused(BAD_PARAMETER, "A card has a type, a title of at most 40 characters and 1 to 3 buttons.")
    for button in buttons:
        is_fine = _is_short(button.get("title"), longest) and _is_short(button.get("id"), MOST_ID)
        if button.get("type") != "REPLY" or not is_fine:
            raise Refused(BAD_PARAMETER, "A button is a REPLY with a short title and an id of at most 40 characters.")
    return {"type": kind, "title": card["title"], "buttons": list(buttons)}


def _is_short(value: object, most: int) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= most


MAKERS: dict[str, Callable[[Call, Account], Json]] = {
    "TEXT": _text,
    "IMAGE": _image,
    "SHARE_POST": _share_post,
    "TEMPLATE": _template,
}
