"""What comes round by the clock: owed mail goes out, and what ended long ago is forgotten."""

from __future__ import annotations

import asyncio

from sqlalchemy import text

from server.auth import service as auth
from server.config import Settings
from server.kit.db import Database
from tests.factories.accounts import a_session, an_account
from tests.schema.strangers import a_network
from workers import mail, schedule

COUNTS = {
    "user_session": "SELECT count(*) FROM user_session WHERE user_id = :u",
    "sign_in_ticket": "SELECT count(*) FROM sign_in_ticket WHERE user_id = :u",
    "user_mail": "SELECT count(*) FROM user_mail WHERE user_id = :u",
}


async def test_the_loop_sends_what_is_owed_until_it_is_ended(database: Database, settings: Settings) -> None:
    ada = await an_account(database)
    loop = asyncio.create_task(mail.run(database, settings))
    await auth.ask_for_reset(database, settings, auth.Caller("test", a_network()), ada.email)

    sent = text("SELECT count(*) FROM dev_mail WHERE recipient = :e")
    async with asyncio.timeout(20):
        while True:
            async with database.unscoped_system() as session:
                if (await session.execute(sent, {"e": ada.email})).scalar_one():
                    break
            await asyncio.sleep(0.05)
    loop.cancel()

    assert await asyncio.gather(loop, return_exceptions=True)
    assert loop.cancelled()


async def test_what_ended_more_than_thirty_days_ago_is_forgotten_and_nothing_else(
    database: Database, settings: Settings
) -> None:
    ada = await an_account(database)
    for _ in range(3):
        await a_session(database, settings, ada)
    await auth.ask_for_reset(database, settings, auth.Caller("test", a_network()), ada.email)
    while await auth.send_owed(database, settings):
        pass
    async with database.unscoped_system() as session:
        for statement in (
            "UPDATE user_session SET ended_at = clock_timestamp() - interval '31 days' WHERE id ="
            " (SELECT id FROM user_session WHERE user_id = :u ORDER BY id LIMIT 1)",
            "UPDATE user_session SET expires_at = clock_timestamp() - interval '29 days' WHERE id ="
            " (SELECT id FROM user_session WHERE user_id = :u ORDER BY id DESC LIMIT 1)",
            "UPDATE sign_in_ticket SET expires_at = clock_timestamp() - interval '31 days' WHERE user_id = :u",
            "UPDATE user_mail SET finished_at = clock_timestamp() - interval '31 days' WHERE user_id = :u",
        ):
            await session.execute(text(statement), {"u": ada.user_id})

    await schedule.tick(database)

    async with database.unscoped_system() as session:
        left = {
            name: (await session.execute(text(sql), {"u": ada.user_id})).scalar_one() for name, sql in COUNTS.items()
        }
    assert left == {"user_session": 2, "sign_in_ticket": 0, "user_mail": 0}
