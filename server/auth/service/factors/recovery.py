"""Recovery codes: ten that each stand in for the authenticator app once, shown once and made anew as a set."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from server.audit.actions import Action
from server.auth.errors import TotpNotSetUp
from server.auth.repository import factors as repository
from server.auth.service.factors.proof import Person, record, require_proof
from server.config import Settings
from server.kit.crypto import keyed_hash
from server.kit.db import Database
from server.tenants.uow import system_scope

CODES = 10
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_LETTERS = 16
"""Five bits each: 80 bits, beyond any guessing, so that even a leaked hash with its key gives nothing away."""
_GROUP = 4
_READ_AS = str.maketrans("oil", "011", "- \t\r\n")


async def regenerate_codes(
    database: Database, settings: Settings, person: Person, password: str | None
) -> Sequence[str]:
    """Make ten new codes in the place of all old ones and return them, which are shown only now.

    Raises what `require_proof` raises, and TotpNotSetUp for a person who has no authenticator app.
    """
    await require_proof(database, settings, person, password)
    async with system_scope(database) as session:
        row = await repository.totp_of(session, person.user_id, is_held=True)
        if row is None or row.confirmed_at is None:
            raise TotpNotSetUp
        codes = await new_codes(session, settings, person.user_id)
        await record(session, database, person.user_id, Action.FACTOR_RENEW, {"factor": "RECOVERY_CODE"})
    return codes


async def new_codes(session: AsyncSession, settings: Settings, user_id: UUID) -> Sequence[str]:
    """Replace the person's codes in this transaction, which holds the person's app; return the new ones."""
    codes = ["".join(secrets.choice(_ALPHABET) for _ in range(_LETTERS)) for _ in range(CODES)]
    await repository.replace_codes(session, user_id, [_digest(settings, user_id, one) for one in codes])
    return ["-".join(one[at : at + _GROUP] for at in range(0, _LETTERS, _GROUP)) for one in codes]


async def use_code(session: AsyncSession, settings: Settings, user_id: UUID, text: str) -> bool:
    """Use up a code in this transaction; say no for one that is wrong or was used. Hyphens and case do not matter."""
    code = text.strip().lower().translate(_READ_AS)
    if len(code) != _LETTERS:
        return False
    return await repository.use_code(session, user_id, _digest(settings, user_id, code))


def _digest(settings: Settings, user_id: UUID, code: str) -> bytes:
    return keyed_hash(settings.security.pepper.get_secret_value(), f"recovery:{user_id}:{code}")
