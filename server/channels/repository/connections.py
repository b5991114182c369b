"""SQL of consent dialogues and the accounts they grant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from server.channels.models import ConnectedAccountRow, ConnectionRow, ConnectionState
from server.channels.repository.grants import AT_REST
from server.platforms.port import Channel
from server.tenants.cuts import is_one_of

NOW = func.clock_timestamp()
"""The database's time, as a value of a row."""


async def open_by_state(
    session: AsyncSession, organization_id: UUID, channel: Channel, state_hashes: Sequence[bytes]
) -> ConnectionRow | None:
    """Lock and return the dialogue that waits for this state, unless it has expired."""
    statement = (
        select(ConnectionRow)
        .where(
            ConnectionRow.organization_id == organization_id,
            ConnectionRow.channel == channel,
            ConnectionRow.state_hash.in_(state_hashes),
            ConnectionRow.state == ConnectionState.STARTED,
            ConnectionRow.expires_at > func.clock_timestamp(),
        )
        .with_for_update()
    )
    return (await session.scalars(statement)).one_or_none()


async def by_id(
    session: AsyncSession, organization_id: UUID, connection_id: UUID, *, lock: bool
) -> ConnectionRow | None:
    """Return one dialogue that the scope sees; `lock` keeps it until the transaction ends."""
    statement = select(ConnectionRow).where(
        ConnectionRow.organization_id == organization_id, ConnectionRow.id == connection_id
    )
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return (await session.scalars(statement)).one_or_none()


async def many_by_id(
    session: AsyncSession, organization_id: UUID, ids: Sequence[UUID], actor_id: UUID
) -> Sequence[ConnectionRow]:
    """Return the dialogues with these ids that an actor began and the scope sees."""
    statement = select(ConnectionRow).where(
        ConnectionRow.organization_id == organization_id,
        is_one_of(ConnectionRow.id, ids),
        ConnectionRow.actor_id == actor_id,
    )
    return (await session.scalars(statement)).all()


async def forget_expired(session: AsyncSession, organization_id: UUID) -> None:
    """Drop the sealed tokens of dialogues that nobody finished in time."""
    await session.execute(
        update(ConnectionRow)
        .where(
            ConnectionRow.organization_id == organization_id,
            or_(ConnectionRow.found_sealed.is_not(None), ConnectionRow.verifier_sealed.is_not(None)),
            ConnectionRow.expires_at < func.clock_timestamp(),
        )
        .values(found_sealed=None, verifier_sealed=None)
    )


async def account_id_of(
    session: AsyncSession, organization_id: UUID, channel: Channel, external_id: str, unit_id: UUID
) -> UUID | None:
    """Return the id of the account that this grant renews."""
    statement = select(ConnectedAccountRow.id).where(
        ConnectedAccountRow.organization_id == organization_id,
        ConnectedAccountRow.channel == channel,
        ConnectedAccountRow.external_id == external_id,
        ConnectedAccountRow.unit_id == unit_id,
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def insert_account(session: AsyncSession, values: dict[str, Any]) -> bool:
    """Insert an account; False if another transaction was first."""
    inserted = await session.execute(
        insert(ConnectedAccountRow)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["organization_id", "channel", "external_id", "unit_id"])
        .returning(ConnectedAccountRow.id)
    )
    return inserted.first() is not None


async def renew_account(session: AsyncSession, organization_id: UUID, account_id: UUID, values: dict[str, Any]) -> None:
    """Give an account its new tokens and health; a renewal of the old ones that is on its way means nothing any more."""
    await session.execute(
        update(ConnectedAccountRow)
        .where(ConnectedAccountRow.organization_id == organization_id, ConnectedAccountRow.id == account_id)
        .values(**AT_REST, token_version=ConnectedAccountRow.token_version + 1, was_forced=False, **values)
    )
