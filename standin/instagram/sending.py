"""Sends of an account, by either login: who may be written to, when, how fast; then the ledger, the thread and the echo."""

import hashlib

import orjson

from standin.errors import GraphError, bad_parameter, object_gone
from standin.instagram.content import Content, check, check_attachment
from standin.instagram.posting import FLAT, echo_of
from standin.instagram.state import Comment, Message, Person
from standin.instagram.visit import Visit
from standin.jsonish import Json, as_dict
from standin.ledger import Entry

DAY_MS = 86_400_000
SENDER_ACTIONS = {"typing_on", "typing_off", "mark_seen", "react", "unreact"}
COMMENT_LIMIT = 2_200


async def send(visit: Visit) -> Json:
    """POST /{account|page|me}/messages."""
    call = visit.call
    kind, named = visit.recipient()
    body = as_dict(call.params.get("message"))
    if body is None:
        raise bad_parameter("The parameter message is required.")
    _check_account(visit)
    content = check(body, visit.account.id, visit.studio.uploads)
    _check_tag(visit)
    config = call.run.world.config
    visit.throttle("send", config.send_rate_per_s)
    if content.is_media:
        visit.throttle("media", config.media_rate_per_s)
    comment = _comment_of(visit, named) if kind == "comment_id" else None
    person = visit.studio.person(visit.account, comment.person) if comment is not None else _addressee(visit, named)
    if person.is_blocked:
        raise GraphError(551, "(#551) This person isn't available right now.", 1545041)
    if comment is not None:
        visit.throttle("private_reply", visit.studio.choices.private_replies_per_h, 3_600.0)
        comment.is_answered = True
    return await _accept(visit, person, content)


async def signal(visit: Visit) -> Json:
    """A sender_action: typing, seen, or a reaction of the account."""
    kind, named = visit.recipient()
    if visit.call.param("sender_action") not in SENDER_ACTIONS or visit.call.params.get("message") is not None:
        raise bad_parameter("Param sender_action is invalid.")
    if kind != "id" or named not in visit.account.people:
        raise no_such_person()
    return {"recipient_id": named}


async def upload(visit: Visit) -> Json:
    """POST /{account|page|me}/message_attachments: keep a file for later sends of the same account."""
    message = as_dict(visit.call.params.get("message")) or {}
    if as_dict(message.get("attachment")) is None:
        raise bad_parameter("Param message[attachment] is required.")
    check_attachment(message["attachment"], visit.account.id, visit.studio.uploads)
    named = visit.studio.run.world.new_id()
    visit.studio.uploads[named] = visit.account.id
    return {"attachment_id": named}


async def reply(visit: Visit) -> Json:
    """POST /{comment}/replies: a public answer below the comment; it comes back as a comment of the account."""
    found = visit.studio.comments.get(visit.call.segments[0])
    if found is None or found.account != visit.account.id:
        raise object_gone(visit.call.segments[0])
    text = visit.call.need("message")
    if len(text) > COMMENT_LIMIT:
        raise bad_parameter(f"Length of param message must be less than or equal to {COMMENT_LIMIT}")
    studio, account = visit.studio, visit.account
    now = studio.now_ms()
    own = Comment(studio.run.world.new_id(), account.id, account.id, found.media, text, now, parent=found.id)
    studio.comments[own.id] = own
    _record(visit, "comment", found.person, own.id, Content(text, [], False), now)
    value = comment_value(own, account.row())
    visit.hooks.emit(account, "comments", *change("comments", value, studio.choices.flat_comments), found.person)
    return {"id": own.id}


def comment_value(comment: Comment, author: Json) -> Json:
    """A comment as webhooks tell it."""
    value: Json = {
        "id": comment.id,
        "text": comment.text,
        "from": author,
        "media": {"id": comment.media, "media_product_type": "FEED"},
    }
    return value if comment.parent is None else {**value, "parent_id": comment.parent}


def change(field: str, value: Json, is_flat: bool) -> tuple[str, Json]:
    """Where a change stands in its entry, and the change."""
    return FLAT if is_flat else "changes", {"field": field, "value": value}


def no_such_person() -> GraphError:
    """Code 100, subcode 2534014."""
    return bad_parameter("The requested user cannot be found.", 2534014)


def _check_account(visit: Visit) -> None:
    if visit.account.is_restricted:
        raise GraphError(10, "(#10) This account is temporarily restricted from sending messages.", 1893063)
    if not visit.account.gives_access:
        raise GraphError(200, "(#200) The owner does not allow access to messages.", 2534041, status=403)


def _check_tag(visit: Visit) -> None:
    kind, tag = visit.call.param("messaging_type"), visit.call.param("tag")
    if kind not in (None, "RESPONSE", "UPDATE", "MESSAGE_TAG"):
        raise bad_parameter("Param messaging_type must be one of {RESPONSE, UPDATE, MESSAGE_TAG}")
    if (kind == "MESSAGE_TAG") != (tag == "HUMAN_AGENT"):
        raise bad_parameter("Param tag is invalid.")


def _addressee(visit: Visit, named: str) -> Person:
    person = visit.account.people.get(named)
    if person is None:
        raise no_such_person()
    allowed_ms = 7 * DAY_MS if visit.call.param("tag") == "HUMAN_AGENT" else DAY_MS
    if person.last_action_ms is None or visit.studio.now_ms() - person.last_action_ms > allowed_ms:
        raise GraphError(10, "(#10) This message is sent outside of allowed window.", 2534022)
    return person


def _comment_of(visit: Visit, named: str) -> Comment:
    comment = visit.studio.comments.get(named)
    if comment is None or comment.account != visit.account.id or comment.person == visit.account.id:
        raise object_gone(named)
    is_late = visit.studio.now_ms() - comment.created_ms > 7 * DAY_MS
    if is_late or comment.is_answered or comment.is_over:
        raise bad_parameter("The comment is invalid for sending a private reply.", 2534025)
    return comment


async def _accept(visit: Visit, person: Person, content: Content) -> Json:
    studio = visit.studio
    now = studio.now_ms()
    message = Message(studio.new_mid(), visit.account.id, person.id, True, content.text, content.attachments, now)
    studio.add(person, message)
    _record(visit, "service", person.id, message.mid, content, now)
    is_early = studio.run.faults.webhooks.echo_before_answer
    if is_early:
        await visit.hooks.emit_now(visit.account, "messages", echo_of(message))
    visit.hooks.follow(visit.account, person, message, has_echo=not is_early)
    return {"recipient_id": person.id, "message_id": message.mid}


def _record(visit: Visit, kind: str, person: str, mid: str, content: Content, now: int) -> None:
    """Write what was accepted to the ledger; from here on it counts, whatever happens to the answer."""
    ledger = visit.studio.run.world.ledger
    words = content.words
    mark = f"text:{person}:{words}" if words is not None else f"media:{person}:{_digest(content.attachments)}"
    visit.call.entry = Entry(
        seq=ledger.next_seq(),
        page=visit.account.id,
        person=person,
        mid=mid,
        kind=kind,
        text=words,
        attachments=content.attachments,
        metadata=None,
        reference=mark,
        messaging_type=visit.call.param("messaging_type"),
        campaign=None,
        tracking_id=None,
        accepted_at=now,
        token_sha256=hashlib.sha256(visit.token.encode()).hexdigest(),
        fault=visit.call.fault,
        platform="instagram",
    )
    ledger.append(visit.call.entry)


def _digest(attachments: list[object]) -> str:
    return hashlib.sha256(orjson.dumps(attachments)).hexdigest()[:16]
