"""SQL of tokens."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.auth.models import AccessTokenRow
from server.tenants.models import MemberRow


async def live_token(session: AsyncSession, organization_id: UUID, token_hash: bytes) -> AccessTokenRow | None:
    """Return the token with this hash if it is neither revoked nor expired."""
    statement = select(AccessTokenRow).where(
        AccessTokenRow.organization_id == organization_id,
        AccessTokenRow.token_hash == token_hash,
        AccessTokenRow.revoked_at.is_(None),
        or_(AccessTokenRow.expires_at.is_(None), AccessTokenRow.expires_at > func.clock_timestamp()),
    )
    return (await session.scalars(statement)).one_or_none()


async def token(session: AsyncSession, organization_id: UUID, token_id: UUID) -> AccessTokenRow | None:
    """Return one token by id."""
    return await session.get(AccessTokenRow, (organization_id, token_id))


async def active_member(session: AsyncSession, organization_id: UUID, member_id: UUID) -> MemberRow | None:
    """Return the member unless deactivated."""
    statement = select(MemberRow).where(
        MemberRow.organization_id == organization_id, MemberRow.id == member_id, MemberRow.deactivated_at.is_(None)
    )
    return (await session.scalars(statement)).one_or_none()


async def revoke(session: AsyncSession, organization_id: UUID, token_id: UUID) -> None:
    """Mark a token as revoked; it stops at the next request."""
    await session.execute(
        update(AccessTokenRow)
        .where(
            AccessTokenRow.organization_id == organization_id,
            AccessTokenRow.id == token_id,
            AccessTokenRow.revoked_at.is_(None),
        )
        .values(revoked_at=func.clock_timestamp())
    )
