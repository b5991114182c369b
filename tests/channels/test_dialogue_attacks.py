"""Consent dialogues under attack (G41): what belongs to another provider, person, browser or time gets nowhere."""

from __future__ import annotations

import base64
import hashlib
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
import pytest
from sqlalchemy import text

from server.channels import codes
from server.channels import service as channels
from server.channels.errors import CompletionInvalid
from server.channels.models import Health
from server.channels.service import Dialogue
from server.config import Settings
from server.kit.db import Database
from server.kit.errors import InvalidInput, NotFound
from server.kit.ids import new_id
from server.platforms.port import Channel, Login
from server.tenants.rules import Role
from server.tenants.uow import begin, begin_read
from tests.api import Api
from tests.factories.channels import an_external_id
from tests.factories.connecting import Stage, a_person_with, connected, granted, landed, the_address, the_callback
from tests.factories.tenants import AnOrganization, APerson, a_person, an_agency
from tests.standin_server import Platform
from tests.workshop import Workshop


@pytest.fixture
def stage(database: Database, settings: Settings, api: Api, platform: Platform, workshop: Workshop) -> Stage:
    """Everybody who takes part in a dialogue."""
    return Stage(database, settings, workshop.runtime.registry, api, platform)


async def an_admin(stage: Stage) -> tuple[AnOrganization, APerson]:
    """An organization and somebody who may connect pages in it."""
    agency = await an_agency(stage.database)
    return agency, await a_person(stage.database, stage.settings, agency, agency.root_id, Role.ADMIN)


async def an_x_account(platform: Platform) -> str:
    """An account on X."""
    account = str(10**15 + new_id().int % 10**15)
    await platform.control("x/accounts", {"id": account, "name": "Bakery"})
    return account


async def grants(stage: Stage, agency: AnOrganization) -> int:
    """Count the grants of an organization."""
    async with begin_read(stage.database, agency.scope) as uow:
        return (await uow.session.execute(text("SELECT count(*) FROM connected_account"))).scalar_one()


def code_of(answer: httpx.Response) -> str:
    """The code of a refusal."""
    code: str = answer.json()["error"]["code"]
    return code


async def test_an_account_is_connected_with_proof_of_possession_and_its_refresh_token_is_sealed(stage: Stage) -> None:
    agency, member = await an_admin(stage)
    account, unit_id = await an_x_account(stage.platform), agency.units["client 1"]
    asked = parse_qs(urlsplit(await the_address(stage, member.scope, unit_id, Channel.X)).query)

    result = (await connected(stage, member.scope, unit_id, account, [account], Channel.X))[0]

    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == [f"{stage.settings.web.public_url}/oauth/x/callback"]
    assert result.page is not None
    shown = await stage.platform.control(f"x/accounts/{account}", method="GET")
    async with begin_read(stage.database, agency.scope) as uow:
        credentials = await channels.credentials(uow, result.page.id)
        rows = ""
        for table in ("channel_connection", "connected_account", "page", "job", "audit_event"):
            rows += (await uow.session.execute(text(f"SELECT string_agg(t::text, ' ') FROM {table} t"))).scalar() or ""
        kept = (await uow.session.execute(text("SELECT is_refreshable, login FROM connected_account"))).one()
    assert credentials.page_token in shown["live_access_tokens"]
    assert (credentials.account_external_id, credentials.login) == (account, Login.DIRECT)
    assert tuple(kept) == (True, "DIRECT")
    for secret in (*shown["live_access_tokens"], *shown["live_refresh_tokens"]):
        assert secret not in rows
        assert secret.encode().hex() not in rows


def test_a_challenge_is_the_s256_of_a_verifier_of_86_unreserved_characters() -> None:
    verifier = codes.make_verifier()

    wanted = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    assert codes.challenge_of(verifier) == wanted
    assert len(verifier) == 86
    # The pair of RFC 7636, appendix B.
    assert (
        codes.challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
        == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )


async def test_the_callback_of_one_provider_takes_nothing_of_another(stage: Stage) -> None:
    agency, member = await an_admin(stage)
    account, unit_id = await an_x_account(stage.platform), agency.units["client 1"]
    person = await a_person_with(stage.platform, [an_external_id()])
    at_x = urlsplit(await the_callback(stage, await the_address(stage, member.scope, unit_id, Channel.X), account))
    at_facebook = urlsplit(await the_callback(stage, await the_address(stage, member.scope, unit_id), person))

    swapped = [
        await stage.api.http.get(f"{stage.api.url}/oauth/messenger/callback?{at_x.query}"),
        await stage.api.http.get(f"{stage.api.url}/oauth/x/callback?{at_facebook.query}"),
    ]
    code = dict(parse_qsl(at_x.query))["code"]
    state = dict(parse_qsl(at_facebook.query))["state"]
    mixed = await stage.api.http.get(
        f"{stage.api.url}/oauth/messenger/callback?{urlencode({'code': code, 'state': state})}"
    )

    assert [(one.status_code, code_of(one)) for one in swapped] == [(400, "channel.state_invalid")] * 2
    assert "error=auth" in mixed.headers["location"]
    assert await grants(stage, agency) == 0


async def test_a_code_of_another_dialogue_does_not_fit_the_verifier_of_this_one(stage: Stage) -> None:
    agency, member = await an_admin(stage)
    unit_id = agency.units["client 1"]
    mine, theirs = await an_x_account(stage.platform), await an_x_account(stage.platform)
    first = await the_callback(stage, await the_address(stage, member.scope, unit_id, Channel.X), mine)
    second = await the_callback(stage, await the_address(stage, member.scope, unit_id, Channel.X), theirs)
    told = {"state": parse_qs(urlsplit(first).query)["state"][0], "code": parse_qs(urlsplit(second).query)["code"][0]}

    answer = await stage.api.http.get(f"{stage.api.url}/oauth/x/callback?{urlencode(told)}")

    assert "error=auth" in answer.headers["location"]
    assert await grants(stage, agency) == 0


