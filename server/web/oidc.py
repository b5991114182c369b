"""Sign-in at an OpenID provider: the browser is sent there and comes back with a code, which we turn into the provider's word.

Authorization code with PKCE (RFC 7636, S256), nonce, and a state that is good once, for one provider, in one browser.
The id_token must be signed with an asymmetric algorithm, by a key of the provider, for us alone. RFC 9207 keeps the answers
of two providers apart, besides a callback address of its own for each.
"""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Mapping
from html import escape
from typing import Any
from urllib.parse import quote, urlsplit

from authlib.common.errors import AuthlibBaseError
from authlib.deprecate import AuthlibDeprecationWarning
from joserfc.errors import JoseError
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from server.auth.browsers import CookieName, is_https
from server.auth.errors import EmailNotVouched, ProviderRefused, SignInRefused, TicketInvalid, TooManyAttempts
from server.auth.service import oidc as identities
from server.auth.service.challenges import Identity
from server.auth.service.factors import Person
from server.auth.service.oidc import LinkOwed, Vouched
from server.config import Settings
from server.kit import log
from server.kit.clock import monotonic_s
from server.kit.crypto import keyed_hash
from server.kit.identity_providers import Provider, providers_of
from server.web.answers import Refused
from server.web.browser import (
    alert,
    clear_cookie,
    csrf_field,
    form_of,
    local_path,
    page,
    read_cookie,
    signed_in,
    to_sign_in,
    write_cookie,
)
from server.web.dependencies import WebDependencies
from server.web.providers import PATH
from server.web.sign_in import caller_of, finish_sign_in

with warnings.catch_warnings():
    # Authlib asks for a successor of httpx that this product does not use; httpx works until that is settled.
    warnings.filterwarnings("ignore", message="The httpx module is deprecated", category=AuthlibDeprecationWarning)
    from authlib.integrations.starlette_client import OAuth

LINK_PATH = "/sign-in/link"
_DIALOGUE = CookieName("switchboard_oidc")
_LINK = CookieName("switchboard_link")
_LIFE_S = 300
_TIMEOUT_S = 10
_METADATA_S = 3600
_MAX_NEXT = 500
"""The path to go on to is kept in a cookie, of which browsers keep 4,096 bytes."""
_LEEWAY_S = 60
_ASYMMETRIC = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
_KEPT = ("issuer", "authorization_response_iss_parameter_supported", "_loaded_at", *_ENDPOINTS)
_TITLE = "Sign in"
_MALFORMED = (ValueError, KeyError, TypeError, AttributeError, RuntimeError)
_UNVERIFIED = (AuthlibBaseError, JoseError, *identities.PROVIDER_AWAY, *_MALFORMED)
"""What a provider's answer that is missing, malformed or not verified ends in; RuntimeError is Authlib's for a missing
endpoint. None of them is told to the browser."""
_logger = log.get(__name__)


