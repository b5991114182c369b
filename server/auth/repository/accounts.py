"""SQL of accounts, of the tickets that change them, and of the mail that their people are owed. All of the system role."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, exists, func, insert, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from server.auth.models import SignInTicketRow, UserAccountRow, UserMailRow, UserSessionRow
from server.auth.rules import MailPurpose, MailState, TicketKind
from server.kit.ids import new_id


async def add(session: AsyncSession, row: dict[str, object]) -> UUID | None:
    """Add an account; None if the address has one."""
    statement = (
        upsert(UserAccountRow)
        .values(**row)
        .on_conflict_do_nothing(index_elements=[UserAccountRow.email])
        .returning(UserAccountRow.id)
    )
    return (await session.scalars(statement)).one_or_none()


async def by_email(session: AsyncSession, email: str) -> UserAccountRow | None:
    """Return the account of an address that was folded."""
    return (await session.scalars(select(UserAccountRow).where(UserAccountRow.email == email))).one_or_none()


async def by_id(session: AsyncSession, user_id: UUID) -> UserAccountRow | None:
    """Return an account that is not disabled."""
    statement = select(UserAccountRow).where(UserAccountRow.id == user_id, UserAccountRow.disabled_at.is_(None))
    return (await session.scalars(statement)).one_or_none()


async def hold(session: AsyncSession, user_id: UUID, password_hash: str | None) -> bool:
    """Keep the account from changing until the transaction ends; say whether it is open, and still has this password.

    None stands for a way of signing in that no password is part of.
    """
    statement = (
        select(UserAccountRow.id)
        .where(UserAccountRow.id == user_id, UserAccountRow.disabled_at.is_(None))
        .with_for_update(read=True)
    )
    if password_hash is not None:
        statement = statement.where(UserAccountRow.password_hash == password_hash)
    return (await session.scalars(statement)).one_or_none() is not None


async def set_password(
    session: AsyncSession, user_id: UUID, password_hash: str, *, instead_of: str | None = None, verified: bool = False
) -> None:
    """Keep another hash. With `instead_of` it is today's password in a dearer form, and only that one is replaced."""
    statement = update(UserAccountRow).where(UserAccountRow.id == user_id)
    if instead_of is not None:
        statement = statement.where(UserAccountRow.password_hash == instead_of)
        await session.execute(statement.values(password_hash=password_hash))
        return
    values: dict[str, object] = {"password_hash": password_hash, "password_changed_at": func.clock_timestamp()}
    if verified:
        values["email_verified_at"] = func.coalesce(UserAccountRow.email_verified_at, func.clock_timestamp())
    await session.execute(statement.values(values))


async def has_been_at(session: AsyncSession, email: str, network_hash: bytes) -> bool:
    """Say whether the person with this address signed in from this network within the last 30 days."""
    statement = select(
        exists()
        .where(UserAccountRow.email == email)
        .where(UserSessionRow.user_id == UserAccountRow.id, UserSessionRow.network_hash == network_hash)
        .where(UserSessionRow.created_at > func.clock_timestamp() - timedelta(days=30))
    )
    return bool((await session.scalars(statement)).one())


async def add_ticket(session: AsyncSession, row: SignInTicketRow) -> None:
    """Add a ticket."""
    session.add(row)
    await session.flush()


async def read_ticket(session: AsyncSession, kind: TicketKind, token_hash: bytes) -> SignInTicketRow | None:
    """Return a ticket that may still be used, without using it."""
    statement = select(SignInTicketRow).where(
        SignInTicketRow.kind == kind,
        SignInTicketRow.token_hash == token_hash,
        SignInTicketRow.used_at.is_(None),
        SignInTicketRow.expires_at > func.clock_timestamp(),
    )
    return (await session.scalars(statement)).one_or_none()


async def use_ticket(session: AsyncSession, kind: TicketKind, token_hash: bytes) -> SignInTicketRow | None:
    """Use a ticket up and return it; None for one that was used, has expired, or is of another kind."""
    statement = (
        update(SignInTicketRow)
        .where(
            SignInTicketRow.kind == kind,
            SignInTicketRow.token_hash == token_hash,
            SignInTicketRow.used_at.is_(None),
            SignInTicketRow.expires_at > func.clock_timestamp(),
        )
        .values(used_at=func.clock_timestamp())
        .returning(SignInTicketRow)
    )
    return (await session.scalars(statement)).one_or_none()


