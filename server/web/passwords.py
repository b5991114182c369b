"""The pages on which people ask for a link by mail, and choose another password with it."""

from __future__ import annotations

from html import escape

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from server.auth import browsers
from server.auth import service as auth
from server.auth.errors import TicketInvalid, TooManyAttempts
from server.kit.errors import Problems
from server.web.browser import alert, clear_cookie, csrf_field, form_of, form_token, page, signed_in, write_cookie
from server.web.dependencies import WebDependencies
from server.web.sign_in import caller_of

HINT = "At least 12 characters. A few words that do not belong together are good."


def routes(deps: WebDependencies) -> list[BaseRoute]:
    """Return /reset and /reset/{token}."""

    async def ask(request: Request) -> Response:
        return await _ask_page(request, deps)

    async def wish(request: Request) -> Response:
        fields = await form_of(request, deps)
        try:
            await auth.ask_for_reset(deps.database, deps.settings, caller_of(request), fields.get("email", ""))
        except TooManyAttempts as refused:
            return await _ask_page(request, deps, refused.message, 429)
        told = "If an account has this address, a link is on its way. It works once, within 30 minutes."
        return page("Look into your mail", f"<p>{told}</p>")

    async def open_link(request: Request) -> Response:
        return await _choose_page(request, deps)

    async def choose(request: Request) -> Response:
        return await _choose(request, deps)

    return [
        Route("/reset", ask, methods=["GET"]),
        Route("/reset", wish, methods=["POST"]),
        Route("/reset/{token}", open_link, methods=["GET"]),
        Route("/reset/{token}", choose, methods=["POST"]),
    ]


async def with_form(
    request: Request, deps: WebDependencies, title: str, form: str, *, told: str, status: int
) -> Response:
    """Write a page with one form that also somebody without a session may send; `form` stands in it after its token."""
    person = await signed_in(request, deps)
    token = form_token(request, deps.settings)
    field = csrf_field(token if person is None else person)
    shown = alert(told) if told else ""
    answer = page(title, f'{shown}<form method="post">{field}{form}</form>', status=status)
    if person is None:
        write_cookie(answer, deps.settings, browsers.FORM, token.cookie)
    return answer


async def _ask_page(request: Request, deps: WebDependencies, told: str = "", status: int = 200) -> Response:
    form = (
        '<label for="email">E-mail address</label>'
        '<input id="email" name="email" type="email" autocomplete="username" required autofocus>'
        "<button>Send a link</button>"
    )
    return await with_form(request, deps, "Choose a new password", form, told=told, status=status)


async def _choose_page(request: Request, deps: WebDependencies, told: str = "", status: int = 200) -> Response:
    return await with_form(request, deps, "Choose a new password", password_input(), told=told, status=status)


def password_input() -> str:
    """Return the input of a new password with its button."""
    return (
        f'<label for="password">New password</label><p id="hint">{escape(HINT)}</p>'
        '<input id="password" name="password" type="password" autocomplete="new-password" aria-describedby="hint" required>'
        "<button>Save</button>"
    )


async def _choose(request: Request, deps: WebDependencies) -> Response:
    fields = await form_of(request, deps)
    token = str(request.path_params["token"])
    try:
        await auth.reset_password(deps.database, deps.settings, caller_of(request), token, fields.get("password", ""))
    except Problems as many:
        return await _choose_page(request, deps, " ".join(one.message for one in many.problems), 422)
    except TooManyAttempts as refused:
        return await _choose_page(request, deps, refused.message, 429)
    except TicketInvalid as refused:
        body = f'{alert(refused.message)}<p><a href="/reset">Ask for a new link</a></p>'
        return page("Choose a new password", body, status=410)
    answer = RedirectResponse("/sign-in", 303)
    for name in (browsers.SESSION, browsers.TOKEN, browsers.CSRF):
        clear_cookie(answer, deps.settings, name)
    return answer
