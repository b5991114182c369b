"""Tickets: of their kind only, once, and soon."""

from __future__ import annotations

import asyncio

from sqlalchemy import text

from server.auth.rules import SignInMethod, TicketKind
from server.auth.service import tickets
from server.auth.service.tickets import Ticket
from server.config import Settings
from server.kit.db import Database
from tests.factories.accounts import an_account

FACTOR = TicketKind.SECOND_FACTOR


async def test_a_ticket_is_read_as_often_as_one_likes_and_used_once(database: Database, settings: Settings) -> None:
    ada = await an_account(database)
    async with database.unscoped_system() as session:
        token = await tickets.issue_ticket(session, settings, FACTOR, ada.user_id, [SignInMethod.PASSWORD])

    async def use() -> Ticket | None:
        async with database.unscoped_system() as session:
            return await tickets.use_ticket(session, settings, FACTOR, token)

    async with database.unscoped_system() as session:
        read = [await tickets.read_ticket(session, settings, FACTOR, token) for _ in range(2)]
        other = await tickets.use_ticket(session, settings, TicketKind.RESET, token)
    used = await asyncio.gather(*(use() for _ in range(8)))

    expected = Ticket(ada.user_id, frozenset({SignInMethod.PASSWORD}))
    assert (read, other) == ([expected] * 2, None)
    assert [one for one in used if one is not None] == [expected]


async def test_a_ticket_whose_use_was_rolled_back_can_be_used_and_an_old_one_cannot(
    database: Database, settings: Settings
) -> None:
    ada = await an_account(database)
    async with database.unscoped_system() as session:
        token = await tickets.issue_ticket(session, settings, FACTOR, ada.user_id)
    try:
        async with database.unscoped_system() as session:
            await tickets.use_ticket(session, settings, FACTOR, token)
            raise LookupError
    except LookupError:
        pass

    async with database.unscoped_system() as session:
        again = await tickets.read_ticket(session, settings, FACTOR, token)
        await session.execute(
            text("UPDATE sign_in_ticket SET expires_at = clock_timestamp() WHERE user_id = :u"), {"u": ada.user_id}
        )
    async with database.unscoped_system() as session:
        late = await tickets.use_ticket(session, settings, FACTOR, token)

    assert (again, late) == (Ticket(ada.user_id, frozenset()), None)
