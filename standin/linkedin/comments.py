"""Comments: reading them, and writing them in an organisation's name; and messages from member to member (5.1 and 5.3)."""

import hashlib
import time

from starlette.responses import Response

from standin.jsonish import Json, as_dict, as_list
from standin.ledger import Entry
from standin.linkedin.notices import Notices
from standin.linkedin.state import NAME, READERS, WRITERS, Comment, MemberMessage, Network, Post, Token
from standin.linkedin.wire import Call, Refusal, authorized, denied, listed, need_scope, respond

MOST_CHARACTERS = 1_250
MINUTE_MS = 60_000
COMMENT_FIELDS = {"actor", "object", "message", "parentComment"}
MESSAGE_FIELDS = {"recipients", "thread", "subject", "body", "attachments", "messageType"}


def commented(net: Network, post: Post, actor: str, text: str, parent: Comment | None = None) -> Comment:
    """Put a comment under a post."""
    number, now = str(net.number()), net.now_ms()
    comment = Comment(
        id=f"urn:li:comment:({post.activity},{number})",
        number=number,
        post=post.id,
        actor=actor,
        text=text,
        created_ms=now,
        modified_ms=now,
        parent=parent.id if parent is not None else None,
    )
    net.kept.comments[comment.id] = comment
    return comment


def shown(net: Network, comment: Comment) -> Json:
    """A comment as the API shows it."""
    body: Json = {
        "id": comment.number,
        "$URN": comment.id,
        "commentUrn": comment.id,
        "actor": comment.actor,
        "object": net.kept.posts[comment.post].activity,
        "message": {"text": comment.text, "attributes": []},
        "created": {"actor": comment.actor, "time": comment.created_ms},
        "lastModified": {"actor": comment.actor, "time": comment.modified_ms},
    }
    return body if comment.parent is None else body | {"parentComment": comment.parent}


def parties(call: Call) -> tuple[str | None, str | None]:
    """Whose page a call is about and whom it addresses, for the fault plan."""
    body = as_dict(call.body) or {}
    actor, above = body.get("actor"), call.net.kept.comments.get(str(body.get("parentComment")))
    recipients = as_list(body.get("recipients"))
    person = above.actor if above is not None else str(recipients[0]) if recipients else None
    return (actor if isinstance(actor, str) else None), person


async def write(call: Call, notices: Notices) -> Response:
    """POST /rest/socialActions/{urn}/comments."""
    token = authorized(call)
    need_scope(token, "w_organization_social_feed")
    body = call.object()
    strange = sorted(body.keys() - COMMENT_FIELDS)
    if strange:
        raise denied(f"Unpermitted fields present in REQUEST_BODY: [/{strange[0]}]")
    actor = _text(body, "actor")
    if not call.net.may(token.person, actor, WRITERS):
        raise denied(f"The member is not allowed to comment in the name of {actor}")
    post, above = _target(call, call.segment("urn"))
    text = _words(body)
    if _text(body, "object") not in (post.id, post.activity):
        raise Refusal(400, "The object is not the thread of this resource", "INVALID_VALUE")
    parent = _parent(call, body, post)
    if above is not None and parent is not None and above is not parent:
        raise Refusal(400, "parentComment is not the comment of this resource", "INVALID_VALUE")
    _throttle(call.net)
    below = parent or above
    comment = commented(call.net, post, actor, text, below)
    answered = below.actor if below is not None else post.owner
    _record(call, token, comment.id, actor, answered, text)
    notice = notices.of_comment(comment, "ADMIN_COMMENT", silent=True)
    if call.net.run.faults.webhooks.echo_before_answer:
        await notices.push_now(notice)
    elif call.net.run.world.config.echo_ms is not None:
        notices.push(notice, float(call.net.run.world.config.echo_ms))
    return respond(shown(call.net, comment), 201, {"x-restli-id": comment.number})


async def read_all(call: Call) -> Response:
    """GET /rest/socialActions/{urn}/comments: those below a post, or the replies to a comment."""
    token = authorized(call)
    need_scope(token, "r_organization_social_feed")
    post, above = _target(call, call.segment("urn"))
    _may_read(call, token, post)
    wanted = above.id if above is not None else None
    rows = [one for one in call.net.kept.comments.values() if one.post == post.id and one.parent == wanted]
    return listed([shown(call.net, one) for one in rows if not one.is_deleted], call)


async def read_one(call: Call) -> Response:
    """GET /rest/socialActions/{urn}/comments/{id}."""
    token = authorized(call)
    need_scope(token, "r_organization_social_feed")
    post, _ = _target(call, call.segment("urn"))
    _may_read(call, token, post)
    comment = call.net.kept.comments.get(f"urn:li:comment:({post.activity},{call.segment('id')})")
    if comment is None or comment.is_deleted:
        raise Refusal(404, "Comment not found", "NOT_FOUND")
    return respond(shown(call.net, comment))


