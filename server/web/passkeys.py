"""Passkeys over small JSON endpoints: options for the browser's authenticator, and what it said.

A request carries the CSRF token as `x-switchboard-csrf`: the session's, or the one of the browser's form cookie, which
also binds the challenge. Bodies and answers are JSON; refusals have the one form of the wire.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from server.auth import browsers
from server.auth.browsers import CSRF_HEADER, Sent
from server.auth.errors import TooManyAttempts
from server.auth.rules import SignInMethod
from server.auth.service import Proved, SignedIn, factors
from server.auth.service.factors import Answer, Holder, Person
from server.kit.errors import DomainError, Problems
from server.kit.ids import encode
from server.web.answers import Refused
from server.web.browser import local_path, read_cookie, signed_in
from server.web.dependencies import WebDependencies
from server.web.sign_in import caller_of, finish_sign_in

PASSKEY_PREFIX = "pky"
"""The prefix of a passkey's id, as the GraphQL schema writes it."""
_FORM = "form"
_FORBIDDEN = frozenset({"session.proof_needed", "password.wrong"})


@dataclass(frozen=True, slots=True)
class Wish:
    """A body of a page of ours, from whom, and what stands for the browser."""

    body: Mapping[str, object]
    person: SignedIn | None
    browser: str = field(repr=False)

    def text(self, name: str) -> str | None:
        """Return a text of the body; None if it is missing, refuse with 400 anything else."""
        value = self.body.get(name)
        if value is not None and not isinstance(value, str):
            raise _malformed()
        return value

    @property
    def answer(self) -> Answer:
        """Return what the authenticator said."""
        credential = self.body.get("credential")
        if not isinstance(credential, dict):
            raise _malformed()
        return Answer(credential, self.browser)


def routes(deps: WebDependencies) -> list[BaseRoute]:
    """Return the endpoints."""

    def at(path: str, answer: Callable[[Request, WebDependencies, Wish], Awaitable[Response]]) -> BaseRoute:
        async def serve(request: Request) -> Response:
            wish = await _wish(request, deps)
            with _told():
                return await answer(request, deps, wish)

        return Route(path, serve, methods=["POST"])

    return [
        at("/passkeys/register/options", _register_options),
        at("/passkeys/register/verify", _register),
        at("/passkeys/sign-in/options", _sign_in_options),
        at("/passkeys/sign-in/verify", _sign_in),
    ]


async def _register_options(request: Request, deps: WebDependencies, wish: Wish) -> Response:
    signed, person = _known(request, wish)
    holder, password = Holder(person, signed.email, signed.name), wish.text("password")
    options = await factors.registration_options(deps.database, deps.settings, holder, wish.browser, password)
    return Response(options, media_type="application/json")


async def _register(request: Request, deps: WebDependencies, wish: Wish) -> Response:
    _, person = _known(request, wish)
    name = wish.text("name") or "Passkey"
    row = await factors.register_passkey(deps.database, deps.settings, person, wish.answer, name)
    return JSONResponse({"passkey": {"id": encode(PASSKEY_PREFIX, row.id), "name": row.name}})


async def _sign_in_options(request: Request, deps: WebDependencies, wish: Wish) -> Response:
    network = caller_of(request).network
    options = await factors.sign_in_options(deps.database, deps.settings, network, wish.browser)
    return Response(options, media_type="application/json")


async def _sign_in(request: Request, deps: WebDependencies, wish: Wish) -> Response:
    back, network = local_path(wish.text("next")), caller_of(request).network
    user_id = await factors.show_passkey(deps.database, deps.settings, network, wish.answer)
    proved = Proved(user_id, frozenset({SignInMethod.PASSKEY}))
    done = await finish_sign_in(request, deps, proved, back)
    answer = JSONResponse({"next": back})
    answer.raw_headers.extend(one for one in done.raw_headers if one[0] == b"set-cookie")
    return answer


async def _wish(request: Request, deps: WebDependencies) -> Wish:
    """Read a request of a page of ours; refuse with 403 any other, with 400 a body that is no JSON object."""
    sent = Sent(*(request.headers.get(name) for name in ("origin", "host", "sec-fetch-site")))
    if not browsers.comes_from_us(deps.settings, sent):
        raise Refused(403, "form.foreign_origin", "This request comes from another site, so nothing was done.")
    person, given = await signed_in(request, deps), request.headers.get(CSRF_HEADER, "")
    cookie = read_cookie(request, deps.settings, browsers.FORM)
    if person is not None:
        is_ours, browser = hmac.compare_digest(given.encode(), person.csrf.encode()), f"session:{person.session_id}"
    else:
        is_ours, browser = browsers.is_csrf_of(deps.settings, _FORM, cookie, given), f"form:{cookie}"
    if not is_ours:
        raise Refused(403, "form.not_ours", "This page is old or not ours. Load it again.")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise _malformed()
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        raise _malformed() from None
    if not isinstance(body, dict):
        raise _malformed()
    return Wish(body, person, browser)


def _known(request: Request, wish: Wish) -> tuple[SignedIn, Person]:
    if wish.person is None:
        raise Refused(401, "session.ended", "Sign in first.")
    network = caller_of(request).network
    return wish.person, Person(wish.person.user_id, wish.person.session_id, network)


def _malformed() -> Refused:
    return Refused(400, "form.malformed", "Send a JSON object of the documented form as application/json.")


@contextmanager
def _told() -> Iterator[None]:
    """Answer the service's refusals in the form of the wire."""
    try:
        yield
    except TooManyAttempts as error:
        raise Refused(429, error.code, error.message, {"retry-after": str(error.retry_after_s)}) from None
    except Problems as many:
        raise Refused(400, many.problems[0].code, many.problems[0].message) from None
    except DomainError as error:
        raise Refused(403 if error.code in _FORBIDDEN else 400, error.code, error.message) from None
