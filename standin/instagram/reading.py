"""Reading back: conversations of an account, their messages, one message, a person's profile, the account itself."""

from standin.errors import GraphError, object_gone
from standin.graph import Fields, FieldSpec, choose, cursor_page, graph_time, nested_list
from standin.instagram.state import Account, Comment, Message, Person
from standin.instagram.visit import Visit, shown_account
from standin.jsonish import Json, as_dict

MESSAGE_FIELDS = "id,created_time"
MOST_MESSAGES = 25
MOST_COMMENTS = 25


async def conversations(visit: Visit) -> Json:
    """GET /{account|page}/conversations?platform=instagram: newest thread first."""
    _throttle(visit)
    user = visit.call.param("user_id")
    threads = [one for one in visit.account.people.values() if one.messages and user in (None, one.id)]
    threads.sort(key=lambda one: (one.messages[-1].created_ms, one.moved), reverse=True)
    wanted = visit.call.fields("id,updated_time")
    answer = cursor_page(visit.call, [(one.id, {"id": one.id}) for one in threads], visit.call.limit())
    rows = answer["data"] if isinstance(answer["data"], list) else []
    answer["data"] = [_thread(visit, visit.account.people[row["id"]], wanted) for row in rows]
    return answer


async def thread_messages(visit: Visit) -> Json:
    """GET /{thread}/messages: newest first."""
    _throttle(visit)
    person = _of_thread(visit)
    wanted = visit.call.fields(MESSAGE_FIELDS)
    rows = [(one.mid, _message(visit.account, person, one, wanted)) for one in reversed(_kept(person))]
    return cursor_page(visit.call, rows, visit.call.limit())


async def media(visit: Visit) -> Json:
    """GET /{account}/media: the posts that have comments, newest first, with those and their answers."""
    mine = _mine(visit)
    posts = dict.fromkeys(one.media for one in reversed(mine))
    wanted = visit.call.fields("id")
    spec = wanted.get("comments", FieldSpec())
    rows: list[tuple[str, Json]] = []
    for post in posts:
        tops = [one for one in reversed(mine) if one.media == post and one.parent is None]
        told = [(one.id, _comment(visit, one, mine, spec.nested)) for one in tops]
        comments = nested_list(told, min(spec.limit or MOST_COMMENTS, 50))
        row: Json = {"id": post, "media_product_type": "FEED", "comments": comments}
        rows.append((post, choose(row, wanted)))
    return cursor_page(visit.call, rows, visit.call.limit())


async def comments_of_post(visit: Visit) -> Json:
    """GET /{post}/comments: those that answer no other one, newest first."""
    post = visit.call.segments[0]
    return _comments(visit, [one for one in _mine(visit) if one.media == post and one.parent is None])


async def answers(visit: Visit) -> Json:
    """GET /{comment}/replies: the answers to one comment, newest first."""
    above = visit.call.segments[0]
    return _comments(visit, [one for one in _mine(visit) if one.parent == above])


def _comments(visit: Visit, chosen: list[Comment]) -> Json:
    wanted = visit.call.fields("id,timestamp,text")
    rows = [(one.id, _comment(visit, one, _mine(visit), wanted)) for one in reversed(chosen)]
    return cursor_page(visit.call, rows, min(visit.call.limit(), 50))


def _mine(visit: Visit) -> list[Comment]:
    every = visit.studio.comments.values()
    return [one for one in every if one.account == visit.account.id and not one.is_live]


async def node(visit: Visit) -> Json:
    """GET of a thread, a message, a person or the account."""
    named = visit.call.segments[0]
    if named in ("me", visit.account.id, visit.account.scoped):
        return choose(shown_account(visit.account), visit.call.fields("id,username"))
    message = visit.studio.messages.get(named)
    if message is not None and message.account == visit.account.id:
        _throttle(visit)
        person = visit.account.people[message.person]
        return _message(visit.account, person, message, visit.call.fields(MESSAGE_FIELDS))
    if visit.studio.of_thread(named) is not None:
        _throttle(visit)
        return _thread(visit, _of_thread(visit), visit.call.fields("id,updated_time"))
    return _profile(visit, named)


def _profile(visit: Visit, named: str) -> Json:
    person = visit.account.people.get(named)
    if person is None:
        raise object_gone(named)
    if person.last_action_ms is None:
        raise GraphError(230, "(#230) User consent is required to access user profile")
    row: Json = {
        "id": person.id,
        "username": person.username,
        "name": person.name,
        "is_verified_user": False,
        "follower_count": 7,
    }
    return choose(row, visit.call.fields("name,username"))


def _comment(visit: Visit, one: Comment, every: list[Comment], wanted: Fields) -> Json:
    is_own = one.person == visit.account.id
    name = visit.account.username if is_own else visit.account.people[one.person].username
    row: Json = {
        "id": one.id,
        "text": one.text,
        "username": name,
        "from": {"id": one.person, "username": name},
        "timestamp": graph_time(one.created_ms),
    }
    spec = wanted.get("replies")
    if spec is not None:
        replies = [reply for reply in reversed(every) if reply.parent == one.id]
        told = [(reply.id, _comment(visit, reply, every, spec.nested)) for reply in replies]
        row["replies"] = nested_list(told, min(spec.limit or MOST_COMMENTS, 50))
    return choose(row, wanted)


def _throttle(visit: Visit) -> None:
    visit.throttle("list", visit.call.run.world.config.list_rate_per_s)


def _of_thread(visit: Visit) -> Person:
    person = visit.studio.of_thread(visit.call.segments[0])
    if person is None or person.account != visit.account.id:
        raise object_gone(visit.call.segments[0])
    return person


def _kept(person: Person) -> list[Message]:
    """What was not unsent."""
    return [one for one in person.messages if not one.is_deleted]


def _thread(visit: Visit, person: Person, wanted: Fields) -> Json:
    row: Json = {"id": visit.studio.thread_of(person)}
    if person.messages:
        row["updated_time"] = graph_time(person.messages[-1].created_ms)
    row["participants"] = {"data": [visit.account.row(), _person(person)]}
    spec = wanted.get("messages")
    if spec is not None:
        newest = _kept(person)[-min(spec.limit or MOST_MESSAGES, 100) :][::-1]
        nested = spec.nested or {"id": FieldSpec(), "created_time": FieldSpec()}
        row["messages"] = {"data": [_message(visit.account, person, one, nested) for one in newest]}
    return choose(row, wanted)


def _message(account: Account, person: Person, one: Message, wanted: Fields) -> Json:
    sender, receiver = account.row(), _person(person)
    if not one.from_account:
        sender, receiver = receiver, sender
    row: Json = {
        "id": one.mid,
        "created_time": graph_time(one.created_ms),
        "from": sender,
        "to": {"data": [receiver]},
        "message": one.text or "",
    }
    if one.attachments:
        row["attachments"] = {"data": [_attachment(item) for item in one.attachments]}
    return choose(row, wanted)


def _attachment(item: object) -> Json:
    """Attachments look other here than in webhooks: pictures and films have a part of their own."""
    given = as_dict(item) or {}
    payload = as_dict(given.get("payload")) or {}
    url = payload.get("url") or f"https://cdn.example/{payload.get('attachment_id')}"
    if given.get("type") in ("image", "video"):
        return {f"{given['type']}_data": {"url": url, "width": 640, "height": 640}}
    mime = {"audio": "audio/mp4", "file": "application/pdf"}.get(str(given.get("type")), "text/html")
    return {"mime_type": mime, "file_url": url, "name": "file"}


def _person(person: Person) -> Json:
    return {"id": person.id, "username": person.username}
