"""Both logins over the stand-in: dialogue, tokens and their rules, accounts found, webhooks switched, callbacks."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from server.config import InstagramSettings, MessengerSettings
from server.platforms.instagram.connector import InstagramConnector
from server.platforms.messenger.connector import MessengerConnector
from server.platforms.port import (
    AccountCredentials,
    AuthorizeRequest,
    Channel,
    CodeExchange,
    FailureReason,
    Grant,
    Login,
    NotOffered,
    PageCredentials,
    PlatformCallFailed,
    SignatureInvalid,
)
from tests.platforms.contract.conftest import Scene, an_id
from tests.platforms.contract.instagram import DirectRig, FacebookRig, a_connector, posted, signed
from tests.standin_server import APP_ID, APPS, SECRET, VERIFY_TOKEN, Platform

REDIRECT = "http://127.0.0.1:9/oauth/callback"
OWN = APPS["instagram"]


async def granted(platform: Platform, connector: InstagramConnector, account: str) -> Grant:
    """Consent at Instagram for an account, and trade the code."""
    asked = AuthorizeRequest("state", REDIRECT, Login.DIRECT)
    back = await posted(platform, connector.authorize_url(asked), {"account": account, "action": "allow"})
    return await connector.exchange_code(CodeExchange(back["code"], REDIRECT, Login.DIRECT))


def of(grant: Grant) -> AccountCredentials:
    """Whose grant it is."""
    return AccountCredentials(Channel.INSTAGRAM, grant.person_external_id, grant.access_token, grant.login)


@pytest.mark.parametrize("in_list", [True, False])
async def test_a_code_becomes_a_token_of_sixty_days_in_either_form_of_the_answer(
    platform: Platform, connector: InstagramConnector, in_list: bool
) -> None:
    account = an_id()
    await platform.control("instagram/accounts", [{"id": account, "username": "bakery"}])
    await platform.control("instagram/app", {"token_in_list": in_list})

    grant = await granted(platform, connector, account)

    await platform.control("instagram/app", {"token_in_list": True})
    assert grant.scopes == (
        "instagram_business_basic",
        "instagram_business_manage_messages",
        "instagram_business_manage_comments",
    )
    assert grant.person_name == "bakery"
    assert grant.expires_at is not None
    assert timedelta(days=59) < grant.expires_at - datetime.now(UTC) < timedelta(days=61)


async def test_the_code_comes_with_a_tail_that_is_stripped(platform: Platform, connector: InstagramConnector) -> None:
    account = an_id()
    await platform.control("instagram/accounts", [{"id": account}])
    asked = AuthorizeRequest("state", REDIRECT, Login.DIRECT)

    back = await posted(platform, connector.authorize_url(asked), {"account": account, "action": "allow"})

    assert back["code"].endswith("#_")
    grant = await connector.exchange_code(CodeExchange(back["code"], REDIRECT, Login.DIRECT))
    assert grant.access_token


async def test_the_account_is_named_as_webhooks_name_it_and_the_person_by_the_scoped_id(
    platform: Platform, connector: InstagramConnector
) -> None:
    account = an_id()
    [row] = (await platform.control("instagram/accounts", [{"id": account, "username": "bakery"}]))["accounts"]

    grant = await granted(platform, connector, account)
    [page] = await connector.list_pages(of(grant))

    assert row["scoped"] != account
    assert grant.person_external_id == row["scoped"]
    assert (page.external_id, page.name, page.page_token, page.parent_external_id) == (account, "bakery", None, None)


async def test_a_refused_code_is_told_in_the_flat_shape_of_that_host(
    platform: Platform, connector: InstagramConnector
) -> None:
    with pytest.raises(PlatformCallFailed) as refused:
        await connector.exchange_code(CodeExchange("made-up", REDIRECT, Login.DIRECT))

    assert (refused.value.reason, refused.value.retryable) == (FailureReason.AUTH, False)
    assert refused.value.detail.startswith("400 This authorization code")
    answer = await platform.http.post(f"{platform.url}/instagram/oauth/access_token", data={"code": "x"})
    assert set(answer.json()) == {"error_type", "code", "error_message"}


async def test_a_throttled_or_broken_token_host_is_no_refused_code(
    platform: Platform, connector: InstagramConnector
) -> None:
    cases = [
        ({"action": "error", "status": 400, "code": 429}, FailureReason.RATE_LIMITED),
        ({"action": "error", "status": 500, "body": "<h1>oops</h1>"}, FailureReason.TRANSIENT),
        ({"action": "garbage_200", "accept": False}, FailureReason.TRANSIENT),
        ({"action": "drop_before_accept"}, FailureReason.TRANSIENT),
    ]
    for rule, reason in cases:
        plan = {"seed": 1, "rules": [{**rule, "match": {"op": "oauth", "path": "/oauth/access_token"}}]}
        await platform.control("faults", plan, method="PUT")

        with pytest.raises(PlatformCallFailed) as failed:
            await connector.exchange_code(CodeExchange("made-up", REDIRECT, Login.DIRECT))

        assert (failed.value.reason, failed.value.retryable) == (reason, True)
    await platform.control("faults", method="DELETE")


async def test_a_token_of_a_day_is_renewed_and_a_younger_one_must_wait(
    platform: Platform, connector: InstagramConnector
) -> None:
    tokens = {}
    for age in (3_600, 86_500):
        body = [{"id": an_id(), "issued_s_ago": age, "expires_in_s": 5_000_000}]
        [row] = (await platform.control("instagram/accounts", body))["accounts"]
        tokens[age] = AccountCredentials(Channel.INSTAGRAM, row["scoped"], row["access_token"], Login.DIRECT)

    renewed = await connector.refresh(tokens[86_500])
    with pytest.raises(PlatformCallFailed) as early:
        await connector.refresh(tokens[3_600])

    assert renewed.access_token != tokens[86_500].token
    assert renewed.expires_at is not None
    assert renewed.expires_at > datetime.now(UTC) + timedelta(days=59)
    assert (await connector.inspect(replace(tokens[86_500], token=renewed.access_token))).is_valid
    assert (early.value.retryable, early.value.retry_after_s) == (True, 86_400)


async def test_a_dead_token_is_not_renewed(platform: Platform, connector: InstagramConnector) -> None:
    account = an_id()
    [row] = (await platform.control("instagram/accounts", [{"id": account, "issued_s_ago": 100_000}]))["accounts"]
    await platform.control(f"instagram/accounts/{account}/expire", {})
    credentials = AccountCredentials(Channel.INSTAGRAM, row["scoped"], row["access_token"], Login.DIRECT)

    with pytest.raises(PlatformCallFailed) as dead:
        await connector.refresh(credentials)

    assert (dead.value.reason, dead.value.retryable) == (FailureReason.AUTH, False)
    assert row["access_token"] not in str(dead.value)
    state = await connector.inspect(credentials)
    assert not state.is_valid
    assert "463" in state.detail


async def test_what_a_login_lacks_is_said(connector: InstagramConnector) -> None:
    with pytest.raises(NotOffered):
        await connector.refresh(AccountCredentials(Channel.INSTAGRAM, "1", "t", Login.FACEBOOK))
    with pytest.raises(NotOffered):
        await connector.revoke(AccountCredentials(Channel.INSTAGRAM, "1", "t", Login.DIRECT))
    with pytest.raises(NotOffered):
        await connector.unsend(PageCredentials(Channel.INSTAGRAM, "1", "t"), "m")


async def test_facebook_s_login_finds_the_account_behind_each_page_and_no_other(
    platform: Platform, connector: InstagramConnector
) -> None:
    person, own, bare, client = (an_id() for _ in range(4))
    await platform.control("people", [{"id": person, "name": "Ada"}])
    await platform.control("businesses", [{"id": f"5{person}", "name": "Agency", "people": [person]}])
    agency = {"business": f"5{person}", "relation": "client", "tasks": ["ADVERTISE"]}
    await platform.control(
        "pages", [{"id": own, "people": [person]}, {"id": bare, "people": [person]}, {"id": client, **agency}]
    )
    await platform.control(
        "instagram/accounts",
        [{"id": f"1{own}", "username": "own", "page": own}, {"id": f"1{client}", "username": "client", "page": client}],
    )

    asked = AuthorizeRequest("state", REDIRECT, Login.FACEBOOK)
    back = await posted(platform, connector.authorize_url(asked), {"person": person, "action": "allow"})
    grant = await connector.exchange_code(CodeExchange(back["code"], REDIRECT, Login.FACEBOOK))
    pages = {page.external_id: page for page in await connector.list_pages(of(grant))}

    assert grant.login is Login.FACEBOOK
    assert set(pages) == {f"1{own}", f"1{client}"}
    assert (pages[f"1{own}"].parent_external_id, pages[f"1{own}"].name) == (own, "own")
    assert pages[f"1{own}"].page_token
    assert pages[f"1{own}"].missing_permissions == ()
    assert pages[f"1{client}"].missing_permissions == ("MESSAGING", "MODERATE")
    assert (await connector.inspect(of(grant))).missing_scopes == ()


async def test_what_the_person_took_back_is_named_as_missing(platform: Platform, connector: InstagramConnector) -> None:
    rig = FacebookRig()
    asked = AuthorizeRequest("state", REDIRECT, Login.FACEBOOK)
    back = await rig.walk_dialogue(platform, connector.authorize_url(asked))
    grant = await connector.exchange_code(CodeExchange(back["code"], REDIRECT, Login.FACEBOOK))
    token = {"authorization": f"Bearer {grant.access_token}"}
    await platform.http.delete(f"{platform.url}/me/permissions/instagram_manage_messages", headers=token)

    pages = await connector.list_pages(of(grant))

    assert {page.missing_permissions for page in pages} == {("instagram_manage_messages",)}
    assert (await connector.inspect(of(grant))).missing_scopes == ("instagram_manage_messages",)


async def test_an_account_of_facebook_s_login_leaves_the_webhooks_of_messenger_alone(
    platform: Platform, connector: InstagramConnector
) -> None:
    page = await FacebookRig().an_account(platform, an_id())
    of_messenger = ["messages", "message_reads", "feed", "messaging_postbacks"]
    await platform.control(f"pages/{page.parent_external_id}/subscribe", {"fields": of_messenger})

    await connector.subscribe(page)
    await connector.unsubscribe(page)

    shown = await platform.control(f"pages/{page.parent_external_id}", method="GET")
    assert set(shown["subscribed_fields"]) == {*of_messenger, "message_reactions"}


async def test_messenger_leaves_the_account_behind_its_page_alone(
    platform: Platform, connector: InstagramConnector, messenger: MessengerConnector
) -> None:
    account = await FacebookRig().an_account(platform, an_id())
    page = replace(account, channel=Channel.MESSENGER, page_external_id=str(account.parent_external_id))

    await messenger.subscribe(page)

    assert (await messenger.is_subscribed(page), await connector.is_subscribed(account)) == (True, True)
    await messenger.unsubscribe(page)
    assert (await messenger.is_subscribed(page), await connector.is_subscribed(account)) == (False, True)
    await connector.unsubscribe(account)
    shown = await platform.control(f"pages/{account.parent_external_id}", method="GET")
    assert shown["subscribed_fields"] == []


async def test_the_account_behind_a_page_leaves_no_trace_for_messenger(
    platform: Platform, connector: InstagramConnector, messenger: MessengerConnector
) -> None:
    account = await FacebookRig().an_account(platform, an_id())
    page = replace(account, channel=Channel.MESSENGER, page_external_id=str(account.parent_external_id))
    await messenger.subscribe(page)

    await connector.unsubscribe(account)

    assert (await messenger.is_subscribed(page), await connector.is_subscribed(account)) == (True, False)
    await messenger.unsubscribe(page)
    shown = await platform.control(f"pages/{account.parent_external_id}", method="GET")
    assert shown["subscribed_fields"] == []


async def test_an_account_that_nobody_else_uses_is_unsubscribed(scene: Scene) -> None:
    await scene.connector.unsubscribe(scene.page)

    assert not await scene.connector.is_subscribed(scene.page)


async def test_a_field_that_is_spelt_otherwise_is_asked_for_otherwise(
    platform: Platform, connector: InstagramConnector
) -> None:
    page = await DirectRig().an_account(platform, an_id())
    await connector.unsubscribe(page)
    refusal = {"match": {"op": "subscribe", "page": page.page_external_id}, "action": "error", "code": 100, "times": 1}
    await platform.control("faults", {"seed": 1, "rules": [refusal]}, method="PUT")

    with pytest.raises(PlatformCallFailed) as refused:
        await connector.subscribe(page)

    # The stand-in knows the first spelling only, so its own refusal shows that the second one was asked for.
    assert refused.value.reason is FailureReason.BAD_CONTENT
    calls = (await platform.control("calls", method="GET"))["by_op"]["instagram:subscribe"]
    assert calls["fault:error"] >= 1
    assert calls["400:100"] >= 1
    await platform.control("faults", method="DELETE")


def signed_request(secret: str, **told: object) -> dict[str, str]:
    """The form of a deauthorisation (platforms.md 1.5)."""
    packed = base64.urlsafe_b64encode(json.dumps({"algorithm": "HMAC-SHA256", **told}).encode()).decode().rstrip("=")
    mark = hmac.new(secret.encode(), packed.encode(), hashlib.sha256).digest()
    return {"signed_request": f"{base64.urlsafe_b64encode(mark).decode().rstrip('=')}.{packed}"}


async def test_webhooks_and_callbacks_of_both_apps_are_known_and_of_no_third() -> None:
    connector, body = a_connector(), b'{"object":"instagram","entry":[]}'

    for secret in (SECRET, OWN["app_secret"]):
        connector.verify(signed(body, secret), body)
        assert connector.read_callback(signed_request(secret, user_id="7")).person_external_id == "7"
    for secret in ("another", "", f"{SECRET},{OWN['app_secret']}"):
        with pytest.raises(SignatureInvalid):
            connector.verify(signed(body, secret), body)
        with pytest.raises(SignatureInvalid):
            connector.read_callback(signed_request(secret, user_id="7"))
    await connector.aclose()


async def test_the_handshake_of_both_apps_is_answered_and_of_no_third() -> None:
    connector = a_connector()
    query = {"hub.mode": "subscribe", "hub.challenge": "4711"}

    answers = [
        connector.answer_handshake({**query, "hub.verify_token": token})
        for token in (VERIFY_TOKEN, OWN["verify_token"], "another", "")
    ]

    assert [answer.body if answer else None for answer in answers] == ["4711", "4711", None, None]
    await connector.aclose()


async def test_only_the_logins_whose_app_is_configured_are_offered() -> None:
    own = InstagramSettings(INSTAGRAM_APP_ID="1", INSTAGRAM_APP_SECRET="new,old")
    facebook = MessengerSettings(MESSENGER_APP_ID=APP_ID, MESSENGER_APP_SECRET=SECRET)
    nothing = MessengerSettings(MESSENGER_APP_ID="", MESSENGER_APP_SECRET="")

    both, one = InstagramConnector(own, facebook), InstagramConnector(own, nothing)

    assert both.logins == (Login.DIRECT, Login.FACEBOOK)
    assert one.logins == (Login.DIRECT,)
    for secret in ("new", "old"):
        one.verify(signed(b"{}", secret), b"{}")
    with pytest.raises(SignatureInvalid):
        one.verify(signed(b"{}", ""), b"{}")
    await both.aclose()
    await one.aclose()
