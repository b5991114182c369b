"""SQL of people and their roles. What a token reaches is resolved by the statement that finds the token, in `auth`."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, exists, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from server.kit.pagination import Keyset, PageArguments
from server.tenants.cuts import in_reach_or_above
from server.tenants.models import MemberRow, MembershipRow, OrganizationRow, UnitClosureRow
from server.tenants.rules import Permission
from server.tenants.scope import Scope


async def lock_organization(session: AsyncSession, organization_id: UUID) -> None:
    """Lock the organization's row until the transaction ends; rows that refer to it can still be added."""
    await session.execute(
        select(OrganizationRow.organization_id)
        .where(OrganizationRow.organization_id == organization_id)
        .with_for_update(key_share=True)
    )


async def members_by_id(session: AsyncSession, scope: Scope, ids: Sequence[UUID]) -> Sequence[MemberRow]:
    """Return those of the members that the scope sees."""
    statement = select(MemberRow).where(*_seen_by(scope), MemberRow.id.in_(ids))
    return (await session.scalars(statement)).all()


async def memberships_of(session: AsyncSession, scope: Scope, member_ids: Sequence[UUID]) -> Sequence[MembershipRow]:
    """Return the grants of these members that the scope sees, the oldest first."""
    statement = (
        select(MembershipRow)
        .where(
            MembershipRow.organization_id == scope.organization_id,
            MembershipRow.member_id.in_(member_ids),
            _told_to(scope),
        )
        .order_by(MembershipRow.id)
    )
    return (await session.scalars(statement)).all()


async def memberships_by_id(session: AsyncSession, scope: Scope, ids: Sequence[UUID]) -> Sequence[MembershipRow]:
    """Return those of the grants that the scope sees."""
    statement = select(MembershipRow).where(
        MembershipRow.organization_id == scope.organization_id, MembershipRow.id.in_(ids), _told_to(scope)
    )
    return (await session.scalars(statement)).all()


def _told_to(scope: Scope) -> ColumnElement[bool]:
    """One's own, and those at units where member:read is held and above them."""
    return or_(
        MembershipRow.member_id == scope.actor.id,
        in_reach_or_above(scope, MembershipRow.unit_id, Permission.MEMBER_READ),
    )


def _seen_by(scope: Scope) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    same = MemberRow.organization_id == scope.organization_id
    if scope.all_units:
        return same, true()
    works_near = exists().where(
        MembershipRow.organization_id == scope.organization_id,
        MembershipRow.member_id == MemberRow.id,
        _at_units_of(scope),
    )
    return same, or_(MemberRow.id == scope.actor.id, works_near)


def _at_units_of(scope: Scope) -> ColumnElement[bool]:
    """At units that the scope reaches, and at those above them: who leads a region is known in its locations."""
    return in_reach_or_above(scope, MembershipRow.unit_id)


async def has_member(session: AsyncSession, organization_id: UUID, email: str) -> bool:
    """Say whether a member has this address."""
    found = exists().where(MemberRow.organization_id == organization_id, MemberRow.email == email)
    return bool((await session.execute(select(found))).scalar_one())


async def list_members(
    session: AsyncSession,
    scope: Scope,
    keyset: Keyset,
    arguments: PageArguments,
    *,
    unit_id: UUID | None,
    is_active: bool | None,
) -> Sequence[MemberRow]:
    """Return up to `size + 1` members of the page that the scope sees; with a unit only who has a role on it or under it."""
    statement = select(MemberRow).where(*_seen_by(scope), *keyset.beyond(arguments))
    if unit_id is not None:
        below = select(UnitClosureRow.descendant_id).where(
            UnitClosureRow.organization_id == scope.organization_id, UnitClosureRow.ancestor_id == unit_id
        )
        works_there = exists().where(
            MembershipRow.organization_id == scope.organization_id,
            MembershipRow.member_id == MemberRow.id,
            MembershipRow.unit_id.in_(below),
            _at_units_of(scope),
        )
        statement = statement.where(works_there)
    if is_active is not None:
        statement = statement.where(MemberRow.deactivated_at.is_(None) == is_active)
    ordered = statement.order_by(*keyset.order(arguments)).limit(arguments.size + 1)
    return (await session.scalars(ordered)).all()
