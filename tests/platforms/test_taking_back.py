"""Giving webhooks and grants back, as the wire shows it."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from server.platforms.port import AccountCredentials, Channel, FailureReason, PlatformCallFailed
from tests.platforms.factory import PAGE_TOKEN, Wired, a_page, answers, graph_error

GRANT = AccountCredentials(Channel.MESSENGER, "9", "EAAG-account-token")


async def test_a_page_is_unsubscribed_with_its_own_token(wired: Wired) -> None:
    connector, wire = await wired(answers(200, {"success": True}))

    await connector.unsubscribe(a_page())

    asked = wire.seen[-1]
    assert asked.head.split(" ")[0] == "DELETE"
    assert urlsplit(asked.path).path == "/v25.0/100/subscribed_apps"
    assert asked.header("authorization") == f"Bearer {PAGE_TOKEN}"
    assert "appsecret_proof" in parse_qs(urlsplit(asked.path).query)


async def test_a_grant_is_given_back_for_the_person_who_gave_it(wired: Wired) -> None:
    connector, wire = await wired(answers(200, {"success": True}))

    await connector.revoke(GRANT)

    asked = wire.seen[0]
    assert (asked.head.split(" ")[0], urlsplit(asked.path).path) == ("DELETE", "/v25.0/9/permissions")
    assert asked.header("authorization") == "Bearer EAAG-account-token"


async def test_what_the_platform_does_not_confirm_is_not_taken_for_done(wired: Wired) -> None:
    connector, _ = await wired(answers(200, {"success": False}))

    with pytest.raises(PlatformCallFailed) as told:
        await connector.revoke(GRANT)

    assert (told.value.reason, told.value.retryable) == (FailureReason.TRANSIENT, True)


async def test_a_dead_token_is_told_apart_from_a_platform_that_is_away(wired: Wired) -> None:
    connector, _ = await wired(answers(400, graph_error(190)))

    with pytest.raises(PlatformCallFailed) as told:
        await connector.unsubscribe(a_page())

    assert (told.value.reason, told.value.retryable) == (FailureReason.AUTH, False)
