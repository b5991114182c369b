"""The control calls below /control/x: how tests and the demo set this X up and look at it; acting as people is beside it."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import asdict

from starlette.requests import Request
from starlette.routing import Route

from standin.controlling import UnknownId, route
from standin.jsonish import BadBody, Json, as_dict, objects, text, text_or_none, whole_or_none
from standin.posting import Event
from standin.x import hooks, telling
from standin.x.core import X
from standin.x.dialect import serialised, signed
from standin.x.people import add_customers, deed, shown
from standin.x.state import SCOPES, Hook, Refresh, Token, User

Work = Callable[[X, Request, Json], Json | Awaitable[Json]]


def control_routes(x: X) -> list[Route]:
    """All of them."""
    return [
        _route(x, "/app", _show_app, "GET"),
        _route(x, "/app", _set_app, "POST"),
        _route(x, "/accounts", _accounts, "POST"),
        _route(x, "/accounts/{account}", _show_account, "GET"),
        _route(x, "/accounts/{account}/{deed}", _account_deed, "POST"),
        _route(x, "/customers", _customers, "POST"),
        _route(x, "/customers/{account}/{person}", _show_customer, "GET"),
        _route(x, "/customers/{account}/{person}/{deed}", _customer_deed, "POST"),
        _route(x, "/hooks", _hooks, "GET"),
        _route(x, "/hooks/crc", _validate, "POST"),
        _route(x, "/webhooks", _posts, "GET"),
        _route(x, "/webhooks/replay", _replay, "POST"),
    ]


def _route(x: X, path: str, work: Work, method: str) -> Route:
    async def bound(request: Request, body: object) -> object:
        answer = work(x, request, body if isinstance(body, dict) else {"list": body})
        return await answer if inspect.isawaitable(answer) else answer

    return route(f"/x{path}", bound, method)


def _show_app(x: X, _request: Request, _body: Json) -> Json:
    return x.memory.settings.shown() | {"callback_url": x.callback_url, "redirect_uris": x.redirect_uris}


def _set_app(x: X, request: Request, body: Json) -> Json:
    uris = body.pop("redirect_uris", None)
    if uris is not None and not (isinstance(uris, list) and all(isinstance(uri, str) for uri in uris)):
        raise BadBody("redirect_uris must be a list of texts")
    callback = body.pop("callback_url", x.callback_url)
    if callback is not None and not isinstance(callback, str):
        raise BadBody("callback_url must be text")
    x.memory.settings.apply(body)
    x.callback_url = callback
    x.redirect_uris = [str(uri) for uri in uris] if isinstance(uris, list) else x.redirect_uris
    return _show_app(x, request, body)


def _accounts(x: X, _request: Request, body: Json) -> Json:
    return {"accounts": [_account(x, one) for one in objects(body.get("list", body))]}


def _account(x: X, one: Json) -> Json:
    user = x.memory.user(_digits(one, "id"))
    user.is_account = True
    user.name = text(one, "name", user.name)
    user.username = text(one, "username", user.username)
    user.callback_url = text_or_none(one, "callback_url") or user.callback_url
    access = _seeded_token(x, user, text_or_none(one, "access_token"))
    again = _seeded_refresh(x, user, text_or_none(one, "refresh_token"))
    wanted = one.get("subscribed")
    if wanted:
        _subscribe(x, user, {"generation": "activity" if wanted is True else str(wanted)})
    return {"id": user.id, "access_token": access.value, "refresh_token": again.value}


def _digits(one: Json, name: str) -> str:
    value = text(one, name)
    if not value.isdecimal() or len(value) > 19:
        raise BadBody(f"{name} must be at most 19 digits")
    return value


def _seeded_token(x: X, user: User, value: str | None) -> Token:
    """A token with every scope that does not expire; the account's earlier one unless a value is given."""
    known = next((one for one in x.memory.tokens.values() if one.user == user.id and not one.expires_ms), None)
    if known is not None and not known.is_dead and value in (None, known.value):
        return known
    token = Token(value or f"seeded-{x.new_id()}", user.id, frozenset(SCOPES), 0)
    x.memory.tokens[token.value] = token
    return token


def _seeded_refresh(x: X, user: User, value: str | None) -> Refresh:
    fresh = value or f"refresh-{x.new_id()}"
    token = x.memory.refreshes[fresh] = Refresh(fresh, user.id, frozenset(SCOPES))
    return token


def _known(x: X, request: Request) -> User:
    user = x.memory.users.get(request.path_params["account"])
    if user is None or not user.is_account:
        raise UnknownId(f"unknown account {request.path_params['account']}")
    return user


def _show_account(x: X, request: Request, _body: Json) -> Json:
    user = _known(x, request)
    tokens = [one for one in x.memory.tokens.values() if one.user == user.id]
    refreshes = [one for one in x.memory.refreshes.values() if one.user == user.id]
    subs = [one for one in x.memory.subscriptions.values() if one.user == user.id]
    return {
        "id": user.id,
        "name": user.name,
        "username": user.username,
        "live_access_tokens": [one.value for one in tokens if not one.is_dead],
        "live_refresh_tokens": [one.value for one in refreshes if not one.is_dead],
        "used_refresh_tokens": sum(one.is_dead for one in refreshes),
        "subscriptions": [{"event_type": one.event_type, "webhook": one.webhook} for one in subs],
    }


