"""SQL of off-boardings, their steps and what they take back at the platforms."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from server.kit.pagination import Keyset, PageArguments
from server.privacy.models import OffboardingRow, OffboardingStepRow, PlatformRevocationRow
from server.privacy.rules import Revocation
from server.tenants.cuts import at
from server.tenants.scope import Scope


async def lock(session: AsyncSession, organization_id: UUID, offboarding_id: UUID) -> OffboardingRow | None:
    """Return one off-boarding and lock it until the transaction ends."""
    statement = (
        select(OffboardingRow)
        .where(OffboardingRow.organization_id == organization_id, OffboardingRow.id == offboarding_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(statement)).one_or_none()


async def steps(
    session: AsyncSession, organization_id: UUID, offboarding_ids: Sequence[UUID]
) -> Sequence[OffboardingStepRow]:
    """Return the steps of these off-boardings, in their order."""
    statement = (
        select(OffboardingStepRow)
        .where(
            OffboardingStepRow.organization_id == organization_id,
            OffboardingStepRow.offboarding_id.in_(offboarding_ids),
        )
        .order_by(OffboardingStepRow.offboarding_id, OffboardingStepRow.position)
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(statement)).all()


async def by_id(session: AsyncSession, organization_id: UUID, ids: Sequence[UUID]) -> Sequence[OffboardingRow]:
    """Return the off-boardings with these ids."""
    statement = select(OffboardingRow).where(
        OffboardingRow.organization_id == organization_id, OffboardingRow.id.in_(ids)
    )
    return (await session.scalars(statement)).all()


async def newest(
    session: AsyncSession, scope: Scope, keyset: Keyset, arguments: PageArguments, unit_ids: Sequence[UUID] | None
) -> Sequence[OffboardingRow]:
    """Return up to `size + 1` off-boardings of the page from under the given units; None for all."""
    statement = select(OffboardingRow).where(
        OffboardingRow.organization_id == scope.organization_id, *keyset.beyond(arguments)
    )
    statement = statement.where(at(OffboardingRow.unit_id, unit_ids))
    return (await session.scalars(statement.order_by(*keyset.order(arguments)).limit(arguments.size + 1))).all()


async def plan_revocations(session: AsyncSession, rows: Sequence[dict[str, object]]) -> None:
    """Write down what is to be taken back; what stands there already is left alone."""
    if rows:
        await session.execute(insert(PlatformRevocationRow).values(list(rows)).on_conflict_do_nothing())


async def waiting(
    session: AsyncSession, organization_id: UUID, offboarding_id: UUID, tried: Collection[UUID]
) -> PlatformRevocationRow | None:
    """Return the next thing to take back that was not tried in this run: pages before grants, which end their tokens."""
    statement = (
        select(PlatformRevocationRow)
        .where(
            PlatformRevocationRow.organization_id == organization_id,
            PlatformRevocationRow.offboarding_id == offboarding_id,
            PlatformRevocationRow.outcome == Revocation.WAITING,
            PlatformRevocationRow.subject_id.not_in(tried),
        )
        .order_by(PlatformRevocationRow.target.desc(), PlatformRevocationRow.subject_id)
        .limit(1)
    )
    return (await session.scalars(statement)).one_or_none()


async def most_tries(session: AsyncSession, organization_id: UUID, offboarding_id: UUID) -> int | None:
    """Return how often the most stubborn of what still waits was tried; None if nothing waits."""
    statement = select(func.max(PlatformRevocationRow.tries)).where(
        PlatformRevocationRow.organization_id == organization_id,
        PlatformRevocationRow.offboarding_id == offboarding_id,
        PlatformRevocationRow.outcome == Revocation.WAITING,
    )
    return (await session.execute(statement)).scalar_one()


async def revocation(
    session: AsyncSession, organization_id: UUID, offboarding_id: UUID, subject_id: UUID
) -> PlatformRevocationRow | None:
    """Return one thing to take back, locked."""
    statement = (
        select(PlatformRevocationRow)
        .where(
            PlatformRevocationRow.organization_id == organization_id,
            PlatformRevocationRow.offboarding_id == offboarding_id,
            PlatformRevocationRow.subject_id == subject_id,
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(statement)).one_or_none()


async def revocations(
    session: AsyncSession, organization_id: UUID, offboarding_id: UUID
) -> Sequence[PlatformRevocationRow]:
    """Return everything that was to be taken back, pages first."""
    statement = (
        select(PlatformRevocationRow)
        .where(
            PlatformRevocationRow.organization_id == organization_id,
            PlatformRevocationRow.offboarding_id == offboarding_id,
        )
        .order_by(PlatformRevocationRow.target.desc(), PlatformRevocationRow.subject_id)
    )
    return (await session.scalars(statement)).all()


async def forget_revocations(session: AsyncSession, organization_id: UUID, offboarding_id: UUID) -> None:
    """Delete what the certificate now says."""
    await session.execute(
        delete(PlatformRevocationRow)
        .where(
            PlatformRevocationRow.organization_id == organization_id,
            PlatformRevocationRow.offboarding_id == offboarding_id,
        )
        .execution_options(synchronize_session=False)
    )