class Client:
    """One provider as we talk to it. What it publishes about itself is read again each hour."""

    def __init__(self, provider: Provider, settings: Settings) -> None:
        self.provider = provider
        self.callback = f"{settings.web.public_url.rstrip('/')}{PATH.format(provider=provider.name)}/callback"
        self._loaded_s = float("-inf")
        self._app: Any = OAuth().register(
            provider.name,
            client_id=provider.client_id,
            client_secret=provider.client_secret,
            server_metadata_url=f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={
                "scope": "openid email profile",
                "code_challenge_method": "S256",
                "timeout": _TIMEOUT_S,
                "trust_env": False,
            },
        )

    async def metadata(self) -> Mapping[str, Any]:
        """Return what the provider publishes, cut to what is used and pinned to what is safe.

        Raises ProviderRefused for one that names another issuer (OpenID Connect Discovery 1.0 section 4.3) or an endpoint
        without https although its issuer has it.
        """
        kept: dict[str, Any] = self._app.server_metadata
        if monotonic_s() - self._loaded_s > _METADATA_S:
            kept.pop("_loaded_at", None)
        if "_loaded_at" not in kept:
            published = dict(await self._app.load_server_metadata())
            kept.clear()
            scheme = urlsplit(self.provider.issuer).scheme
            endpoints = [published[name] for name in _ENDPOINTS if name in published]
            if published.get("issuer") != self.provider.issuer or any(
                urlsplit(str(one)).scheme != scheme for one in endpoints
            ):
                raise ProviderRefused
            kept.update({name: published[name] for name in _KEPT if name in published})
            kept.update(_pinned(published))
            self._loaded_s = monotonic_s()
        return kept

    async def send_off(self, request: Request, state: str) -> Response:
        """Send the browser to the provider; verifier, nonce and state are kept in its signed cookie."""
        answer: Response = await self._app.authorize_redirect(
            request, self.callback, state=state, nonce=secrets.token_urlsafe(32)
        )
        return answer

    async def vouched(self, request: Request) -> Vouched:
        """Turn the code of the callback into the provider's word; raise one of `_UNVERIFIED`, or ProviderRefused."""
        provider = self.provider
        wanted = {
            "iss": {"essential": True, "value": provider.issuer},
            "aud": {"essential": True, "value": provider.client_id},
            "exp": {"essential": True},
            "nonce": {"essential": True},
        }
        token = await self._app.authorize_access_token(request, claims_options=wanted, leeway=_LEEWAY_S)
        claims: Mapping[str, object] | None = token.get("userinfo")
        # Core 1.0 section 3.1.3.7, step 3: an audience besides us is one that we do not trust.
        if claims is None or claims.get("aud") not in (provider.client_id, [provider.client_id]):
            raise ProviderRefused
        subject, told = claims["sub"], claims
        if "email" not in claims and "userinfo_endpoint" in self._app.server_metadata:
            told = await self._app.userinfo(token=token)
            if told.get("sub") != subject:  # section 5.3.2
                raise ProviderRefused
        if not isinstance(subject, str):
            raise ProviderRefused
        email, name = told.get("email"), told.get("name")
        return Vouched(
            Identity(provider.issuer, subject),
            email if isinstance(email, str) else None,
            told.get("email_verified") is True,
            name if isinstance(name, str) else None,
        )


