"""SQL of authenticator apps, recovery codes and passkeys. They belong to a person: the system role reads and writes them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, exists, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from server.auth.factor_models import UserPasskeyRow, UserRecoveryCodeRow, UserTotpRow
from server.auth.models import SignInTicketRow, UserSessionRow
from server.auth.rules import TicketKind
from server.kit.ids import new_id


async def has_totp(session: AsyncSession, user_id: UUID) -> bool:
    """Say whether the person has an authenticator app that was confirmed."""
    confirmed = exists().where(UserTotpRow.user_id == user_id, UserTotpRow.confirmed_at.is_not(None))
    return bool((await session.scalars(select(confirmed))).one())


async def totp_of(session: AsyncSession, user_id: UUID, *, is_held: bool = False) -> UserTotpRow | None:
    """Return the person's authenticator app, confirmed or not; `is_held` keeps it from changing meanwhile."""
    statement = select(UserTotpRow).where(UserTotpRow.user_id == user_id)
    if is_held:
        statement = statement.with_for_update()
    return (await session.scalars(statement.execution_options(populate_existing=True))).one_or_none()


async def begin_totp(session: AsyncSession, user_id: UUID, sealed: bytes) -> bool:
    """Keep the secret of an app that is not confirmed yet; say no if a confirmed one is there."""
    fresh = {"secret": sealed, "confirmed_at": None, "last_step": None, "created_at": func.clock_timestamp()}
    statement = (
        upsert(UserTotpRow)
        .values(user_id=user_id, **fresh)
        .on_conflict_do_update(
            index_elements=[UserTotpRow.user_id], set_=fresh, where=UserTotpRow.confirmed_at.is_(None)
        )
        .returning(UserTotpRow.user_id)
    )
    return (await session.scalars(statement)).one_or_none() is not None


async def confirm_totp(session: AsyncSession, user_id: UUID, sealed: bytes, step: int, within: timedelta) -> bool:
    """Confirm the app with this very secret, begun within a time; its first code counts as used."""
    statement = (
        update(UserTotpRow)
        .where(
            UserTotpRow.user_id == user_id,
            UserTotpRow.secret == sealed,
            UserTotpRow.confirmed_at.is_(None),
            UserTotpRow.created_at > func.clock_timestamp() - within,
        )
        .values(confirmed_at=func.clock_timestamp(), last_step=step)
        .returning(UserTotpRow.user_id)
    )
    return (await session.scalars(statement)).one_or_none() is not None


async def use_step(session: AsyncSession, user_id: UUID, sealed: bytes, step: int) -> bool:
    """Use up a time step and all before it. Of several that try the same one at once, one gets it."""
    statement = (
        update(UserTotpRow)
        .where(
            UserTotpRow.user_id == user_id,
            UserTotpRow.secret == sealed,
            UserTotpRow.confirmed_at.is_not(None),
            or_(UserTotpRow.last_step.is_(None), UserTotpRow.last_step < step),
        )
        .values(last_step=step)
        .returning(UserTotpRow.user_id)
    )
    return (await session.scalars(statement)).one_or_none() is not None


async def remove_totp(session: AsyncSession, user_id: UUID) -> None:
    """Remove the person's app and the recovery codes that stand in for it."""
    await session.execute(delete(UserRecoveryCodeRow).where(UserRecoveryCodeRow.user_id == user_id))
    await session.execute(delete(UserTotpRow).where(UserTotpRow.user_id == user_id))


async def replace_codes(session: AsyncSession, user_id: UUID, hashes: Sequence[bytes]) -> None:
    """Put new recovery codes in the place of all old ones; the caller holds the person's app."""
    await session.execute(delete(UserRecoveryCodeRow).where(UserRecoveryCodeRow.user_id == user_id))
    await session.execute(
        insert(UserRecoveryCodeRow), [{"id": new_id(), "user_id": user_id, "code_hash": one} for one in hashes]
    )


async def use_code(session: AsyncSession, user_id: UUID, code_hash: bytes) -> bool:
    """Use up a recovery code; of several that try it at once, one gets it."""
    statement = (
        update(UserRecoveryCodeRow)
        .where(
            UserRecoveryCodeRow.user_id == user_id,
            UserRecoveryCodeRow.code_hash == code_hash,
            UserRecoveryCodeRow.used_at.is_(None),
        )
        .values(used_at=func.clock_timestamp())
        .returning(UserRecoveryCodeRow.id)
    )
    return (await session.scalars(statement)).one_or_none() is not None


