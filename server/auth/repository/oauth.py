"""SQL of the authorization server's protocol. Everything is looked up inside one organization, by keyed hash."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.auth.models import AccessTokenRow
from server.auth.oauth_models import OAuthAppRow, OAuthCodeRow, OAuthDeviceRow, OAuthGrantRow, OAuthRefreshTokenRow
from server.tenants.models import MemberRow

C = TypeVar("C", OAuthCodeRow, OAuthRefreshTokenRow)


@dataclass(frozen=True, slots=True)
class Granted:
    """A grant and the person who gave it."""

    grant: OAuthGrantRow
    member: MemberRow

    @property
    def is_live(self) -> bool:
        """Say whether tokens may still follow from it."""
        return self.grant.revoked_at is None and self.member.deactivated_at is None


async def app(session: AsyncSession, organization_id: UUID, app_id: UUID) -> OAuthAppRow | None:
    """Return an app unless it has ended: archived, over, or registered through a token that has ended."""
    statement = select(OAuthAppRow).where(
        OAuthAppRow.organization_id == organization_id,
        OAuthAppRow.id == app_id,
        OAuthAppRow.archived_at.is_(None),
        or_(OAuthAppRow.expires_at.is_(None), OAuthAppRow.expires_at > func.clock_timestamp()),
        or_(OAuthAppRow.parent_id.is_(None), func.ctx.line_lives(OAuthAppRow.organization_id, OAuthAppRow.parent_id)),
    )
    return (await session.scalars(statement)).one_or_none()


async def member_of_user(session: AsyncSession, organization_id: UUID, user_id: UUID) -> MemberRow | None:
    """Return the person's membership of the organization unless deactivated."""
    statement = select(MemberRow).where(
        MemberRow.organization_id == organization_id, MemberRow.user_id == user_id, MemberRow.deactivated_at.is_(None)
    )
    return (await session.scalars(statement)).one_or_none()


async def lock_code(
    session: AsyncSession, organization_id: UUID, app_id: UUID, digest: bytes
) -> tuple[OAuthCodeRow, Granted] | None:
    """Return a code of this app, locked until the transaction ends."""
    return await _lock(session, OAuthCodeRow, organization_id, app_id, OAuthCodeRow.code_hash == digest)


async def lock_refresh_token(
    session: AsyncSession, organization_id: UUID, app_id: UUID, digest: bytes
) -> tuple[OAuthRefreshTokenRow, Granted] | None:
    """Return a refresh token of this app, locked until the transaction ends."""
    matches = OAuthRefreshTokenRow.token_hash == digest
    return await _lock(session, OAuthRefreshTokenRow, organization_id, app_id, matches)


async def _lock(
    session: AsyncSession, table: type[C], organization_id: UUID, app_id: UUID, matches: ColumnElement[bool]
) -> tuple[C, Granted] | None:
    statement = (
        select(table, OAuthGrantRow, MemberRow)
        .join(OAuthGrantRow, and_(OAuthGrantRow.organization_id == organization_id, OAuthGrantRow.id == table.grant_id))
        .join(MemberRow, and_(MemberRow.organization_id == organization_id, MemberRow.id == OAuthGrantRow.member_id))
        .where(table.organization_id == organization_id, matches, OAuthGrantRow.app_id == app_id)
        .with_for_update(of=table)
        .execution_options(populate_existing=True)
    )
    found = (await session.execute(statement)).one_or_none()
    return None if found is None else (found[0], Granted(found[1], found[2]))


async def lock_device(session: AsyncSession, organization_id: UUID, digest: bytes) -> OAuthDeviceRow | None:
    """Return the device that holds this device code, locked until the transaction ends."""
    statement = (
        select(OAuthDeviceRow)
        .where(OAuthDeviceRow.organization_id == organization_id, OAuthDeviceRow.device_hash == digest)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(statement)).one_or_none()


async def lock_waiting_device(session: AsyncSession, organization_id: UUID, digest: bytes) -> OAuthDeviceRow | None:
    """Return the device that shows this user code and waits for an answer, locked until the transaction ends."""
    statement = (
        select(OAuthDeviceRow)
        .where(
            OAuthDeviceRow.organization_id == organization_id,
            OAuthDeviceRow.user_code_hash == digest,
            OAuthDeviceRow.decided_at.is_(None),
            OAuthDeviceRow.expires_at > func.clock_timestamp(),
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(statement)).one_or_none()


async def granted(session: AsyncSession, organization_id: UUID, grant_id: UUID) -> Granted | None:
    """Return a grant and its person."""
    statement = (
        select(OAuthGrantRow, MemberRow)
        .join(MemberRow, and_(MemberRow.organization_id == organization_id, MemberRow.id == OAuthGrantRow.member_id))
        .where(OAuthGrantRow.organization_id == organization_id, OAuthGrantRow.id == grant_id)
    )
    found = (await session.execute(statement)).one_or_none()
    return None if found is None else Granted(found[0], found[1])


async def access_token(
    session: AsyncSession, organization_id: UUID, app_id: UUID, digest: bytes
) -> AccessTokenRow | None:
    """Return an access token of this app, live or not."""
    statement = select(AccessTokenRow).where(
        AccessTokenRow.organization_id == organization_id,
        AccessTokenRow.app_id == app_id,
        AccessTokenRow.token_hash == digest,
    )
    return (await session.scalars(statement)).one_or_none()


async def revoke_grant(session: AsyncSession, organization_id: UUID, grant_id: UUID) -> bool:
    """End a grant, and with it every token that follows from it; say whether it was still there to end."""
    ended = await session.execute(
        update(OAuthGrantRow)
        .where(
            OAuthGrantRow.organization_id == organization_id,
            OAuthGrantRow.id == grant_id,
            OAuthGrantRow.revoked_at.is_(None),
        )
        .values(revoked_at=func.clock_timestamp())
        .returning(OAuthGrantRow.id)
    )
    return ended.one_or_none() is not None


async def forget(session: AsyncSession, organization_id: UUID, before: datetime) -> None:
    """Delete codes, devices and refresh tokens that expired before a time."""
    for table in (OAuthCodeRow, OAuthDeviceRow, OAuthRefreshTokenRow):
        await session.execute(delete(table).where(table.organization_id == organization_id, table.expires_at < before))


async def forget_access_tokens(session: AsyncSession, organization_id: UUID, before: datetime) -> None:
    """Delete access tokens of apps that expired before a time."""
    await session.execute(
        delete(AccessTokenRow).where(
            AccessTokenRow.organization_id == organization_id,
            AccessTokenRow.app_id.is_not(None),
            AccessTokenRow.expires_at < before,
        )
    )
