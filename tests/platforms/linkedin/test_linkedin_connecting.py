"""LinkedIn's grants: how long they live, what ends them, which organisations they reach, and their subscriptions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest

from server.platforms.linkedin.connector import LinkedInConnector
from server.platforms.port import (
    AccountCredentials,
    AuthorizeRequest,
    Channel,
    CodeExchange,
    FailureReason,
    Grant,
    NotOffered,
    PageCredentials,
    PlatformCallFailed,
)
from tests.platforms.contract.conftest import an_id
from tests.platforms.contract.linkedin import CALLBACK, LinkedInRig
from tests.platforms.linkedin.conftest import Wired, a_page
from tests.platforms.linkedin.factory import a_connector
from tests.platforms.linkedin.test_linkedin_sending import answers
from tests.platforms.wire import Exchange
from tests.standin_server import Platform

REDIRECT = "http://127.0.0.1:9/oauth/linkedin/callback"
YEAR = timedelta(days=365)


async def a_grant(platform: Platform, connector: LinkedInConnector, person: str, *, scopes: str | None = None) -> Grant:
    """Walk the dialogue as this person."""
    address = connector.authorize_url(AuthorizeRequest("state", REDIRECT))
    if scopes is not None:
        address = address.partition("&scope=")[0] + f"&scope={scopes}"
    answer = await platform.http.post(address, data={"person": f"urn:li:person:{person}", "action": "allow"})
    assert answer.status_code == 302, answer.text
    code = dict(parse_qsl(urlsplit(answer.headers["location"]).query))["code"]
    return await connector.exchange_code(CodeExchange(code, REDIRECT))


def account_of(grant: Grant) -> AccountCredentials:
    """What calls about the grant need."""
    return AccountCredentials(
        Channel.LINKEDIN, grant.person_external_id, grant.access_token, refresh_token=grant.refresh_token
    )


async def an_admin(platform: Platform, **more: object) -> str:
    """A person with an organisation."""
    person = f"p{an_id()}"
    await platform.control("linkedin/organizations", {"id": an_id(), "name": "Bakery", "person": person, **more})
    return person


def test_the_dialogue_asks_for_scopes_with_spaces_and_for_messages_only_as_a_partner() -> None:
    query = dict(parse_qsl(urlsplit(a_connector().authorize_url(AuthorizeRequest("s", REDIRECT))).query))
    raw = a_connector().authorize_url(AuthorizeRequest("s", REDIRECT))
    partner = a_connector(LINKEDIN_PARTNER="true").authorize_url(AuthorizeRequest("s", REDIRECT))

    scopes = "openid profile rw_organization_admin r_organization_social_feed w_organization_social_feed"
    assert query["scope"] == scopes
    assert "openid%20profile" in raw
    assert "code_challenge" not in query
    assert dict(parse_qsl(urlsplit(partner).query))["scope"] == f"{scopes} w_messages"


async def test_a_grant_lives_60_days_and_its_refresh_token_a_year_from_the_first_consent(
    platform: Platform, page: PageCredentials, connector: LinkedInConnector
) -> None:
    person = await an_admin(platform)
    await platform.control(f"linkedin/people/urn:li:person:{person}/revoke", {})
    first = await a_grant(platform, connector, person)
    now = datetime.now(UTC)
    assert first.expires_at is not None
    assert first.refresh_expires_at is not None
    assert abs(first.expires_at - now - timedelta(days=60)) < timedelta(minutes=1)
    assert abs(first.refresh_expires_at - now - YEAR) < timedelta(minutes=1)
    assert set(first.scopes) >= {"rw_organization_admin", "w_organization_social_feed"}
    assert first.person_external_id == f"urn:li:person:{person}"

    try:
        await platform.control("clock", {"offset_s": 100 * 86_400})
        renewed = await connector.refresh(account_of(first))
        again = await connector.refresh(account_of(first))
        await platform.control("clock", {"offset_s": 366 * 86_400})
        with pytest.raises(PlatformCallFailed) as dead:
            await connector.refresh(account_of(first))
    finally:
        await platform.control("clock", {"offset_s": 0})

    assert renewed.refresh_token == again.refresh_token == first.refresh_token
    assert renewed.access_token != again.access_token
    assert renewed.refresh_expires_at is not None
    left = renewed.refresh_expires_at - datetime.now(UTC)
    assert abs(left - timedelta(days=265)) < timedelta(minutes=1)
    assert (dead.value.reason, dead.value.retryable) == (FailureReason.AUTH, False)


async def test_an_app_that_is_not_approved_gets_no_refresh_token_and_cannot_refresh(
    platform: Platform, page: PageCredentials, connector: LinkedInConnector
) -> None:
    person = await an_admin(platform)
    await platform.control("linkedin/app", {"issues_refresh": False})

    grant = await a_grant(platform, connector, person)

    assert (grant.refresh_token, grant.refresh_expires_at) == (None, None)
    with pytest.raises(PlatformCallFailed) as refused:
        await connector.refresh(account_of(grant))
    assert refused.value.reason is FailureReason.AUTH


async def test_other_scopes_end_earlier_tokens(
    platform: Platform, page: PageCredentials, connector: LinkedInConnector
) -> None:
    person = await an_admin(platform)
    first = await a_grant(platform, connector, person)

    same = await a_grant(platform, connector, person)
    assert (await connector.inspect(account_of(first))).is_valid
    other = await a_grant(platform, connector, person, scopes="openid%20profile")

    assert not (await connector.inspect(account_of(first))).is_valid
    assert not (await connector.inspect(account_of(same))).is_valid
    state = await connector.inspect(account_of(other))
    assert state.is_valid
    assert state.missing_scopes == ("rw_organization_admin",)


async def test_a_grant_that_the_person_took_back_is_dead_and_we_cannot_give_one_back(
    platform: Platform, page: PageCredentials, connector: LinkedInConnector
) -> None:
    person = await an_admin(platform)
    grant = await a_grant(platform, connector, person)
    with pytest.raises(NotOffered):
        await connector.revoke(account_of(grant))

    await platform.control(f"linkedin/people/urn:li:person:{person}/revoke", {})

    assert not (await connector.inspect(account_of(grant))).is_valid


async def test_each_role_says_what_it_lacks_and_each_organisation_is_found_once(
    platform: Platform, page: PageCredentials, connector: LinkedInConnector
) -> None:
    person = f"p{an_id()}"
    roles = {
        "1": ["ADMINISTRATOR", "RECRUITING_POSTER"],
        "2": ["CONTENT_ADMINISTRATOR"],
        "3": ["RECRUITING_POSTER"],
        "4": ["LEAD_GEN_FORMS_MANAGER"],
    }
    for number, held in roles.items():
        about = {"id": f"{number}{person[1:]}", "name": f"Bakery {number}", "person": person, "roles": held}
        await platform.control("linkedin/organizations", about)
    grant = await a_grant(platform, connector, person)

    pages = await connector.list_pages(account_of(grant))

    admin, reading, writing = "rw_organization_admin", "r_organization_social_feed", "w_organization_social_feed"
    assert [(one.name, one.missing_permissions) for one in pages] == [
        ("Bakery 1", ()),
        ("Bakery 2", (admin,)),
        ("Bakery 3", (reading, admin)),
        ("Bakery 4", (reading, admin, writing)),
    ]
    assert {one.external_id for one in pages} == {f"urn:li:organization:{number}{person[1:]}" for number in roles}
    assert {one.page_token for one in pages} == {None}
    assert pages[0].tasks == ("ADMINISTRATOR", "RECRUITING_POSTER")


async def test_a_list_of_organisations_is_followed_to_its_end(
    platform: Platform, page: PageCredentials, connector: LinkedInConnector
) -> None:
    person = f"p{an_id()}"
    many = [{"id": f"{number}{person[1:]}", "name": f"B {number}", "person": person} for number in range(230)]
    await platform.control("linkedin/organizations", many)

    pages = await connector.list_pages(account_of(await a_grant(platform, connector, person)))

    assert len({one.external_id for one in pages}) == 230


async def test_an_organisation_whose_name_is_refused_keeps_its_urn(wired: Wired) -> None:
    async def script(exchange: Exchange) -> None:
        if "organizationalEntityAcls" in exchange.path:
            role = {"role": "ADMINISTRATOR", "organization": "urn:li:organization:7", "state": "APPROVED"}
            gone = {"role": "ADMINISTRATOR", "organization": "urn:li:organization:8", "state": "REVOKED"}
            await exchange.answer(200, {"elements": [role, gone], "paging": {"start": 0, "count": 100}})
        else:
            await exchange.answer(429, {"message": "DAY limit", "status": 429})

    connector, wire = await wired(script)

    [found] = await connector.list_pages(AccountCredentials(Channel.LINKEDIN, "urn:li:person:1", "t"))

    assert (found.external_id, found.name) == ("urn:li:organization:7", "urn:li:organization:7")
    assert wire.seen[0].path == "/rest/organizationalEntityAcls?q=roleAssignee&state=APPROVED&start=0&count=100"
    assert wire.seen[1].path == "/rest/organizations/7"


async def test_a_subscription_is_named_by_app_person_and_organisation_and_brings_our_callback(wired: Wired) -> None:
    connector, wire = await wired(answers(204, b""))

    await connector.subscribe(a_page())

    [exchange] = wire.seen
    assert exchange.head.startswith("PUT ")
    assert exchange.path == (
        "/rest/eventSubscriptions/(developerApplication:urn%3Ali%3AdeveloperApplication%3A7,user:urn%3Ali%3Aperson%3Ap%2E1,"
        "entity:urn%3Ali%3Aorganization%3A7,eventType:ORGANIZATION_SOCIAL_ACTION_NOTIFICATIONS)"
    )
    assert exchange.json == {"webhook": CALLBACK}


async def test_a_subscription_that_ends_soon_or_goes_elsewhere_is_none(
    platform: Platform, page: PageCredentials, connector: LinkedInConnector
) -> None:
    assert not await connector.is_subscribed(page)
    await connector.subscribe(page)
    assert await connector.is_subscribed(page)

    await platform.control(f"linkedin/organizations/{page.page_external_id}/subscription", {"expires_in_s": 3_600})
    assert not await connector.is_subscribed(page)
    await connector.subscribe(page)
    assert await connector.is_subscribed(page)

    await platform.control(
        "linkedin/organizations",
        {"id": page.page_external_id, "subscribed": True, "callback_url": "http://127.0.0.1:9/x"},
    )
    assert not await connector.is_subscribed(page)
    await connector.subscribe(page)
    assert await connector.is_subscribed(page)
    await connector.unsubscribe(page)
    await connector.unsubscribe(page)
    assert not await connector.is_subscribed(page)


async def test_who_is_no_administrator_cannot_subscribe_and_nobody_can_without_a_person(
    platform: Platform, page: PageCredentials, connector: LinkedInConnector
) -> None:
    about = {"person": page.account_external_id, "roles": ["CONTENT_ADMINISTRATOR"]}
    await platform.control(f"linkedin/organizations/{page.page_external_id}/roles", about)

    with pytest.raises(PlatformCallFailed) as refused:
        await connector.subscribe(page)
    assert refused.value.reason is FailureReason.PERMISSION
    with pytest.raises(PlatformCallFailed) as unknown:
        await connector.subscribe(replace(page, account_external_id=None))
    assert unknown.value.reason is FailureReason.AUTH


async def test_a_backfill_older_than_60_days_says_that_it_is_not_whole(
    platform: Platform, page: PageCredentials, connector: LinkedInConnector
) -> None:
    person = f"urn:li:person:{an_id()}"
    comment = await LinkedInRig().says(platform, page, person, "Hello")
    await platform.control(f"linkedin/people/{person}/edit", {"comment": comment, "text": "Hello!"})
    await platform.control(f"linkedin/people/{person}/like", {"organization": page.page_external_id})
    await platform.control(f"linkedin/people/{person}/delete", {"comment": comment})

    old = await connector.backfill(page, datetime.now(UTC) - timedelta(days=61))
    young = await connector.backfill(page, datetime.now(UTC) - timedelta(days=59))

    assert (old.is_complete, young.is_complete) == (False, True)
    assert [event.kind for event in young.events] == ["comment", "comment_edit", "comment_delete"]
    assert old.events == young.events


async def test_a_long_list_of_notifications_is_followed_to_its_end(
    platform: Platform, page: PageCredentials, connector: LinkedInConnector
) -> None:
    rig, person, since = LinkedInRig(), f"urn:li:person:{an_id()}", datetime.now(UTC)
    ids = [await rig.says(platform, page, person, f"Number {number}") for number in range(215)]

    filled = await connector.backfill(page, since)

    told = [event for raw in filled.events for event in connector.parse(raw.kind, raw.page_external_id, raw.payload)]
    assert [getattr(event, "comment_id", None) for event in told] == ids
