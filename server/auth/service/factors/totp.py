"""The authenticator app: codes of six digits from a shared secret and the time (RFC 6238), each accepted once."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import pyotp
from sqlalchemy.ext.asyncio import AsyncSession

from server.audit.actions import Action
from server.auth.errors import CodeWrong, TotpAlreadyOn, TotpNotSetUp
from server.auth.factor_models import UserTotpRow
from server.auth.repository import accounts
from server.auth.repository import factors as repository
from server.auth.rules import SignInMethod
from server.auth.service.factors import recovery
from server.auth.service.factors.proof import FactorProof, Person, count_factor, record, require_proof
from server.config import Settings
from server.kit.clock import database_now
from server.kit.crypto import KeyRing
from server.kit.db import Database, identity_of
from server.kit.errors import InvalidInput
from server.tenants.uow import system_scope

ISSUER = "Switchboard"
STEP_S = 30
DIGITS = 6
_SETUP = timedelta(minutes=15)
"""How long an app may take from its secret to its first code."""
_STEPS = (-1, 0, 1)
"""One step before and after: RFC 6238 section 5.2 allows for a clock that is a little off, and for slow hands."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What the person's app needs: the secret in base 32, for typing, and the same as an otpauth address, for a QR code."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


async def enroll_totp(database: Database, settings: Settings, person: Person, password: str | None) -> Enrolment:
    """Begin the setup of an app; it counts only after `confirm_totp`. A setup that was begun before is forgotten.

    Raises what `require_proof` raises, and TotpAlreadyOn.
    """
    await require_proof(database, settings, person, password)
    # 160 bits, the length of the hash, as RFC 4226 section 4 (R6) recommends.
    secret = pyotp.random_base32(32)
    async with system_scope(database) as session:
        account = await accounts.by_id(session, person.user_id)
        if account is None:
            raise TotpNotSetUp
        if not await repository.begin_totp(session, person.user_id, _seal(database.keys, person.user_id, secret)):
            raise TotpAlreadyOn
    uri = pyotp.TOTP(secret).provisioning_uri(name=account.email, issuer_name=ISSUER)
    return Enrolment(secret, uri)


async def confirm_totp(database: Database, settings: Settings, person: Person, code: str) -> Sequence[str]:
    """Turn the app on with its first code; return ten recovery codes, which are shown only now.

    Raises TooManyAttempts before the code is looked at, TotpAlreadyOn, TotpNotSetUp for a setup that was not begun within
    fifteen minutes, and CodeWrong.
    """
    await count_factor(database, settings, person.user_id, person.network)
    async with system_scope(database) as session:
        row = await repository.totp_of(session, person.user_id, is_held=True)
        if row is None:
            raise TotpNotSetUp
        if row.confirmed_at is not None:
            raise TotpAlreadyOn
        step = _step_of(database.keys, row, code, await database_now(session))
        if step is None:
            raise CodeWrong
        if not await repository.confirm_totp(session, person.user_id, row.secret, step, _SETUP):
            raise TotpNotSetUp
        codes = await recovery.new_codes(session, settings, person.user_id)
        await record(session, database, person.user_id, Action.FACTOR_ADD, {"factor": SignInMethod.TOTP.value})
    return codes


async def disable_totp(database: Database, settings: Settings, person: Person, proof: FactorProof) -> None:
    """Remove the app and its recovery codes, for somebody who shows a code of either.

    Raises TooManyAttempts before the code is looked at, TotpNotSetUp, CodeWrong, and InvalidInput for none or both.
    """
    check_form(proof)
    await count_factor(database, settings, person.user_id, person.network)
    async with system_scope(database) as session:
        row = await repository.totp_of(session, person.user_id, is_held=True)
        if row is None or row.confirmed_at is None:
            raise TotpNotSetUp
        await show_factor(session, database, settings, person.user_id, proof)
        await repository.remove_totp(session, person.user_id)
        await record(session, database, person.user_id, Action.FACTOR_REMOVE, {"factor": SignInMethod.TOTP.value})


def check_form(proof: FactorProof) -> None:
    """Raise InvalidInput unless there is either a code or a recovery code."""
    if (proof.code is None) == (proof.recovery_code is None):
        raise InvalidInput("Give either a code of your app or a recovery code.", path=("code",))


async def show_factor(
    session: AsyncSession, database: Database, settings: Settings, user_id: UUID, proof: FactorProof
) -> SignInMethod:
    """Use up the code in this transaction and return what it was; raise CodeWrong. The attempt was counted before."""
    if proof.recovery_code is not None:
        if not await recovery.use_code(session, settings, user_id, proof.recovery_code):
            raise CodeWrong(path=("recoveryCode",))
        return SignInMethod.RECOVERY_CODE
    row = await repository.totp_of(session, user_id)
    if row is None or row.confirmed_at is None or proof.code is None:
        raise CodeWrong
    step = _step_of(database.keys, row, proof.code, await database_now(session))
    if step is None or not await repository.use_step(session, user_id, row.secret, step):
        raise CodeWrong
    return SignInMethod.TOTP


def _step_of(keys: KeyRing, row: UserTotpRow, text: str, now: datetime) -> int | None:
    """Return the time step that the code belongs to; the codes of all accepted steps are compared, in constant time."""
    code = "".join(text.split())
    if len(code) != DIGITS or not (code.isascii() and code.isdigit()):
        return None
    totp = pyotp.TOTP(keys.open(row.secret, _identity(row.user_id)), digits=DIGITS, interval=STEP_S)
    current = int(now.timestamp()) // STEP_S
    found = None
    for step in (current + one for one in _STEPS):
        if hmac.compare_digest(totp.generate_otp(step).encode(), code.encode()):
            found = step
    return found


def _identity(user_id: UUID) -> str:
    return identity_of(UserTotpRow, "secret", user_id=user_id)


def _seal(keys: KeyRing, user_id: UUID, secret: str) -> bytes:
    return keys.seal(secret, _identity(user_id))
