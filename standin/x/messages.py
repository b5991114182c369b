"""Direct messages: sending, reading back, deleting; and the users that may be asked for (platforms.md 4.2)."""

import hashlib

from starlette.responses import Response

from standin.jsonish import Json
from standin.ledger import Entry
from standin.ordering import newest_first
from standin.x import bodies, telling
from standin.x.errors import bad_request, coded, not_found
from standin.x.limits import spend
from standin.x.state import Dm, Media, Token, User, conversation_of
from standin.x.wire import Call, respond, token_of

MAX_TEXT = 10_000
MAX_GROUP = 49
REACH_MS = 30 * 86_400_000
WRITE = ("dm.write", "dm.read", "tweet.read", "users.read")
READ = ("dm.read", "tweet.read", "users.read")


async def send_to_person(call: Call) -> Response:
    """POST /2/dm_conversations/with/{participant}/messages."""
    user, token = token_of(call, *WRITE)
    spend(call, user, "send")
    person = call.part("participant")
    if person not in call.x.memory.users or person == user.id:
        raise bad_request("The `participant_id` is not a user that can be messaged.")
    return await _accept(call, user, token, conversation_of(user.id, person), [user.id, person], call.fields)


async def send_to_conversation(call: Call) -> Response:
    """POST /2/dm_conversations/{conversation}/messages."""
    user, token = token_of(call, *WRITE)
    spend(call, user, "send")
    conversation = call.part("conversation")
    return await _accept(call, user, token, conversation, _participants(call, user, conversation), call.fields)


async def create_group(call: Call) -> Response:
    """POST /2/dm_conversations: a group and its first message."""
    user, token = token_of(call, *WRITE)
    spend(call, user, "send")
    people, first = call.fields.get("participant_ids"), call.fields.get("message")
    if call.text("conversation_type") != "Group" or not isinstance(people, list) or not isinstance(first, dict):
        raise bad_request("`conversation_type` must be Group, with `participant_ids` and `message`.")
    if not 2 <= len(people) <= MAX_GROUP or not all(one in call.x.memory.users for one in people):
        raise bad_request(f"`participant_ids` must name 2 to {MAX_GROUP} users.")
    return await _accept(call, user, token, call.x.new_id(), [user.id, *map(str, people)], first)


async def list_events(call: Call) -> Json:
    """GET /2/dm_events, and those of one conversation: newest first, 30 days back."""
    user, _ = token_of(call, *READ)
    spend(call, user, "list")
    conversation = call.request.path_params.get("conversation")
    person = call.request.path_params.get("participant")
    if person is not None:
        conversation = conversation_of(user.id, person)
    size = call.query.get("max_results", "100")
    if not size.isdecimal() or not 1 <= int(size) <= 100:
        raise bad_request("The `max_results` query parameter value is not between 1 and 100.")
    floor = call.x.now_ms() - REACH_MS
    kinds = call.query.get("event_types", "MessageCreate,ParticipantsJoin,ParticipantsLeave").split(",")
    seen = [
        dm
        for dm in call.x.memory.dms.values()
        if user.id in dm.participants
        and user.id not in dm.hidden
        and dm.created_ms >= floor
        and conversation in (None, dm.conversation)
        and (dm.move or "MessageCreate") in kinds
    ]
    return _page(call, newest_first(seen, lambda dm: dm.created_ms), int(size))


async def one_event(call: Call) -> Json:
    """GET /2/dm_events/{id}."""
    user, _ = token_of(call, *READ)
    spend(call, user, "list")
    return {"data": _shown(call, _mine(call, user))}


async def delete_event(call: Call) -> Json:
    """DELETE /2/dm_events/{id}: it disappears for the one who asks, and only own messages can be asked for."""
    user, _ = token_of(call, *WRITE)
    spend(call, user, "delete")
    dm = _mine(call, user)
    if dm.sender != user.id:
        raise coded(93)
    dm.hidden.add(user.id)
    return {"data": {"deleted": True}}


async def one_user(call: Call) -> Json:
    """GET /2/users/{id}; who is not there gives a success with an error inside."""
    asking, _ = token_of(call, "users.read")
    spend(call, asking, "lookup")
    found = call.x.memory.users.get(call.part("user"))
    if found is None:
        error = not_found(f"user with id: [{call.part('user')}]")
        return {"errors": [error.body(False) | {"resource_type": "user", "value": call.part("user")}]}
    told: Json = {"id": found.id, "name": found.name, "username": found.username}
    if "receives_your_dm" in call.query.get("user.fields", ""):
        told["receives_your_dm"] = found.refusal_of(asking.id) is None
    return {"data": told}


async def download(call: Call) -> Response:
    """GET /2/dm_conversations/media/{dm}/{media}/{resource}: only for who is in the conversation."""
    user, _ = token_of(call, *READ)
    dm = call.x.memory.dms.get(call.part("dm"))
    media = dm.media if dm is not None and user.id in dm.participants else None
    url = f"/{call.part('dm')}/{call.part('media')}/{call.part('resource')}"
    if media is None or not str(media.get("media_url_https")).endswith(url):
        raise not_found("media")
    kind = "video/mp4" if media.get("type") == "video" else "image/jpeg"
    return Response(b"media of " + call.part("dm").encode(), 200, call.headers, kind)


