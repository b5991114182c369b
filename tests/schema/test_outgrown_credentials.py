"""Rights that are taken away while service tokens rest on them: nothing is left that may more than who answers for it."""

from __future__ import annotations

from typing import Any

import pytest

from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode
from server.tenants.rules import Role
from tests.api import Api
from tests.factories.credentials import a_token, somebody_signed_in
from tests.factories.tenants import AnOrganization, APerson, a_person, an_agency
from tests.schema.asking import change, kinds, statements
from tests.schema.test_members import mem, membership_of

DONE = "__typename"


@pytest.fixture
async def agency(database: Database) -> AnOrganization:
    """An agency with two clients."""
    return await an_agency(database)


@pytest.fixture
async def owner(database: Database, settings: Settings, agency: AnOrganization) -> APerson:
    """Its owner Olga, signed in."""
    return await somebody_signed_in(database, settings, agency, agency.root_id, Role.OWNER, "Olga")


async def tokens_of(api: Api, agency: AnOrganization, person: APerson, count: int) -> list[str]:
    """Let a person make service tokens on both clients, and return their ids."""
    units = [encode("unit", agency.units[name]) for name in ("client 1", "client 2")]
    made = [await a_token(api, person.token, f"Bot {n}", kind="SERVICE", unitIds=units) for n in range(count)]
    return [one["token"]["id"] for one in made]


@pytest.mark.parametrize("_case", ["refused", "ended", "handed over", "handed over by itself"])
async def test_what_rests_on_a_role_takes_as_many_statements_for_two_tokens_as_for_twelve(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson, _case: str
) -> None:
    asked = []
    for count in (2, 12):
        admin = await a_person(database, settings, agency, agency.root_id, Role.ADMIN)
        ids = await tokens_of(api, agency, admin, count)
        wanted: dict[str, Any] = {"membershipId": await membership_of(database, agency, admin)}
        wanted |= {"ended": {"credentials": "END"}, "refused": {}}.get(
            _case, {"credentials": "HAND_OVER", "handOverToId": mem(owner)}
        )
        field = "membershipRevoke"
        if _case == "handed over by itself":
            field, wanted = "credentialHandOver", {"tokenIds": ids, "toMemberId": mem(owner)}

        with statements() as seen:
            done = await change(api, field, DONE, wanted, token=owner.token)

        asked.append(kinds(seen))
        assert len(done["userErrors"]) == (1 if _case == "refused" else 0), done

    assert asked[0] == asked[1]
