"""SQL of invitations."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.auth.models import InvitationRow
from server.kit.pagination import Keyset, PageArguments
from server.tenants.cuts import at
from server.tenants.rules import Role


def _is_open() -> ColumnElement[bool]:
    return and_(
        InvitationRow.accepted_at.is_(None),
        InvitationRow.revoked_at.is_(None),
        InvitationRow.expires_at > func.clock_timestamp(),
    )


async def lock_open_by_hash(session: AsyncSession, organization_id: UUID, token_hash: bytes) -> InvitationRow | None:
    """Return the open invitation whose last link this is, locked until the transaction ends."""
    statement = (
        select(InvitationRow)
        .where(InvitationRow.organization_id == organization_id, InvitationRow.token_hash == token_hash, _is_open())
        .with_for_update()
    )
    return (await session.scalars(statement)).one_or_none()


async def open_by_hash(session: AsyncSession, organization_id: UUID, token_hash: bytes) -> InvitationRow | None:
    """Return the open invitation whose last link this is."""
    statement = select(InvitationRow).where(
        InvitationRow.organization_id == organization_id, InvitationRow.token_hash == token_hash, _is_open()
    )
    return (await session.scalars(statement)).one_or_none()


async def lock_open(session: AsyncSession, organization_id: UUID, invitation_id: UUID) -> InvitationRow | None:
    """Return the invitation if it is open, locked until the transaction ends."""
    statement = (
        select(InvitationRow)
        .where(InvitationRow.organization_id == organization_id, InvitationRow.id == invitation_id, _is_open())
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(statement)).one_or_none()


async def by_ids(
    session: AsyncSession, organization_id: UUID, unit_ids: Collection[UUID] | None, ids: Sequence[UUID]
) -> Sequence[InvitationRow]:
    """Return those of the invitations that are at these units; None for all units."""
    statement = select(InvitationRow).where(
        InvitationRow.organization_id == organization_id, at(InvitationRow.unit_id, unit_ids), InvitationRow.id.in_(ids)
    )
    return (await session.scalars(statement)).all()


async def list_invitations(
    session: AsyncSession,
    organization_id: UUID,
    unit_ids: Collection[UUID] | None,
    keyset: Keyset,
    arguments: PageArguments,
    *,
    is_open: bool | None,
) -> Sequence[InvitationRow]:
    """Return up to `size + 1` invitations of the page at these units; None for all units."""
    statement = select(InvitationRow).where(
        InvitationRow.organization_id == organization_id, at(InvitationRow.unit_id, unit_ids), *keyset.beyond(arguments)
    )
    if is_open is not None:
        statement = statement.where(_is_open() if is_open else ~_is_open())
    ordered = statement.order_by(*keyset.order(arguments)).limit(arguments.size + 1)
    return (await session.scalars(ordered)).all()


async def has_same(
    session: AsyncSession,
    organization_id: UUID,
    email: str,
    unit_id: UUID,
    role: Role | None,
    custom_role_id: UUID | None,
) -> bool:
    """Say whether an open invitation offers the same to the same address."""
    found = exists().where(
        InvitationRow.organization_id == organization_id,
        InvitationRow.email == email,
        InvitationRow.unit_id == unit_id,
        InvitationRow.role == role,
        InvitationRow.custom_role_id == custom_role_id,
        _is_open(),
    )
    return bool((await session.execute(select(found))).scalar_one())


async def count_lately(session: AsyncSession, organization_id: UUID, member_id: UUID) -> int:
    """Return how many invitations the member made within the last hour, whatever became of them."""
    statement = select(func.count()).where(
        InvitationRow.organization_id == organization_id,
        InvitationRow.invited_by == member_id,
        InvitationRow.created_at > func.clock_timestamp() - timedelta(hours=1),
    )
    return (await session.execute(statement)).scalar_one()
