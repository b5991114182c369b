"""The page behind an invitation's link: it says what is offered, and only a form accepts it."""

from __future__ import annotations

from html import escape
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from server.auth import service as auth
from server.auth.errors import TooManyAttempts
from server.auth.rules import SignInMethod, address_of
from server.auth.service import Invited, NewAccount, Proved, SignedIn
from server.kit.errors import DomainError, Problems
from server.web.browser import alert, csrf_field, form_of, page, signed_in
from server.web.dependencies import WebDependencies
from server.web.passwords import password_input, with_form
from server.web.sign_in import caller_of, finish_sign_in

_TITLE = "You are invited"


def routes(deps: WebDependencies) -> list[BaseRoute]:
    """Return /invitations/{token}."""

    async def show(request: Request) -> Response:
        return await _page(request, deps)

    async def accept(request: Request) -> Response:
        return await _accept(request, deps)

    return [
        Route("/invitations/{token}", show, methods=["GET"]),
        Route("/invitations/{token}", accept, methods=["POST"]),
    ]


async def _page(request: Request, deps: WebDependencies, told: str = "", status: int = 200) -> Response:
    """Show what is offered and the one step that fits who is there; nothing is told about a link that is not open."""
    invited = await auth.read_invitation(deps.database, deps.settings, str(request.path_params["token"]))
    if invited is None:
        return _gone()
    person = await signed_in(request, deps)
    offer = (
        f"<p>{escape(invited.organization_name)} offers {escape(invited.email)} the role {escape(invited.role_name)} on "
        f"{escape(invited.unit_name)}.</p>"
    )
    if person is not None:
        return page(_TITLE, (alert(told) if told else "") + offer + _step_of(person, invited), status=status)
    if await auth.account_of(deps.database, invited.email) is not None:
        back = quote(request.url.path, safe="")
        link = f'<p><a href="/sign-in?next={back}">Sign in as {escape(invited.email)} to accept</a></p>'
        return page(_TITLE, (alert(told) if told else "") + offer + link, status=status)
    form = (
        f'{offer}<label for="name">Your name</label><input id="name" name="name" autocomplete="name" required>'
        f"{password_input()}"
    )
    return await with_form(request, deps, _TITLE, form, told=told, status=status)


def _gone() -> Response:
    told = "This invitation was used, was taken back, or is over. Ask the person who invited you for a new one."
    return page("This invitation is not open", alert(told), status=410)


def _step_of(person: SignedIn, invited: Invited) -> str:
    if address_of(person.email) != address_of(invited.email):
        here = f"You are signed in as {escape(person.email)}, and the invitation is for another address."
        return f'<p>{here}</p><p><a href="/sign-out">Sign out</a></p>'
    return f'<form method="post">{csrf_field(person)}<button>Accept</button></form>'


async def _accept(request: Request, deps: WebDependencies) -> Response:
    fields = await form_of(request, deps)
    token = str(request.path_params["token"])
    try:
        await auth.count_guess(deps.database, deps.settings, network=caller_of(request).network)
        invited = await auth.read_invitation(deps.database, deps.settings, token)
        if invited is None:
            return _gone()
        person = await signed_in(request, deps)
        if person is not None:
            await auth.accept_invitation(
                deps.database, deps.settings, token, user_id=person.user_id, email=person.email, name=person.name
            )
            return RedirectResponse("/organizations", 303)
        return await _accept_anew(request, deps, token, NewAccount(invited.email, **_given(fields)))
    except TooManyAttempts as refused:
        return await _page(request, deps, refused.message, 429)
    except Problems as many:
        return await _page(request, deps, " ".join(one.message for one in many.problems), 422)
    except DomainError as refused:
        return await _page(request, deps, refused.message, 409)


def _given(fields: dict[str, str]) -> dict[str, str]:
    return {"name": fields.get("name", "").strip(), "password": fields.get("password", "")}


async def _accept_anew(request: Request, deps: WebDependencies, token: str, new: NewAccount) -> Response:
    # The link came to this address and to no other, so whoever holds it has shown that the address is theirs.
    user_id = await auth.create_account(deps.database, new)
    await auth.accept_invitation(deps.database, deps.settings, token, user_id=user_id, email=new.email, name=new.name)
    return await finish_sign_in(request, deps, Proved(user_id, frozenset({SignInMethod.PASSWORD})), "/organizations")
