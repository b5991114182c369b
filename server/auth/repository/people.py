"""SQL of people's rights, over the tables of `tenants`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import UUID

from sqlalchemy import Select, and_, exists, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.auth.models import AccessTokenRow
from server.auth.repository.tokens import known
from server.tenants.models import CustomRoleRow, MemberRow, MembershipRow, UnitRow
from server.tenants.rules import ROLE_PERMISSIONS, Permission, Role

_HELD = text("""
SELECT DISTINCT w.member_id, w.unit_id, g.role, r.permissions
FROM unnest(cast(:members AS uuid[]), cast(:units AS uuid[])) AS w(member_id, unit_id)
JOIN unit_closure AS c ON c.organization_id = :organization AND c.descendant_id = w.unit_id
JOIN membership AS g ON g.organization_id = :organization AND g.member_id = w.member_id AND g.unit_id = c.ancestor_id
JOIN member AS m ON m.organization_id = :organization AND m.id = g.member_id AND m.deactivated_at IS NULL
LEFT JOIN custom_role AS r ON r.organization_id = :organization AND r.id = g.custom_role_id AND r.archived_at IS NULL
""")


async def member(session: AsyncSession, organization_id: UUID, member_id: UUID) -> MemberRow | None:
    """Return the member that the scope sees, as the table has it now."""
    return await session.get(MemberRow, (organization_id, member_id), populate_existing=True)


async def member_of_user(session: AsyncSession, organization_id: UUID, user_id: UUID) -> MemberRow | None:
    """Return the member that this account is here."""
    statement = select(MemberRow).where(MemberRow.organization_id == organization_id, MemberRow.user_id == user_id)
    return (await session.scalars(statement)).one_or_none()


async def has_address(session: AsyncSession, organization_id: UUID, email: str) -> bool:
    """Say whether a member has this address."""
    found = exists().where(MemberRow.organization_id == organization_id, MemberRow.email == email)
    return bool((await session.execute(select(found))).scalar_one())


async def custom_role(session: AsyncSession, organization_id: UUID, role_id: UUID) -> CustomRoleRow | None:
    """Return a role of the organization's own, as the table has it now."""
    return await session.get(CustomRoleRow, (organization_id, role_id), populate_existing=True)


async def held_on(
    session: AsyncSession, organization_id: UUID, member_id: UUID, unit_id: UUID
) -> frozenset[Permission]:
    """Return what an active member may do on a unit, by all grants on it and above it; nothing if deactivated."""
    place = (member_id, unit_id)
    return (await held_at(session, organization_id, [place]))[place]


async def held_at(
    session: AsyncSession, organization_id: UUID, places: Collection[tuple[UUID, UUID]]
) -> Mapping[tuple[UUID, UUID], frozenset[Permission]]:
    """Return for each member and unit what `held_on` returns for one, however many there are, in one statement."""
    held: dict[tuple[UUID, UUID], frozenset[Permission]] = dict.fromkeys(places, frozenset())
    if not held:
        return held
    asked = {"members": [member for member, _ in held], "units": [unit for _, unit in held]}
    for row in await session.execute(_HELD, {"organization": organization_id, **asked}):
        role = None if row.role is None else Role(row.role)
        held[row.member_id, row.unit_id] |= _sum([(role, row.permissions)])
    return held


async def held_anywhere(session: AsyncSession, organization_id: UUID, member_id: UUID) -> frozenset[Permission]:
    """Return what the grants of a member add up to, on whatever unit, also while deactivated."""
    rows = await session.execute(_grants_of(organization_id, member_id))
    return _sum((row.role, row.permissions) for row in rows)


def _grants_of(organization_id: UUID, member_id: UUID) -> Select[Role | None, list[str]]:
    return (
        select(MembershipRow.role, CustomRoleRow.permissions)
        .join(
            MemberRow,
            and_(MemberRow.organization_id == MembershipRow.organization_id, MemberRow.id == MembershipRow.member_id),
        )
        .outerjoin(
            CustomRoleRow,
            and_(
                CustomRoleRow.organization_id == MembershipRow.organization_id,
                CustomRoleRow.id == MembershipRow.custom_role_id,
                CustomRoleRow.archived_at.is_(None),
            ),
        )
        .where(MembershipRow.organization_id == organization_id, MembershipRow.member_id == member_id)
    )


