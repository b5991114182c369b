"""SQL of registered apps, of what people granted them, and of what a person could grant."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select, text, true
from sqlalchemy.ext.asyncio import AsyncSession

from server.auth.oauth_models import OAuthAppRow, OAuthGrantRow
from server.auth.repository.tokens import known
from server.kit.pagination import Keyset, PageArguments
from server.tenants.models import UnitClosureRow, UnitRow
from server.tenants.rules import ROLE_PERMISSIONS, Permission, Role
from server.tenants.scope import Scope

MAX_OFFERED = 200


@dataclass(frozen=True, slots=True)
class Held:
    """What a person may do on one unit and everything under it, as far as an app's units reach."""

    unit_id: UUID
    unit_name: str
    permissions: frozenset[Permission]


# Where the person's grants and the app's units meet: the lower of the two, as the statement that resolves a token does.
_HELD = text("""
SELECT u.id AS unit_id, u.name, g.role, CASE WHEN r.archived_at IS NULL THEN r.permissions END AS custom
FROM membership AS g
LEFT JOIN custom_role AS r ON r.organization_id = g.organization_id AND r.id = g.custom_role_id
JOIN unit_closure AS c ON c.organization_id = g.organization_id
  AND ((c.ancestor_id = g.unit_id AND c.descendant_id = ANY (:units))
    OR (c.descendant_id = g.unit_id AND c.ancestor_id = ANY (:units)))
JOIN unit AS u ON u.organization_id = c.organization_id AND u.id = c.descendant_id AND u.archived_at IS NULL
WHERE g.organization_id = :organization AND g.member_id = :member
""")


async def held(
    session: AsyncSession, organization_id: UUID, member_id: UUID, unit_ids: Sequence[UUID]
) -> Sequence[Held]:
    """Return what the member may do within the units, one entry per unit and role."""
    rows = await session.execute(_HELD, {"organization": organization_id, "member": member_id, "units": list(unit_ids)})
    return [
        Held(row.unit_id, row.name, ROLE_PERMISSIONS[Role(row.role)] if row.role else known(row.custom or ()))
        for row in rows
    ]


async def units_offered(session: AsyncSession, organization_id: UUID, tops: Collection[UUID]) -> Sequence[UnitRow]:
    """Return the units and those right under them, by name; at most 200."""
    statement = (
        select(UnitRow)
        .where(
            UnitRow.organization_id == organization_id,
            or_(UnitRow.id.in_(tops), UnitRow.parent_id.in_(tops)),
            UnitRow.archived_at.is_(None),
        )
        .order_by(UnitRow.name, UnitRow.id)
        .limit(MAX_OFFERED)
    )
    return (await session.scalars(statement)).all()


async def count_under(
    session: AsyncSession, organization_id: UUID, tops: Collection[UUID], chosen: Collection[UUID]
) -> int:
    """Return how many of the chosen units are one of the tops or lie under one."""
    statement = select(func.count(UnitClosureRow.descendant_id.distinct())).where(
        UnitClosureRow.organization_id == organization_id,
        UnitClosureRow.ancestor_id.in_(tops),
        UnitClosureRow.descendant_id.in_(chosen),
    )
    return (await session.execute(statement)).scalar_one()


async def list_apps(
    session: AsyncSession, scope: Scope, keyset: Keyset, arguments: PageArguments
) -> Sequence[OAuthAppRow]:
    """Return up to `size + 1` apps of the page that the scope manages."""
    statement = (
        select(OAuthAppRow)
        .where(*managed_by(scope), *keyset.beyond(arguments))
        .order_by(*keyset.order(arguments))
        .limit(arguments.size + 1)
    )
    return (await session.scalars(statement)).all()


async def apps_by_id(session: AsyncSession, scope: Scope, ids: Sequence[UUID]) -> Sequence[OAuthAppRow]:
    """Return those of the apps that the scope manages."""
    return (await session.scalars(select(OAuthAppRow).where(*managed_by(scope), OAuthAppRow.id.in_(ids)))).all()


async def lock_app(session: AsyncSession, scope: Scope, app_id: UUID) -> OAuthAppRow | None:
    """Return an app that the scope manages, locked until the transaction ends."""
    statement = (
        select(OAuthAppRow)
        .where(*managed_by(scope), OAuthAppRow.id == app_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(statement)).one_or_none()


def managed_by(scope: Scope) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return the conditions of the apps that the scope manages: its organization, and the units."""
    same = OAuthAppRow.organization_id == scope.organization_id
    managed = scope.units_with(Permission.APP_MANAGE)
    return same, true() if managed is None else OAuthAppRow.unit_ids.contained_by(managed)


async def list_grants(
    session: AsyncSession, scope: Scope, keyset: Keyset, arguments: PageArguments
) -> Sequence[OAuthGrantRow]:
    """Return up to `size + 1` grants of the page that the scope sees."""
    statement = (
        select(OAuthGrantRow)
        .where(*grants_seen_by(scope), *keyset.beyond(arguments))
        .order_by(*keyset.order(arguments))
        .limit(arguments.size + 1)
    )
    return (await session.scalars(statement)).all()


async def grants_by_id(session: AsyncSession, scope: Scope, ids: Sequence[UUID]) -> Sequence[OAuthGrantRow]:
    """Return those of the grants that the scope sees."""
    return (await session.scalars(select(OAuthGrantRow).where(*grants_seen_by(scope), OAuthGrantRow.id.in_(ids)))).all()


def grants_seen_by(scope: Scope) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return the conditions of the grants that the scope sees: its organization, and whose they are."""
    same = OAuthGrantRow.organization_id == scope.organization_id
    if Permission.APP_MANAGE in scope.everywhere:
        return same, true()
    return same, OAuthGrantRow.member_id == scope.actor.id
