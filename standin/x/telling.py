"""Who is told of what: every subscription of the account gets the event in the form of its generation."""

from standin.jsonish import Json
from standin.posting import Event
from standin.x import bodies
from standin.x.core import X
from standin.x.state import Dm, Post, Subscription, Told

SLOTS = {
    "dm.received": "direct_message_events",
    "dm.sent": "direct_message_events",
    "dm.indicate_typing": "direct_message_indicate_typing_events",
    "dm.read": "direct_message_mark_read_events",
}
MOST_TOLD = 5_000


def message(x: X, dm: Dm, account: str, hold_ms: float = 0.0) -> None:
    """Tell an account of a message that it wrote or got. The older generation hears of no groups."""
    for body, url in message_bodies(x, dm, account):
        _emit(x, account, _other(dm, account), body, url, hold_ms)


async def message_now(x: X, dm: Dm, account: str) -> None:
    """Tell an account of a message and come back after the first attempt."""
    for body, url in message_bodies(x, dm, account):
        _remember(x, account, _other(dm, account), body, url)
        await x.posting.emit_now(Event(account, "x", body, x.now_ms()), url)


def message_bodies(x: X, dm: Dm, account: str) -> list[tuple[Json, str]]:
    """The bodies that tell of a message, each with where it goes."""
    event_type = "dm.sent" if dm.sender == account else "dm.received"
    is_group = len(dm.participants) > 2
    item = bodies.message(dm, account)
    return _dm_bodies(x, account, event_type, item, dm.participants, is_group)


def mark(x: X, account: str, person: str, event_type: str, item: Json) -> None:
    """Tell an account that a person types or has read."""
    for body, url in _dm_bodies(x, account, event_type, item, [account, person], is_group=False):
        _emit(x, account, person, body, url)


def chat(x: X, account: str, person: str, event_type: str) -> None:
    """Tell an account of an end-to-end encrypted message, whose content nobody else can read. The older generation has none."""
    payload: Json = {
        "id": x.new_id(),
        "sender_id": person if event_type == "chat.received" else account,
        "encrypted_content": "opaque",
        "created_timestamp": str(x.now_ms()),
    }
    for sub in _subscriptions(x, account, event_type):
        if sub.event_type is not None:
            _emit(x, account, person, bodies.newer(account, event_type, payload, sub.tag), _url(x, sub))


def post(x: X, account: str, made: Post) -> None:
    """Tell an account of a post that answers or names it."""
    event_type = "post.reply.create" if made.answers_user == account else "post.mention.create"
    users = [x.memory.user(made.author)]
    for sub in _subscriptions(x, account, event_type):
        if sub.event_type is None:
            body = bodies.older(account, "tweet_create_events", bodies.older_post(x.memory, made), users)
        else:
            body = bodies.newer(account, event_type, bodies.newer_post(x.memory, made), sub.tag)
        _emit(x, account, made.author, body, _url(x, sub))


def revoked(x: X, account: str) -> None:
    """Tell that the person of an account took the app's rights back."""
    told = bodies.revoked(account, x.now_ms())
    for sub in _subscriptions(x, account, "oauth.revoke"):
        inner = told["user_event"]
        payload = inner if isinstance(inner, dict) else {}
        body = told if sub.event_type is None else bodies.newer(account, "oauth.revoke", payload, sub.tag)
        _emit(x, account, None, body, _url(x, sub))


def again(x: X, url: str, since_ms: int) -> int:
    """Send what went to an address since then once more; how many bodies that were."""
    chosen = [told for told in x.memory.told if told.url == url and told.at_ms >= since_ms]
    for told in chosen:
        x.posting.emit_as_given([Event(told.account, "x", told.body, told.at_ms)], url)
    return len(chosen)


def _dm_bodies(
    x: X, account: str, event_type: str, item: Json, parties: list[str], is_group: bool
) -> list[tuple[Json, str]]:
    slot, users = SLOTS[event_type], [x.memory.user(one) for one in parties]
    found: list[tuple[Json, str]] = []
    for sub in _subscriptions(x, account, event_type):
        if sub.event_type is not None:
            payload = bodies.newer_dm(slot, item, users)
            found.append((bodies.newer(account, event_type, payload, sub.tag), _url(x, sub)))
        elif not is_group:
            found.append((bodies.older(account, slot, item, users), _url(x, sub)))
    return found


def _subscriptions(x: X, account: str, event_type: str) -> list[Subscription]:
    return [
        sub
        for sub in x.memory.subscriptions.values()
        if sub.user == account and sub.event_type in (None, event_type) and x.memory.hooks[sub.webhook].is_valid
    ]


def _url(x: X, sub: Subscription) -> str:
    return x.memory.user(sub.user).callback_url or x.memory.hooks[sub.webhook].url


def _other(dm: Dm, account: str) -> str | None:
    others = [one for one in dm.participants if one != account]
    return others[0] if len(others) == 1 else None


def _emit(x: X, account: str, person: str | None, body: Json, url: str, hold_ms: float = 0.0) -> None:
    _remember(x, account, person, body, url)
    x.posting.emit(Event(account, "x", body, x.now_ms()), url, person, hold_ms)


def _remember(x: X, account: str, person: str | None, body: Json, url: str) -> None:
    x.memory.told.append(Told(account, person, body, url, x.now_ms()))
    del x.memory.told[:-MOST_TOLD]