async def write_message(call: Call) -> Response:
    """POST /v2/messages: partners only, to connections or within a thread."""
    token = authorized(call)
    if not call.net.settings.is_partner or not {"w_messages", "w_messaging"}.intersection(token.scopes):
        raise denied("Not enough permissions to access: messages.CREATE")
    body = call.object()
    if body.keys() - MESSAGE_FIELDS:
        raise Refusal(400, "Unpermitted fields present in REQUEST_BODY", "INVALID_VALUE")
    recipients, thread = as_list(body.get("recipients")), body.get("thread")
    if bool(recipients) == bool(thread):
        raise Refusal(422, "Exactly one of recipients and thread is required", "UNPROCESSABLE")
    text = _text(body, "body")
    if thread:
        earlier = next((one for one in call.net.kept.messages if one.thread == thread), None)
        if earlier is None:
            raise Refusal(404, "Thread not found", "NOT_FOUND")
        to = earlier.recipient if earlier.sender == token.person else earlier.sender
    else:
        to = str(recipients[0]) if recipients else ""
    if to not in call.net.kept.people:
        raise Refusal(404, "The recipient is not reachable", "NOT_FOUND")
    number = str(call.net.number())
    name = str(thread) if thread else f"urn:li:messagingThread:{number}"
    message = MemberMessage(f"urn:li:message:{number}", token.person, to, name, text, call.net.now_ms())
    call.net.kept.messages.append(message)
    _record(call, token, message.id, token.person, to, text)
    return respond({"id": message.id, "thread": name}, 201, {"x-restli-id": message.id})


def _record(call: Call, token: Token, mid: str, page: str, person: str, text: str) -> None:
    """Into the ledger, before the answer."""
    ledger = call.net.run.world.ledger
    entry = Entry(
        seq=ledger.next_seq(),
        page=page,
        person=person,
        mid=mid,
        kind="service",
        text=text,
        attachments=[],
        metadata=None,
        reference=f"text:{person}:{text}",
        messaging_type=None,
        campaign=None,
        tracking_id=None,
        accepted_at=call.net.now_ms(),
        token_sha256=hashlib.sha256(token.value.encode()).hexdigest(),
        fault=call.fault,
        platform=NAME,
    )
    ledger.append(entry)
    call.entry = entry


def _target(call: Call, name: str) -> tuple[Post, Comment | None]:
    """The post that a URN names, and the comment if it names one; 404 for neither."""
    comment = call.net.kept.comments.get(name)
    if comment is not None and not comment.is_deleted:
        return call.net.kept.posts[comment.post], comment
    post = call.net.post_of(name)
    if post is None:
        raise Refusal(404, f"Could not find entity {name[:80]}", "NOT_FOUND")
    return post, None


def _parent(call: Call, body: Json, post: Post) -> Comment | None:
    if body.get("parentComment") is None:
        return None
    found = call.net.kept.comments.get(_text(body, "parentComment"))
    if found is None or found.is_deleted or found.post != post.id:
        raise Refusal(404, "The parent comment does not exist", "NOT_FOUND")
    return found


def _words(body: Json) -> str:
    message = as_dict(body.get("message")) or {}
    strange = sorted(message.keys() - {"text", "attributes"})
    if strange:
        raise denied(f"Unpermitted fields present in REQUEST_BODY: [/message/{strange[0]}]")
    text = _text(message, "text")
    if len(text) > MOST_CHARACTERS:
        raise Refusal(400, f"message.text is longer than {MOST_CHARACTERS} characters", "FIELD_LENGTH_TOO_LONG")
    return text


def _text(body: Json, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Refusal(400, f"Field {name} is required", "MISSING_FIELD")
    return value


def _may_read(call: Call, token: Token, post: Post) -> None:
    """A reader's role on the post's organisation, or on one that commented there."""
    owners = {post.owner, *(one.actor for one in call.net.kept.comments.values() if one.post == post.id)}
    if not any(call.net.may(token.person, owner, READERS) for owner in owners):
        raise denied("The member's role does not allow to read this organization's comments")


def _throttle(net: Network) -> None:
    limit = net.settings.comments_per_minute
    if limit <= 0:
        return
    now = round(time.monotonic() * 1000)
    while net.created and now - net.created[0] >= MINUTE_MS:
        net.created.popleft()
    if len(net.created) >= limit:
        raise Refusal(429, "Throttled: too many comments were created within one minute.", "TOO_MANY_REQUESTS", 101)
    net.created.append(now)
