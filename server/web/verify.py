"""The page of the second factor: a code of the authenticator app, or a recovery code."""

from __future__ import annotations

from html import escape

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from server.auth import browsers
from server.auth.errors import CodeWrong, SignInRefused, TicketInvalid, TooManyAttempts
from server.auth.service.factors import FactorProof
from server.auth.service.verify import prove_factor
from server.kit.errors import InvalidInput
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
    write_cookie,
)
from server.web.dependencies import WebDependencies
from server.web.sign_in import FACTOR_PATH, caller_of, finish_sign_in

_TITLE = "Second step"


def routes(deps: WebDependencies) -> list[BaseRoute]:
    """Return the page and its form."""

    async def show(request: Request) -> Response:
        if read_cookie(request, deps.settings, browsers.TICKET) is None:
            return RedirectResponse("/sign-in", 303)
        return await _form(request, deps, request.query_params.get("next"))

    async def check(request: Request) -> Response:
        fields = await form_of(request, deps)
        ticket = read_cookie(request, deps.settings, browsers.TICKET)
        wanted = fields.get("next")
        if ticket is None:
            return RedirectResponse("/sign-in", 303)
        proof = FactorProof(fields.get("code") or None, fields.get("recovery_code") or None)
        try:
            proved = await prove_factor(deps.database, deps.settings, caller_of(request), ticket, proof)
            return await finish_sign_in(request, deps, proved, local_path(wanted))
        except TooManyAttempts as error:
            answer = await _form(request, deps, wanted, problem=error.message, status=429)
            answer.headers["retry-after"] = str(error.retry_after_s)
            return answer
        except (CodeWrong, InvalidInput) as error:
            return await _form(request, deps, wanted, problem=error.message, status=403)
        except (TicketInvalid, SignInRefused):
            gone = '<p>This took too long, or too many codes were wrong. <a href="/sign-in">Sign in again</a>.</p>'
            answer = page(_TITLE, gone, status=400)
            clear_cookie(answer, deps.settings, browsers.TICKET)
            return answer

    return [Route(FACTOR_PATH, show, methods=["GET"]), Route(FACTOR_PATH, check, methods=["POST"])]


async def _form(
    request: Request, deps: WebDependencies, wanted: str | None, *, problem: str = "", status: int = 200
) -> Response:
    token = form_token(request, deps.settings)
    # Who is signed in already, as somebody else perhaps, sends the token of that session.
    person = await signed_in(request, deps)
    body = (
        f'{alert(problem) if problem else ""}<form method="post" action="{FACTOR_PATH}">{csrf_field(person or token)}'
        f'<input type="hidden" name="next" value="{escape(local_path(wanted))}">'
        '<label>Code of your authenticator app<input name="code" inputmode="numeric" autocomplete="one-time-code" '
        'maxlength="10" autofocus></label><label>Or a recovery code<input name="recovery_code" autocomplete="off" '
        'maxlength="40"></label><button>Continue</button></form>'
    )
    answer = page(_TITLE, body, status=status)
    write_cookie(answer, deps.settings, browsers.FORM, token.cookie)
    return answer
