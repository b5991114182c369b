"""Accounts: making one, and choosing another password."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from server.auth import passwords
from server.auth.errors import PasswordWrong, TicketInvalid
from server.auth.repository import accounts as repository
from server.auth.rules import MailPurpose, TicketKind, address_of
from server.auth.service import sessions
from server.auth.service.sign_in import Caller
from server.auth.service.throttle import count_attempt, count_guess, count_mail
from server.auth.service.tickets import read_ticket, use_ticket
from server.config import Settings
from server.kit.db import Database
from server.kit.errors import DomainError, InvalidInput, NotFound, Problems
from server.kit.ids import new_id
from server.tenants.errors import AlreadyExists
from server.tenants.rules import name_problems
from server.tenants.uow import system_scope

KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class NewAccount:
    """Who an account is for. That its address is theirs was shown already: by an invitation, or an operator's word."""

    email: str
    name: str
    password: str | None = field(default=None, repr=False)


async def account_of(database: Database, email: str) -> UUID | None:
    """Return the account of an address."""
    async with system_scope(database) as session:
        row = await repository.by_email(session, address_of(email))
    return None if row is None else row.id


async def create_account(database: Database, new: NewAccount) -> UUID:
    """Make an account with a verified address; raise Problems, among them AlreadyExists for an address that has one."""
    address = address_of(new.email)
    problems: list[DomainError] = [*name_problems(new.name)]
    if not address:
        problems.append(InvalidInput("This is not an e-mail address.", path=("email",)))
    if new.password is not None:
        problems += passwords.problems_of(new.password, email=address, name=new.name)
    if problems:
        raise Problems(problems)
    hashed = None if new.password is None else await passwords.hash_of(new.password)
    row: dict[str, object] = {
        "id": new_id(),
        "email": address,
        "name": new.name,
        "password_hash": hashed,
        "password_changed_at": None if hashed is None else func.clock_timestamp(),
        "email_verified_at": func.clock_timestamp(),
    }
    async with system_scope(database) as session:
        made = await repository.add(session, row)
    if made is None:
        raise Problems([AlreadyExists("An account has this e-mail address. Sign in instead.", path=("email",))])
    return made


async def ask_for_reset(database: Database, settings: Settings, caller: Caller, email: str) -> None:
    """Owe a link to the person with this address, if there is one; the caller is told nothing of that.

    Raises TooManyAttempts: one address is sent three mails at once and then one in twenty minutes.
    """
    address = address_of(email)
    await count_mail(database, settings, address=address, network=caller.network)
    async with system_scope(database) as session:
        await repository.owe_mail(session, address, MailPurpose.PASSWORD_RESET)


async def reset_password(database: Database, settings: Settings, caller: Caller, token: str, password: str) -> UUID:
    """Choose another password with the link of a mail; end every session and return the person.

    Raises TooManyAttempts, TicketInvalid, and Problems for an unfit password, after which the link still holds.
    """
    await count_guess(database, settings, network=caller.network)
    async with system_scope(database) as session:
        ticket = await read_ticket(session, settings, TicketKind.RESET, token)
        account = None if ticket is None else await repository.by_id(session, ticket.user_id)
    if account is None:
        raise TicketInvalid
    hashed = await _hash_of_fit(password, account.email, account.name, "newPassword")
    async with system_scope(database) as session:
        if await use_ticket(session, settings, TicketKind.RESET, token) is None:
            raise TicketInvalid
        await repository.set_password(session, account.id, hashed, verified=True)
        await repository.void_tickets(session, account.id, list(TicketKind))
        await repository.owe_mail(session, account.email, MailPurpose.PASSWORD_CHANGED)
        await sessions.end_within(session, database, account.id)
    return account.id


async def change_password(database: Database, settings: Settings, caller: Caller, change: PasswordChange) -> None:
    """Choose another password, knowing the present one; end every other session of the person.

    Raises TooManyAttempts, PasswordWrong, NotFound for an account that is gone, and Problems for an unfit password.
    """
    async with system_scope(database) as session:
        account = await repository.by_id(session, change.user_id)
    if account is None:
        raise NotFound
    await count_attempt(database, settings, subject=str(account.id), network=caller.network)
    if not await passwords.fits(account.password_hash, change.current):
        raise PasswordWrong
    hashed = await _hash_of_fit(change.new, account.email, account.name, "newPassword")
    async with system_scope(database) as session:
        await repository.set_password(session, account.id, hashed)
        await repository.void_tickets(session, account.id, list(TicketKind))
        await repository.owe_mail(session, account.email, MailPurpose.PASSWORD_CHANGED)
        await sessions.end_within(session, database, account.id, keep=change.session_id)


@dataclass(frozen=True, slots=True)
class PasswordChange:
    """Who chooses which password instead of which, and the session that goes on."""

    user_id: UUID
    session_id: UUID
    current: str = field(repr=False)
    new: str = field(repr=False)


async def forget_old(session: AsyncSession) -> None:
    """Delete sessions, tickets and mails that ended more than 30 days ago, in a transaction of the system role."""
    await repository.sweep(session, KEPT)


async def _hash_of_fit(password: str, email: str, name: str, path: str) -> str:
    problems = passwords.problems_of(password, email=email, name=name, path=path)
    if problems:
        raise Problems(problems)
    return await passwords.hash_of(password)