async def test_a_code_that_was_used_is_worth_nothing_in_another_dialogue(stage: Stage) -> None:
    agency, member = await an_admin(stage)
    unit_id = agency.units["client 1"]
    person = await a_person_with(stage.platform, [an_external_id()])
    used = await the_callback(stage, await the_address(stage, member.scope, unit_id), person)
    await landed(stage, used)
    fresh = parse_qs(urlsplit(await the_address(stage, member.scope, unit_id)).query)["state"][0]
    told = {"state": fresh, "code": parse_qs(urlsplit(used).query)["code"][0]}

    again = await stage.api.http.get(used)
    answer = await stage.api.http.get(f"{stage.api.url}/oauth/messenger/callback?{urlencode(told)}")

    assert (again.status_code, code_of(again)) == (400, "channel.state_invalid")
    assert "error=auth" in answer.headers["location"]


@pytest.mark.parametrize("issuer", ["https://evil.example", "", "http://127.0.0.1"])
async def test_a_callback_that_names_another_issuer_ends_the_dialogue(stage: Stage, issuer: str) -> None:
    agency, member = await an_admin(stage)
    person = await a_person_with(stage.platform, [an_external_id()])
    callback = await the_callback(stage, await the_address(stage, member.scope, agency.units["client 1"]), person)

    answer = await stage.api.http.get(f"{callback}&{urlencode({'iss': issuer})}")
    again = await stage.api.http.get(callback)

    assert "error=other_issuer" in answer.headers["location"]
    assert "completion" not in answer.headers["location"]
    assert again.status_code == 400
    assert await grants(stage, agency) == 0


async def test_the_issuer_of_the_dialogue_itself_is_taken(stage: Stage) -> None:
    agency, member = await an_admin(stage)
    person = await a_person_with(stage.platform, [an_external_id()])
    callback = await the_callback(stage, await the_address(stage, member.scope, agency.units["client 1"]), person)

    at = await landed(stage, f"{callback}&{urlencode({'iss': stage.platform.url})}")

    assert at.completion


async def test_an_error_with_markup_is_told_to_nobody(stage: Stage) -> None:
    agency, member = await an_admin(stage)
    connector = stage.registry.of(Channel.MESSENGER)
    redirect_uri = channels.callback_uri(stage.settings.web.public_url, Channel.MESSENGER)
    addresses = []
    for return_url in ("https://app.example.test/connected", None):
        async with begin(stage.database, member.scope) as uow:
            _, url = await channels.begin_connection(
                uow, connector, Channel.MESSENGER, agency.units["client 1"], redirect_uri, Dialogue(return_url)
            )
        addresses.append(parse_qs(urlsplit(url).query)["state"][0])
    markup = "<script>alert(1)</script>"

    answers = [
        await stage.api.http.get(
            f"{stage.api.url}/oauth/messenger/callback",
            params={"state": state, "error": markup, "error_description": markup, "error_reason": markup},
        )
        for state in addresses
    ]

    assert "error=platform_error" in answers[0].headers["location"]
    for answer in answers:
        assert "script" not in answer.headers.get("location", "") + answer.text.lower()


async def test_who_lures_another_person_into_a_dialogue_gets_nothing_of_it(stage: Stage) -> None:
    attacked, victim = await an_admin(stage)
    agency, attacker = await an_admin(stage)
    page = an_external_id()
    person = await a_person_with(stage.platform, [page])

    at = await granted(stage, attacker.scope, agency.units["client 1"], person)

    async with begin(stage.database, attacker.scope) as uow:
        with pytest.raises(CompletionInvalid):
            await channels.finish_connection(uow, at.connection_id, "not seen", [(page, agency.units["client 1"])])
    async with begin(stage.database, victim.scope) as uow:
        with pytest.raises(NotFound):
            await channels.finish_connection(uow, at.connection_id, at.completion, [(page, attacked.units["client 1"])])
    async with begin_read(stage.database, agency.scope) as uow:
        assert (await uow.session.execute(text("SELECT count(*) FROM page"))).scalar_one() == 0


async def test_a_login_that_the_network_does_not_have_is_refused(stage: Stage) -> None:
    agency, member = await an_admin(stage)
    connector = stage.registry.of(Channel.X)

    async with begin(stage.database, member.scope) as uow:
        with pytest.raises(InvalidInput) as refused:
            await channels.begin_connection(
                uow,
                connector,
                Channel.X,
                agency.units["client 1"],
                "http://127.0.0.1/x",
                Dialogue(login=Login.FACEBOOK),
            )
    assert refused.value.path == ("login",)


async def test_a_page_of_another_organization_is_refused_without_naming_it(stage: Stage) -> None:
    owner, first = await an_admin(stage)
    agency, second = await an_admin(stage)
    account = await an_x_account(stage.platform)
    await connected(stage, first.scope, owner.units["client 1"], account, [account], Channel.X)

    result = (await connected(stage, second.scope, agency.units["client 1"], account, [account], Channel.X))[0]

    assert result.error is not None
    assert result.error.code == "channel.page_taken"
    assert str(owner.id) not in result.error.message + str(result.error.data)
    async with begin_read(stage.database, owner.scope) as uow:
        health = (await uow.session.execute(text("SELECT health FROM page"))).scalar_one()
    assert health == Health.HEALTHY
