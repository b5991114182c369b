"""The device flow: a device shows eight letters, a person answers, and guesses are of no use."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from server.audit import service as audit
from server.kit.ids import encode
from server.kit.pagination import PageArguments
from server.tenants.rules import Role
from server.tenants.uow import begin, begin_read
from tests.factories.tenants import AnOrganization, an_agency
from tests.oauth.stage import AnApp, Front, Person, a_person, an_app

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


async def a_device(front: Front, app: AnApp, scope: str = "inbox:read") -> dict[str, Any]:
    """Let a device ask for its codes."""
    answer = await front.post("/oauth2/device_authorization", {"client_id": app.client_id, "scope": scope})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def poll(front: Front, app: AnApp, device: dict[str, Any]) -> httpx.Response:
    """Let the device ask whether the person has answered."""
    form = {"grant_type": DEVICE, "device_code": device["device_code"], "client_id": app.client_id}
    return await front.post("/oauth2/token", form)


async def wait(front: Front, organization: AnOrganization, lapse: timedelta) -> None:
    """Let time pass for the devices of the organization."""
    statement = text("UPDATE oauth_device SET polled_at = polled_at - :lapse, expires_at = expires_at - :lapse")
    async with begin(front.database, organization.scope) as uow:
        await uow.session.execute(statement, {"lapse": lapse})


async def typed(person: Person, code: str) -> httpx.Response:
    """Type a code on the page."""
    return await person.send(await person.look(f"{person.front.url}/device"), {"user_code": code})


@pytest.fixture
async def app(front: Front, owner: Person) -> AnApp:
    """An app on a device, which keeps no secret."""
    return await an_app(front, owner, kind="PUBLIC", name="Wall Screen")


async def test_a_device_gets_tokens_when_a_person_says_yes(
    front: Front, agency: AnOrganization, owner: Person, app: AnApp
) -> None:
    device = await a_device(front, app)
    early = await poll(front, app, device)
    page = await typed(owner, device["user_code"].lower().replace("-", " "))
    done = await owner.send(
        page, {"decision": "allow", "where": "chosen", encode("unit", agency.units["client 1"]): "on"}
    )
    late = await poll(front, app, device)
    viewer = await front.viewer(late.json()["access_token"])
    again = await poll(front, app, device)

    assert re.fullmatch("[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", device["user_code"])
    assert device["verification_uri"] == f"{front.url}/device"
    assert (device["expires_in"], device["interval"]) == (600, 5)
    assert (early.status_code, early.json()["error"]) == (400, "authorization_pending")
    for named in ("Wall Screen", "Northern Lights", "client 1", "inbox:read", device["user_code"].replace("-", " ")):
        assert named in page.text
    assert done.status_code == 200
    assert viewer is not None
    assert viewer["reaches"] == [{"unitId": encode("unit", agency.units["client 1"]), "permissions": ["INBOX_READ"]}]
    assert late.json()["refresh_token"].startswith("swb_ort_")
    assert again.json()["error"] == "invalid_grant"
    async with begin_read(front.database, agency.scope) as uow:
        newest = (await audit.list_events(uow, PageArguments(first=1))).items[0]
    assert (newest.action, newest.actor_id) == ("app:grant:consent", owner.member_id)


async def test_the_page_knows_the_code_of_a_complete_address(front: Front, owner: Person, app: AnApp) -> None:
    device = await a_device(front, app)

    page = await owner.look(device["verification_uri_complete"])
    anonymous = await front.api.http.get(device["verification_uri_complete"], follow_redirects=False)

    assert f'value="{device["user_code"]}"' in page.text
    assert anonymous.headers["location"].startswith("/sign-in?next=%2Fdevice%3Fuser_code")


async def test_a_device_is_told_of_a_no(front: Front, owner: Person, app: AnApp) -> None:
    device = await a_device(front, app)

    await owner.send(await typed(owner, device["user_code"]), {"decision": "refuse", "where": "all"})
    answer = await poll(front, app, device)
    second_thoughts = await typed(owner, device["user_code"])

    assert answer.json()["error"] == "access_denied"
    assert second_thoughts.status_code == 400


async def test_a_device_that_asks_too_often_has_to_slow_down_for_good(
    front: Front, agency: AnOrganization, app: AnApp
) -> None:
    device = await a_device(front, app)
    errors = []
    for lapse in (0, 0, 6, 11, 9):
        await wait(front, agency, timedelta(seconds=lapse))
        errors.append((await poll(front, app, device)).json()["error"])

    assert errors == [
        "authorization_pending",
        "slow_down",
        "slow_down",
        "slow_down",
        "slow_down",
    ]


async def test_a_device_that_keeps_to_its_interval_is_left_in_peace_until_the_code_expires(
    front: Front, agency: AnOrganization, owner: Person, app: AnApp
) -> None:
    device = await a_device(front, app)
    errors = []
    for lapse in (0, 5, 5, 600):
        await wait(front, agency, timedelta(seconds=lapse))
        errors.append((await poll(front, app, device)).json()["error"])

    assert errors == ["authorization_pending"] * 3 + ["expired_token"]
    assert (await typed(owner, device["user_code"])).status_code == 400


async def test_a_code_of_another_organization_is_as_wrong_as_any(front: Front, app: AnApp) -> None:
    other = await an_agency(front.database)
    stranger = await a_person(front, other, other.root_id, Role.OWNER)
    device = await a_device(front, app)

    foreign = await typed(stranger, device["user_code"])
    random = await typed(stranger, "BBBB-BBBB")
    await stranger.browser.aclose()

    assert (foreign.status_code, random.status_code) == (400, 400)
    assert foreign.text == random.text
    assert "Wall Screen" not in foreign.text


async def test_guesses_are_counted_also_when_one_is_right(front: Front, owner: Person, app: AnApp) -> None:
    device = await a_device(front, app)

    guesses = [(await typed(owner, f"BBBB-BBB{letter}")).status_code for letter in "BCDFGHJKLM"]
    right = await typed(owner, device["user_code"])

    assert guesses == [400] * 10
    assert right.status_code == 429
    assert int(right.headers["retry-after"]) > 0


async def test_a_device_code_is_of_no_use_to_another_app_and_a_wrong_one_to_nobody(
    front: Front, owner: Person, app: AnApp
) -> None:
    other = await an_app(front, owner, kind="PUBLIC", name="other")
    device = await a_device(front, app)
    await owner.send(await typed(owner, device["user_code"]), {"decision": "allow", "where": "all"})

    foreign = await poll(front, other, device)
    wrong = await poll(front, app, {"device_code": "swb_odc_nothing"})
    missing = await poll(front, app, {"device_code": ""})
    fine = await poll(front, app, device)

    assert [one.json()["error"] for one in (foreign, wrong, missing)] == [
        "unauthorized_client",
        "invalid_grant",
        "invalid_request",
    ]
    assert fine.status_code == 200


@pytest.mark.parametrize(
    ("scope", "grants", "error"),
    [
        ("inbox:read", ["AUTHORIZATION_CODE"], "unauthorized_client"),
        ("audit:read", ["DEVICE_CODE"], "invalid_scope"),
        ("nothing", ["DEVICE_CODE"], "invalid_scope"),
    ],
)
async def test_a_device_asks_only_for_what_its_app_is_registered_for(
    front: Front, owner: Person, scope: str, grants: list[str], error: str
) -> None:
    app = await an_app(front, owner, kind="PUBLIC", grantTypes=grants)

    answer = await front.post("/oauth2/device_authorization", {"client_id": app.client_id, "scope": scope})

    assert (answer.status_code, answer.json()["error"]) == (400, error)


async def test_devices_of_one_app_in_one_place_are_limited(front: Front, app: AnApp) -> None:
    form = {"client_id": app.client_id}

    answers = [await front.post("/oauth2/device_authorization", form) for _ in range(31)]

    assert [one.status_code for one in answers] == [200] * 30 + [429]
    assert answers[-1].json()["error"] == "temporarily_unavailable"
    assert int(answers[-1].headers["retry-after"]) > 0
