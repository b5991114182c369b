"""The pages on which people sign in, sign out, and choose whom they act for."""

from __future__ import annotations

from html import escape
from urllib.parse import quote
from uuid import UUID

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from server.auth import browsers, tokens
from server.auth import service as auth
from server.auth.errors import SessionEnded, SignInRefused, TooManyAttempts
from server.auth.service import Caller, FactorOwed, Proved, SignedIn
from server.kit.errors import NotFound
from server.kit.ids import MalformedId, decode_as, encode
from server.web.browser import (
    alert,
    clear_cookie,
    csrf_field,
    form_of,
    form_token,
    local_path,
    page,
    read_cookie,
    signed_in,
    to_sign_in,
    write_cookie,
)
from server.web.dependencies import WebDependencies
from server.web.providers import provider_links

ORGANIZATION_PREFIX = "org"
"""The prefix of an organization's id, as the GraphQL schema writes it."""
FACTOR_PATH = "/sign-in/verify"
"""Where a second factor is asked for; its ticket waits in a cookie."""


def routes(deps: WebDependencies) -> list[BaseRoute]:
    """Return /sign-in, /sign-out and /organizations."""

    async def ask(request: Request) -> Response:
        if await signed_in(request, deps) is not None:
            return RedirectResponse(local_path(request.query_params.get("next")), 303)
        return sign_in_page(request, deps)

    async def sign_in(request: Request) -> Response:
        return await _sign_in(request, deps)

    async def ask_to_end(request: Request) -> Response:
        person = await signed_in(request, deps)
        return page("Signed out", "<p>Nobody is signed in here.</p>") if person is None else _sign_out_page(person)

    async def sign_out(request: Request) -> Response:
        await form_of(request, deps)
        person = await signed_in(request, deps)
        if person is not None:
            await auth.end_session(deps.database, person.user_id, person.session_id)
        answer = RedirectResponse("/sign-in", 303)
        for name in (browsers.SESSION, browsers.TOKEN, browsers.CSRF, browsers.TICKET):
            clear_cookie(answer, deps.settings, name)
        return answer

    async def ask_whom(request: Request) -> Response:
        person = await signed_in(request, deps)
        return to_sign_in(request) if person is None else await _organizations_page(request, deps, person)

    async def choose(request: Request) -> Response:
        return await _choose(request, deps)

    return [
        Route("/sign-in", ask, methods=["GET"]),
        Route("/sign-in", sign_in, methods=["POST"]),
        Route("/sign-out", ask_to_end, methods=["GET"]),
        Route("/sign-out", sign_out, methods=["POST"]),
        Route("/organizations", ask_whom, methods=["GET"]),
        Route("/organizations", choose, methods=["POST"]),
    ]


def caller_of(request: Request) -> Caller:
    """Return where a request comes from."""
    host = None if request.client is None else request.client.host
    return Caller(request.headers.get("user-agent", ""), auth.network_of(host))


def sign_in_page(
    request: Request, deps: WebDependencies, *, problem: str = "", status: int = 200, wanted: str | None = None
) -> Response:
    """Ask for an address and a password."""
    back = local_path(request.query_params.get("next") if wanted is None else wanted, "")
    token = form_token(request, deps.settings)
    answer = page(
        "Sign in",
        f'{alert(problem) if problem else ""}<form method="post" action="/sign-in">{csrf_field(token)}'
        f'<input type="hidden" name="next" value="{escape(back)}">'
        '<label for="email">E-mail address</label>'
        '<input id="email" name="email" type="email" autocomplete="username" required autofocus>'
        '<label for="password">Password</label>'
        '<input id="password" name="password" type="password" autocomplete="current-password" required>'
        '<button>Sign in</button></form><p><a href="/reset">Choose a new password</a></p>'
        f"{provider_links(deps.settings, back)}",
        status=status,
    )
    write_cookie(answer, deps.settings, browsers.FORM, token.cookie)
    return answer


