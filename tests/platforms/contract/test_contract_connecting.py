"""Every platform: consent becomes a grant and accounts, webhooks are switched, and what ended is told."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from server.platforms.port import (
    Ability,
    AccountCredentials,
    AuthorizeRequest,
    CodeExchange,
    Connector,
    FailureReason,
    Grant,
    NotOffered,
    NotSent,
    PlatformCallFailed,
    SignatureInvalid,
)
from tests.platforms.contract.conftest import Plan, Scene, an_id
from tests.platforms.contract.hearing import words
from tests.platforms.contract.rig import Rig
from tests.standin_server import Platform

REDIRECT = "http://127.0.0.1:9/oauth/callback"


@dataclass(frozen=True, slots=True)
class Asked:
    """A dialogue as it began."""

    request: AuthorizeRequest
    verifier: str | None

    def exchange(self, code: str) -> CodeExchange:
        """What the code is traded with."""
        return CodeExchange(code, self.request.redirect_uri, self.request.login, self.verifier)


def asked(rig: Rig, connector: Connector) -> Asked:
    """Begin a dialogue, with PKCE where the platform has it."""
    verifier = secrets.token_urlsafe(48) if connector.uses_pkce else None
    digest = hashlib.sha256((verifier or "").encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=") if verifier else None
    state = f"state {secrets.token_urlsafe(16)}&=#%"
    return Asked(AuthorizeRequest(state, REDIRECT, rig.login, challenge), verifier)


async def a_code(rig: Rig, connector: Connector, platform: Platform, begun: Asked) -> str:
    """Walk the dialogue to its good end."""
    return (await rig.walk_dialogue(platform, connector.authorize_url(begun.request)))["code"]


def account_of(rig: Rig, grant: Grant) -> AccountCredentials:
    """What calls about a grant need."""
    return AccountCredentials(
        rig.channel, grant.person_external_id, grant.access_token, grant.login, grant.refresh_token
    )


async def test_consent_gives_a_grant_and_every_account_that_it_reaches(
    rig: Rig, connector: Connector, platform: Platform
) -> None:
    begun = asked(rig, connector)

    back = await rig.walk_dialogue(platform, connector.authorize_url(begun.request))
    grant = await connector.exchange_code(begun.exchange(back["code"]))
    pages = await connector.list_pages(account_of(rig, grant))

    assert back["state"] == begun.request.state
    assert grant.person_external_id
    assert grant.login is rig.login
    assert grant.expires_at is None or grant.expires_at > datetime.now(UTC)
    assert grant.access_token not in repr(grant)
    assert pages
    assert len({page.external_id for page in pages}) == len(pages)
    assert all(page.name and not page.missing_permissions for page in pages)
    assert (await connector.inspect(account_of(rig, grant))).is_valid


def test_the_dialogue_names_the_exact_redirect_the_state_and_a_challenge_where_there_is_one(
    rig: Rig, connector: Connector
) -> None:
    begun = asked(rig, connector)

    query = parse_qs(urlsplit(connector.authorize_url(begun.request)).query)

    assert query["redirect_uri"] == [REDIRECT]
    assert query["state"] == [begun.request.state]
    assert query.get("code_challenge") == ([begun.request.code_challenge] if connector.uses_pkce else None)
    assert not any("secret" in name for name in query)


async def test_who_refuses_in_the_dialogue_brings_no_code(rig: Rig, connector: Connector, platform: Platform) -> None:
    begun = asked(rig, connector)

    back = await rig.walk_dialogue(platform, connector.authorize_url(begun.request), refuse=True)

    assert "code" not in back
    assert back["error"]
    assert back["state"] == begun.request.state


async def test_a_code_works_once(rig: Rig, connector: Connector, platform: Platform) -> None:
    begun = asked(rig, connector)
    code = await a_code(rig, connector, platform, begun)
    await connector.exchange_code(begun.exchange(code))

    with pytest.raises(PlatformCallFailed) as refused:
        await connector.exchange_code(begun.exchange(code))

    assert refused.value.reason is FailureReason.AUTH
    assert code not in str(refused.value)


async def test_a_code_is_worth_nothing_at_another_address_or_without_its_verifier(
    rig: Rig, connector: Connector, platform: Platform
) -> None:
    begun = asked(rig, connector)
    wrong = [replace(begun.exchange(""), redirect_uri=f"{REDIRECT}/elsewhere")]
    if connector.uses_pkce:
        wrong += [replace(begun.exchange(""), code_verifier=other) for other in (secrets.token_urlsafe(48), None)]

    for exchange in wrong:
        code = await a_code(rig, connector, platform, begun)
        with pytest.raises(PlatformCallFailed) as refused:
            await connector.exchange_code(replace(exchange, code=code))
        assert refused.value.reason is FailureReason.AUTH


async def test_a_code_that_the_platform_never_gave_is_refused(rig: Rig, connector: Connector) -> None:
    with pytest.raises(PlatformCallFailed) as refused:
        await connector.exchange_code(asked(rig, connector).exchange("made-up"))

    assert refused.value.reason is FailureReason.AUTH


async def test_a_token_that_is_none_opens_nothing(rig: Rig, connector: Connector) -> None:
    for token in ("made-up", "two\nlines", "ümlaut", ""):
        account = AccountCredentials(rig.channel, an_id(), token, rig.login)
        with pytest.raises(PlatformCallFailed) as refused:
            await connector.list_pages(account)
        assert refused.value.reason is FailureReason.AUTH


async def test_webhooks_are_switched_on_and_off_as_often_as_one_likes(scene: Scene) -> None:
    connector, page = scene.connector, scene.page
    assert await connector.is_subscribed(page)

    for _ in range(2):
        await connector.unsubscribe(page)
    for _ in range(2):
        await connector.subscribe(page)

    assert await connector.is_subscribed(page)
    message_id = await scene.says("Do you still hear me?")
    told = await scene.hearing.until(
        lambda told: any((found := words(event)) and found[0] == message_id for _, event in told)
    )
    assert {raw.page_external_id for raw, _ in told} == {page.page_external_id}


async def test_an_expired_token_is_told_as_such_by_every_call(scene: Scene) -> None:
    await scene.rig.expire(scene.platform, scene.page)

    outcome = await scene.connector.send(scene.page, scene.rig.message(scene.page, scene.person, "Hello"), 5)

    assert isinstance(outcome, NotSent)
    assert (outcome.reason, outcome.retryable) == (FailureReason.AUTH, False)
    assert await scene.ledger() == []
    with pytest.raises(PlatformCallFailed) as refused:
        await scene.connector.list_messages(scene.page, datetime.now(UTC))
    assert refused.value.reason is FailureReason.AUTH
    with pytest.raises(PlatformCallFailed) as refused:
        await scene.connector.backfill(scene.page, datetime.now(UTC))
    assert refused.value.reason is FailureReason.AUTH


async def test_a_grant_that_was_given_back_sends_no_more(scene: Scene) -> None:
    try:
        await scene.connector.revoke(scene.rig.account_of(scene.page))
    except NotOffered:
        return  # no call does that here: the person takes it back in the platform's own settings

    outcome = await scene.connector.send(scene.page, scene.rig.message(scene.page, scene.person, "Hello"), 5)

    assert isinstance(outcome, NotSent)
    assert outcome.reason is FailureReason.AUTH
    assert not (await scene.connector.inspect(scene.rig.account_of(scene.page))).is_valid


async def test_a_refreshed_grant_works_and_a_rotated_token_is_void(scene: Scene) -> None:
    account = scene.rig.account_of(scene.page)
    if Ability.REFRESH not in scene.connector.abilities:
        with pytest.raises(NotOffered):
            await scene.connector.refresh(account)
        return
    if account.refresh_token is None:
        return  # a token that renews itself must be a day old at some platforms: tested with the platform

    tokens = await scene.connector.refresh(account)

    assert tokens.access_token != account.token
    assert tokens.access_token not in repr(tokens)
    assert (await scene.connector.inspect(replace(account, token=tokens.access_token))).is_valid
    if tokens.refresh_token is not None and tokens.refresh_token != account.refresh_token:
        with pytest.raises(PlatformCallFailed) as refused:
            await scene.connector.refresh(account)
        assert (refused.value.reason, refused.value.retryable) == (FailureReason.AUTH, False)


def test_a_callback_that_nobody_signed_is_refused(rig: Rig, connector: Connector) -> None:
    signs = Ability.SIGNED_CALLBACKS in connector.abilities
    for form in ({}, {"signed_request": ""}, {"signed_request": "a.b"}, {"signed_request": "ü.ü"}):
        with pytest.raises(SignatureInvalid if signs else NotOffered):
            connector.read_callback(form)


@pytest.mark.parametrize("action", ["garbage_200", "truncated_json", "drop_after_accept", "redirect"])
async def test_no_broken_answer_is_taken_for_a_list(scene: Scene, plan: Plan, action: str) -> None:
    await scene.says("Is anybody there?")
    await scene.platform.settled()
    await plan(action=action, match={"op": "list"})

    with pytest.raises(PlatformCallFailed) as failed:
        await scene.connector.list_messages(scene.page, datetime(2026, 1, 1, tzinfo=UTC))

    assert failed.value.reason in (FailureReason.TRANSIENT, FailureReason.AMBIGUOUS)
