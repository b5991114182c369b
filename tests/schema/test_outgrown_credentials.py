"""Rights that are taken away while service tokens rest on them: nothing is left that may more than who answers for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode
from server.tenants.rules import Role
from tests.api import Api
from tests.factories.credentials import a_token, is_taken, somebody_signed_in
from tests.factories.tenants import AnOrganization, APerson, a_person, an_agency
from tests.schema.asking import change, codes, details, kinds, statements
from tests.schema.test_members import mem, membership_of
from tests.schema.test_roles import a_role, can

DONE = "__typename"
ROLE = "role { name } credentials { name state owner { name } }"
MAY = ["CAMPAIGN_WRITE", "TOKEN_MANAGE"]


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


@dataclass(frozen=True, slots=True)
class Night:
    """A role of the organization's own that Nora has on a client, and the service token that she made with it."""

    role_id: str
    nora: APerson
    bot: str


@pytest.fixture
async def night(api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson) -> Night:
    """A night shift that may write campaigns and make tokens."""
    here = agency.units["client 1"]
    nora = await somebody_signed_in(database, settings, agency, here, Role.OPERATOR, "Nora")
    role_id = await a_role(api, owner, *MAY)
    wanted = {"memberId": mem(nora), "unitId": encode("unit", here), "customRoleId": role_id}
    await change(api, "membershipGrant", "member { name }", wanted, token=owner.token)
    made = await a_token(api, nora.token, "Bot", at=here, permissions=["CAMPAIGN_WRITE"])
    return Night(role_id, nora, made["secret"])


TAKING = [("roleUpdate", {"permissions": ["TOKEN_MANAGE"]}), ("roleArchive", {})]
"""The two ways in which a role gives less to all who have it."""


@pytest.mark.parametrize(("field", "change_of_role"), TAKING)
async def test_a_role_on_which_service_tokens_rest_gives_no_less_without_a_word_about_them(
    api: Api, owner: APerson, night: Night, field: str, change_of_role: dict[str, Any]
) -> None:
    wanted = {"roleId": night.role_id, **change_of_role}

    silent = await change(api, field, ROLE, wanted, token=owner.token)
    unfit = await change(api, field, ROLE, wanted | {"credentials": "HAND_OVER"}, token=owner.token)

    assert codes(silent) == ["CREDENTIAL_HAS_DEPENDENTS"]
    assert details(silent["userErrors"][0])["count"] == ["1"]
    assert [(one["code"], one["path"]) for one in unfit["userErrors"]] == [("INVALID_INPUT", ["handOverToId"])]
    assert await can(api, night.nora, "CAMPAIGN_WRITE")
    assert await is_taken(api, night.bot)


@pytest.mark.parametrize(("field", "change_of_role"), TAKING)
async def test_service_tokens_end_with_what_a_role_gave_if_that_is_chosen(
    api: Api, owner: APerson, night: Night, field: str, change_of_role: dict[str, Any]
) -> None:
    wanted = {"roleId": night.role_id, "credentials": "END", **change_of_role}

    done = await change(api, field, ROLE, wanted, token=owner.token)

    assert [(one["name"], one["state"]) for one in done["credentials"]] == [("Bot", "ENDED")]
    assert not await can(api, night.nora, "CAMPAIGN_WRITE")
    assert not await is_taken(api, night.bot)


@pytest.mark.parametrize(("field", "change_of_role"), TAKING)
async def test_service_tokens_outlive_what_a_role_gave_under_the_name_of_somebody_who_holds_it(
    api: Api, owner: APerson, night: Night, field: str, change_of_role: dict[str, Any]
) -> None:
    wanted = {"roleId": night.role_id, "credentials": "HAND_OVER", **change_of_role}

    to_nora = await change(api, field, ROLE, wanted | {"handOverToId": mem(night.nora)}, token=owner.token)
    to_olga = await change(api, field, ROLE, wanted | {"handOverToId": mem(owner)}, token=owner.token)

    assert codes(to_nora) == ["CREDENTIAL_RECEIVER_MAY_LESS"]
    assert [(one["name"], one["owner"]["name"]) for one in to_olga["credentials"]] == [("Bot", "Olga")]
    assert await is_taken(api, night.bot)


async def test_a_role_is_changed_without_a_word_where_every_service_token_stays_covered(
    api: Api, agency: AnOrganization, owner: APerson, night: Night
) -> None:
    async def change_to(**wanted: object) -> list[str]:
        return codes(await change(api, "roleUpdate", ROLE, {"roleId": night.role_id, **wanted}, token=owner.token))

    renamed, widened = await change_to(name="Late shift"), await change_to(permissions=[*MAY, "TEMPLATE_READ"])
    cut_elsewhere = await change_to(permissions=MAY)
    manager = {"memberId": mem(night.nora), "unitId": encode("unit", agency.root_id), "role": "MANAGER"}
    await change(api, "membershipGrant", "member { name }", manager, token=owner.token)
    archived = await change(api, "roleArchive", ROLE, {"roleId": night.role_id}, token=owner.token)

    assert (renamed, widened, cut_elsewhere, codes(archived)) == ([], [], [], [])
    assert archived["credentials"] == []
    assert await is_taken(api, night.bot)


async def test_a_role_takes_as_many_statements_for_two_who_have_it_as_for_six(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    here, asked = agency.units["client 1"], []
    for count in (2, 6):
        role_id = await a_role(api, owner, *MAY, name=f"Shift of {count}")
        for _ in range(count):
            person = await a_person(database, settings, agency, here, Role.OPERATOR)
            wanted = {"memberId": mem(person), "unitId": encode("unit", here), "customRoleId": role_id}
            await change(api, "membershipGrant", "member { name }", wanted, token=owner.token)
            await a_token(api, person.token, "Bot", at=here, permissions=["CAMPAIGN_WRITE"])

        with statements() as seen:
            done = await change(api, "roleArchive", DONE, {"roleId": role_id, "credentials": "END"}, token=owner.token)

        asked.append(kinds(seen))
        assert done["userErrors"] == []

    assert asked[0] == asked[1]
