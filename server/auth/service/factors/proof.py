"""What a change of factors rests on: a proof that is not old, attempts that are counted, and a trace in the trail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from server.audit import service as audit
from server.audit.actions import Action
from server.auth import passwords
from server.auth.errors import PasswordWrong, ProofNeeded
from server.auth.repository import accounts, sessions
from server.auth.repository import factors as repository
from server.auth.service.throttle import count_attempt
from server.config import Settings
from server.kit.db import Database
from server.tenants.scope import Actor, ActorKind, worker_scope
from server.tenants.uow import begin, system_scope

RECENT = timedelta(minutes=10)
"""How long a sign-in itself is proof enough."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who signed in and changes how they do, and the network that the request came from."""

    user_id: UUID
    session_id: UUID
    network: str


@dataclass(frozen=True, slots=True)
class FactorProof:
    """A code of the authenticator app, or one of the recovery codes."""

    code: str | None = field(default=None, repr=False)
    recovery_code: str | None = field(default=None, repr=False)


async def require_proof(database: Database, settings: Settings, person: Person, password: str | None) -> None:
    """Let pass who signed in within ten minutes or knows the password.

    Raises ProofNeeded without a password, TooManyAttempts before one is looked at, PasswordWrong.
    """
    if password is None:
        async with system_scope(database) as session:
            is_recent = await repository.is_recent(session, person.user_id, person.session_id, RECENT)
        if not is_recent:
            raise ProofNeeded
        return
    # The bucket of a password's change: both are guesses of the same password with a session in hand.
    await count_attempt(database, settings, subject=f"change {person.user_id}", network=person.network)
    async with system_scope(database) as session:
        account = await accounts.by_id(session, person.user_id)
    if not await passwords.fits(None if account is None else account.password_hash, password):
        raise PasswordWrong


async def count_factor(database: Database, settings: Settings, user_id: UUID, network: str) -> None:
    """Count one try of a second factor of the person; raise TooManyAttempts if it must not be made.

    The bucket over all networks holds everywhere here: who comes this far has the first factor already.
    """
    await count_attempt(database, settings, subject=f"factor {user_id}", network=network)


async def record(
    session: AsyncSession, database: Database, user_id: UUID, action: Action, details: Mapping[str, object]
) -> None:
    """Write a change of a person's factors into the trail of every organization that the person works for.

    The transaction of the change is open still: it commits only after the traces of it did.
    """
    for member in await sessions.affiliations(session, user_id):
        actor = Actor(ActorKind.MEMBER, member.member_id, member.member_name)
        scope = replace(worker_scope(member.organization_id), actor=actor)
        async with begin(database, scope) as uow:
            await audit.record(uow, action, member.member_id, details)