def _sum(rows: Iterable[tuple[Role | None, list[str] | None]]) -> frozenset[Permission]:
    held: frozenset[Permission] = frozenset()
    for role, custom in rows:
        held |= ROLE_PERMISSIONS[role] if role is not None else known(custom or ())
    return held


async def holders(session: AsyncSession, organization_id: UUID, role_id: UUID) -> Sequence[UUID]:
    """Return the members who have a role of the organization's own, on whatever unit."""
    statement = select(MembershipRow.member_id).where(
        MembershipRow.organization_id == organization_id, MembershipRow.custom_role_id == role_id
    )
    return (await session.scalars(statement.distinct())).all()


async def root_id(session: AsyncSession, organization_id: UUID) -> UUID:
    """Return the root of the tree."""
    statement = select(UnitRow.id).where(UnitRow.organization_id == organization_id, UnitRow.parent_id.is_(None))
    return (await session.scalars(statement)).one()


async def has_other_owner(session: AsyncSession, organization_id: UUID, member_id: UUID) -> bool:
    """Say whether an active member besides this one is OWNER of the root."""
    found = (
        select(MembershipRow.id)
        .join(
            MemberRow,
            and_(MemberRow.organization_id == MembershipRow.organization_id, MemberRow.id == MembershipRow.member_id),
        )
        .join(
            UnitRow,
            and_(UnitRow.organization_id == MembershipRow.organization_id, UnitRow.id == MembershipRow.unit_id),
        )
        .where(
            MembershipRow.organization_id == organization_id,
            MembershipRow.role == Role.OWNER,
            MembershipRow.member_id != member_id,
            MemberRow.deactivated_at.is_(None),
            UnitRow.parent_id.is_(None),
        )
        .limit(1)
    )
    return (await session.execute(found)).first() is not None


async def is_owner(session: AsyncSession, organization_id: UUID, member_id: UUID) -> bool:
    """Say whether this member is OWNER of the root."""
    found = (
        select(MembershipRow.id)
        .join(
            UnitRow,
            and_(UnitRow.organization_id == MembershipRow.organization_id, UnitRow.id == MembershipRow.unit_id),
        )
        .where(
            MembershipRow.organization_id == organization_id,
            MembershipRow.role == Role.OWNER,
            MembershipRow.member_id == member_id,
            UnitRow.parent_id.is_(None),
        )
        .limit(1)
    )
    return (await session.execute(found)).first() is not None


async def membership(session: AsyncSession, organization_id: UUID, membership_id: UUID) -> MembershipRow | None:
    """Return a grant that the scope sees, as the table has it now."""
    return await session.get(MembershipRow, (organization_id, membership_id), populate_existing=True)


async def same_grant(
    session: AsyncSession,
    organization_id: UUID,
    member_id: UUID,
    unit_id: UUID,
    role: Role | None,
    role_id: UUID | None,
) -> MembershipRow | None:
    """Return the member's grant of this role on this very unit."""
    statement = select(MembershipRow).where(
        MembershipRow.organization_id == organization_id,
        MembershipRow.member_id == member_id,
        MembershipRow.unit_id == unit_id,
        MembershipRow.role == role,
        MembershipRow.custom_role_id == role_id,
    )
    return (await session.scalars(statement)).one_or_none()


async def count_grants(session: AsyncSession, organization_id: UUID, member_id: UUID) -> int:
    """Return how many grants of the member the scope sees."""
    statement = select(func.count()).where(
        MembershipRow.organization_id == organization_id, MembershipRow.member_id == member_id
    )
    return (await session.execute(statement)).scalar_one()


async def revoke_tokens(session: AsyncSession, organization_id: UUID, member_id: UUID) -> int:
    """Revoke every token that acts as the member; return how many there were."""
    revoked = await session.scalars(
        update(AccessTokenRow)
        .where(
            AccessTokenRow.organization_id == organization_id,
            AccessTokenRow.member_id == member_id,
            AccessTokenRow.revoked_at.is_(None),
        )
        .values(revoked_at=func.clock_timestamp())
        .returning(AccessTokenRow.id)
    )
    return len(revoked.all())
