"""SQL of grants: who renews their tokens, how well they are, and what their pages show of it.

Every write of tokens names the version that was read, so that of two who renew one grant only the first is believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import String, and_, cast, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.channels.models import ConnectedAccountRow, Health, PageRow
from server.kit.jobs import JobRow, JobState, kind_of

_QUIET = {"synchronize_session": False}
_LIVES = (Health.HEALTHY, Health.EXPIRING)


async def account(
    session: AsyncSession, organization_id: UUID, account_id: UUID, *, lock: bool = False
) -> ConnectedAccountRow | None:
    """Return one grant as it stands now; `lock` keeps it until the transaction ends."""
    statement = (
        select(ConnectedAccountRow)
        .where(ConnectedAccountRow.organization_id == organization_id, ConnectedAccountRow.id == account_id)
        .execution_options(populate_existing=True)
    )
    if lock:
        statement = statement.with_for_update()
    return (await session.scalars(statement)).one_or_none()


async def health_of(session: AsyncSession, organization_id: UUID, account_id: UUID) -> Health | None:
    """Return how well a grant is, without keeping it."""
    statement = select(ConnectedAccountRow.health).where(
        ConnectedAccountRow.organization_id == organization_id, ConnectedAccountRow.id == account_id
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def is_used(session: AsyncSession, organization_id: UUID, account_id: UUID) -> bool:
    """Say whether a connected page hangs on the grant."""
    statement = select(
        exists().where(
            PageRow.organization_id == organization_id,
            PageRow.account_id == account_id,
            PageRow.disconnected_at.is_(None),
        )
    )
    return bool((await session.execute(statement)).scalar_one())


async def pages_of(session: AsyncSession, organization_id: UUID, account_id: UUID) -> Sequence[PageRow]:
    """Return the connected pages of a grant."""
    statement = select(PageRow).where(*_connected(organization_id, account_id))
    return (await session.scalars(statement.order_by(PageRow.id))).all()


async def claim_refresh(
    session: AsyncSession, organization_id: UUID, account_id: UUID, version: int, lease: UUID, held_for: timedelta
) -> ConnectedAccountRow | None:
    """Take the leave to renew a grant's tokens; None while another one has it, or if they were renewed meanwhile.

    A lease that ran out without a word leaves `was_interrupted` behind.
    """
    now = func.clock_timestamp()
    free = or_(ConnectedAccountRow.refresh_lease.is_(None), ConnectedAccountRow.refresh_lease_until < now)
    due = or_(ConnectedAccountRow.refresh_not_before.is_(None), ConnectedAccountRow.refresh_not_before <= now)
    statement = (
        update(ConnectedAccountRow)
        .where(*_version(organization_id, account_id, version), free, due)
        .values(
            was_interrupted=or_(ConnectedAccountRow.was_interrupted, ConnectedAccountRow.refresh_lease.is_not(None)),
            refresh_lease=lease,
            refresh_lease_until=now + held_for,
        )
        .returning(ConnectedAccountRow)
        .execution_options(**_QUIET, populate_existing=True)
    )
    return (await session.scalars(statement)).one_or_none()


async def store_tokens(
    session: AsyncSession, organization_id: UUID, account_id: UUID, version: int, values: dict[str, Any]
) -> bool:
    """Write renewed tokens over the version that was read, and end the lease; False if others came first."""
    stored = await session.execute(
        update(ConnectedAccountRow)
        .where(*_version(organization_id, account_id, version))
        .values(
            token_version=version + 1,
            tokens_at=func.clock_timestamp(),
            was_forced=ConnectedAccountRow.refresh_wanted_at.is_not(None),
            **AT_REST,
            **values,
        )
        .returning(ConnectedAccountRow.id)
        .execution_options(**_QUIET)
    )
    return stored.first() is not None


AT_REST: dict[str, Any] = {
    "refresh_lease": None,
    "refresh_lease_until": None,
    "was_interrupted": False,
    "refresh_failures": 0,
    "refresh_not_before": None,
    "refresh_wanted_at": None,
}
"""What stands in the row of a grant that owes no renewal."""


async def end_lease(
    session: AsyncSession, organization_id: UUID, account_id: UUID, version: int, values: dict[str, Any]
) -> bool:
    """End a renewal that gave nothing; False if the tokens are new meanwhile, so that its verdict means nothing."""
    ended = await session.execute(
        update(ConnectedAccountRow)
        .where(*_version(organization_id, account_id, version))
        .values(refresh_lease=None, refresh_lease_until=None, **values)
        .returning(ConnectedAccountRow.id)
        .execution_options(**_QUIET)
    )
    return ended.first() is not None


async def mark(
    session: AsyncSession, organization_id: UUID, account_id: UUID, health: Health, reason: str | None
) -> tuple[bool, list[UUID]]:
    """Set a grant's health, and show it on its pages that are well themselves.

    Returns whether the grant's was another before, and the pages that changed with it.
    """
    changed = await session.execute(
        update(ConnectedAccountRow)
        .where(
            ConnectedAccountRow.organization_id == organization_id,
            ConnectedAccountRow.id == account_id,
            ConnectedAccountRow.health != health,
        )
        .values(health=health, health_reason=reason, health_since=func.clock_timestamp())
        .returning(ConnectedAccountRow.id)
        .execution_options(**_QUIET)
    )
    has_changed = changed.first() is not None
    pages = await session.scalars(
        update(PageRow)
        .where(
            *_connected(organization_id, account_id),
            or_(PageRow.health == Health.HEALTHY, PageRow.is_ill_by_grant),
            PageRow.health != health,
        )
        .values(
            health=health,
            health_reason=reason,
            health_since=func.clock_timestamp(),
            is_ill_by_grant=health is not Health.HEALTHY,
        )
        .returning(PageRow.id)
        .execution_options(**_QUIET)
    )
    return has_changed, list(pages)


def _version(organization_id: UUID, account_id: UUID, version: int) -> tuple[Any, ...]:
    return (
        ConnectedAccountRow.organization_id == organization_id,
        ConnectedAccountRow.id == account_id,
        ConnectedAccountRow.token_version == version,
    )


def _connected(organization_id: UUID, account_id: UUID) -> tuple[Any, ...]:
    return (
        PageRow.organization_id == organization_id,
        PageRow.account_id == account_id,
        PageRow.disconnected_at.is_(None),
    )


async def name_connectors(session: AsyncSession, organization_id: UUID) -> None:
    """Note on pages that were connected before this was noted there who connected their grants."""
    await session.execute(
        update(PageRow)
        .where(
            PageRow.organization_id == organization_id,
            PageRow.connected_by.is_(None),
            ConnectedAccountRow.organization_id == PageRow.organization_id,
            ConnectedAccountRow.id == PageRow.account_id,
        )
        .values(connected_by=ConnectedAccountRow.connected_by)
        .execution_options(**_QUIET)
    )


async def untended_grants(session: AsyncSession, organization_id: UUID, keeping: type, limit: int) -> Sequence[UUID]:
    """Return grants with connected pages that nobody looks after: no job of the class `keeping` is owed for them."""
    used = exists().where(
        PageRow.organization_id == organization_id,
        PageRow.account_id == ConnectedAccountRow.id,
        PageRow.disconnected_at.is_(None),
    )
    statement = select(ConnectedAccountRow.id).where(
        ConnectedAccountRow.organization_id == organization_id,
        ConnectedAccountRow.health != Health.RECONNECT_NEEDED,
        used,
        ~_is_owed(organization_id, keeping, ConnectedAccountRow.id),
    )
    return (await session.scalars(statement.order_by(ConnectedAccountRow.id).limit(limit))).all()


async def unwatched_pages(session: AsyncSession, organization_id: UUID, watching: type, limit: int) -> Sequence[UUID]:
    """Return connected, subscribed pages that nobody compares: no job of the class `watching` is owed for them."""
    statement = select(PageRow.id).where(
        PageRow.organization_id == organization_id,
        PageRow.disconnected_at.is_(None),
        PageRow.subscribed_at.is_not(None),
        PageRow.health.in_(_LIVES),
        ~_is_owed(organization_id, watching, PageRow.id),
    )
    return (await session.scalars(statement.order_by(PageRow.id).limit(limit))).all()


def _is_owed(organization_id: UUID, work: type, key: Any) -> Any:
    return exists().where(
        and_(
            JobRow.organization_id == organization_id,
            JobRow.kind == kind_of(work).name,
            JobRow.dedupe_key == cast(key, String),
            JobRow.state != JobState.DEAD,
        )
    )
