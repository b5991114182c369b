"""A person takes our app off, or asks for deletion: verified, for all organizations, and harmless when played again."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time

import pytest
from sqlalchemy import text

from server.channels import service as channels
from server.channels.models import Health
from server.config import Settings
from server.kit.db import Database
from server.platforms.port import Channel
from server.tenants.rules import Role
from server.tenants.uow import begin_read, system_scope
from tests.api import Api
from tests.factories.channels import an_external_id
from tests.factories.connecting import Stage, a_person_with, connected
from tests.factories.tenants import AnOrganization, a_person, an_agency
from tests.standin_server import SECRET, Platform
from tests.workshop import Workshop


@pytest.fixture
def stage(database: Database, settings: Settings, api: Api, platform: Platform, workshop: Workshop) -> Stage:
    """Everybody who takes part in a dialogue."""
    return Stage(database, settings, workshop.runtime.registry, api, platform)


def a_signed_request(person: str, *, secret: str = SECRET, issued_at: float | None = None, **more: object) -> str:
    """What Meta posts, signed here and not by the code under test."""
    told = {"algorithm": "HMAC-SHA256", "user_id": person, "issued_at": int(issued_at or time.time()), **more}
    payload = base64.urlsafe_b64encode(json.dumps(told).encode()).rstrip(b"=").decode()
    made = hmac.new(secret.encode(), payload.encode(), hashlib.sha256).digest()
    return f"{base64.urlsafe_b64encode(made).rstrip(b'=').decode()}.{payload}"


async def a_connection(stage: Stage, person: str, page: str) -> AnOrganization:
    """An organization that connected a page of this person."""
    agency = await an_agency(stage.database)
    unit_id = agency.units["client 1"]
    member = await a_person(stage.database, stage.settings, agency, unit_id, Role.ADMIN)
    result = (await connected(stage, member.scope, unit_id, person, [page]))[0]
    assert result.error is None
    return agency


async def rows_of(database: Database, agency: AnOrganization) -> list[tuple[str, str, str, str]]:
    """Name and id of each grant, and the health of it and its page."""
    async with begin_read(database, agency.scope) as uow:
        found = await uow.session.execute(
            text(
                "SELECT a.name, a.external_id, a.health, p.health FROM connected_account a"
                " JOIN page p ON p.organization_id = a.organization_id AND p.account_id = a.id"
            )
        )
        return [tuple(row) for row in found]


async def requests(database: Database) -> int:
    """Count what platforms asked."""
    async with system_scope(database) as session:
        return (await session.execute(text("SELECT count(*) FROM platform_request"))).scalar_one()


async def test_a_person_who_takes_the_app_off_is_believed_in_every_organization(
    stage: Stage, database: Database, api: Api, platform: Platform, workshop: Workshop
) -> None:
    pages = [an_external_id(), an_external_id()]
    person = await a_person_with(platform, pages)
    agencies = [await a_connection(stage, person, page) for page in pages]
    bystander = await a_connection(stage, await a_person_with(platform, [third := an_external_id()]), third)

    answer = await api.http.post(
        f"{api.url}/callbacks/messenger/deauthorize", data={"signed_request": a_signed_request(person)}
    )
    for agency in (*agencies, bystander):
        await workshop.settle(agency.id)

    assert answer.status_code == 200, answer.text
    for agency in agencies:
        assert [row[2:] for row in await rows_of(database, agency)] == [
            (Health.RECONNECT_NEEDED, Health.RECONNECT_NEEDED)
        ]
        async with begin_read(database, agency.scope) as uow:
            page_id = (await uow.session.execute(text("SELECT id FROM page"))).scalar_one()
            credentials = await channels.credentials(uow, page_id)
            acts = (
                (await uow.session.execute(text("SELECT action FROM audit_event ORDER BY seq DESC LIMIT 2")))
                .scalars()
                .all()
            )
        assert (credentials.page_token, credentials.account_token) == ("", "")
        assert acts == ["channel:account:withdrawn", "channel:account:unhealthy"]
    assert [row[2:] for row in await rows_of(database, bystander)] == [(Health.HEALTHY, Health.HEALTHY)]


def a_word(person: str, right: str, verb: str, at: float | None = None) -> bytes:
    """A webhook about what a person lets our app do (platforms.md 1.5)."""
    change = {"field": right, "value": {"verb": verb, "target_ids": []}}
    entry = {"id": person, "time": int((at or time.time()) * 1000), "changes": [change]}
    return json.dumps({"object": "permissions", "entry": [entry]}).encode()


async def test_a_webhook_that_a_person_takes_the_grant_back_reaches_every_organization_once(
    stage: Stage, database: Database, platform: Platform, workshop: Workshop
) -> None:
    pages = [an_external_id(), an_external_id()]
    person = await a_person_with(platform, pages)
    agencies = [await a_connection(stage, person, page) for page in pages]
    connector = stage.registry.of(Channel.MESSENGER)
    body = a_word(person, "connected", "revoked")

    told = [await channels.record_events(database, connector, body) for _ in range(2)]
    for agency in agencies:
        await workshop.settle(agency.id)

    assert [(one.strays, one.duplicates) for one in told] == [(1, 0), (0, 1)]
    for agency in agencies:
        assert [row[2:] for row in await rows_of(database, agency)] == [
            (Health.RECONNECT_NEEDED, Health.RECONNECT_NEEDED)
        ]
        async with begin_read(database, agency.scope) as uow:
            withdrawn = "SELECT count(*) FROM audit_event WHERE action = 'channel:account:withdrawn'"
            assert (await uow.session.execute(text(withdrawn))).scalar_one() == 1


async def test_an_old_word_and_a_word_of_a_right_that_was_given_take_nothing_away(
    stage: Stage, database: Database, platform: Platform, workshop: Workshop
) -> None:
    page = an_external_id()
    person = await a_person_with(platform, [page])
    agency = await a_connection(stage, person, page)
    connector = stage.registry.of(Channel.MESSENGER)

    await channels.record_events(database, connector, a_word(person, "connected", "revoked", time.time() - 600))
    await channels.record_events(database, connector, a_word(person, "connected", "granted"))
    await channels.record_events(database, connector, a_word(an_external_id(), "connected", "revoked"))
    await workshop.settle(agency.id)

    assert [row[2:] for row in await rows_of(database, agency)] == [(Health.HEALTHY, Health.HEALTHY)]


async def test_a_right_that_was_taken_back_is_seen_at_once_and_not_at_the_next_round(
    stage: Stage, database: Database, platform: Platform, workshop: Workshop
) -> None:
    page = an_external_id()
    person = await a_person_with(platform, [page])
    agency = await a_connection(stage, person, page)
    await workshop.settle(agency.id)
    async with begin_read(database, agency.scope) as uow:
        page_id = (await uow.session.execute(text("SELECT id FROM page"))).scalar_one()
        token = (await channels.credentials(uow, page_id)).account_token
    gone = {"authorization": f"Bearer {token}"}
    await platform.http.delete(f"{platform.url}/me/permissions/pages_messaging", headers=gone)

    connector = stage.registry.of(Channel.MESSENGER)
    await channels.record_events(database, connector, a_word(person, "pages_messaging", "revoked"))
    await workshop.settle(agency.id)

    assert [row[2:] for row in await rows_of(database, agency)] == [
        (Health.MISSING_PERMISSION, Health.MISSING_PERMISSION)
    ]


async def test_a_deletion_forgets_the_name_and_shows_how_far_it_is_without_naming_anybody(
    stage: Stage, database: Database, api: Api, platform: Platform, workshop: Workshop
) -> None:
    page = an_external_id()
    person = await a_person_with(platform, [page])
    agency = await a_connection(stage, person, page)
    form = {"signed_request": a_signed_request(person)}

    answers = [await api.http.post(f"{api.url}/callbacks/messenger/data-deletion", data=form) for _ in range(2)]
    told = answers[0].json()
    before = await api.http.get(f"{api.url}/deletion/{told['confirmation_code']}")
    await workshop.settle(agency.id)
    after = await api.http.get(f"{api.url}/deletion/{told['confirmation_code']}")

    assert set(told) == {"url", "confirmation_code"}
    assert told["url"].endswith(f"/deletion/{told['confirmation_code']}")
    assert answers[1].json() == told
    assert ("RECEIVED" in before.text, "DONE" in after.text) == (True, True)
    assert person not in before.text + after.text
    (row,) = await rows_of(database, agency)
    assert row[0] == ""
    assert row[1].startswith("deleted:")
    async with begin_read(database, agency.scope) as uow:
        everything = ""
        for table in ("connected_account", "channel_connection", "page", "job", "audit_event"):
            everything += (
                await uow.session.execute(text(f"SELECT string_agg(t::text, ' ') FROM {table} t"))
            ).scalar() or ""
    assert person not in everything


async def test_a_callback_that_is_played_again_after_the_person_came_back_harms_nothing(
    stage: Stage, database: Database, api: Api, platform: Platform, workshop: Workshop
) -> None:
    page = an_external_id()
    person = await a_person_with(platform, [page])
    agency = await an_agency(database)
    unit_id = agency.units["client 1"]
    member = await a_person(database, stage.settings, agency, unit_id, Role.ADMIN)
    await connected(stage, member.scope, unit_id, person, [page])
    old = {"signed_request": a_signed_request(person, issued_at=time.time() - 3_600)}
    form = {"signed_request": a_signed_request(person)}
    await api.http.post(f"{api.url}/callbacks/messenger/deauthorize", data=form)
    await workshop.settle(agency.id)
    await connected(stage, member.scope, unit_id, person, [page])

    for one in (form, old):
        answer = await api.http.post(f"{api.url}/callbacks/messenger/deauthorize", data=one)
        assert answer.status_code == 200
        await workshop.settle(agency.id)

    assert [row[2:] for row in await rows_of(database, agency)] == [(Health.HEALTHY, Health.HEALTHY)]


@pytest.mark.parametrize(
    ("_case", "form"),
    [
        ("nothing", {}),
        ("another secret", {"signed_request": a_signed_request("1", secret="another")}),
        ("another algorithm", {"signed_request": a_signed_request("1", algorithm="none")}),
        ("no signature", {"signed_request": "." + a_signed_request("1").split(".")[1]}),
        ("garbage", {"signed_request": "\x00\ufffd.<html>"}),
    ],
)
async def test_what_is_not_signed_by_the_platform_is_refused_before_anything_is_written(
    _case: str, form: dict[str, str], api: Api, database: Database
) -> None:
    before = await requests(database)

    for path in ("deauthorize", "data-deletion"):
        answer = await api.http.post(f"{api.url}/callbacks/messenger/{path}", data=form)
        assert answer.status_code == 401, (_case, answer.text)
        assert answer.json()["error"]["code"] == "callback.signature_invalid"

    assert await requests(database) == before


async def test_a_network_without_such_callbacks_an_unknown_one_and_an_unknown_code_are_not_found(api: Api) -> None:
    form = {"signed_request": a_signed_request("1")}
    answers = [
        await api.http.post(f"{api.url}/callbacks/x/deauthorize", data=form),
        await api.http.post(f"{api.url}/callbacks/nowhere/deauthorize", data=form),
        await api.http.get(f"{api.url}/deletion/{'0' * 40}"),
        await api.http.get(f"{api.url}/deletion/%00"),
    ]

    assert [answer.status_code for answer in answers] == [404, 404, 404, 404]


async def test_a_body_that_is_too_large_or_no_form_is_refused(api: Api) -> None:
    large = await api.http.post(f"{api.url}/callbacks/messenger/deauthorize", content=b"a" * 30_000)
    strange = await api.http.post(f"{api.url}/callbacks/messenger/deauthorize", content=b"\xff\xfe&=&&" * 100)

    assert (large.status_code, strange.status_code) == (413, 401)
