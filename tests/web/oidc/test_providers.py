"""Providers as they are configured and as they publish themselves."""

from __future__ import annotations

import httpx
import pytest

from server.app import create_app
from server.config import Environment, Settings
from server.kit.identity_providers import ProvidersInvalid, providers_of
from tests.api import Api, serving
from tests.factories.oidc_provider import a_provider
from tests.web.browsing import Browser, browsing
from tests.web.oidc.house import (
    PUBLIC,
    House,
    with_providers,
)

GOOD = {"name": "x", "title": "X", "issuer": "https://x.test", "client_id": "c", "client_secret": "very secret"}


async def test_the_sign_in_page_offers_the_providers_by_their_titles(house: House, browser: Browser) -> None:
    page = await browser.get("/sign-in?next=/organizations")

    assert "Sign in with The &lt;x&gt; people" in page.text
    assert 'href="/sign-in/oidc/y?next=%2Forganizations"' in page.text


async def test_a_provider_that_is_not_configured_does_not_exist(browser: Browser) -> None:
    assert (await browser.get("/sign-in/oidc/z")).status_code == 404
    assert (await browser.get("/sign-in/oidc/z/callback?state=x&code=y")).status_code == 404


@pytest.mark.parametrize(
    ("_case", "published"),
    [
        ("another issuer", {"issuer": "https://evil.test"}),
        ("another scheme", {"token_endpoint": "ftp://evil.test/token"}),
        ("no endpoint", {"authorization_endpoint": None}),
        ("a number", {"jwks_uri": 4711}),
    ],
)
async def test_a_provider_that_publishes_nonsense_is_not_used(
    settings: Settings, _case: str, published: dict[str, object]
) -> None:
    async with a_provider("x", PUBLIC) as x:
        x.published = published
        told = with_providers(settings, x.configured, public_url=PUBLIC)
        async with (
            serving(create_app(told)) as url,
            httpx.AsyncClient() as http,
            browsing(Api(url, http), PUBLIC) as browser,
        ):
            answer = await browser.get("/sign-in/oidc/x")

    assert answer.status_code == 502
    assert "Back to the sign-in" in answer.text


async def test_a_provider_that_is_away_is_told_as_such(settings: Settings) -> None:
    async with a_provider("x", PUBLIC) as x:
        away = x.configured
    async with (
        serving(create_app(with_providers(settings, away, public_url=PUBLIC))) as url,
        httpx.AsyncClient() as http,
        browsing(Api(url, http), PUBLIC) as browser,
    ):
        assert (await browser.get("/sign-in/oidc/x")).status_code == 502


@pytest.mark.parametrize(
    "providers",
    [
        [GOOD, GOOD],
        [GOOD, GOOD | {"name": "y"}],
        [GOOD | {"name": "X"}],
        [GOOD | {"name": "../x"}],
        [GOOD | {"name": ""}],
        [GOOD | {"issuer": "http://x.test"}],
        [GOOD | {"issuer": "https://x.test/?a=b"}],
        [GOOD | {"issuer": "x.test"}],
        [GOOD | {"issuer": "https://[x.test"}],
        [{"name": "x"}],
        ["x"],
    ],
)
def test_providers_that_cannot_be_used_end_the_start(settings: Settings, providers: list[dict[str, str]]) -> None:
    told = with_providers(settings, *providers, environment=Environment.PRODUCTION)

    with pytest.raises(ProvidersInvalid) as refused:
        providers_of(told)

    assert "very secret" not in str(refused.value)
    assert list(providers_of(with_providers(settings, GOOD, environment=Environment.PRODUCTION))) == ["x"]