async def _accept(
    call: Call, user: User, token: Token, conversation: str, participants: list[str], message: Json
) -> Response:
    others = [one for one in participants if one != user.id]
    text, upload = _content(call, user, message)
    _check_welcome(call, user, others)
    _check_duplicate(call, user, conversation, text, upload)
    dm_id = call.x.new_id()
    dm = Dm(dm_id, conversation, user.id, participants, text, call.x.now_ms(), app=bodies.APP_NUMBER)
    dm.media = bodies.media_of_upload(dm_id, upload) if upload is not None else None
    call.x.memory.dms[dm_id] = dm
    _record(call, token, dm, others[0] if len(others) == 1 else conversation)
    if call.x.run.faults.webhooks.echo_before_answer:
        await telling.message_now(call.x, dm, user.id)
    else:
        telling.message(call.x, dm, user.id, call.x.memory.settings.echo_ms)
    for other in others:
        telling.message(call.x, dm, other)
    return respond(call, {"data": {"dm_conversation_id": conversation, "dm_event_id": dm_id}}, 201)


def _content(call: Call, user: User, message: Json) -> tuple[str | None, Media | None]:
    text, attachments = message.get("text"), message.get("attachments")
    if text is not None and not isinstance(text, str):
        raise bad_request("`text` must be a string.")
    if text is not None and len(text) > MAX_TEXT:
        raise bad_request(f"The text of your message is over the limit of {MAX_TEXT} characters.")
    if attachments is None:
        if not text:
            raise bad_request("At least one of `text` and `attachments` is required.")
        return text, None
    if not isinstance(attachments, list) or len(attachments) != 1 or not isinstance(attachments[0], dict):
        raise bad_request("`attachments` must hold exactly one attachment.")
    media = call.x.memory.media.get(str(attachments[0].get("media_id")))
    if media is None or media.user != user.id or media.expires_ms <= call.x.now_ms():
        raise bad_request("The `media_id` is unknown, expired or another user's.")
    if not media.is_final or media.checks_left > 0:
        raise bad_request("The media is not ready yet.")
    return text or None, media


def _check_welcome(call: Call, user: User, others: list[str]) -> None:
    for other in others:
        code = call.x.memory.user(other).refusal_of(user.id)
        if code is not None:
            raise coded(code)


def _check_duplicate(call: Call, user: User, conversation: str, text: str | None, upload: Media | None) -> None:
    since = call.x.now_ms() - call.x.memory.settings.duplicate_s * 1000
    same = (
        dm
        for dm in reversed(call.x.memory.dms.values())
        if dm.conversation == conversation and dm.sender == user.id and dm.created_ms > since
    )
    last = next(same, None)
    if upload is None and last is not None and last.media is None and last.text == text:
        raise coded(187)


def _participants(call: Call, user: User, conversation: str) -> list[str]:
    pair = conversation.split("-")
    if len(pair) == 2 and user.id in pair:
        other = pair[0] if pair[1] == user.id else pair[1]
        if conversation == conversation_of(user.id, other) and other in call.x.memory.users:
            return [user.id, other]
    known = next((dm for dm in call.x.memory.dms.values() if dm.conversation == conversation), None)
    if known is None or user.id not in known.participants:
        raise not_found("conversation")
    return known.participants


def _mine(call: Call, user: User) -> Dm:
    dm = call.x.memory.dms.get(call.part("event"))
    if dm is None or user.id not in dm.participants or user.id in dm.hidden:
        raise not_found("direct message event")
    return dm


def _page(call: Call, seen: list[Dm], size: int) -> Json:
    token = call.query.get("pagination_token")
    start = next((index for index, dm in enumerate(seen) if dm.id == token), None) if token is not None else 0
    if start is None:
        raise bad_request("The `pagination_token` is not valid.")
    chosen = seen[start : start + size]
    meta: Json = {"result_count": len(chosen)}
    if start + size < len(seen):
        meta["next_token"] = seen[start + size].id
    body: Json = {"data": [_shown(call, dm) for dm in chosen]} if chosen else {}
    media = [_included(dm.media) for dm in chosen if dm.media is not None]
    if media and "attachments.media_keys" in call.query.get("expansions", ""):
        body["includes"] = {"media": media}
    return body | {"meta": meta}


def _shown(call: Call, dm: Dm) -> Json:
    wanted = set(call.query.get("dm_event.fields", "").split(",")) | {"id", "text", "event_type"}
    told: Json = {
        "id": dm.id,
        "text": dm.text or "",
        "event_type": dm.move or "MessageCreate",
        "dm_conversation_id": dm.conversation,
        "created_at": bodies.iso(dm.created_ms),
        "sender_id": dm.sender,
    }
    if dm.move is not None:
        told |= {"participant_ids": dm.moved}
    if dm.media is not None:
        told["attachments"] = {"media_keys": [f"3_{dm.media['id_str']}"]}
    return {name: value for name, value in told.items() if name in wanted}


def _included(media: Json) -> Json:
    return {"media_key": f"3_{media['id_str']}", "type": media["type"], "url": media["media_url_https"]}


def _record(call: Call, token: Token, dm: Dm, person: str) -> None:
    """Write the accepted message to the ledger; from here on it counts, whatever happens to the answer."""
    ledger = call.x.run.world.ledger
    call.entry = Entry(
        seq=ledger.next_seq(),
        page=dm.sender,
        person=person,
        mid=dm.id,
        kind="service",
        text=dm.text,
        attachments=[] if dm.media is None else [dm.media],
        metadata=None,
        reference=f"text:{person}:{dm.text}",
        messaging_type=None,
        campaign=None,
        tracking_id=None,
        accepted_at=dm.created_ms,
        token_sha256=hashlib.sha256(token.value.encode()).hexdigest(),
        fault=call.fault,
        platform="x",
    )
    ledger.append(call.entry)
