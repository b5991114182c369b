"""Acting as somebody on X who writes to an account: each deed emits its webhooks unless it is silent."""

from collections.abc import Callable
from dataclasses import dataclass

from standin.jsonish import BadBody, Json, as_dict, text, text_or_none, texts, whole_or_none
from standin.x import bodies, telling
from standin.x.core import X
from standin.x.state import Dm, Post, User, conversation_of


@dataclass(frozen=True, slots=True)
class Scene:
    """Who does something to whom."""

    x: X
    account: User
    person: User
    body: Json
    silent: bool


def add_customers(x: X, given: list[Json]) -> Json:
    """Let people exist. `receives_your_dm` false refuses the account with 349, `follows` false with 150."""
    made: list[Json] = []
    for one in given:
        account, person = x.memory.user(text(one, "account")), x.memory.user(text(one, "person"))
        person.name = text(one, "name", person.name)
        person.username = text(one, "username", person.username)
        person.refuses.pop(account.id, None)
        if one.get("receives_your_dm") is False:
            person.refuses[account.id] = 349
        elif one.get("follows") is False:
            person.refuses[account.id] = 150
        made.append({"account": account.id, "person": person.id})
    return {"customers": made}


def shown(x: X, account: User, person_id: str) -> Json:
    """The thread of a person with an account, oldest first."""
    person = x.memory.user(person_id)
    rows = [
        {
            "id": dm.id,
            "sender": dm.sender,
            "text": dm.text,
            "media": dm.media,
            "at": dm.created_ms,
            "hidden": sorted(dm.hidden),
        }
        for dm in thread(x, account.id, person_id)
    ]
    return {"person": person.id, "name": person.name, "messages": rows}


def thread(x: X, account: str, person: str) -> list[Dm]:
    """The messages of a conversation of two."""
    conversation = conversation_of(account, person)
    return [dm for dm in x.memory.dms.values() if dm.conversation == conversation]


def deed(x: X, account: User, person: User, name: str, body: Json, *, silent: bool) -> Json:
    """Do what the path names; `BadBody` for what nobody can do."""
    work = DEEDS.get(name)
    if work is None:
        raise BadBody(f"unknown deed {name}")
    return work(Scene(x, account, person, body, silent))


def _message(scene: Scene) -> Json:
    x, body = scene.x, scene.body
    now = x.now_ms()
    dm_id = text(body, "id", x.new_id())
    group = texts(body, "group")
    parties = [scene.person.id, scene.account.id, *group]
    conversation = (
        text(body, "conversation", x.new_id()) if group else conversation_of(scene.person.id, scene.account.id)
    )
    dm = Dm(
        dm_id,
        conversation,
        scene.person.id,
        parties,
        text_or_none(body, "text"),
        whole_or_none(body, "timestamp") or now,
    )
    media = as_dict(body.get("media"))
    if media is not None:
        dm.media = bodies.media_of(dm_id, x.new_id(), text(media, "type", "photo"))
    dm.quick_reply = text_or_none(body, "quick_reply")
    if dm.text is None and dm.media is None:
        raise BadBody("text or media is required")
    x.memory.dms[dm_id] = dm
    if not scene.silent:
        for one in parties:
            telling.message(x, dm, one)
    return {"id": dm_id, "conversation": conversation}


def _move(scene: Scene) -> Json:
    """The person joins the group `conversation`, or leaves it with `left`; only the list tells."""
    x, body = scene.x, scene.body
    conversation, is_left = text(body, "conversation"), bool(body.get("left"))
    dms = [dm for dm in x.memory.dms.values() if dm.conversation == conversation]
    parties = dms[-1].participants if dms else [scene.account.id]
    after = [one for one in parties if one != scene.person.id] + ([] if is_left else [scene.person.id])
    dm = Dm(x.new_id(), conversation, scene.person.id, after, None, x.now_ms())
    dm.move, dm.moved = "ParticipantsLeave" if is_left else "ParticipantsJoin", [scene.person.id]
    x.memory.dms[dm.id] = dm
    return {"id": dm.id}


def _by_hand(scene: Scene) -> Json:
    """The account writes in X's own app: an echo without an app of ours."""
    x = scene.x
    conversation = conversation_of(scene.person.id, scene.account.id)
    parties = [scene.account.id, scene.person.id]
    dm = Dm(x.new_id(), conversation, scene.account.id, parties, text(scene.body, "text"), x.now_ms())
    x.memory.dms[dm.id] = dm
    if not scene.silent:
        for one in parties:
            telling.message(x, dm, one)
    return {"id": dm.id}


def _typing(scene: Scene) -> Json:
    item = bodies.mark(scene.person.id, scene.account.id, scene.x.now_ms())
    telling.mark(scene.x, scene.account.id, scene.person.id, "dm.indicate_typing", item)
    return {"ok": True}


def _read(scene: Scene) -> Json:
    """The person has read everything up to `up_to`, or up to the last message of the account."""
    sent = [dm for dm in thread(scene.x, scene.account.id, scene.person.id) if dm.sender == scene.account.id]
    last = text_or_none(scene.body, "up_to") or (sent[-1].id if sent else None)
    if last is None:
        raise BadBody("the account has not written anything")
    item = bodies.mark(scene.person.id, scene.account.id, scene.x.now_ms(), last)
    telling.mark(scene.x, scene.account.id, scene.person.id, "dm.read", item)
    return {"up_to": last}


def _chat(scene: Scene) -> Json:
    telling.chat(scene.x, scene.account.id, scene.person.id, "chat.received")
    return {"ok": True}


def _delete(scene: Scene) -> Json:
    """The person deletes a message; it disappears for that person only."""
    dm = scene.x.memory.dms.get(text(scene.body, "id"))
    if dm is None:
        raise BadBody("unknown message")
    dm.hidden.add(scene.person.id)
    return {"ok": True}


def _refuse(scene: Scene) -> Json:
    scene.person.refuses[scene.account.id] = whole_or_none(scene.body, "code") or 349
    return {"ok": True}


def _accept(scene: Scene) -> Json:
    scene.person.refuses.pop(scene.account.id, None)
    return {"ok": True}


def _mention(scene: Scene) -> Json:
    words = text(scene.body, "text", f"@{scene.account.username} hello")
    return _posted(scene, Post(scene.x.new_id(), scene.person.id, words, scene.x.now_ms(), mentions=[scene.account.id]))


def _reply(scene: Scene) -> Json:
    """A public answer to a post of the account (`post`, or a fresh one)."""
    answers = text(scene.body, "post", scene.x.new_id())
    words = text(scene.body, "text", f"@{scene.account.username} nice")
    made = Post(
        scene.x.new_id(), scene.person.id, words, scene.x.now_ms(), answers, scene.account.id, [scene.account.id]
    )
    return _posted(scene, made) | {"post": answers}


def _posted(scene: Scene, made: Post) -> Json:
    scene.x.memory.posts[made.id] = made
    if not scene.silent:
        telling.post(scene.x, scene.account.id, made)
    return {"id": made.id}


DEEDS: dict[str, Callable[[Scene], Json]] = {
    "message": _message,
    "by_hand": _by_hand,
    "move": _move,
    "typing": _typing,
    "read": _read,
    "chat": _chat,
    "delete": _delete,
    "refuse": _refuse,
    "accept": _accept,
    "mention": _mention,
    "reply": _reply,
}
