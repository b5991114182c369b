"""Connecting an account: the dialogue, the code, the refresh token that rotates, and what the grant reaches."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from server.platforms.port import (
    Ability,
    AccountCredentials,
    AuthorizeRequest,
    Channel,
    CodeExchange,
    FailureReason,
    Grant,
    Login,
    PlatformCallFailed,
)
from server.platforms.tiktok.connector import TikTokConnector
from server.platforms.tiktok.oauth import SCOPES
from tests.platforms.tiktok.factory import KEY, REDIRECT, a_connector, a_page, an_account, consent
from tests.platforms.wire import Exchange, Script, Wire
from tests.standin_server import Platform


async def granted(connector: TikTokConnector, platform: Platform, account: str, **more: str) -> Grant:
    """Walk through the dialogue and trade the code."""
    address = connector.authorize_url(AuthorizeRequest("state-1", REDIRECT))
    back = await consent(platform, address, account, **more)
    return await connector.exchange_code(CodeExchange(back["code"], REDIRECT))


def held(grant: Grant) -> AccountCredentials:
    """The grant as a later call needs it."""
    return AccountCredentials(
        Channel.TIKTOK, grant.person_external_id, grant.access_token, refresh_token=grant.refresh_token
    )


def test_the_dialogue_names_the_client_key_and_separates_scopes_by_commas() -> None:
    connector = a_connector("https://www.tiktok.example/tiktok")

    address = urlsplit(connector.authorize_url(AuthorizeRequest("a state", REDIRECT)))

    assert address.path == "/tiktok/v2/auth/authorize"
    assert parse_qs(address.query) == {
        "response_type": ["code"],
        "client_key": [KEY],
        "redirect_uri": [REDIRECT],
        "scope": [",".join(SCOPES)],
        "state": ["a state"],
    }
    assert (connector.logins, connector.uses_pkce, connector.abilities) == (
        (Login.DIRECT,),
        False,
        {Ability.REFRESH},
    )


async def test_a_code_gives_a_grant_whose_account_is_the_open_id(
    connector: TikTokConnector, platform: Platform
) -> None:
    page, _ = await an_account(platform, display_name="Bakery Möller")
    now = datetime.now(UTC)

    address = connector.authorize_url(AuthorizeRequest("state-7", REDIRECT))
    back = await consent(platform, address, page.page_external_id)
    grant = await connector.exchange_code(CodeExchange(back["code"], REDIRECT))

    assert back["state"] == "state-7"
    assert (grant.person_external_id, grant.person_name) == (page.page_external_id, "Bakery Möller")
    assert set(grant.scopes) == set(SCOPES)
    assert grant.expires_at is not None
    assert grant.refresh_expires_at is not None
    assert abs(grant.expires_at - now - timedelta(days=1)) < timedelta(minutes=1)
    assert abs(grant.refresh_expires_at - now - timedelta(days=365)) < timedelta(minutes=1)


async def test_lifetimes_are_those_of_the_answer(connector: TikTokConnector, platform: Platform) -> None:
    page, _ = await an_account(platform)
    await platform.control("tiktok/app", {"access_s": 600, "refresh_s": 30 * 86_400})
    try:
        grant = await granted(connector, platform, page.page_external_id)
    finally:
        await platform.control("tiktok/app", {"access_s": 86_400, "refresh_s": 31_536_000})

    now = datetime.now(UTC)
    assert grant.expires_at is not None
    assert grant.refresh_expires_at is not None
    assert abs(grant.expires_at - now - timedelta(minutes=10)) < timedelta(minutes=1)
    assert abs(grant.refresh_expires_at - now - timedelta(days=30)) < timedelta(minutes=1)


async def test_a_code_works_once(connector: TikTokConnector, platform: Platform) -> None:
    page, _ = await an_account(platform)
    back = await consent(platform, connector.authorize_url(AuthorizeRequest("s", REDIRECT)), page.page_external_id)
    await connector.exchange_code(CodeExchange(back["code"], REDIRECT))

    with pytest.raises(PlatformCallFailed) as refused:
        await connector.exchange_code(CodeExchange(back["code"], REDIRECT))

    assert (refused.value.reason, refused.value.retryable) == (FailureReason.AUTH, False)


async def test_a_code_works_only_with_the_address_it_was_asked_for(
    connector: TikTokConnector, platform: Platform
) -> None:
    page, _ = await an_account(platform)
    back = await consent(platform, connector.authorize_url(AuthorizeRequest("s", REDIRECT)), page.page_external_id)

    with pytest.raises(PlatformCallFailed) as refused:
        await connector.exchange_code(CodeExchange(back["code"], f"{REDIRECT}/"))

    assert refused.value.reason is FailureReason.AUTH


async def test_who_refuses_brings_an_error_and_no_code_back(connector: TikTokConnector, platform: Platform) -> None:
    page, _ = await an_account(platform)

    address = connector.authorize_url(AuthorizeRequest("s", REDIRECT))
    back = await consent(platform, address, page.page_external_id, action="refuse")

    assert back["error"] == "access_denied"
    assert "code" not in back


async def test_a_refresh_token_changes_with_each_use_and_the_old_one_is_void(
    connector: TikTokConnector, platform: Platform
) -> None:
    page, _ = await an_account(platform)
    first = held(await granted(connector, platform, page.page_external_id))

    renewed = await connector.refresh(first)

    assert renewed.refresh_token not in (None, first.refresh_token)
    assert renewed.access_token != first.token
    assert renewed.expires_at is not None
    with pytest.raises(PlatformCallFailed) as refused:
        await connector.refresh(first)
    assert (refused.value.reason, refused.value.retryable) == (FailureReason.AUTH, False)
    again = await connector.refresh(replace(first, refresh_token=renewed.refresh_token))
    assert again.refresh_token != renewed.refresh_token


async def test_of_twenty_who_use_one_refresh_token_one_gets_tokens(
    connector: TikTokConnector, platform: Platform
) -> None:
    _, grant = await an_account(platform)

    found = await asyncio.gather(*(connector.refresh(grant) for _ in range(20)), return_exceptions=True)

    assert len([one for one in found if not isinstance(one, PlatformCallFailed)]) == 1


async def test_a_grant_without_a_refresh_token_is_dead(connector: TikTokConnector, platform: Platform) -> None:
    _, grant = await an_account(platform)

    with pytest.raises(PlatformCallFailed) as refused:
        await connector.refresh(replace(grant, refresh_token=None))

    assert refused.value.reason is FailureReason.AUTH


@pytest.mark.parametrize(
    ("rule", "retryable", "reason"),
    [
        ({"action": "error", "code": 51065}, True, FailureReason.TRANSIENT),
        ({"action": "error", "code": 40100}, True, FailureReason.RATE_LIMITED),
        ({"action": "error", "code": 40002}, False, FailureReason.AUTH),
        ({"action": "error", "code": 40105}, False, FailureReason.AUTH),
        ({"action": "error", "code": 40110}, False, FailureReason.AUTH),
        ({"action": "error", "code": 40001}, False, FailureReason.PERMISSION),
        ({"action": "error", "code": 40999}, False, FailureReason.AMBIGUOUS),
        ({"action": "error", "status": 403, "body": "<html>forbidden</html>"}, False, FailureReason.AMBIGUOUS),
        ({"action": "error", "status": 502, "body": "<html>bad gateway</html>"}, True, FailureReason.TRANSIENT),
        ({"action": "garbage_200", "accept": False}, True, FailureReason.TRANSIENT),
        ({"action": "no_id_200"}, True, FailureReason.TRANSIENT),
        ({"action": "drop_before_accept"}, True, FailureReason.TRANSIENT),
    ],
)
async def test_a_refresh_that_fails_says_whether_the_grant_is_dead(
    connector: TikTokConnector, platform: Platform, rule: dict[str, object], retryable: bool, reason: FailureReason
) -> None:
    _, grant = await an_account(platform)
    match = {"op": "refresh", "page": grant.person_external_id}
    await platform.control("faults", {"rules": [{"match": match, **rule}]}, method="PUT")
    try:
        with pytest.raises(PlatformCallFailed) as failed:
            await connector.refresh(grant)
    finally:
        await platform.control("faults", method="DELETE")

    assert (failed.value.reason, failed.value.retryable) == (reason, retryable)


async def test_the_one_account_of_a_login_is_found_without_a_token_of_its_own(
    connector: TikTokConnector, platform: Platform
) -> None:
    _, grant = await an_account(platform, display_name="Café Ñandú")

    [found] = await connector.list_pages(grant)

    assert (found.external_id, found.name, found.page_token) == (grant.person_external_id, "Café Ñandú", None)
    assert found.missing_permissions == ()


async def test_what_a_person_left_switched_off_is_named(connector: TikTokConnector, platform: Platform) -> None:
    page, _ = await an_account(platform)
    grant = await granted(connector, platform, page.page_external_id, scopes="user.info.basic,message.list.read")

    [found] = await connector.list_pages(held(grant))
    state = await connector.inspect(held(grant))

    missing = ("message.list.manage", "message.list.send")
    assert (found.missing_permissions, state.is_valid, state.missing_scopes) == (missing, True, missing)


@pytest.mark.parametrize("account", [{"type": "PERSONAL"}, {"region": "DE"}, {"region": "CH"}, {"region": "GB"}])
async def test_a_personal_account_and_one_of_europe_cannot_be_connected(
    connector: TikTokConnector, platform: Platform, account: dict[str, str]
) -> None:
    page, grant = await an_account(platform, **account)

    traded = await granted(connector, platform, page.page_external_id)
    with pytest.raises(PlatformCallFailed) as refused:
        await connector.list_pages(grant)

    assert traded.person_name == ""
    assert (refused.value.reason, refused.value.retryable) == (FailureReason.PERMISSION, False)


async def test_an_ended_token_is_inspected_as_invalid(connector: TikTokConnector, platform: Platform) -> None:
    _, grant = await an_account(platform)
    await platform.control(f"tiktok/accounts/{grant.person_external_id}/expire", {})

    state = await connector.inspect(grant)

    assert not state.is_valid
    assert state.detail.startswith("40105")


async def test_revoking_ends_both_tokens_and_may_be_repeated(connector: TikTokConnector, platform: Platform) -> None:
    _, grant = await an_account(platform)

    await connector.revoke(grant)
    await connector.revoke(grant)

    with pytest.raises(PlatformCallFailed) as refused:
        await connector.refresh(grant)
    assert refused.value.reason is FailureReason.AUTH
    assert not (await connector.inspect(grant)).is_valid


async def test_subscribing_points_the_app_to_us_and_leaving_one_account_does_not_silence_the_others(
    connector: TikTokConnector, platform: Platform
) -> None:
    page, _ = await an_account(platform)
    await platform.control("tiktok/app", {"callback_url": None})
    assert not await connector.is_subscribed(page)

    await connector.subscribe(page)
    await connector.subscribe(page)
    assert await connector.is_subscribed(page)
    await connector.unsubscribe(page)

    assert await connector.is_subscribed(page)
    shown = await platform.control("tiktok/app", method="GET")
    assert set(shown["webhooks"]) == {"DIRECT_MESSAGE", "COMMENT"}
    await platform.control("tiktok/app", {"callback_url": None})


@pytest.mark.parametrize("code", [40001, 40002])
async def test_an_app_without_rights_to_comments_still_gets_messages(
    scripted: Callable[[Script], Awaitable[tuple[TikTokConnector, Wire]]], code: int
) -> None:
    async def script(exchange: Exchange) -> None:
        is_about_comments = b"COMMENT" in exchange.body or "COMMENT" in exchange.path
        told = {"code": code} if is_about_comments else {"code": 0, "data": {}}
        await exchange.answer(200, told)

    connector, wire = await scripted(script)

    await connector.subscribe(a_page())

    changes = [exchange.json for exchange in wire.seen if exchange.head.startswith("POST")]
    assert [change["event_type"] for change in changes if isinstance(change, dict)] == ["DIRECT_MESSAGE"]


async def test_an_app_that_may_not_have_messages_is_told(
    scripted: Callable[[Script], Awaitable[tuple[TikTokConnector, Wire]]],
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.answer(200, {"code": 40007 if exchange.head.startswith("GET") else 40001})

    connector, _ = await scripted(script)

    assert not await connector.is_subscribed(a_page())
    with pytest.raises(PlatformCallFailed) as refused:
        await connector.subscribe(a_page())
    assert refused.value.reason is FailureReason.PERMISSION
