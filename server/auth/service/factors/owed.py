"""Which factors a person has, and whether a second one is owed before they get a session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from server.auth.repository import factors as repository
from server.kit.db import Database
from server.tenants.uow import system_scope


@dataclass(frozen=True, slots=True)
class Factors:
    """Since when an authenticator app is on, and how many recovery codes are left for it."""

    totp_since: datetime | None
    codes_left: int


async def second_factor_of(session: AsyncSession, user_id: UUID) -> bool:
    """Say whether the person has to show a second factor, whatever the first one was.

    An authenticator app is owed. A passkey is a way of its own to sign in and owes nothing more.
    """
    return await repository.has_totp(session, user_id)


async def factors_of(database: Database, user_id: UUID) -> Factors:
    """Return what the person has besides a password and passkeys."""
    async with system_scope(database) as session:
        row = await repository.totp_of(session, user_id)
        left = await repository.codes_left(session, user_id)
    return Factors(None if row is None else row.confirmed_at, left)