async def void_tickets(session: AsyncSession, user_id: UUID, kinds: Sequence[TicketKind]) -> None:
    """Use up every ticket of these kinds that the person has."""
    await session.execute(
        update(SignInTicketRow)
        .where(SignInTicketRow.user_id == user_id, SignInTicketRow.kind.in_(kinds), SignInTicketRow.used_at.is_(None))
        .values(used_at=func.clock_timestamp())
    )


async def owe_mail(session: AsyncSession, email: str, purpose: MailPurpose) -> None:
    """Owe a mail to the person with this address, if there is one and it is not owed already: one statement for both."""
    person = (
        select(literal(new_id()), UserAccountRow.id, literal(purpose, UserMailRow.purpose.type))
        .where(UserAccountRow.email == email, UserAccountRow.disabled_at.is_(None))
        .where(
            ~exists().where(
                UserMailRow.user_id == UserAccountRow.id,
                UserMailRow.purpose == purpose,
                UserMailRow.state == MailState.OWED,
                UserMailRow.attempts == 0,
            )
        )
    )
    await session.execute(insert(UserMailRow).from_select(["id", "user_id", "purpose"], person))


@dataclass(frozen=True, slots=True)
class OwedMail:
    """One mail that a worker has claimed, and whom it goes to."""

    id: UUID
    user_id: UUID
    purpose: MailPurpose
    attempts: int
    created_at: datetime
    email: str
    name: str


async def claim_mail(session: AsyncSession, size: int, lease: timedelta) -> Sequence[OwedMail]:
    """Claim up to `size` due mails, oldest first; each is due again after `lease`, should the worker die."""
    due = (
        select(UserMailRow.id)
        .where(UserMailRow.state == MailState.OWED, UserMailRow.not_before <= func.clock_timestamp())
        .order_by(UserMailRow.not_before)
        .limit(size)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    statement = (
        update(UserMailRow)
        .where(UserMailRow.id.in_(due), UserAccountRow.id == UserMailRow.user_id)
        .values(attempts=UserMailRow.attempts + 1, not_before=func.clock_timestamp() + lease)
        .returning(
            UserMailRow.id,
            UserMailRow.user_id,
            UserMailRow.purpose,
            UserMailRow.attempts,
            UserMailRow.created_at,
            UserAccountRow.email,
            UserAccountRow.name,
        )
    )
    return [OwedMail(*row) for row in await session.execute(statement)]


async def put_off_mail(session: AsyncSession, mail_id: UUID, delay: timedelta, patience: timedelta) -> bool:
    """Try a mail again after `delay`, or give it up once it is older than `patience`; say whether it was given up."""
    is_old = UserMailRow.created_at < func.clock_timestamp() - patience
    statement = (
        update(UserMailRow)
        .where(UserMailRow.id == mail_id, UserMailRow.state == MailState.OWED)
        .values(not_before=func.clock_timestamp() + delay)
        .returning(is_old)
    )
    if not (await session.scalars(statement)).one_or_none():
        return False
    await finish_mail(session, mail_id, MailState.GIVEN_UP)
    return True


async def finish_mail(session: AsyncSession, mail_id: UUID, state: MailState) -> None:
    """Note how a mail ended."""
    await session.execute(
        update(UserMailRow)
        .where(UserMailRow.id == mail_id, UserMailRow.state == MailState.OWED)
        .values(state=state, finished_at=func.clock_timestamp())
    )


async def sweep(session: AsyncSession, keep: timedelta) -> None:
    """Delete tickets, mails and sessions that ended longer ago than `keep`."""
    before = func.clock_timestamp() - keep
    await session.execute(delete(SignInTicketRow).where(SignInTicketRow.expires_at < before))
    await session.execute(delete(UserMailRow).where(UserMailRow.finished_at < before))
    ended = or_(UserSessionRow.ended_at < before, UserSessionRow.expires_at < before)
    await session.execute(delete(UserSessionRow).where(ended))
