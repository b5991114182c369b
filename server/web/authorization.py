"""The authorization server over HTTP: endpoints for apps, and the two pages on which people decide about them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from html import escape
from urllib.parse import parse_qsl, urlsplit

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from server.auth import service as auth
from server.auth.service import SignedIn, oauth
from server.auth.service.oauth import Asked, Consent, Decision, Endpoint, Reply
from server.kit.ids import MalformedId, decode_as, encode
from server.web.browser import alert, csrf_field, form_of, page, signed_in, to_sign_in
from server.web.dependencies import WebDependencies
from server.web.permission_texts import TEXTS

UNIT_PREFIX = "unit"
"""The prefix of a unit's id, as the GraphQL schema writes it."""
_MAX_FIELDS = 50
_UNKNOWN_APP = "There is no such application, or it is not for you. Go back and tell its makers."
_UNKNOWN_CODE = "This code is wrong, too old, or was answered already. Look at your device again."

Handler = Callable[[Request], Awaitable[Response]]


def routes(deps: WebDependencies) -> list[BaseRoute]:
    """Return the endpoints of OAuth 2 and their pages. The way back from platforms (/oauth/…/callback) is another thing."""

    async def describe(_request: Request) -> Response:
        return JSONResponse(oauth.metadata(deps.settings))

    return [
        Route("/.well-known/oauth-authorization-server", describe, methods=["GET"]),
        Route("/oauth2/token", _endpoint(deps, Endpoint.TOKEN), methods=["POST"]),
        Route("/oauth2/revoke", _endpoint(deps, Endpoint.REVOCATION), methods=["POST"]),
        Route("/oauth2/introspect", _endpoint(deps, Endpoint.INTROSPECTION), methods=["POST"]),
        Route("/oauth2/device_authorization", _endpoint(deps, Endpoint.DEVICE), methods=["POST"]),
        Route("/oauth2/authorize", _authorize(deps), methods=["GET", "POST"]),
        Route("/device", _device(deps), methods=["GET", "POST"]),
    ]


def _endpoint(deps: WebDependencies, endpoint: Endpoint) -> Handler:
    async def answer(request: Request) -> Response:
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            if media != "application/x-www-form-urlencoded":
                raise ValueError
            text = (await request.body()).decode()
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
        except ValueError:
            return _answer(oauth.malformed("Send application/x-www-form-urlencoded, in UTF-8."))
        asked = Asked(request.method, request.url.path, pairs, request.headers.get("authorization"))
        network = auth.network_of(None if request.client is None else request.client.host)
        refused = await oauth.too_often(deps.database, deps.settings, endpoint, asked, network)
        return _answer(refused or await oauth.answer(deps.database, deps.settings, endpoint, asked))

    return answer


def _answer(reply: Reply) -> Response:
    body = b"" if isinstance(reply.body, str) else orjson.dumps(dict(reply.body))
    return Response(body, reply.status, reply.headers)


def _authorize(deps: WebDependencies) -> Handler:
    async def handle(request: Request) -> Response:
        person = await signed_in(request, deps)
        if person is None:
            return to_sign_in(request)
        asked = Asked("GET", request.url.path, request.query_params.multi_items())
        if request.method == "POST":
            decision = _decision(await form_of(request, deps))
            return _sent(await oauth.decide(deps.database, deps.settings, person.user_id, asked, decision))
        found = await oauth.ask(deps.database, deps.settings, person.user_id, asked)
        if isinstance(found, Reply):
            return _sent(found)
        return _consent_page(found, person, f"{request.url.path}?{request.url.query}")

    return handle


def _sent(reply: Reply) -> Response:
    if reply.location is not None:
        # 303, so that a browser never posts the form to the app as well (RFC 9700, 4.12).
        return Response(status_code=303, headers={"location": reply.location})
    body = {} if isinstance(reply.body, str) else reply.body
    is_unknown = body.get("error") == "invalid_client"
    text = _UNKNOWN_APP if is_unknown else str(body.get("error_description") or "The request is not valid.")
    return page("This application cannot go on", alert(text), status=400)


