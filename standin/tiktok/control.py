"""The control API's part of TikTok: setting up, acting as a person, as the account's owner and as the platform."""

import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, fields

from starlette.requests import Request
from starlette.routing import Route

from standin.controlling import UnknownId, an_object, route
from standin.jsonish import BadBody, Json, objects, text, text_or_none, texts, whole_or_none
from standin.tiktok import oauth
from standin.tiktok.customers import Deed, deed, inbound
from standin.tiktok.hooks import COMMENTS, MESSAGES, message_content, signature
from standin.tiktok.state import Account, Message, Settings, Token, new_id
from standin.tiktok.wire import TikTok

Work = Callable[[TikTok, Request, object], Awaitable[Json]]
OLD_S = 3_600
ACCOUNT_FIELDS = ("username", "display_name", "type", "region", "callback_url")


def routes(tiktok: TikTok) -> list[Route]:
    """All routes under /control/tiktok."""
    return [
        _route(tiktok, "/app", _show_app, "GET"),
        _route(tiktok, "/app", _set_app, "POST"),
        _route(tiktok, "/accounts", _accounts, "POST"),
        _route(tiktok, "/accounts/{account}", _show_account, "GET"),
        _route(tiktok, "/accounts/{account}/{deed}", _account_deed, "POST"),
        _route(tiktok, "/customers", _customers, "POST"),
        _route(tiktok, "/customers/{account}/{person:path}/{deed}", _customer_deed, "POST"),
        _route(tiktok, "/customers/{account}/{person:path}", _show_customer, "GET"),
        _route(tiktok, "/webhooks", _posts, "GET"),
        _route(tiktok, "/webhooks/replay", _replay, "POST"),
    ]


def _route(tiktok: TikTok, path: str, work: Work, method: str) -> Route:
    async def bound(request: Request, body: object) -> object:
        return await work(tiktok, request, body)

    return route(f"/tiktok{path}", bound, method)


def _account_of(tiktok: TikTok, name: str) -> Account:
    found = tiktok.memory.accounts.get(name)
    if found is None:
        raise UnknownId(f"unknown account {name}")
    return found


async def _show_app(tiktok: TikTok, _request: Request, _body: object) -> Json:
    return {"client_key": tiktok.key, "webhooks": tiktok.memory.webhooks, **asdict(tiktok.memory.settings)}


async def _set_app(tiktok: TikTok, request: Request, body: object) -> Json:
    given = an_object(body)
    settings = tiktok.memory.settings
    known = {item.name for item in fields(Settings)}
    for name, value in given.items():
        if name == "callback_url":
            continue
        if name not in known:
            raise BadBody(f"unknown setting {name}")
        is_list = name == "webhook_retry_ms"
        if (is_list and not isinstance(value, list)) or (not is_list and not isinstance(value, int | None)):
            raise BadBody(f"{name} has the wrong type")
    for name, value in given.items():
        if name != "callback_url":
            setattr(settings, name, value)
    if "callback_url" in given:
        url = text_or_none(given, "callback_url")
        tiktok.memory.webhooks = {} if url is None else {MESSAGES: url, COMMENTS: url}
    return await _show_app(tiktok, request, body)


async def _accounts(tiktok: TikTok, _request: Request, body: object) -> Json:
    return {"accounts": [_add_account(tiktok, given) for given in objects(body)]}


def _add_account(tiktok: TikTok, given: Json) -> Json:
    name = text(given, "id")
    known = tiktok.memory.accounts.get(name)
    account = known or Account(name, f"shop_{name.strip('-_')[-6:].lower()}", text(given, "display_name", "Bakery"))
    for field_name in ACCOUNT_FIELDS:
        if field_name in given:
            setattr(account, field_name, text_or_none(given, field_name))
    for switch in ("images", "comment_to_message"):
        if switch in given:
            setattr(account, switch, given[switch] is True)
    tiktok.memory.accounts[name] = account
    scopes = texts(given, "scopes") or list(oauth.SCOPES)
    now = tiktok.now_ms()
    access = tiktok.memory.issue(name, scopes, now, False, text_or_none(given, "access_token"))
    renewing = tiktok.memory.issue(name, scopes, now, True, text_or_none(given, "refresh_token"))
    return {"id": name, "access_token": access.value, "refresh_token": renewing.value}


async def _show_account(tiktok: TikTok, request: Request, _body: object) -> Json:
    account = _account_of(tiktok, request.path_params["account"])
    now = tiktok.now_ms()

    def live(is_refresh: bool) -> list[str]:
        return [one.value for one in tiktok.memory.tokens.values() if _is_live(one, account.id, now, is_refresh)]

    return {
        "id": account.id,
        "display_name": account.display_name,
        "access_tokens": live(False),
        "refresh_tokens": live(True),
        "conversations": len(account.conversations),
    }


