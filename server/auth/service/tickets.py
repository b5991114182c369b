"""Tickets: one step that somebody may take once and soon. The secret is shown once and stored as a keyed hash."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from server.auth.models import SignInTicketRow
from server.auth.repository import accounts as repository
from server.auth.rules import SignInMethod, TicketKind
from server.config import Settings
from server.kit.clock import database_now
from server.kit.crypto import keyed_hash
from server.kit.ids import new_id

_PREFIX: Mapping[TicketKind, str] = {
    TicketKind.SECOND_FACTOR: "swb_sft_v1_",
    TicketKind.RESET: "swb_rst_v1_",
    TicketKind.VERIFY: "swb_vfy_v1_",
}
_LIVES: Mapping[TicketKind, timedelta] = {
    TicketKind.SECOND_FACTOR: timedelta(minutes=5),
    TicketKind.RESET: timedelta(minutes=30),
    TicketKind.VERIFY: timedelta(hours=24),
}


@dataclass(frozen=True, slots=True)
class Ticket:
    """Whom a ticket is for, and what was proved before it was made."""

    user_id: UUID
    methods: frozenset[SignInMethod]


async def issue_ticket(
    session: AsyncSession, settings: Settings, kind: TicketKind, user_id: UUID, methods: Collection[SignInMethod] = ()
) -> str:
    """Make a ticket and return its secret. It lives 5 minutes (SECOND_FACTOR), 30 minutes (RESET) or a day (VERIFY)."""
    token = _PREFIX[kind] + secrets.token_urlsafe(32)
    row = SignInTicketRow(
        id=new_id(),
        kind=kind,
        user_id=user_id,
        token_hash=_digest(settings, token),
        methods=sorted(one.value for one in methods),
        expires_at=await database_now(session) + _LIVES[kind],
    )
    await repository.add_ticket(session, row)
    return token


async def read_ticket(session: AsyncSession, settings: Settings, kind: TicketKind, token: str) -> Ticket | None:
    """Return what a ticket says without using it; None for one that is used, expired, unknown or of another kind."""
    return _told(await repository.read_ticket(session, kind, _digest(settings, token)))


async def use_ticket(session: AsyncSession, settings: Settings, kind: TicketKind, token: str) -> Ticket | None:
    """Use a ticket up in this transaction; of several that try at once one gets it, the others None."""
    return _told(await repository.use_ticket(session, kind, _digest(settings, token)))


def _told(row: SignInTicketRow | None) -> Ticket | None:
    return None if row is None else Ticket(row.user_id, frozenset(SignInMethod(one) for one in row.methods))


def _digest(settings: Settings, token: str) -> bytes:
    return keyed_hash(settings.security.pepper.get_secret_value(), token)