def _device(deps: WebDependencies) -> Handler:
    async def handle(request: Request) -> Response:
        person = await signed_in(request, deps)
        if person is None:
            return to_sign_in(request)
        if request.method == "GET":
            return _code_page(person, request.query_params.get("user_code", ""))
        fields = await form_of(request, deps)
        code = fields.get("user_code", "")
        wait_s = await oauth.guess(deps.database, deps.settings, person.user_id)
        if wait_s:
            told = _code_page(person, "", f"Too many codes. Try again in {wait_s} seconds.", 429)
            told.headers["retry-after"] = str(wait_s)
            return told
        if "decision" not in fields:
            found = await oauth.ask_for_device(deps.database, deps.settings, person.user_id, code)
            return _code_page(person, "", _UNKNOWN_CODE, 400) if found is None else _device_page(found, person, code)
        decision = _decision(fields)
        if not await oauth.decide_for_device(deps.database, deps.settings, person.user_id, code, decision):
            return _code_page(person, "", _UNKNOWN_CODE, 400)
        done = "The device may act for you now." if decision.is_granted else "The device was refused."
        return page("Done", f"<p>{done} You can close this page.</p>")

    return handle


def _code_page(person: SignedIn, code: str, trouble: str = "", status: int = 200) -> Response:
    body = (
        f'{alert(trouble) if trouble else ""}<form method="post" action="/device">{csrf_field(person)}'
        '<label for="user_code">The code that your device shows</label>'
        f'<input id="user_code" name="user_code" value="{escape(code[:20])}" required autocomplete="off"'
        ' autocapitalize="characters" spellcheck="false"><button>Go on</button></form>'
    )
    return page("Connect a device", body, status=status)


def _device_page(found: Consent, person: SignedIn, code: str) -> Response:
    warning = (
        f"<p>Go on only if a device in front of you shows the code <strong>{escape(code.upper())}</strong>."
        " Whoever sent you the code would otherwise act in your name.</p>"
    )
    hidden = f'<input type="hidden" name="user_code" value="{escape(code)}">'
    return page("Let this device act for you?", warning + _consent_form(found, person, "/device", hidden))


def _consent_page(found: Consent, person: SignedIn, action: str) -> Response:
    target = urlsplit(found.redirect_uri or "")
    origin = f"{target.scheme}://{target.netloc}" if target.netloc else f"{target.scheme}:"
    where = f"<p>Afterwards you return to <strong>{escape(target.netloc or target.scheme)}</strong>.</p>"
    body = _consent_form(found, person, action, "") + where
    return page("Let this application act for you?", body, leads_to=[origin])


def _consent_form(found: Consent, person: SignedIn, action: str, hidden: str) -> str:
    rights = "".join(f"<li>{escape(TEXTS[one])} (<code>{one.value}</code>)</li>" for one in found.permissions)
    reach = ", ".join(escape(one.name) for one in found.reach)
    choices = "".join(
        f'<label><input type="checkbox" name="{encode(UNIT_PREFIX, one.id)}" value="on"> {escape(one.name)}</label>'
        for one in found.choices
    )
    return (
        f"<p><strong>{escape(found.app_name)}</strong> asks to act for you,"
        f" {escape(found.member_name)}, in <strong>{escape(found.organization_name)}</strong>.</p>"
        f"<h2>It could</h2><ul>{rights}</ul><p>Never more than you may do yourself. You can end this at any time.</p>"
        f'<form method="post" action="{escape(action)}">{csrf_field(person)}{hidden}<fieldset><legend>Where</legend>'
        f'<label><input type="radio" name="where" value="all" checked> Wherever you work: {reach}</label>'
        '<label><input type="radio" name="where" value="chosen"> Only here, and below:</label>'
        f"{choices}</fieldset>"
        '<button name="decision" value="allow">Allow</button> <button name="decision" value="refuse">Refuse</button></form>'
    )


def _decision(fields: dict[str, str]) -> Decision:
    """Read what was pressed; anything that is not a plain yes is a no."""
    if fields.get("decision") != "allow" or fields.get("where") not in {"all", "chosen"}:
        return Decision(is_granted=False)
    if fields["where"] == "all":
        return Decision(is_granted=True)
    try:
        chosen = frozenset(decode_as(UNIT_PREFIX, name) for name in fields if name.startswith(f"{UNIT_PREFIX}_"))
    except MalformedId:
        chosen = frozenset()
    return Decision(is_granted=True, unit_ids=chosen)
