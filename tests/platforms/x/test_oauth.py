"""OAuth 2 with PKCE and refresh tokens that work once, over the stand-in (platforms.md 4.1)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from server.platforms.port import (
    Ability,
    AuthorizeRequest,
    Channel,
    CodeExchange,
    FailureReason,
    FoundPage,
    GrantState,
    Login,
    PlatformCallFailed,
)
from server.platforms.x import oauth
from server.platforms.x.connector import XConnector
from tests.platforms.factory import answers
from tests.platforms.x.conftest import Wired
from tests.platforms.x.factory import (
    REDIRECT,
    a_code,
    a_connector,
    a_grant,
    a_proof,
    account_at,
    an_account,
    consent,
)
from tests.standin_server import Platform


def test_the_connector_says_that_it_uses_pkce_and_can_refresh() -> None:
    connector = a_connector()

    assert (connector.channel, connector.logins) == (Channel.X, (Login.DIRECT,))
    assert connector.uses_pkce
    assert connector.abilities == {Ability.REFRESH}


def test_the_dialogue_is_asked_for_with_every_scope_and_a_challenge() -> None:
    connector = a_connector(X_DIALOG_URL="https://x.com")

    address = urlsplit(connector.authorize_url(AuthorizeRequest("s&1", REDIRECT, code_challenge="c" * 43)))

    assert f"{address.scheme}://{address.netloc}{address.path}" == "https://x.com/i/oauth2/authorize"
    assert {name: values[0] for name, values in parse_qs(address.query).items()} == {
        "response_type": "code",
        "client_id": "x-client-of-the-test-suite",
        "redirect_uri": REDIRECT,
        "scope": "dm.read dm.write tweet.read users.read offline.access media.write",
        "state": "s&1",
        "code_challenge": "c" * 43,
        "code_challenge_method": "S256",
    }


def test_without_a_challenge_there_is_no_dialogue() -> None:
    with pytest.raises(ValueError, match="PKCE"):
        a_connector().authorize_url(AuthorizeRequest("s-1", REDIRECT))


async def test_a_code_becomes_a_grant_of_two_hours_with_its_scopes(platform: Platform, connector: XConnector) -> None:
    account, _ = await account_at(platform)

    grant = await a_grant(platform, connector, account)

    assert (grant.person_external_id, grant.person_name, grant.login) == (account, "Bakery", Login.DIRECT)
    assert set(grant.scopes) == set(oauth.SCOPES)
    assert grant.refresh_token
    assert grant.expires_at is not None
    assert abs(grant.expires_at - datetime.now(UTC) - timedelta(hours=2)) < timedelta(seconds=30)


async def test_a_code_lives_thirty_seconds_and_works_once(platform: Platform, connector: XConnector) -> None:
    account, _ = await account_at(platform)
    proof = a_proof()
    late, used = [await a_code(platform, connector, account, proof) for _ in range(2)]
    await connector.exchange_code(CodeExchange(used, REDIRECT, code_verifier=proof.verifier))
    await platform.control("clock", {"offset_s": 31})

    for code in (late, used):
        with pytest.raises(PlatformCallFailed) as refused:
            await connector.exchange_code(CodeExchange(code, REDIRECT, code_verifier=proof.verifier))
        assert (refused.value.reason, refused.value.retryable) == (FailureReason.AUTH, False)


@pytest.mark.parametrize("wrong", ["verifier", "redirect"])
async def test_a_stolen_code_is_worth_nothing(platform: Platform, connector: XConnector, wrong: str) -> None:
    account, _ = await account_at(platform)
    proof = a_proof()
    code = await a_code(platform, connector, account, proof)
    redirect = REDIRECT + "/other" if wrong == "redirect" else REDIRECT
    verifier = a_proof().verifier if wrong == "verifier" else proof.verifier

    with pytest.raises(PlatformCallFailed) as refused:
        await connector.exchange_code(CodeExchange(code, redirect, code_verifier=verifier))

    assert refused.value.reason is FailureReason.AUTH


async def test_who_refuses_comes_back_without_a_code(platform: Platform, connector: XConnector) -> None:
    account, _ = await account_at(platform)
    address = connector.authorize_url(AuthorizeRequest("s-9", REDIRECT, code_challenge=a_proof().challenge))

    assert await consent(platform, address, account, "refuse") == {"error": "access_denied", "state": "s-9"}


async def test_a_refresh_gives_new_tokens_and_voids_the_old_refresh_token(
    platform: Platform, connector: XConnector
) -> None:
    account, _ = await account_at(platform)
    grant = await a_grant(platform, connector, account)
    before = an_account(account, grant.access_token, grant.refresh_token)

    renewed = await connector.refresh(before)

    assert renewed.refresh_token not in (None, grant.refresh_token)
    assert renewed.access_token != grant.access_token
    assert renewed.expires_at is not None
    with pytest.raises(PlatformCallFailed) as refused:
        await connector.refresh(before)
    assert (refused.value.reason, refused.value.retryable) == (FailureReason.AUTH, False)
    again = await connector.refresh(an_account(account, renewed.access_token, renewed.refresh_token))
    assert (await connector.list_pages(an_account(account, again.access_token)))[0].external_id == account


async def test_of_many_who_refresh_with_one_token_exactly_one_succeeds(
    platform: Platform, connector: XConnector
) -> None:
    account, _ = await account_at(platform)
    grant = await a_grant(platform, connector, account)
    credentials = an_account(account, grant.access_token, grant.refresh_token)

    outcomes = await asyncio.gather(*(connector.refresh(credentials) for _ in range(8)), return_exceptions=True)

    assert sum(not isinstance(one, BaseException) for one in outcomes) == 1
    refused = [one for one in outcomes if isinstance(one, PlatformCallFailed)]
    assert [one.reason for one in refused] == [FailureReason.AUTH] * 7


async def test_a_grant_without_a_refresh_token_cannot_be_renewed(connector: XConnector) -> None:
    with pytest.raises(PlatformCallFailed, match=r"offline\.access") as refused:
        await connector.refresh(an_account("1", "t"))

    assert refused.value.reason is FailureReason.AUTH


async def test_an_access_token_ends_after_two_hours_and_the_refresh_token_does_not(
    platform: Platform, connector: XConnector
) -> None:
    account, _ = await account_at(platform)
    grant = await a_grant(platform, connector, account)
    credentials = an_account(account, grant.access_token, grant.refresh_token)
    assert (await connector.inspect(credentials)).is_valid

    await platform.control("clock", {"offset_s": 7_201})

    state = await connector.inspect(credentials)
    assert not state.is_valid
    assert "401" in state.detail
    assert (await connector.refresh(credentials)).access_token


async def test_a_login_is_one_account_and_uses_the_tokens_of_its_grant(
    platform: Platform, connector: XConnector
) -> None:
    account, token = await account_at(platform)

    assert await connector.list_pages(an_account(account, token)) == [FoundPage(account, "Bakery", None, ())]


async def test_a_revoked_grant_works_no_longer_and_revoking_again_is_no_failure(
    platform: Platform, connector: XConnector
) -> None:
    account, _ = await account_at(platform)
    grant = await a_grant(platform, connector, account)
    credentials = an_account(account, grant.access_token, grant.refresh_token)

    await connector.revoke(credentials)
    await connector.revoke(credentials)

    assert not (await connector.inspect(credentials)).is_valid
    with pytest.raises(PlatformCallFailed):
        await connector.refresh(credentials)
    told = (await platform.control("revocations", method="GET"))["entries"]
    assert sorted(one["what"] for one in told if one["subject"] == account) == ["x:access_token", "x:refresh_token"]


async def test_a_wrong_secret_of_our_app_is_not_taken_for_a_dead_grant(
    platform: Platform, connector: XConnector
) -> None:
    account, _ = await account_at(platform)
    grant = await a_grant(platform, connector, account)
    ours = a_connector(f"{platform.url}/x", X_CLIENT_SECRET="not ours")

    with pytest.raises(PlatformCallFailed, match="our app is refused") as refused:
        await ours.refresh(an_account(account, grant.access_token, grant.refresh_token))

    assert refused.value.reason is FailureReason.PERMISSION
    await ours.aclose()


async def test_a_token_that_fits_no_header_is_refused_without_a_call(connector: XConnector) -> None:
    assert await connector.inspect(an_account("1", "two\nlines")) == GrantState(
        False, "the token does not fit a header"
    )


ODD = [
    ("server error", 503, b"", FailureReason.TRANSIENT, True),
    ("no token inside", 200, {"token_type": "bearer"}, FailureReason.TRANSIENT, True),
    ("garbage", 200, b"<html>", FailureReason.TRANSIENT, True),
    ("limit", 429, {"title": "Too Many Requests", "status": 429}, FailureReason.RATE_LIMITED, True),
    ("dead", 400, {"error": "invalid_grant"}, FailureReason.AUTH, False),
]


@pytest.mark.parametrize(("_case", "status", "body", "reason", "retryable"), ODD, ids=[case[0] for case in ODD])
async def test_an_odd_answer_to_a_refresh_is_told_apart_from_a_dead_grant(
    wired_x: Wired, _case: str, status: int, body: object, reason: FailureReason, retryable: bool
) -> None:
    connector, _ = await wired_x(answers(status, body))

    with pytest.raises(PlatformCallFailed) as failed:
        await connector.refresh(an_account("1", "t", "r"))

    assert (failed.value.reason, failed.value.retryable) == (reason, retryable)
