"""SQL of accounts' sessions. They belong to a person, not to an organization: the system role reads and writes them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, select, true, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.auth.models import AccessTokenRow, UserAccountRow, UserSessionRow
from server.tenants.models import MemberRow, OrganizationRow

SEEN_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Affiliation:
    """One organization that a person works for, and the member that the person is there."""

    organization_id: UUID
    organization_name: str
    member_id: UUID
    member_name: str


def _is_live(idle: timedelta) -> tuple[ColumnElement[bool], ...]:
    now = func.clock_timestamp()
    return (
        UserSessionRow.ended_at.is_(None),
        UserSessionRow.expires_at > now,
        UserSessionRow.last_seen_at > now - idle,
    )


async def live_session(
    session: AsyncSession, token_hash: bytes, idle: timedelta
) -> Row[UserSessionRow, UserAccountRow, bool] | None:
    """Return the session with this hash, its person, and whether its use should be noted again."""
    statement = (
        select(UserSessionRow, UserAccountRow, UserSessionRow.last_seen_at < func.clock_timestamp() - SEEN_EVERY)
        .join(UserAccountRow, UserAccountRow.id == UserSessionRow.user_id)
        .where(UserSessionRow.token_hash == token_hash, *_is_live(idle), UserAccountRow.disabled_at.is_(None))
    )
    return (await session.execute(statement)).one_or_none()


async def note_seen(session: AsyncSession, session_id: UUID) -> None:
    """Note that the session was used now, unless somebody is doing it."""
    due = (
        select(UserSessionRow.id)
        .where(UserSessionRow.id == session_id, UserSessionRow.last_seen_at < func.clock_timestamp() - SEEN_EVERY)
        .with_for_update(skip_locked=True)
    )
    await session.execute(
        update(UserSessionRow).where(UserSessionRow.id.in_(due)).values(last_seen_at=func.clock_timestamp())
    )


async def hold(session: AsyncSession, session_id: UUID, idle: timedelta) -> UserSessionRow | None:
    """Return the session if it is live, and keep it from ending until the transaction does."""
    statement = (
        select(UserSessionRow).where(UserSessionRow.id == session_id, *_is_live(idle)).with_for_update(read=True)
    )
    return (await session.scalars(statement)).one_or_none()


async def list_live(session: AsyncSession, user_id: UUID, idle: timedelta) -> Sequence[UserSessionRow]:
    """Return a person's live sessions, newest first; at most 100."""
    statement = (
        select(UserSessionRow)
        .where(UserSessionRow.user_id == user_id, *_is_live(idle))
        .order_by(UserSessionRow.id.desc())
        .limit(100)
    )
    return (await session.scalars(statement)).all()


async def end(
    session: AsyncSession, user_id: UUID, *, only: UUID | None = None, keep: UUID | None = None
) -> Sequence[UUID]:
    """End a person's sessions that have not ended yet: all, the one named, or all but one. Return their ids."""
    statement = (
        update(UserSessionRow)
        .where(
            UserSessionRow.user_id == user_id,
            UserSessionRow.ended_at.is_(None),
            true() if only is None else UserSessionRow.id == only,
            true() if keep is None else UserSessionRow.id != keep,
        )
        .values(ended_at=func.clock_timestamp())
        .returning(UserSessionRow.id)
    )
    return (await session.scalars(statement)).all()


async def affiliations(session: AsyncSession, user_id: UUID, *, is_active: bool = True) -> Sequence[Affiliation]:
    """Return the organizations that the person is a member of, by name; with `is_active` False also where it was one."""
    statement = (
        select(MemberRow.organization_id, OrganizationRow.name, MemberRow.id, MemberRow.name)
        .join(OrganizationRow, OrganizationRow.organization_id == MemberRow.organization_id)
        .where(MemberRow.user_id == user_id, MemberRow.deactivated_at.is_(None) if is_active else true())
        .order_by(OrganizationRow.name, MemberRow.organization_id)
    )
    return [Affiliation(*row) for row in await session.execute(statement)]


async def revoke_tokens(session: AsyncSession, organization_id: UUID, session_ids: Sequence[UUID]) -> Collection[UUID]:
    """Revoke the tokens that were made for these sessions in one organization; return the sessions that had one."""
    statement = (
        update(AccessTokenRow)
        .where(
            AccessTokenRow.organization_id == organization_id,
            AccessTokenRow.session_id.in_(session_ids),
            AccessTokenRow.revoked_at.is_(None),
        )
        .values(revoked_at=func.clock_timestamp())
        .returning(AccessTokenRow.session_id)
    )
    return {one for one in await session.scalars(statement) if one is not None}


async def session_of_token(session: AsyncSession, organization_id: UUID, token_id: UUID) -> UUID | None:
    """Return the session that a token was made for."""
    statement = select(AccessTokenRow.session_id).where(
        AccessTokenRow.organization_id == organization_id, AccessTokenRow.id == token_id
    )
    return (await session.scalars(statement)).one_or_none()
