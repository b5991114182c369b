"""SQL of identities that OpenID providers vouch for, and of what a browser brings back once. All of the system role."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from server.auth.factor_models import SignInChallengeRow, UserIdentityRow
from server.auth.rules import ChallengeKind
from server.kit.ids import new_id

_SWEPT_AT_ONCE = 20


async def add_challenge(session: AsyncSession, row: SignInChallengeRow) -> None:
    """Add a challenge, and delete some that expired: each makes room for others, so no housekeeping is needed."""
    expired = (
        select(SignInChallengeRow.id)
        .where(SignInChallengeRow.expires_at < func.clock_timestamp())
        .limit(_SWEPT_AT_ONCE)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    await session.execute(delete(SignInChallengeRow).where(SignInChallengeRow.id.in_(expired)))
    session.add(row)
    await session.flush()


async def use_challenge(
    session: AsyncSession, kind: ChallengeKind, token_hash: bytes, browser_hash: bytes
) -> SignInChallengeRow | None:
    """Use up what this browser was given; None for another browser's, an expired, a used or an unknown one."""
    statement = (
        update(SignInChallengeRow)
        .where(
            SignInChallengeRow.kind == kind,
            SignInChallengeRow.token_hash == token_hash,
            SignInChallengeRow.browser_hash == browser_hash,
            SignInChallengeRow.used_at.is_(None),
            SignInChallengeRow.expires_at > func.clock_timestamp(),
        )
        .values(used_at=func.clock_timestamp())
        .returning(SignInChallengeRow)
    )
    return (await session.scalars(statement)).one_or_none()


async def read_challenge(
    session: AsyncSession, kind: ChallengeKind, token_hash: bytes, browser_hash: bytes
) -> SignInChallengeRow | None:
    """Return what this browser may still bring back, without using it."""
    statement = select(SignInChallengeRow).where(
        SignInChallengeRow.kind == kind,
        SignInChallengeRow.token_hash == token_hash,
        SignInChallengeRow.browser_hash == browser_hash,
        SignInChallengeRow.used_at.is_(None),
        SignInChallengeRow.expires_at > func.clock_timestamp(),
    )
    return (await session.scalars(statement)).one_or_none()


async def person_of(session: AsyncSession, issuer: str, subject: str) -> UUID | None:
    """Return whom an identity belongs to, and note its use."""
    statement = (
        update(UserIdentityRow)
        .where(UserIdentityRow.issuer == issuer, UserIdentityRow.subject == subject)
        .values(last_used_at=func.clock_timestamp())
        .returning(UserIdentityRow.user_id)
    )
    return (await session.scalars(statement)).one_or_none()


async def add_identity(session: AsyncSession, user_id: UUID, issuer: str, subject: str) -> bool:
    """Let an identity belong to a person; say no if it belongs to somebody already."""
    statement = (
        upsert(UserIdentityRow)
        .values(id=new_id(), user_id=user_id, issuer=issuer, subject=subject, last_used_at=func.clock_timestamp())
        .on_conflict_do_nothing(index_elements=[UserIdentityRow.issuer, UserIdentityRow.subject])
        .returning(UserIdentityRow.id)
    )
    return (await session.scalars(statement)).one_or_none() is not None
