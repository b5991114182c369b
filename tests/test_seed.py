"""The operator's command, as an operator runs it: a process of its own, fed with a description."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from sqlalchemy import text

from server.config import Settings
from server.kit.db import Database
from server.kit.ids import new_id
from tests.api import Api

TREE = [
    {"key": "west", "kind": "REGION", "name": "West"},
    {"key": "one", "kind": "LOCATION", "name": "One", "parent": "west", "code": "L-1", "attributes": {"city": "Bonn"}},
]


def an_organization(people: list[dict[str, Any]], units: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """Describe one franchisor."""
    wanted = {"key": "acme", "kind": "FRANCHISOR", "name": "Acme", "units": TREE if units is None else units}
    return {"organizations": [wanted | {"people": people}]}


def a_person(role: str, unit: str = "root", **more: object) -> dict[str, Any]:
    """Describe one person."""
    return {"key": "ada", "name": "Ada", "email": "ada@example.com", "roles": [{"role": role, "unit": unit}], **more}


async def seed(description: object) -> tuple[int | None, str, str]:
    """Run the command; return its exit code and what it wrote."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server.seed", "--file", "-"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told, complaint = await child.communicate(json.dumps(description).encode())
    return child.returncode, told.decode(), complaint.decode()


async def test_the_token_of_a_seeded_person_acts_with_the_roles_that_were_described(
    settings: Settings, api: Api
) -> None:
    status, told, _ = await seed(an_organization([a_person("OPERATOR", "one")]))

    made = json.loads(told)["organizations"]["acme"]
    answer = await api.ask(
        "{ viewer { memberId organization { id } reaches { unitId permissions } } }",
        token=made["people"]["ada"]["token"],
    )
    assert status == 0
    assert answer.data["viewer"]["memberId"] == made["people"]["ada"]["id"]
    assert answer.data["viewer"]["organization"]["id"] == made["id"]
    (reach,) = answer.data["viewer"]["reaches"]
    assert reach["unitId"] == made["units"]["one"]
    assert "INBOX_REPLY" in reach["permissions"]
    assert "CAMPAIGN_WRITE" not in reach["permissions"]


async def test_seeding_twice_makes_two_organizations(settings: Settings) -> None:
    first, second = [json.loads((await seed(an_organization([a_person("OWNER")])))[1]) for _ in range(2)]

    assert first["organizations"]["acme"]["id"] != second["organizations"]["acme"]["id"]


async def organizations(database: Database) -> int:
    """Count all organizations there are."""
    async with database.unscoped_system() as session:
        return (await session.execute(text("SELECT count(*) FROM organization"))).scalar_one()


async def test_a_description_that_goes_wrong_in_its_last_person_makes_nothing(database: Database) -> None:
    twice = [a_person("OWNER"), a_person("OWNER", key="ben")]
    before = await organizations(database)

    status, told, complaint = await seed(an_organization(twice))

    assert (status, told) == (1, "")
    assert await organizations(database) == before
    assert "email: A member has this e-mail address." in complaint


async def test_a_unit_that_nobody_described_is_named(settings: Settings) -> None:
    status, told, complaint = await seed(an_organization([a_person("OWNER", "nowhere")]))

    assert (status, told) == (2, "")
    assert "nowhere" in complaint


async def test_a_description_with_an_unknown_word_is_refused_before_anything_is_made(settings: Settings) -> None:
    status, told, complaint = await seed(an_organization([a_person("EMPEROR")]))

    assert (status, told) == (2, "")
    assert "role" in complaint


SIGN_IN = "mutation($i: SessionCreateInput!) { sessionCreate(input: $i) { token affiliations { organizationName } } }"


async def test_a_seeded_person_with_a_password_can_sign_in_and_keeps_it_in_further_organizations(
    settings: Settings, api: Api
) -> None:
    email = f"ada.{new_id().hex}@example.com"
    first = an_organization([a_person("OWNER", email=email, password="tall kettle under ice")])
    second = an_organization([a_person("OWNER", email=email.upper(), password="nine brown ladders asleep")])

    statuses = [(await seed(one))[0] for one in (first, second)]
    answers = [
        (await api.ask(SIGN_IN, {"i": {"email": email, "password": one}}, token=None)).data["sessionCreate"]
        for one in ("tall kettle under ice", "nine brown ladders asleep")
    ]

    assert statuses == [0, 0]
    assert [len(one["affiliations"]) for one in answers] == [2, 0]


async def test_a_weak_password_is_refused_and_never_repeated(settings: Settings, database: Database) -> None:
    before = await organizations(database)
    weak = an_organization([a_person("OWNER", email=f"{new_id().hex}@example.com", password="password1234")])
    odd = an_organization([a_person("OWNER", password="tall kettle under ice", shoe="42")])

    told = [await seed(one) for one in (weak, odd)]

    assert [one[0] for one in told] == [1, 2]
    assert "password: " in told[0][2]
    assert not any(word in one[2] for one in told for word in ("password1234", "kettle"))
    assert await organizations(database) == before