async def codes_left(session: AsyncSession, user_id: UUID) -> int:
    """Count the recovery codes that were not used."""
    statement = (
        select(func.count())
        .select_from(UserRecoveryCodeRow)
        .where(UserRecoveryCodeRow.user_id == user_id, UserRecoveryCodeRow.used_at.is_(None))
    )
    return (await session.scalars(statement)).one()


async def try_ticket(session: AsyncSession, token_hash: bytes, most: int) -> bool:
    """Count one attempt with a ticket; say no, and count nothing, for one that had `most` or cannot be used."""
    statement = (
        update(SignInTicketRow)
        .where(
            SignInTicketRow.kind == TicketKind.SECOND_FACTOR,
            SignInTicketRow.token_hash == token_hash,
            SignInTicketRow.used_at.is_(None),
            SignInTicketRow.expires_at > func.clock_timestamp(),
            SignInTicketRow.attempts < most,
        )
        .values(attempts=SignInTicketRow.attempts + 1)
        .returning(SignInTicketRow.id)
    )
    return (await session.scalars(statement)).one_or_none() is not None


async def is_recent(session: AsyncSession, user_id: UUID, session_id: UUID, within: timedelta) -> bool:
    """Say whether the person's session is there still and was started within a time."""
    fresh = exists().where(
        UserSessionRow.id == session_id,
        UserSessionRow.user_id == user_id,
        UserSessionRow.ended_at.is_(None),
        UserSessionRow.created_at > func.clock_timestamp() - within,
    )
    return bool((await session.scalars(select(fresh))).one())


async def passkeys_of(session: AsyncSession, user_id: UUID) -> Sequence[UserPasskeyRow]:
    """Return the person's passkeys, oldest first."""
    statement = select(UserPasskeyRow).where(UserPasskeyRow.user_id == user_id).order_by(UserPasskeyRow.id)
    return (await session.scalars(statement)).all()


async def add_passkey(session: AsyncSession, row: dict[str, object]) -> UserPasskeyRow | None:
    """Keep a passkey; None if somebody has it already."""
    statement = (
        upsert(UserPasskeyRow)
        .values(**row)
        .on_conflict_do_nothing(index_elements=[UserPasskeyRow.credential_id])
        .returning(UserPasskeyRow)
    )
    return (await session.scalars(statement)).one_or_none()


async def passkey_by_credential(session: AsyncSession, credential_id: bytes) -> UserPasskeyRow | None:
    """Return the passkey with the id that its authenticator gave it."""
    statement = select(UserPasskeyRow).where(UserPasskeyRow.credential_id == credential_id)
    return (await session.scalars(statement)).one_or_none()


async def note_passkey_use(session: AsyncSession, passkey_id: UUID, count: int) -> bool:
    """Note a use with the authenticator's count; say no if the count did not grow.

    An authenticator that does not count says 0 always (WebAuthn section 6.1.1).
    """
    grows = UserPasskeyRow.sign_count < count if count else UserPasskeyRow.sign_count == 0
    statement = (
        update(UserPasskeyRow)
        .where(UserPasskeyRow.id == passkey_id, grows)
        .values(sign_count=count, last_used_at=func.clock_timestamp())
        .returning(UserPasskeyRow.id)
    )
    return (await session.scalars(statement)).one_or_none() is not None


async def rename_passkey(session: AsyncSession, user_id: UUID, passkey_id: UUID, name: str) -> UserPasskeyRow | None:
    """Give a passkey of the person another name; None if there is none."""
    statement = (
        update(UserPasskeyRow)
        .where(UserPasskeyRow.user_id == user_id, UserPasskeyRow.id == passkey_id)
        .values(name=name)
        .returning(UserPasskeyRow)
    )
    return (await session.scalars(statement)).one_or_none()


async def delete_passkey(session: AsyncSession, user_id: UUID, passkey_id: UUID) -> bool:
    """Delete a passkey of the person; say whether there was one."""
    statement = (
        delete(UserPasskeyRow)
        .where(UserPasskeyRow.user_id == user_id, UserPasskeyRow.id == passkey_id)
        .returning(UserPasskeyRow.id)
    )
    return (await session.scalars(statement)).one_or_none() is not None
