"""The control calls of Instagram: setting up accounts and people, acting as them and as the platform."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import asdict, fields, replace

import httpx
import orjson
from starlette.requests import Request
from starlette.routing import Route

from standin.controlling import UnknownId, route
from standin.instagram.phone import Phone
from standin.instagram.posting import FLAT, Hooks
from standin.instagram.state import ALL_SCOPES, FIELDS, Account, Studio
from standin.jsonish import (
    BadBody,
    Json,
    as_dict,
    as_list,
    number_or_none,
    objects,
    text,
    text_or_none,
    texts,
    whole_or_none,
)
from standin.meta_signing import escaped, signatures

Work = Callable[[Request, object], Awaitable[Json]]
TIMINGS = ("echo_ms", "read_ms")


class Control:
    """All routes under /control/instagram."""

    def __init__(self, studio: Studio, hooks: Hooks, phone: Phone) -> None:
        self._studio = studio
        self._hooks = hooks
        self._phone = phone

    def routes(self) -> list[Route]:
        """The routes."""
        return [
            route("/instagram/app", self._app, "POST"),
            route("/instagram/app/subscribe", self._handshake, "POST"),
            route("/instagram/accounts", self._accounts, "POST"),
            route("/instagram/accounts/{account}", self._show_account, "GET"),
            route("/instagram/accounts/{account}/{deed}", self._account_deed, "POST"),
            route("/instagram/customers", self._customers, "POST"),
            route("/instagram/customers/{account}/{person}", self._show_customer, "GET"),
            route("/instagram/customers/{account}/{person}/{deed}", self._customer_deed, "POST"),
            route("/instagram/webhooks", self._posts, "GET"),
            route("/instagram/webhooks/replay", self._replay, "POST"),
            route("/instagram/callback", self._callback, "POST"),
        ]

    async def _app(self, _request: Request, body: object) -> Json:
        given = as_dict(body) or {}
        known = {item.name for item in fields(self._studio.choices)}
        if unknown := set(given) - known:
            raise UnknownId(f"unknown setting {sorted(unknown)[0]}")
        changed = asdict(self._studio.choices) | given
        kinds = {"callback_url": (str, type(None)), "private_replies_per_h": (int,)}
        for name, value in changed.items():
            if type(value) not in kinds.get(name, (bool,)):
                raise BadBody(f"{name} has the wrong type")
        self._studio.choices = replace(self._studio.choices, **changed)
        return changed

    async def _handshake(self, _request: Request, body: object) -> Json:
        """Ask the callback to echo a challenge, as when an app subscribes: ours, or with `facebook` the one of pages."""
        given = as_dict(body) or {}
        config = self._studio.run.world.config
        is_facebook = given.get("facebook") is True
        verify = config.verify_token if is_facebook else self._studio.app.get("verify_token", "")
        challenge = str(secrets.randbelow(10**10))
        query = {"hub.mode": "subscribe", "hub.verify_token": verify, "hub.challenge": challenge}
        try:
            answer = await self._hooks.direct.client.get(self._url(given), params=query, timeout=10)
        except httpx.HTTPError:
            return {"verified": False, "status": 0}
        return {"verified": answer.status_code == 200 and answer.text == challenge, "status": answer.status_code}

    async def _accounts(self, _request: Request, body: object) -> Json:
        rows: list[Json] = []
        for item in objects(body):
            account = self._account(item)
            self._studio.accounts[account.id] = account
            token = self._token(account, item)
            rows.append({"id": account.id, "scoped": account.scoped, "access_token": token})
        return {"accounts": rows}

    def _account(self, item: Json) -> Account:
        named = text(item, "id")
        old = self._studio.accounts.get(named)
        page = text_or_none(item, "page")
        if page is not None and page not in self._studio.run.world.pages:
            raise UnknownId(f"unknown page {page}")
        subscribed = item.get("subscribed")
        wanted = set(FIELDS) if subscribed is True else set(texts(item, "subscribed") if subscribed else [])
        if wanted - FIELDS:
            raise UnknownId(f"unknown field {sorted(wanted - FIELDS)[0]}")
        return Account(
            id=named,
            username=text(item, "username", f"business{named[-4:]}"),
            name=text(item, "name", "Business"),
            scoped=text(item, "scoped", f"9{named}"),
            page=page,
            fields=wanted,
            callback_url=text_or_none(item, "callback_url"),
            people=old.people if old is not None else {},
        )

    def _token(self, account: Account, item: Json) -> str:
        """A token of the direct login that holds every scope and does not end, as if it were `issued_s_ago` old."""
        scopes = texts(item, "scopes") or list(ALL_SCOPES)
        given = text_or_none(item, "access_token")
        life_s = whole_or_none(item, "expires_in_s") or 0
        token = self._studio.issue(account, is_long=True, scopes=scopes, life_s=life_s, value=given)
        token.issued_s -= int(number_or_none(item, "issued_s_ago") or 0)
        return token.value

    async def _show_account(self, request: Request, _body: object) -> Json:
        account = self._of(request)
        return {
            "id": account.id,
            "username": account.username,
            "page": account.page,
            "subscribed_fields": sorted(account.fields),
            "is_restricted": account.is_restricted,
            "customers": len(account.people),
        }

    async def _account_deed(self, request: Request, body: object) -> Json:
        account, given = self._of(request), as_dict(body) or {}
        deed = request.path_params["deed"]
        match deed:
            case "expire" | "revoke":
                return {
                    "tokens": self._kill(account, 463 if deed == "expire" else whole_or_none(given, "subcode") or 460)
                }
            case "restrict":
                account.is_restricted = given.get("on", True) is True
            case "access":
                account.gives_access = given.get("on", True) is True
            case "subscribe":
                account.fields, account.failing_since = set(texts(given, "fields")) or set(FIELDS), None
            case "unsubscribe":
                account.fields.clear()
            case "events":
                return {"sent": self._events(account, given)}
            case other:
                raise UnknownId(f"unknown deed {other}")
        return {"is_restricted": account.is_restricted, "subscribed_fields": sorted(account.fields)}

    def _kill(self, account: Account, subcode: int) -> int:
        """End every token that speaks for the account, those of its Facebook page too."""
        world = self._studio.run.world
        direct = [one for one in self._studio.tokens.values() if one.account == account.id and one.dead is None]
        paged = [one for one in world.tokens.values() if one.page == (account.page or "") and one.dead is None]
        for token in direct:
            token.dead = subcode
        for page_token in paged:
            page_token.dead = subcode
        return len(direct) + len(paged)

    def _events(self, account: Account, given: Json) -> int:
        sent = 0
        for key in ("messaging", "changes", "standby", FLAT):
            items = as_list(given.get(key)) or []
            if items:
                self._hooks.emit_as_given(account, key, items, self._url({}, account))
                sent += len(items)
        return sent

    async def _customers(self, _request: Request, body: object) -> Json:
        rows: list[Json] = []
        for item in objects(body):
            person = self._studio.person(self._studio.account_named(text(item, "account")), text(item, "person"))
            person.username = text(item, "username", person.username)
            person.name = text(item, "name", person.name)
            ago_s = number_or_none(item, "wrote_s_ago")
            if ago_s is not None:
                person.last_action_ms = self._studio.now_ms() - int(ago_s * 1000)
            person.echo_ms, person.read_ms = whole_or_none(item, "echo_ms"), whole_or_none(item, "read_ms")
            person.own_timing = {name for name in TIMINGS if name in item}
            rows.append({"account": person.account, "person": person.id})
        return {"customers": rows}

    async def _show_customer(self, request: Request, _body: object) -> Json:
        person = self._of(request).people.get(request.path_params["person"])
        if person is None:
            raise UnknownId("unknown customer")
        return asdict(person) | {"own_timing": sorted(person.own_timing)}

    async def _customer_deed(self, request: Request, body: object) -> Json:
        silent = request.query_params.get("silent") in ("1", "true")
        given = as_dict(body) or {}
        return self._phone.do(
            self._of(request), request.path_params["person"], request.path_params["deed"], given, silent
        )

    async def _posts(self, _request: Request, _body: object) -> Json:
        posts = [*self._hooks.direct.posts, *self._hooks.facebook.posts]
        return {"posts": [asdict(item) for item in posts]}

    async def _replay(self, _request: Request, body: object) -> Json:
        """Post the given body as it is, signed as asked, by the app of the named login."""
        given = as_dict(body) or {}
        raw = given.get("raw", given.get("body"))
        if raw is None:
            raise BadBody("body is required")
        content = raw.encode() if isinstance(raw, str) else escaped(raw)
        kind = text(given, "signature", "good")
        if kind not in ("good", "bad", "none"):
            raise BadBody("signature must be good, bad or none")
        signed = content if kind == "good" else content + b" "
        headers = signatures(self._secret(given), signed) if kind != "none" else {}
        times, url = whole_or_none(given, "times"), self._url(given)
        rounds = range(1 if times is None else times)
        return {"answers": [await self._hooks.direct.post(url, content, headers) for _ in rounds]}

    async def _callback(self, _request: Request, body: object) -> Json:
        """Post a deauthorisation or deletion callback about a person: one form field, `signed_request`."""
        given = as_dict(body) or {}
        told: Json = {
            "algorithm": "HMAC-SHA256",
            "issued_at": self._studio.now_ms() // 1000,
            "user_id": text(given, "user_id"),
        }
        packed = _packed(orjson.dumps(told))
        mark = hmac.new(self._secret(given).encode(), packed.encode(), hashlib.sha256).digest()
        form = {"signed_request": f"{_packed(mark)}.{packed}"}
        answer = await self._hooks.direct.client.post(text(given, "url"), data=form, timeout=10)
        return {"status": answer.status_code, "body": answer.text[:10_000]}

    def _secret(self, given: Json) -> str:
        is_facebook = given.get("facebook") is True
        return self._studio.run.world.config.app_secret if is_facebook else self._studio.app.get("app_secret", "")

    def _url(self, given: Json, account: Account | None = None) -> str:
        url = text_or_none(given, "url") or (self._studio.url_of(account) if account is not None else None)
        url = url or self._studio.choices.callback_url or self._studio.app.get("callback_url")
        if url is None:
            raise BadBody("url is required, callback_url is not set")
        return url

    def _of(self, request: Request) -> Account:
        return self._studio.account_named(request.path_params["account"])


def _packed(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
