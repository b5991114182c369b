"""Sessions: one sign-in of a person on one device, and the tokens with which it acts for one organization at a time."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from server.audit import service as audit
from server.audit.actions import Action
from server.auth.browsers import csrf_of
from server.auth.errors import SessionEnded, SignInRefused
from server.auth.models import UserSessionRow
from server.auth.repository import accounts
from server.auth.repository import sessions as repository
from server.auth.repository.sessions import Affiliation
from server.auth.rules import SignInMethod, client_of
from server.auth.service.lineage import Parent
from server.auth.service.tokens import NewToken, issue
from server.config import Settings
from server.kit.clock import database_now
from server.kit.crypto import keyed_hash
from server.kit.db import Database
from server.kit.errors import NotFound
from server.kit.ids import new_id
from server.tenants import service as tenants
from server.tenants.scope import Actor, ActorKind, CredentialKind, Scope, worker_scope
from server.tenants.uow import UnitOfWork, begin, system_scope

_COOKIE = "swb_ssn_v1_"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody who signed in, as their cookie proves. `csrf` belongs to the session and goes into its forms."""

    session_id: UUID
    user_id: UUID
    email: str
    name: str
    signed_in_at: datetime
    methods: frozenset[SignInMethod]
    csrf: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Proof:
    """What a sign-in rests on: the network it came from, and the hash that its password was checked against."""

    network: str | None = None
    password_hash: str | None = field(default=None, repr=False)


def _idle(settings: Settings) -> timedelta:
    return timedelta(hours=settings.sign_in.session_idle_h)


def digest(settings: Settings, text: str) -> bytes:
    """Return the keyed hash under which a cookie, a ticket or a network is stored."""
    return keyed_hash(settings.security.pepper.get_secret_value(), text)


async def start_session(
    database: Database,
    settings: Settings,
    user_id: UUID,
    methods: Collection[SignInMethod],
    client: str,
    *,
    proof: Proof | None = None,
) -> str:
    """Start a session and return its cookie's value, which is shown once and stored as a keyed hash.

    `client` is the browser's own name. Raises SignInRefused for an account that is disabled, or whose password is not
    the one of the proof any more.
    """
    cookie = _COOKIE + secrets.token_urlsafe(32)
    proof = proof or Proof()
    async with system_scope(database) as session:
        if not await accounts.hold(session, user_id, proof.password_hash):
            raise SignInRefused
        now = await database_now(session)
        session.add(
            UserSessionRow(
                id=new_id(),
                user_id=user_id,
                token_hash=digest(settings, cookie),
                methods=sorted(one.value for one in methods),
                client=client_of(client),
                network_hash=None if proof.network is None else digest(settings, f"network:{proof.network}"),
                expires_at=now + timedelta(hours=settings.sign_in.session_life_h),
            )
        )
    return cookie


async def read_session(database: Database, settings: Settings, cookie: str) -> SignedIn | None:
    """Return who signed in with this cookie; None for an unknown, ended or idle session and for a disabled account.

    Notes the use of the session, at most once a minute.
    """
    if not cookie.startswith(_COOKIE):
        return None
    async with system_scope(database) as session:
        found = await repository.live_session(session, digest(settings, cookie), _idle(settings))
        if found is None:
            return None
        row, account, is_due = found
        if is_due:
            await repository.note_seen(session, row.id)
    return SignedIn(
        session_id=row.id,
        user_id=row.user_id,
        email=account.email,
        name=account.name,
        signed_in_at=row.created_at,
        methods=frozenset(SignInMethod(one) for one in row.methods),
        csrf=csrf_of(settings, "session", str(row.id)),
    )


async def affiliations(database: Database, user_id: UUID) -> Sequence[Affiliation]:
    """List the organizations that the person may act for, by name."""
    async with system_scope(database) as session:
        return await repository.affiliations(session, user_id)


async def act_for(database: Database, settings: Settings, signed_in: SignedIn, organization_id: UUID) -> str:
    """Make a SESSION token that acts for one organization until the session ends; return the secret, shown once.

    Raises SessionEnded, and NotFound for an organization that the person is no active member of.
    """
    return await act_within(database, settings, signed_in.session_id, organization_id)


async def act_within(database: Database, settings: Settings, session_id: UUID, organization_id: UUID) -> str:
    """Do the same for a session that is known by its id alone, because a token of it stands behind the request.

    Raises SessionEnded, and NotFound for an organization that the person is no active member of. The session is held
    meanwhile, so that one that ends now either takes this token with it or prevents it.
    """
    async with system_scope(database) as session:
        row = await repository.hold(session, session_id, _idle(settings))
        if row is None:
            raise SessionEnded
        of_person = await repository.affiliations(session, row.user_id)
        member = next((one for one in of_person if one.organization_id == organization_id), None)
        if member is None:
            raise NotFound(path=("organizationId",))
        wanted = NewToken(
            CredentialKind.SESSION,
            row.client,
            member.member_id,
            expires_in=row.expires_at - await database_now(session),
            session_id=row.id,
            idle=_idle(settings),
            parent=Parent(maker_id=member.member_id),
        )
        async with begin(database, _scope_of(member)) as uow:
            _, secret = await issue(uow, settings.security, wanted)
            await audit.record(uow, Action.SIGN_IN, row.id, {"methods": list(row.methods), "client": row.client})
    return secret


async def list_sessions(database: Database, settings: Settings, user_id: UUID) -> Sequence[UserSessionRow]:
    """List a person's live sessions, newest first; at most 100."""
    async with system_scope(database) as session:
        return await repository.list_live(session, user_id, _idle(settings))


async def end_session(database: Database, user_id: UUID, session_id: UUID) -> bool:
    """End one session of the person and its tokens everywhere; say whether there was one to end."""
    async with system_scope(database) as session:
        return bool(await end_within(session, database, user_id, only=session_id))


async def end_all_sessions(database: Database, user_id: UUID, except_: UUID | None = None) -> int:
    """End the person's sessions and their tokens everywhere, but one if it is named; return how many ended."""
    async with system_scope(database) as session:
        return len(await end_within(session, database, user_id, keep=except_))


async def end_within(
    session: AsyncSession, database: Database, user_id: UUID, *, only: UUID | None = None, keep: UUID | None = None
) -> Sequence[UUID]:
    """End sessions in a transaction of the system role that is open already; return which.

    Their rows stay locked until the tokens are revoked in every organization, each with its entry in the trail. Should
    this stop half way, the sessions are still there and can be ended again.
    """
    ended = await repository.end(session, user_id, only=only, keep=keep)
    if ended:
        for member in await repository.affiliations(session, user_id, is_active=False):
            async with begin(database, _scope_of(member)) as uow:
                await _revoke(uow, ended)
    return ended


async def _revoke(uow: UnitOfWork, session_ids: Sequence[UUID]) -> None:
    tenants.announce_access(uow)
    for session_id in await repository.revoke_tokens(uow.session, uow.scope.organization_id, session_ids):
        await audit.record(uow, Action.SIGN_OUT, session_id)


def _scope_of(member: Affiliation) -> Scope:
    actor = Actor(ActorKind.MEMBER, member.member_id, member.member_name)
    return replace(worker_scope(member.organization_id), actor=actor)


async def session_behind(uow: UnitOfWork) -> UUID | None:
    """Return the session that the caller's token was made for; None for tokens of other kinds."""
    credential = uow.scope.credential
    if credential is None or credential.kind is not CredentialKind.SESSION:
        return None
    return await repository.session_of_token(uow.session, uow.scope.organization_id, credential.token_id)
