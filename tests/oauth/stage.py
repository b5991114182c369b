"""The people of an authorization: somebody in a browser, an app of a stranger, and the server between them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import httpx
from authlib.common.security import generate_token
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from server.auth import browsers
from server.auth import service as auth
from server.auth.rules import SignInMethod
from server.auth.service import NewAccount
from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.tenants import service as tenants
from server.tenants.rules import Role
from server.tenants.uow import begin
from tests.api import Api
from tests.factories.tenants import AnOrganization
from tests.schema.asking import change

CALLBACK = "https://app.example.test/callback?tenant=1"
FOREIGN_ORIGIN = "https://app.example.test"
VERIFIER = "v" * 43
CHALLENGE = create_s256_code_challenge(VERIFIER)
SECRET_FIELDS = "app { id name clientId permissions redirectUris grantTypes archivedAt } secret"
VIEWER = "{ viewer { name memberId organization { name } reaches { unitId permissions } } }"
EVERY_GRANT = ["AUTHORIZATION_CODE", "REFRESH_TOKEN", "CLIENT_CREDENTIALS", "DEVICE_CODE"]


@dataclass(frozen=True, slots=True)
class Front:
    """The running server, reached under its public address."""

    api: Api
    database: Database
    settings: Settings

    @property
    def url(self) -> str:
        """Return the issuer."""
        return self.api.url

    async def post(self, path: str, form: Mapping[str, str], **more: Any) -> httpx.Response:
        """Send a form as an app does."""
        return await self.api.http.post(f"{self.url}{path}", data=dict(form), **more)

    async def viewer(self, token: str) -> dict[str, Any] | None:
        """Return what the API says about the holder of a token; None if the token is not taken."""
        answer = await self.api.ask(VIEWER, token=token)
        if answer.codes == ["UNAUTHENTICATED"]:
            return None
        viewer: dict[str, Any] = answer.data["viewer"]
        return viewer


@dataclass(frozen=True, slots=True)
class AnApp:
    """A registered app, as its makers know it."""

    id: str
    client_id: str
    secret: str | None

    @property
    def basic(self) -> tuple[str, str]:
        """Return what it proves itself with."""
        return self.client_id, self.secret or ""

    def client(self, front: Front, scope: str | None = "inbox:read inbox:reply") -> AsyncOAuth2Client:
        """Return a client library that is not ours, set up for the app."""
        return AsyncOAuth2Client(
            self.client_id,
            self.secret,
            scope=scope,
            redirect_uri=CALLBACK,
            code_challenge_method="S256",
            token_endpoint_auth_method="client_secret_basic" if self.secret else "none",
            trust_env=False,
        )


def asking(front: Front, app: AnApp, **changes: str | None) -> str:
    """The address of an authorization request; None leaves a parameter out."""
    wanted: dict[str, str | None] = {
        "response_type": "code",
        "client_id": app.client_id,
        "redirect_uri": CALLBACK,
        "scope": "inbox:read",
        "state": "s",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    } | changes
    return str(httpx.URL(f"{front.url}/oauth2/authorize", params={k: v for k, v in wanted.items() if v is not None}))


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is signed in with a browser."""

    front: Front
    user_id: UUID
    member_id: UUID
    email: str
    token: str
    browser: httpx.AsyncClient

    async def look(self, url: str) -> httpx.Response:
        """Open an address without following redirects."""
        return await self.browser.get(url, follow_redirects=False)

    async def send(self, page: httpx.Response, fields: Mapping[str, str]) -> httpx.Response:
        """Fill in the form of a page."""
        action = unescape(re.findall(r'<form method="post" action="([^"]*)"', page.text)[0])
        hidden = {
            name: unescape(value)
            for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text)
        }
        return await self.browser.post(
            f"{self.front.url}{action}",
            data={**hidden, **fields},
            headers={"origin": self.front.url},
            follow_redirects=False,
        )

    async def allow(self, url: str, units: Iterable[UUID] = ()) -> str:
        """Say yes on the consent page, for some units or for all; return the address that the browser is sent to."""
        chosen = {encode("unit", one): "on" for one in units}
        answer = await self.send(
            await self.look(url), {"decision": "allow", "where": "chosen" if chosen else "all", **chosen}
        )
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]


def told(url: str) -> dict[str, str]:
    """Return the parameters of an address."""
    return dict(parse_qsl(urlsplit(url).query))


async def a_person(
    front: Front, organization: AnOrganization, unit_id: UUID, role: Role, password: str | None = None
) -> Person:
    """Make somebody with a role on a unit, sign them in, and give them a personal token for GraphQL."""
    name = "Ada"
    email = f"{new_id().hex}@example.test"
    user_id = await auth.create_account(front.database, NewAccount(email, name, password))
    async with begin(front.database, organization.scope) as uow:
        member = await tenants.create_member(uow, name=name, email=email, user_id=user_id)
        await tenants.grant_role(uow, member.id, unit_id, role)
        _, token = await auth.issue_personal_token(uow, front.settings.security, member_id=member.id, name="test")
    cookie = await auth.start_session(front.database, front.settings, user_id, {SignInMethod.PASSWORD}, "Firefox")
    browser = httpx.AsyncClient(timeout=30, trust_env=False, cookies={browsers.SESSION.on(front.settings): cookie})
    return Person(front, user_id, member.id, email, token, browser)


async def an_app(front: Front, owner: Person, **changes: object) -> AnApp:
    """Register an app with every way to a token."""
    wanted: dict[str, Any] = {
        "name": "Night Shift",
        "kind": "CONFIDENTIAL",
        "permissions": ["INBOX_READ", "INBOX_REPLY", "TEMPLATE_READ"],
        "grantTypes": EVERY_GRANT,
        "redirectUris": [CALLBACK],
    } | changes
    if wanted["kind"] == "PUBLIC":
        wanted["grantTypes"] = [one for one in wanted["grantTypes"] if one != "CLIENT_CREDENTIALS"]
    made = await change(front.api, "appRegister", SECRET_FIELDS, wanted, token=owner.token)
    assert made["userErrors"] == [], made
    return AnApp(made["app"]["id"], made["app"]["clientId"], made["secret"])


async def authorized(front: Front, person: Person, app: AnApp, units: Iterable[UUID] = ()) -> dict[str, Any]:
    """Walk through the code flow with the client library; return the tokens."""
    async with app.client(front) as client:
        verifier = generate_token(48)
        url, state = client.create_authorization_url(f"{front.url}/oauth2/authorize", code_verifier=verifier)
        back = await person.allow(url, units)
        tokens: dict[str, Any] = await client.fetch_token(
            f"{front.url}/oauth2/token", authorization_response=back, state=state, code_verifier=verifier
        )
    return dict(tokens)
