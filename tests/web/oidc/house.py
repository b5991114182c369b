"""The API before two OpenID providers, and what a browser does between them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
from pydantic import SecretStr
from sqlalchemy import text

from server.config import Settings
from server.kit.db import Database
from tests.api import Api
from tests.factories.accounts import AnAccount, an_account
from tests.factories.oidc_provider import OidcProvider
from tests.schema.strangers import production_of
from tests.web.browsing import Browser

PUBLIC = "https://switchboard.test"


@dataclass(frozen=True, slots=True)
class House:
    """The API before two providers."""

    api: Api
    x: OidcProvider
    y: OidcProvider


def with_providers(settings: Settings, *providers: dict[str, str], **web: object) -> Settings:
    """Return the settings with providers and another shell."""
    changed = production_of(settings, **web)
    changed.sign_in = settings.sign_in.model_copy(update={"providers": SecretStr(json.dumps(providers))})
    return changed


async def begin(browser: Browser, provider: OidcProvider, path: str = "") -> str:
    """Go to the provider and sign in there; return the path and query with which it sends the browser back."""
    sent = await browser.get(f"/sign-in/oidc/{provider.name}{path}")
    assert sent.status_code == 302, sent.text
    back = await browser.http.get(sent.headers["location"])
    assert back.headers["location"].startswith(f"{PUBLIC}/")
    return str(back.headers["location"]).removeprefix(PUBLIC)


async def sign_in(browser: Browser, provider: OidcProvider) -> httpx.Response:
    """Sign in with a provider; return the last answer of ours."""
    return await browser.get(await begin(browser, provider))


def changed(way_back: str, **parameters: str | None) -> str:
    """Return a way back with other parameters; None takes one away."""
    address = urlsplit(way_back)
    told = dict(parse_qsl(address.query)) | parameters
    return f"{address.path}?{urlencode({name: value for name, value in told.items() if value is not None})}"


async def is_signed_in(browser: Browser) -> bool:
    """Say whether the browser has a session."""
    return (await browser.get("/organizations")).status_code == 200


async def rows(database: Database, statement: str, **values: object) -> list[tuple[object, ...]]:
    """Read what the system role keeps."""
    async with database.unscoped_system() as session:
        return [tuple(row) for row in await session.execute(text(statement), values)]


async def methods_of(database: Database, user_id: object) -> list[object]:
    """Return how the person's sessions began."""
    found = await rows(database, "SELECT methods FROM user_session WHERE user_id = :u ORDER BY id", u=user_id)
    return [row[0] for row in found]


async def linked(house: House, database: Database, browser: Browser) -> AnAccount:
    """Return somebody whose identity at x belongs to their account."""
    ada = await an_account(database)
    house.x.somebody.email = ada.email
    await sign_in(browser, house.x)
    await browser.submit("/sign-in", email=ada.email, password=ada.password)
    assert (await browser.submit("/sign-in/link")).status_code == 200
    browser.cookies.clear()
    return ada