def _account_deed(x: X, request: Request, body: Json) -> Json:
    work = DEEDS.get(request.path_params["deed"])
    if work is None:
        raise UnknownId(f"unknown deed {request.path_params['deed']}")
    return work(x, _known(x, request), as_dict(body) or {})


def _expire(x: X, user: User, _body: Json) -> Json:
    """End the access tokens; the refresh tokens still work."""
    for token in x.memory.tokens.values():
        token.is_dead |= token.user == user.id
    return {"ok": True}


def _revoke(x: X, user: User, _body: Json) -> Json:
    """The person takes the app's rights back, in the settings of X."""
    _expire(x, user, {})
    for token in x.memory.refreshes.values():
        token.is_dead |= token.user == user.id
    telling.revoked(x, user.id)
    return {"ok": True}


def _subscribe(x: X, user: User, body: Json) -> Json:
    """Subscribe without the wire, in one generation or in `both`, to the account's or the app's callback."""
    url = text_or_none(body, "callback_url") or user.callback_url or x.callback_url
    if url is None:
        raise BadBody("callback_url is not set")
    generation = text(body, "generation", "activity")
    if generation not in ("activity", "account", "both"):
        raise BadBody("generation must be activity, account or both")
    _unsubscribe(x, user, {})
    hook = next((one for one in x.memory.hooks.values() if one.url == url), None)
    if hook is None:
        hook = Hook(x.new_id(), url, x.now_ms(), is_seeded=True)
        x.memory.hooks[hook.id] = hook
    if generation != "activity":
        hooks.add(x, user, hook, None)
    if generation != "account":
        for event_type in hooks.TYPES:
            hooks.add(x, user, hook, event_type, "seeded")
    return {"webhook": hook.id}


def _unsubscribe(x: X, user: User, _body: Json) -> Json:
    gone = [one.id for one in x.memory.subscriptions.values() if one.user == user.id]
    for sub_id in gone:
        del x.memory.subscriptions[sub_id]
    return {"ended": len(gone)}


def _events(x: X, user: User, body: Json) -> Json:
    """Post bodies of any shape, as given, signed, past subscription and fault plan."""
    url = user.callback_url or x.callback_url
    if url is None:
        raise BadBody("callback_url is not set")
    given = objects(body.get("bodies"))
    x.posting.emit_as_given([Event(user.id, "x", one, x.now_ms()) for one in given], url)
    return {"sent": len(given)}


DEEDS: dict[str, Callable[[X, User, Json], Json]] = {
    "expire": _expire,
    "revoke": _revoke,
    "subscribe": _subscribe,
    "unsubscribe": _unsubscribe,
    "events": _events,
}


def _customers(x: X, _request: Request, body: Json) -> Json:
    return add_customers(x, objects(body.get("list", body)))


def _show_customer(x: X, request: Request, _body: Json) -> Json:
    return shown(x, _known(x, request), request.path_params["person"])


def _customer_deed(x: X, request: Request, body: Json) -> Json:
    silent = request.query_params.get("silent") == "1"
    person = _digits({"person": request.path_params["person"]}, "person")
    return deed(x, _known(x, request), x.memory.user(person), request.path_params["deed"], body, silent=silent)


def _hooks(x: X, _request: Request, _body: Json) -> Json:
    return {"hooks": [asdict(hook) for hook in x.memory.hooks.values()]}


async def _validate(x: X, request: Request, body: Json) -> Json:
    """The periodic CRC, now, for every webhook, or for that of one `url`."""
    url = text_or_none(body, "url")
    for hook in list(x.memory.hooks.values()):
        if url in (None, hook.url):
            hook.is_valid = await hooks.crc(x, hook.url)
    return _hooks(x, request, body)


def _posts(x: X, request: Request, _body: Json) -> Json:
    since = request.query_params.get("since", "0")
    if not since.isdecimal():
        raise BadBody("since must be a number")
    return {"posts": [asdict(item) for item in x.posting.posts if item.seq > int(since)]}


async def _replay(x: X, _request: Request, body: Json) -> Json:
    """Post a body as it is, signed as asked: good, bad or none. No retries."""
    url, given = text_or_none(body, "url") or x.callback_url, body.get("raw", body.get("body"))
    kind = text(body, "signature", "good")
    if url is None or given is None or kind not in ("good", "bad", "none"):
        raise BadBody("url (or callback_url), body and a signature of good, bad or none are required")
    raw = given.encode("utf-8", "surrogatepass") if isinstance(given, str) else serialised(given)
    fits = signed(raw if kind == "good" else raw + b" ", x.app("consumer_secret"))
    headers = {"x-twitter-webhooks-signature": fits} if kind != "none" else {}
    times = whole_or_none(body, "times") or 1
    return {"answers": [await x.posting.post(url, raw, headers) for _ in range(times)]}
