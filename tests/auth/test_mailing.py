"""The job that mails an invitation: a link is committed before it leaves, and a repetition makes a new one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from server.auth import service as auth
from server.auth.models import InvitationRow
from server.auth.service import InvitationState
from server.config import MailSettings, Settings
from server.kit.db import Database
from server.kit.pagination import PageArguments
from server.tenants.rules import Role, address_key
from server.tenants.uow import begin, begin_read
from tests.factories.people import an_address, an_offer, links_to, mails_to
from tests.factories.tenants import AnOrganization, APerson, a_person, an_agency
from tests.workshop import Workshop

MAX_BACKOFF = timedelta(hours=1)


@pytest.fixture
async def agency(database: Database) -> AnOrganization:
    """An agency with two clients."""
    return await an_agency(database)


@pytest.fixture
async def owner(database: Database, settings: Settings, agency: AnOrganization) -> APerson:
    """Its owner."""
    return await a_person(database, settings, agency, agency.root_id, Role.OWNER)


async def invitation(database: Database, agency: AnOrganization) -> InvitationRow:
    """Read the only invitation of an agency."""
    async with begin_read(database, agency.scope) as uow:
        statement = select(InvitationRow).where(InvitationRow.organization_id == agency.id)
        return (await uow.session.scalars(statement)).one()


@asynccontextmanager
async def a_mail_server(answer: bytes) -> AsyncIterator[int]:
    """Listen on a loopback port as an SMTP server that says `answer` to every recipient; give the port."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            replies = {b"RCPT": answer, b"QUIT": b"221 bye\r\n"}
            writer.write(replies.get(verb, b"250 ok\r\n"))
            await writer.drain()
            if verb == b"QUIT":
                break
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def mailing(workshop: Workshop, port: int) -> Workshop:
    """The same worker with an SMTP server."""
    settings = Settings()
    settings.mail = MailSettings(
        SMTP_HOST="127.0.0.1", SMTP_PORT=port, SMTP_STARTTLS=False, SMTP_PASSWORD=SecretStr(""), SMTP_TIMEOUT_S=5
    )
    return replace(workshop, runtime=replace(workshop.runtime, settings=settings))


async def test_a_second_run_makes_a_link_that_ends_the_first(
    database: Database, settings: Settings, agency: AnOrganization, owner: APerson
) -> None:
    offer = await an_offer(database, owner, agency.root_id, Role.ANALYST, an_address())
    mails = []
    for _ in range(2):
        async with begin(database, agency.scope) as uow:
            mails.append(await auth.write_invitation(uow, settings, offer))

    assert mails[0] is not None
    assert mails[1] is not None
    assert mails[0].key != mails[1].key
    links = [mail.text.split("/invitations/")[1].split()[0] for mail in mails if mail is not None]
    assert [await auth.read_invitation(database, settings, one) is not None for one in links] == [False, True]


async def test_an_address_that_is_refused_for_good_is_shown_and_not_tried_again(
    database: Database, workshop: Workshop, agency: AnOrganization, owner: APerson
) -> None:
    await an_offer(database, owner, agency.root_id, Role.ANALYST, an_address())

    async with a_mail_server(b"550 no such person\r\n") as port:
        await mailing(workshop, port).settle(agency.id)

    row = await invitation(database, agency)
    assert (row.bounced_at is not None, row.mailed_at) == (True, None)
    assert await workshop.dead_jobs(agency.id) == []


async def test_a_mail_server_that_is_busy_is_tried_again(
    database: Database, workshop: Workshop, agency: AnOrganization, owner: APerson
) -> None:
    email = an_address()
    await an_offer(database, owner, agency.root_id, Role.ANALYST, email)

    async with a_mail_server(b"451 later\r\n") as port:
        await mailing(workshop, port).work(agency.id)
    busy = await invitation(database, agency)
    for _ in range(3):
        await workshop.work(agency.id, within=MAX_BACKOFF)

    assert (busy.bounced_at, busy.mailed_at) == (None, None)
    assert (await invitation(database, agency)).mailed_at is not None
    assert len(await links_to(database, email)) == 1


async def test_a_revoked_invitation_is_not_mailed_any_more(
    database: Database, workshop: Workshop, agency: AnOrganization, owner: APerson
) -> None:
    email = an_address()
    offer = await an_offer(database, owner, agency.root_id, Role.ANALYST, email)
    async with begin(database, owner.scope) as uow:
        await auth.revoke_invitation(uow, offer)

    await workshop.settle(agency.id)

    assert await mails_to(database, email) == []
    async with begin_read(database, owner.scope) as uow:
        page = await auth.list_invitations(uow, PageArguments())
    assert [one.state for one in page.items] == [InvitationState.REVOKED]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (" Ada@Example.TEST ", "ada@example.test"),
        ("\uff21da@example.test", "ada@example.test"),
        ("stra\u00dfe@example.test", "strasse@example.test"),
        ("ada@example.test\nBcc: eve@example.test", None),
        ("ada@example.test, eve@example.test", None),
        ("Ada <ada@example.test>", None),
        ("ada@@example.test", None),
        ("@example.test", None),
        ("ada@", None),
        ("ada", None),
        ("", None),
        ("a" * 65 + "@example.test", None),
        ("a@" + "b" * 260, None),
    ],
)
def test_an_address_has_one_form_and_carries_no_second_one(text: str, key: str | None) -> None:
    assert address_key(text) == key