def _is_live(token: Token, account: str, now_ms: int, is_refresh: bool) -> bool:
    return (
        token.account == account and token.is_refresh is is_refresh and not token.is_dead and token.expires_ms > now_ms
    )


async def _account_deed(tiktok: TikTok, request: Request, body: object) -> Json:
    account, given = _account_of(tiktok, request.path_params["account"]), an_object(body)
    match request.path_params["deed"]:
        case "expire":
            return {"tokens": oauth.end(tiktok, account.id, is_refresh=False)}
        case "expire_refresh":
            return {"tokens": oauth.end(tiktok, account.id, is_refresh=True)}
        case "revoke":
            tiktok.hooks.emit_as_given(account, "authorization.removed", {"reason": 1})
            return {"tokens": oauth.end(tiktok, account.id)}
        case "say":
            return _say(tiktok, account, given)
        case "events":
            sent = tiktok.hooks.emit_as_given(account, text(given, "event"), given.get("content"))
            if not sent:
                raise BadBody("no callback_url is set")
            return {"sent": 1}
        case other:
            raise UnknownId(f"unknown deed {other}")


def _say(tiktok: TikTok, account: Account, given: Json) -> Json:
    """The account's owner writes by hand, in TikTok's own app."""
    thread = account.conversation(text(given, "person"))
    message = Message(new_id("u5B"), True, "text", {"body": text(given, "text")}, tiktok.now_ms(), "APP")
    tiktok.add(thread, message)
    thread.is_single = True
    tiktok.hooks.emit(account, "im_send_msg", message_content(account, thread, message))
    return {"message_id": message.id, "conversation_id": thread.id}


async def _customers(tiktok: TikTok, _request: Request, body: object) -> Json:
    made = []
    for given in objects(body):
        account = _account_of(tiktok, text(given, "account"))
        person = account.person(text(given, "person"))
        person.username = text(given, "username", person.username)
        person.region = text(given, "region", person.region)
        person.is_adult = given.get("is_adult", person.is_adult) is True
        row: Json = {"account": account.id, "person": person.id}
        ago = whole_or_none(given, "wrote_s_ago")
        if ago is not None:
            opened = {"text": "hello", "timestamp": tiktok.now_ms() - ago * 1000}
            row |= inbound(Deed(tiktok, account, person.id, opened, True), "text", {"body": "hello"})
        made.append(row)
    return {"customers": made}


async def _customer_deed(tiktok: TikTok, request: Request, body: object) -> Json:
    account = _account_of(tiktok, request.path_params["account"])
    silent = request.query_params.get("silent") in ("1", "true")
    name, person = request.path_params["deed"], request.path_params["person"]
    return deed(tiktok, account, person, name, an_object(body), silent=silent)


async def _show_customer(tiktok: TikTok, request: Request, _body: object) -> Json:
    account = _account_of(tiktok, request.path_params["account"])
    thread = account.conversation_of(request.path_params["person"])
    if thread is None:
        raise UnknownId("unknown customer")
    return asdict(thread)


async def _posts(tiktok: TikTok, request: Request, _body: object) -> Json:
    since = request.query_params.get("since", "0")
    if not since.isdecimal():
        raise BadBody("since must be a number")
    return {"posts": [asdict(item) for item in tiktok.hooks.posts if item.seq > int(since)]}


async def _replay(tiktok: TikTok, _request: Request, body: object) -> Json:
    """Post the given body as it is: signed well, badly, an hour ago, or not at all."""
    given = an_object(body)
    url = text_or_none(given, "url") or tiktok.memory.webhooks.get(MESSAGES)
    if url is None:
        raise BadBody("url is required, no callback_url is set")
    content = given.get("raw", given.get("body"))
    if content is None:
        raise BadBody("body is required")
    raw = content.encode() if isinstance(content, str) else json.dumps(content, separators=(",", ":")).encode()
    headers = _signed(tiktok, raw, text(given, "signature", "good"))
    times = whole_or_none(given, "times")
    return {"answers": [await tiktok.hooks.post(url, raw, headers) for _ in range(1 if times is None else times)]}


def _signed(tiktok: TikTok, raw: bytes, kind: str) -> dict[str, str]:
    now = int(time.time())
    match kind:
        case "good":
            return {"Tiktok-Signature": signature(tiktok.secret, raw, now)}
        case "bad":
            return {"Tiktok-Signature": signature(f"{tiktok.secret}x", raw, now)}
        case "old":
            return {"Tiktok-Signature": signature(tiktok.secret, raw, now - OLD_S)}
        case "none":
            return {}
        case _:
            raise BadBody("signature must be good, bad, old or none")
