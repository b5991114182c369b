"""Mail that people are owed: sent once, tried again for a day, written at the last moment so that no secret lies about."""

from __future__ import annotations

import asyncio
from email import message_from_string

from sqlalchemy import text

from server.auth import service as auth
from server.auth.service.mails import delay_after
from server.config import Settings
from server.kit.db import Database
from server.kit.ids import new_id
from tests.auth.postbox import a_postbox, link_in, mails_to, with_smtp
from tests.factories.accounts import AnAccount, an_account
from tests.schema.strangers import a_network


async def ask(database: Database, settings: Settings, email: str) -> None:
    """Ask for a link from a fresh network."""
    await auth.ask_for_reset(database, settings, auth.Caller("test", a_network()), email)


async def owed_to(database: Database, person: AnAccount) -> list[tuple[str, int, bool]]:
    """Return (state, attempts, whether it is due) of a person's mails."""
    statement = text(
        "SELECT state, attempts, not_before <= clock_timestamp() FROM user_mail WHERE user_id = :u ORDER BY id"
    )
    async with database.unscoped_system() as session:
        return [(row[0], row[1], row[2]) for row in await session.execute(statement, {"u": person.user_id})]


async def make_due(database: Database, person: AnAccount, *, age: str = "0 s") -> None:
    """Let a person's mails be due, and so old."""
    statement = text(
        "UPDATE user_mail SET not_before = clock_timestamp(), created_at = created_at - CAST(:a AS interval)"
        " WHERE user_id = :u"
    )
    async with database.unscoped_system() as session:
        await session.execute(statement, {"u": person.user_id, "a": age})


async def test_a_mail_is_owed_without_its_secret_and_sent_with_it(database: Database, settings: Settings) -> None:
    await mails_to(database, settings, "")
    ada = await an_account(database)
    await ask(database, settings, f"  {ada.email.upper()} ")

    async with database.unscoped_system() as session:
        before = (await session.execute(text("SELECT count(*) FROM sign_in_ticket"))).scalar_one()
    async with a_postbox() as postbox:
        sent = await auth.send_owed(database, with_smtp(settings, postbox.port))
    message = message_from_string(postbox.taken[0])
    async with database.unscoped_system() as session:
        after = (await session.execute(text("SELECT count(*) FROM sign_in_ticket"))).scalar_one()

    assert (sent, len(postbox.taken), after - before) == (1, 1, 1)
    assert (message["To"], message["Auto-Submitted"]) == (ada.email, "auto-generated")
    assert link_in(message.get_payload(decode=True).decode()).startswith("swb_rst_v1_")  # type: ignore[union-attr]
    assert await owed_to(database, ada) == [("SENT", 1, False)]


async def test_nobody_unknown_is_owed_anything(database: Database, settings: Settings) -> None:
    count = text("SELECT count(*) FROM user_mail")
    async with database.unscoped_system() as session:
        before = (await session.execute(count)).scalar_one()

    await ask(database, settings, f"{new_id().hex}@example.test")

    async with database.unscoped_system() as session:
        assert (await session.execute(count)).scalar_one() == before


async def test_a_wish_that_is_repeated_before_the_mail_went_is_one_mail(database: Database, settings: Settings) -> None:
    ada = await an_account(database)

    for _ in range(3):
        await ask(database, settings, ada.email)

    assert len(await owed_to(database, ada)) == 1


async def test_several_senders_at_once_send_a_mail_once(database: Database, settings: Settings) -> None:
    await mails_to(database, settings, "")
    ada = await an_account(database)
    await ask(database, settings, ada.email)

    async with a_postbox() as postbox:
        told = with_smtp(settings, postbox.port)
        sent = await asyncio.gather(*(auth.send_owed(database, told) for _ in range(6)))

    assert (sum(sent), len(postbox.taken)) == (1, 1)


async def test_a_server_that_is_away_is_tried_again_later_and_given_up_after_a_day(
    database: Database, settings: Settings
) -> None:
    await mails_to(database, settings, "")
    ada = await an_account(database)
    await ask(database, settings, ada.email)
    async with a_postbox() as postbox:
        away = with_smtp(settings, postbox.port)

    await auth.send_owed(database, away)
    first = await owed_to(database, ada)
    at_once = await auth.send_owed(database, away)
    await make_due(database, ada)
    await auth.send_owed(database, away)
    second = await owed_to(database, ada)
    await make_due(database, ada, age="25 hours")
    await auth.send_owed(database, away)

    assert (first, at_once, second) == ([("OWED", 1, False)], 0, [("OWED", 2, False)])
    assert await owed_to(database, ada) == [("GIVEN_UP", 3, False)]


async def test_an_address_that_is_refused_is_not_tried_again_and_one_that_is_busy_is(
    database: Database, settings: Settings
) -> None:
    await mails_to(database, settings, "")
    states = {}

    for answer in (b"550 no such mailbox\r\n", b"450 busy\r\n"):
        ada = await an_account(database)
        await ask(database, settings, ada.email)
        async with a_postbox(answer) as postbox:
            await auth.send_owed(database, with_smtp(settings, postbox.port))
        states[answer[:3]] = await owed_to(database, ada)

    assert states == {b"550": [("GIVEN_UP", 1, False)], b"450": [("OWED", 1, False)]}


def test_the_pauses_double_up_to_an_hour() -> None:
    assert [delay_after(n).total_seconds() for n in (1, 2, 3, 8, 40)] == [30, 60, 120, 3600, 3600]
