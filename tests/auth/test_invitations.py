"""Invitations: a link works once, for one address, while its inviter may give what it offers."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select, text, update

from server.auth import service as auth
from server.auth.errors import (
    AddressTaken,
    InvitationForAnother,
    InvitationInvalid,
    InvitationNotGrantable,
    MemberDeactivated,
)
from server.auth.models import InvitationRow
from server.auth.tokens import make_invitation
from server.config import Settings
from server.kit.db import Database
from server.kit.ids import new_id
from server.tenants.models import MemberRow, MembershipRow
from server.tenants.rules import Role
from server.tenants.uow import begin, begin_read
from tests.factories.people import a_link, an_address, an_offer, links_to, mails_to, outcomes
from tests.factories.tenants import AnOrganization, APerson, a_person, an_agency
from tests.workshop import Workshop


@pytest.fixture
async def agency(database: Database) -> AnOrganization:
    """An agency with two clients."""
    return await an_agency(database, name="Acme")


@pytest.fixture
async def owner(database: Database, settings: Settings, agency: AnOrganization) -> APerson:
    """Its owner."""
    return await a_person(database, settings, agency, agency.root_id, Role.OWNER)


async def grants_of(database: Database, agency: AnOrganization, user_id: UUID) -> list[tuple[UUID, Role | None]]:
    """Return what an account may do where."""
    async with begin_read(database, agency.scope) as uow:
        rows = await uow.session.execute(
            select(MembershipRow.unit_id, MembershipRow.role)
            .join(MemberRow, MemberRow.id == MembershipRow.member_id)
            .where(MemberRow.organization_id == agency.id, MemberRow.user_id == user_id)
            .order_by(MembershipRow.id)
        )
        return [(row.unit_id, row.role) for row in rows]


async def accept(database: Database, settings: Settings, link: str, email: str, user_id: UUID | None = None) -> UUID:
    """Accept as somebody called Grace."""
    return await auth.accept_invitation(
        database, settings, link, user_id=user_id or new_id(), email=email, name="Grace Hopper"
    )


async def test_a_link_tells_what_it_offers_and_makes_a_member(
    database: Database, settings: Settings, workshop: Workshop, agency: AnOrganization, owner: APerson
) -> None:
    email, user_id = an_address(), new_id()
    link = await a_link(database, workshop, owner, agency.units["client 1"], Role.OPERATOR, email)

    offered = await auth.read_invitation(database, settings, link)
    organization_id = await accept(database, settings, link, email, user_id)

    assert offered is not None
    told = (offered.organization_name, offered.email, offered.unit_name, offered.role_name)
    assert told == ("Acme", email, "client 1", "OPERATOR")
    assert organization_id == agency.id
    assert await grants_of(database, agency, user_id) == [(agency.units["client 1"], Role.OPERATOR)]


async def test_the_secret_is_in_the_mail_and_nowhere_in_the_database(
    database: Database, workshop: Workshop, agency: AnOrganization, owner: APerson
) -> None:
    email = an_address()
    link = await a_link(database, workshop, owner, agency.root_id, Role.ANALYST, email)

    (body,) = await mails_to(database, email)
    async with begin_read(database, agency.scope) as uow:
        stored = (
            await uow.session.execute(
                text(
                    "SELECT one::text FROM invitation AS one UNION ALL SELECT one::text FROM job AS one"
                    " UNION ALL SELECT one::text FROM audit_event AS one"
                )
            )
        ).scalars()
        found = [one for one in stored if link.rpartition("_")[2] in one or link in one]

    assert link in body
    assert found == []


async def test_of_concurrent_acceptances_one_wins(
    database: Database, settings: Settings, workshop: Workshop, agency: AnOrganization, owner: APerson
) -> None:
    email = an_address()
    link = await a_link(database, workshop, owner, agency.units["client 1"], Role.OPERATOR, email)

    told = await outcomes(accept(database, settings, link, email) for _ in range(5))

    assert told == ["done", *["invitation.invalid"] * 4]


async def test_the_address_is_compared_without_case_and_in_one_form(
    database: Database, settings: Settings, workshop: Workshop, agency: AnOrganization, owner: APerson
) -> None:
    name = new_id().hex
    composed, decomposed = f"Zo\u00cb.{name}@Example.test", f"zoe\u0308.{name}@example.TEST"
    await an_offer(database, owner, agency.root_id, Role.ANALYST, composed)
    await workshop.settle(agency.id)
    (link,) = await links_to(database, f"zo\u00eb.{name}@example.test")

    assert await accept(database, settings, link, decomposed) == agency.id


async def test_another_address_is_refused_and_the_link_stays_open(
    database: Database, settings: Settings, workshop: Workshop, agency: AnOrganization, owner: APerson
) -> None:
    email = an_address()
    link = await a_link(database, workshop, owner, agency.root_id, Role.ANALYST, email)

    with pytest.raises(InvitationForAnother):
        await accept(database, settings, link, an_address())

    assert await accept(database, settings, link, email) == agency.id


async def test_unknown_used_over_and_revoked_links_are_refused_alike(
    database: Database, settings: Settings, workshop: Workshop, agency: AnOrganization, owner: APerson
) -> None:
    emails = [an_address() for _ in range(3)]
    used, over, revoked = [
        await a_link(database, workshop, owner, agency.root_id, Role.ANALYST, email) for email in emails
    ]
    await accept(database, settings, used, emails[0])
    async with begin(database, owner.scope) as uow:
        mine = InvitationRow.organization_id == agency.id
        await uow.session.execute(
            update(InvitationRow)
            .where(mine, InvitationRow.email == emails[1])
            .values(expires_at=func.clock_timestamp() - timedelta(seconds=1))
        )
        statement = select(InvitationRow.id).where(mine, InvitationRow.email == emails[2])
        await auth.revoke_invitation(uow, (await uow.session.scalars(statement)).one())
    unknown = [make_invitation(agency.id), make_invitation(new_id()), "swb_inv_", "", owner.token, f"{used}\n"]

    refused = []
    for link, email in zip([used, over, revoked, *unknown], [*emails, *[emails[0]] * len(unknown)], strict=True):
        assert await auth.read_invitation(database, settings, link) is None
        with pytest.raises(InvitationInvalid) as told:
            await accept(database, settings, link, email)
        refused.append((told.value.code, told.value.message, told.value.path, told.value.data))

    assert len(set(map(str, refused))) == 1


async def test_a_new_mail_ends_the_link_before(
    database: Database, settings: Settings, workshop: Workshop, agency: AnOrganization, owner: APerson
) -> None:
    email = an_address()
    offer = await an_offer(database, owner, agency.root_id, Role.ANALYST, email)
    await workshop.settle(agency.id)
    async with begin(database, owner.scope) as uow:
        await auth.resend_invitation(uow, offer)
    await workshop.settle(agency.id)

    first, second = await links_to(database, email)

    assert first != second
    assert await auth.read_invitation(database, settings, first) is None
    assert await accept(database, settings, second, email) == agency.id


async def test_an_offer_ends_with_the_right_of_the_one_who_made_it(
    database: Database, settings: Settings, workshop: Workshop, agency: AnOrganization
) -> None:
    admin = await a_person(database, settings, agency, agency.units["client 1"], Role.ADMIN)
    emails = [an_address() for _ in range(2)]
    links = [await a_link(database, workshop, admin, agency.units["client 1"], Role.MANAGER, email) for email in emails]
    await accept(database, settings, links[0], emails[0])
    async with begin(database, agency.scope) as uow:
        await uow.session.execute(
            update(MembershipRow)
            .where(MembershipRow.organization_id == agency.id, MembershipRow.member_id == admin.member_id)
            .values(role=Role.ANALYST)
        )

    with pytest.raises(InvitationNotGrantable):
        await accept(database, settings, links[1], emails[1])


async def test_who_is_a_member_already_gets_the_role_besides(
    database: Database, settings: Settings, workshop: Workshop, agency: AnOrganization, owner: APerson
) -> None:
    first, second, user_id = an_address(), an_address(), new_id()
    for email, unit in ((first, "client 1"), (second, "client 2")):
        link = await a_link(database, workshop, owner, agency.units[unit], Role.ANALYST, email)
        await accept(database, settings, link, email, user_id)

    assert await grants_of(database, agency, user_id) == [
        (agency.units["client 1"], Role.ANALYST),
        (agency.units["client 2"], Role.ANALYST),
    ]


async def test_a_deactivated_person_does_not_come_back_by_a_link(
    database: Database, settings: Settings, workshop: Workshop, agency: AnOrganization, owner: APerson
) -> None:
    email, user_id = an_address(), new_id()
    link = await a_link(database, workshop, owner, agency.root_id, Role.ANALYST, email)
    await accept(database, settings, link, email, user_id)
    async with begin(database, agency.scope) as uow:
        await uow.session.execute(
            update(MemberRow)
            .where(MemberRow.organization_id == agency.id, MemberRow.user_id == user_id)
            .values(deactivated_at=func.clock_timestamp())
        )
    link = await a_link(database, workshop, owner, agency.units["client 1"], Role.ANALYST, email)

    with pytest.raises(MemberDeactivated):
        await accept(database, settings, link, email, user_id)


async def test_another_account_does_not_take_the_place_of_a_member_with_its_address(
    database: Database, settings: Settings, workshop: Workshop, agency: AnOrganization, owner: APerson
) -> None:
    email = an_address()
    link = await a_link(database, workshop, owner, agency.root_id, Role.ANALYST, email)
    await accept(database, settings, link, email)
    link = await a_link(database, workshop, owner, agency.units["client 1"], Role.ANALYST, email)

    with pytest.raises(AddressTaken):
        await accept(database, settings, link, email, new_id())


async def test_the_same_account_may_belong_to_many_organizations(
    database: Database, settings: Settings, workshop: Workshop, agency: AnOrganization, owner: APerson
) -> None:
    other = await an_agency(database)
    boss = await a_person(database, settings, other, other.root_id, Role.OWNER)
    email, user_id = an_address(), new_id()
    here = await a_link(database, workshop, owner, agency.root_id, Role.ANALYST, email)
    there = await a_link(database, workshop, boss, other.units["client 1"], Role.MANAGER, email)

    assert await accept(database, settings, here, email, user_id) == agency.id
    assert await accept(database, settings, there, email, user_id) == other.id
    assert await grants_of(database, agency, user_id) == [(agency.root_id, Role.ANALYST)]
    assert await grants_of(database, other, user_id) == [(other.units["client 1"], Role.MANAGER)]
