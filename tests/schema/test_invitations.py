"""Invitations over HTTP: who may invite whom to what, how often, and who sees it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import func, select, update

from server.auth import service as auth
from server.auth.models import InvitationRow
from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.tenants.rules import Role
from server.tenants.uow import begin
from tests.api import Api
from tests.factories.people import an_address, links_to
from tests.factories.tenants import AnOrganization, APerson, a_person, an_agency
from tests.schema.asking import change, codes
from tests.schema.test_members import acts
from tests.workshop import Workshop

OFFER = "invitation { id email state role mailedAt unit { name } invitedBy { name } }"
LISTED = "query($filter: InvitationFilter) { invitations(filter: $filter) { nodes { email state unit { name } } } }"


@pytest.fixture
async def agency(database: Database) -> AnOrganization:
    """An agency with two clients."""
    return await an_agency(database)


@pytest.fixture
async def owner(database: Database, settings: Settings, agency: AnOrganization) -> APerson:
    """Its owner, called Olga."""
    return await a_person(database, settings, agency, agency.root_id, Role.OWNER, "Olga")


def an_input(agency: AnOrganization, client: str = "client 1", **more: object) -> dict[str, Any]:
    """An offer to be an operator at a client."""
    unit_id = encode("unit", agency.units[client])
    return {"email": an_address(), "name": "Grace", "unitId": unit_id, "role": "OPERATOR", **more}


async def test_an_invitation_is_mailed_and_says_where_it_stands(
    api: Api, database: Database, settings: Settings, workshop: Workshop, agency: AnOrganization, owner: APerson
) -> None:
    wanted = an_input(agency)

    made = await change(api, "invitationCreate", OFFER, wanted, token=owner.token)
    await workshop.settle(agency.id)
    query = "query($id: ID!) { node(id: $id) { ... on Invitation { state mailedAt } } }"
    mailed = (await api.ask(query, {"id": made["invitation"]["id"]}, token=owner.token)).data["node"]
    (link,) = await links_to(database, wanted["email"])
    await auth.accept_invitation(database, settings, link, user_id=new_id(), email=wanted["email"], name="Grace Hopper")
    query = "query($id: ID!) { node(id: $id) { ... on Invitation { state member { name } } } }"
    accepted = (await api.ask(query, {"id": made["invitation"]["id"]}, token=owner.token)).data["node"]

    assert made["invitation"] | {"id": ""} == {
        "id": "",
        "email": wanted["email"],
        "state": "OPEN",
        "role": "OPERATOR",
        "mailedAt": None,
        "unit": {"name": "client 1"},
        "invitedBy": {"name": "Olga"},
    }
    assert (mailed["state"], mailed["mailedAt"] is not None) == ("OPEN", True)
    assert accepted == {"state": "ACCEPTED", "member": {"name": "Grace Hopper"}}


async def test_nobody_offers_more_than_they_hold_or_elsewhere(
    api: Api, database: Database, settings: Settings, agency: AnOrganization
) -> None:
    admin = await a_person(database, settings, agency, agency.units["client 1"], Role.ADMIN)
    clerk = await a_person(database, settings, agency, agency.units["client 1"], Role.OPERATOR)
    other = await an_agency(database)

    async def told(person: APerson, wanted: dict[str, Any]) -> list[str]:
        return codes(await change(api, "invitationCreate", OFFER, wanted, token=person.token))

    assert await told(admin, an_input(agency, role="OWNER")) == ["PERMISSION_DENIED"]
    assert await told(clerk, an_input(agency, role="ANALYST")) == ["PERMISSION_DENIED"]
    assert await told(admin, an_input(agency, "client 2")) == ["NOT_FOUND"]
    assert await told(admin, an_input(other)) == ["NOT_FOUND"]
    assert await told(admin, an_input(agency, unitId=encode("unit", agency.root_id))) == ["NOT_FOUND"]
    assert await told(admin, an_input(agency, email="nobody", name=" ")) == ["INVALID_INPUT", "INVALID_INPUT"]
    assert await told(admin, an_input(agency)) == []


async def test_the_same_offer_is_open_once_also_when_made_at_once(
    api: Api, agency: AnOrganization, owner: APerson
) -> None:
    wanted = an_input(agency)

    told = await asyncio.gather(*(change(api, "invitationCreate", OFFER, wanted, token=owner.token) for _ in range(3)))
    other_role = await change(api, "invitationCreate", OFFER, {**wanted, "role": "ANALYST"}, token=owner.token)

    assert sorted(code for one in told for code in codes(one)) == ["ALREADY_EXISTS"] * 2
    assert codes(other_role) == []


async def test_an_app_invites_nobody(api: Api, agency: AnOrganization, owner: APerson) -> None:
    wanted = {
        "name": "App",
        "permissions": ["MEMBER_MANAGE", "CAMPAIGN_READ"],
        "unitId": encode("unit", agency.units["client 1"]),
        "expiresInDays": 1,
    }
    app = (await change(api, "tokenCreate", "secret", wanted, token=owner.token))["secret"]

    refused = await change(api, "invitationCreate", OFFER, an_input(agency), token=app)

    assert codes(refused) == ["MEMBER_PERSON_NEEDED"]


async def test_a_person_makes_no_more_than_fifty_in_an_hour(
    api: Api, database: Database, agency: AnOrganization, owner: APerson
) -> None:
    async with begin(database, owner.scope) as uow:
        for _ in range(50):
            given = auth.GivenRole(Role.ANALYST)
            await auth.create_invitation(uow, auth.NewInvitation(an_address(), "Grace", agency.root_id, given))

    refused = await change(api, "invitationCreate", OFFER, an_input(agency), token=owner.token)
    async with begin(database, agency.scope) as uow:
        await uow.session.execute(
            update(InvitationRow)
            .where(InvitationRow.organization_id == agency.id)
            .values(created_at=func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 1))
        )
    later = await change(api, "invitationCreate", OFFER, an_input(agency), token=owner.token)

    assert (codes(refused), codes(later)) == (["INVITATION_TOO_MANY"], [])


async def test_invitations_are_seen_and_ended_where_the_caller_manages_people(
    api: Api, database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    admin = await a_person(database, settings, agency, agency.units["client 1"], Role.ADMIN)
    analyst = await a_person(database, settings, agency, agency.units["client 1"], Role.ANALYST)
    mine, theirs = an_input(agency), an_input(agency, "client 2")
    made = [await change(api, "invitationCreate", OFFER, one, token=owner.token) for one in (mine, theirs)]
    ids = [one["invitation"]["id"] for one in made]

    async def listed(person: APerson, **filter: object) -> list[str]:
        answer = await api.ask(LISTED, {"filter": filter}, token=person.token)
        return [one["email"] for one in answer.data["invitations"]["nodes"]]

    assert await listed(owner) == [theirs["email"], mine["email"]]
    assert await listed(owner, unitId=theirs["unitId"]) == [theirs["email"]]
    assert await listed(admin) == [mine["email"]]
    assert (await api.ask(LISTED, {}, token=analyst.token)).codes == ["FORBIDDEN"]
    for field in ("invitationRevoke", "invitationResend"):
        foreign, random = [
            await change(api, field, OFFER, {"invitationId": one}, token=admin.token)
            for one in (ids[1], encode("inv", new_id()))
        ]
        assert foreign == random
        assert codes(foreign) == ["NOT_FOUND"]
    ended = await change(api, "invitationRevoke", OFFER, {"invitationId": ids[0]}, token=admin.token)
    again = await change(api, "invitationRevoke", OFFER, {"invitationId": ids[0]}, token=admin.token)
    assert (ended["invitation"]["state"], codes(again)) == ("REVOKED", ["INVITATION_NOT_OPEN"])
    assert await listed(owner, isOpen=True) == [theirs["email"]]
    assert await listed(owner, isOpen=False) == [mine["email"]]


async def test_an_invitation_is_mailed_five_times_at_most(
    api: Api, database: Database, workshop: Workshop, agency: AnOrganization, owner: APerson
) -> None:
    wanted = an_input(agency)
    made = await change(api, "invitationCreate", OFFER, wanted, token=owner.token)
    again = {"invitationId": made["invitation"]["id"]}

    told = [codes(await change(api, "invitationResend", OFFER, again, token=owner.token)) for _ in range(5)]
    await workshop.settle(agency.id)
    async with begin(database, agency.scope) as uow:
        statement = select(InvitationRow.mails).where(InvitationRow.organization_id == agency.id)
        mails = (await uow.session.scalars(statement)).one()

    assert told == [[], [], [], [], ["INVITATION_TOO_MANY"]]
    assert mails == 5
    assert len(await links_to(database, wanted["email"])) == 1
    assert await acts(database, agency) == ["member:invitation:create", *["member:invitation:resend"] * 4]


async def test_an_invitation_is_made_once_for_one_key(api: Api, agency: AnOrganization, owner: APerson) -> None:
    wanted, key = an_input(agency), new_id().hex

    told = [await change(api, "invitationCreate", OFFER, wanted, token=owner.token, key=key) for _ in range(2)]

    assert told[0] == told[1]
    assert codes(told[0]) == []