async def _sign_in(request: Request, deps: WebDependencies) -> Response:
    fields = await form_of(request, deps)
    back = local_path(fields.get("next"))
    try:
        proved = await auth.prove_password(
            deps.database,
            deps.settings,
            caller_of(request),
            email=fields.get("email", ""),
            password=fields.get("password", ""),
        )
        return await finish_sign_in(request, deps, proved, back)
    except (SignInRefused, TooManyAttempts) as refused:
        status = 429 if isinstance(refused, TooManyAttempts) else 403
        answer = sign_in_page(request, deps, problem=refused.message, status=status, wanted=back)
        if isinstance(refused, TooManyAttempts):
            answer.headers["retry-after"] = str(refused.retry_after_s)
        return answer


async def finish_sign_in(
    request: Request, deps: WebDependencies, proved: Proved | FactorOwed, back: str
) -> RedirectResponse:
    """Give the browser a session of its own, never one that it brought along, or send it to its second factor."""
    if isinstance(proved, FactorOwed):
        owed = RedirectResponse(f"{FACTOR_PATH}?next={quote(back, safe='')}", 303)
        write_cookie(owed, deps.settings, browsers.TICKET, proved.ticket)
        return owed
    before = await signed_in(request, deps)
    cookie = await auth.open_session(deps.database, deps.settings, caller_of(request), proved)
    if before is not None:
        await auth.end_session(deps.database, before.user_id, before.session_id)
    answer = RedirectResponse(back, 303)
    write_cookie(answer, deps.settings, browsers.SESSION, cookie)
    for name in (browsers.FORM, browsers.TICKET, browsers.TOKEN, browsers.CSRF):
        clear_cookie(answer, deps.settings, name)
    return answer


def _sign_out_page(person: SignedIn) -> Response:
    return page(
        "Sign out",
        f"<p>You are signed in as {escape(person.email)}.</p>"
        f'<form method="post" action="/sign-out">{csrf_field(person)}<button>Sign out</button></form>',
    )


async def _organizations_page(
    request: Request, deps: WebDependencies, person: SignedIn, *, problem: str = "", status: int = 200
) -> Response:
    found = await auth.affiliations(deps.database, person.user_id)
    token = tokens.read(read_cookie(request, deps.settings, browsers.TOKEN) or "")
    acting = None if token is None else token.organization_id
    back = local_path(request.query_params.get("next"), "")
    rows = "".join(
        f'<li><form method="post" action="/organizations">{csrf_field(person)}'
        f'<input type="hidden" name="next" value="{escape(back)}">'
        f'<input type="hidden" name="organization" value="{encode(ORGANIZATION_PREFIX, one.organization_id)}">'
        f"<button>{'Go on' if one.organization_id == acting else 'Act'} for {escape(one.organization_name)}</button>"
        "</form></li>"
        for one in found
    )
    nothing = "<p>You are not a member of an organization. Ask for an invitation.</p>"
    body = f"{alert(problem) if problem else ''}<p>Signed in as {escape(person.name)}, {escape(person.email)}.</p>"
    return page(
        "Whom do you act for?",
        f'{body}{f"<ul>{rows}</ul>" if rows else nothing}<p><a href="/sign-out">Sign out</a></p>',
        status=status,
    )


async def _choose(request: Request, deps: WebDependencies) -> Response:
    fields = await form_of(request, deps)
    person = await signed_in(request, deps)
    if person is None:
        return RedirectResponse("/sign-in", 303)
    try:
        token = await auth.act_for(deps.database, deps.settings, person, _organization(fields))
    except NotFound:
        told = "You are not a member of this organization."
        return await _organizations_page(request, deps, person, problem=told, status=404)
    except SessionEnded:
        return RedirectResponse("/sign-in", 303)
    answer = RedirectResponse(local_path(fields.get("next")), 303)
    write_cookie(answer, deps.settings, browsers.TOKEN, token)
    write_cookie(answer, deps.settings, browsers.CSRF, browsers.csrf_of(deps.settings, browsers.TOKEN.base, token))
    return answer


def _organization(fields: dict[str, str]) -> UUID:
    try:
        return decode_as(ORGANIZATION_PREFIX, fields.get("organization", ""))
    except MalformedId as error:
        raise NotFound from error