def _pinned(published: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is decided here: asymmetric signatures only, and how we prove who we are."""
    offered = published.get("id_token_signing_alg_values_supported") or ["RS256"]
    ways = published.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    way = "client_secret_basic" if "client_secret_basic" in ways else "client_secret_post"
    return {
        "id_token_signing_alg_values_supported": [one for one in _ASYMMETRIC if one in offered] or ["RS256"],
        "token_endpoint_auth_method": way,
    }


def routes(deps: WebDependencies) -> list[BaseRoute]:
    """Return the way to each provider and back, and the page that links an identity to an account."""
    clients = {one.name: Client(one, deps.settings) for one in providers_of(deps.settings).values()}

    async def begin(request: Request) -> Response:
        return await _begin(request, deps, _client_of(clients, request))

    async def come_back(request: Request) -> Response:
        try:
            return await _come_back(request, deps, _client_of(clients, request))
        finally:
            request.session.clear()

    dialogue = [_dialogue_cookie(deps.settings)]
    return [
        Route(PATH, begin, methods=["GET"], middleware=dialogue),
        Route(f"{PATH}/callback", come_back, methods=["GET"], middleware=dialogue),
        *_link_routes(deps, {one.provider.issuer: one.provider.title for one in clients.values()}),
    ]


async def _begin(request: Request, deps: WebDependencies, client: Client) -> Response:
    state, browser = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    wanted = local_path(request.query_params.get("next"))
    try:
        await identities.begin_dialogue(deps.database, deps.settings, caller_of(request), _mark(client, state), browser)
        await client.metadata()
        request.session.clear()
        request.session.update(browser=browser, next=wanted if len(wanted) <= _MAX_NEXT else local_path(None))
        return await client.send_off(request, state)
    except TooManyAttempts as error:
        return _too_many(error)
    except (ProviderRefused, *_UNVERIFIED) as error:
        return _refused(client, error, status=502)


async def _come_back(request: Request, deps: WebDependencies, client: Client) -> Response:
    wanted = local_path(request.session.get("next"))
    try:
        return await _enter(request, deps, await _heard(request, deps, client), wanted)
    except TooManyAttempts as error:
        return _too_many(error)
    except EmailNotVouched as error:
        return _refused(client, error, told=error.message)
    except (ProviderRefused, SignInRefused, *_UNVERIFIED) as error:
        return _refused(client, error)


def _client_of(clients: Mapping[str, Client], request: Request) -> Client:
    client = clients.get(request.path_params["provider"])
    if client is None:
        raise Refused(404, "not_found", "No such provider is offered here.")
    return client


def _dialogue_cookie(settings: Settings) -> Middleware:
    key = keyed_hash(settings.security.pepper.get_secret_value(), "oidc dialogue").hex()
    name = _DIALOGUE.on(settings)
    return Middleware(SessionMiddleware, key, name, max_age=_LIFE_S, same_site="lax", https_only=is_https(settings))


def _mark(client: Client, state: str) -> str:
    return f"{client.provider.name} {state}"


async def _heard(request: Request, deps: WebDependencies, client: Client) -> Vouched:
    """Use the dialogue up, and only then look at what the provider says."""
    told = request.query_params
    state, browser = told.get("state"), request.session.get("browser")
    # RFC 6749 section 3.1: a parameter stands once.
    if not state or not browser or len(told.multi_items()) != len(told.keys()):
        raise ProviderRefused
    await identities.end_dialogue(deps.database, deps.settings, caller_of(request), _mark(client, state), browser)
    metadata = await client.metadata()
    issuer = told.get("iss")
    is_owed = metadata.get("authorization_response_iss_parameter_supported") is True
    if issuer != client.provider.issuer and (is_owed or issuer is not None):  # RFC 9207 section 2.4
        raise ProviderRefused
    if "error" in told:
        raise ProviderRefused
    return await client.vouched(request)


async def _enter(request: Request, deps: WebDependencies, vouched: Vouched, wanted: str) -> Response:
    proved = await identities.prove_identity(deps.database, deps.settings, vouched)
    if isinstance(proved, LinkOwed):
        answer = RedirectResponse(f"/sign-in?next={quote(LINK_PATH, safe='')}", 303)
        write_cookie(answer, deps.settings, _LINK, proved.token)
        return answer
    return await finish_sign_in(request, deps, proved, wanted)


def _too_many(error: TooManyAttempts) -> Response:
    answer = page(_TITLE, alert(error.message), status=429)
    answer.headers["retry-after"] = str(error.retry_after_s)
    return answer


def _refused(client: Client, error: Exception, *, told: str | None = None, status: int = 400) -> Response:
    """Write a page that repeats nothing of what came from outside."""
    _logger.warning("oidc.refused", provider=client.provider.name, reason=type(error).__name__)
    body = f'{alert(told or ProviderRefused().message)}<p><a href="/sign-in">Back to the sign-in</a></p>'
    return page(_TITLE, body, status=status)


def _link_routes(deps: WebDependencies, titles: Mapping[str, str]) -> list[BaseRoute]:
    title = "Link another way to sign in"

    async def ask(request: Request) -> Response:
        person = await signed_in(request, deps)
        if person is None:
            return to_sign_in(request)
        token = read_cookie(request, deps.settings, _LINK) or ""
        who = Person(person.user_id, person.session_id, caller_of(request).network)
        waiting = await identities.waiting_link(deps.database, deps.settings, who, token)
        if waiting is None:
            return page(title, "<p>Nothing waits to be linked to this account.</p>", status=404)
        provider = escape(titles.get(waiting.issuer, waiting.issuer))
        body = (
            f"<p>From now on {provider} may sign you in as <strong>{escape(person.email)}</strong>.</p>"
            f'<form method="post" action="{LINK_PATH}">{csrf_field(person)}<button>Link {provider}</button></form>'
        )
        return page(title, body)

    async def link(request: Request) -> Response:
        await form_of(request, deps)
        person = await signed_in(request, deps)
        if person is None:
            return RedirectResponse(f"/sign-in?next={quote(LINK_PATH, safe='')}", 303)
        who = Person(person.user_id, person.session_id, caller_of(request).network)
        try:
            token = read_cookie(request, deps.settings, _LINK) or ""
            await identities.link_identity(deps.database, deps.settings, who, token)
        except TicketInvalid:
            told = "This took too long, or your sign-in is older than ten minutes. Sign out and begin again."
            return page(title, alert(told), status=400)
        answer = page(title, "<p>Linked. You can sign in with it from now on.</p>")
        clear_cookie(answer, deps.settings, _LINK)
        return answer

    return [Route(LINK_PATH, ask, methods=["GET"]), Route(LINK_PATH, link, methods=["POST"])]
