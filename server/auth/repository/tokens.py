"""SQL of tokens. The scope of a request is resolved in one statement, over the tables of `tenants` too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, or_, select, text, true, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.auth.models import AccessTokenRow
from server.kit.pagination import Keyset, PageArguments
from server.tenants.models import MemberRow
from server.tenants.rules import ROLE_PERMISSIONS, Permission, Role
from server.tenants.scope import Actor, ActorKind, CredentialKind, Scope
from server.tenants.service import Grant

_BY_NAME = {one.value: one for one in Permission}


@dataclass(frozen=True, slots=True)
class LiveToken:
    """A token that is valid at this moment, with everything that its scope is made of.

    `actor` is None for a member's token whose member is deactivated.
    """

    id: UUID
    kind: CredentialKind
    permissions: Sequence[str] | None
    actor: Actor | None
    user_id: UUID | None
    grants: Sequence[Grant]
    is_use_noted: bool
    session_id: UUID | None
    departed_ids: Sequence[UUID] = ()


# Every request begins with this statement, so it is one, of text: nothing is built or compiled, and no entity is made.
# One row per role; units come as arrays, because one grant may reach ten thousand. A grant on the root is not expanded.
# A token with units cuts a grant to those of its units that lie under the granted one, or to the granted one under them.
_LIVE_TOKEN = text("""
SELECT t.id, t.kind, t.name, t.permissions, t.session_id, t.member_id IS NULL AS is_app,
  t.app_id, p.name AS app_name, p.permissions AS ceiling,
  t.last_used_at > clock_timestamp() - interval '1 minute' AS is_use_noted,
  m.id AS member_id, m.name AS member_name, m.user_id,
  ARRAY(SELECT d.subject_id FROM departure AS d
    WHERE d.organization_id = t.organization_id AND d.kind = 'UNIT') AS departed,
  g.unit_ids AS granted_at, g.role, CASE WHEN r.archived_at IS NULL THEN r.permissions END AS custom,
  top.id IS NOT NULL AS is_everywhere,
  ARRAY(
    SELECT c.descendant_id FROM unit_closure AS c
    WHERE c.organization_id = t.organization_id AND c.ancestor_id = ANY (array_remove(at.roots, top.id))) AS reached,
  ARRAY(
    SELECT DISTINCT c.ancestor_id FROM unit_closure AS c
    WHERE c.organization_id = t.organization_id AND c.descendant_id = ANY (array_remove(at.roots, top.id))
      AND c.depth > 0) AS above
FROM access_token AS t
LEFT JOIN member AS m
  ON m.organization_id = t.organization_id AND m.id = t.member_id AND m.deactivated_at IS NULL
LEFT JOIN oauth_app AS p ON p.organization_id = t.organization_id AND p.id = t.app_id
LEFT JOIN oauth_grant AS o ON o.organization_id = t.organization_id AND o.id = t.grant_id
LEFT JOIN LATERAL (
  SELECT g.role, g.custom_role_id, array_agg(g.unit_id) AS unit_ids FROM membership AS g
  WHERE g.organization_id = t.organization_id AND g.member_id = m.id GROUP BY g.role, g.custom_role_id) AS g ON true
LEFT JOIN custom_role AS r ON r.organization_id = t.organization_id AND r.id = g.custom_role_id
CROSS JOIN LATERAL (SELECT CASE
  WHEN t.member_id IS NULL THEN t.unit_ids
  WHEN t.unit_ids IS NULL THEN g.unit_ids
  ELSE ARRAY(
    SELECT c.descendant_id FROM unit_closure AS c
    WHERE c.organization_id = t.organization_id AND c.ancestor_id = ANY (g.unit_ids) AND c.descendant_id = ANY (t.unit_ids)
    UNION
    SELECT c.descendant_id FROM unit_closure AS c
    WHERE c.organization_id = t.organization_id AND c.descendant_id = ANY (g.unit_ids) AND c.ancestor_id = ANY (t.unit_ids))
  END AS roots) AS at
LEFT JOIN unit AS top ON top.organization_id = t.organization_id AND top.parent_id IS NULL AND top.id = ANY (at.roots)
WHERE t.organization_id = :organization AND t.token_hash = :token_hash AND t.revoked_at IS NULL
  AND (t.expires_at IS NULL OR t.expires_at > clock_timestamp())
  AND p.archived_at IS NULL AND o.revoked_at IS NULL AND (p.expires_at IS NULL OR p.expires_at > clock_timestamp())
  AND (t.parent_id IS NULL OR ctx.line_lives(t.organization_id, t.parent_id))
  AND (p.parent_id IS NULL OR ctx.line_lives(p.organization_id, p.parent_id))
  AND (t.idle_s IS NULL OR coalesce(t.last_used_at, t.created_at) > clock_timestamp() - make_interval(secs => t.idle_s))
""")


async def live_token(session: AsyncSession, organization_id: UUID, token_hash: bytes) -> LiveToken | None:
    """Return the token with this hash, its member and the member's grants, if it is neither revoked nor expired."""
    found = await session.execute(_LIVE_TOKEN, {"organization": organization_id, "token_hash": token_hash})
    rows = found.all()
    if not rows:
        return None
    one = rows[0]
    return LiveToken(
        id=one.id,
        kind=CredentialKind(one.kind),
        permissions=one.permissions if one.ceiling is None else [p for p in one.permissions if p in one.ceiling],
        actor=_actor(one),
        user_id=one.user_id,
        grants=[
            grant
            for row in rows
            if (held := _held(row)) or row.is_app
            for grant in (
                Grant(held, row.reached, row.above, row.granted_at or ()),
                *([Grant(held, None)] if row.is_everywhere else []),
            )
        ],
        is_use_noted=bool(one.is_use_noted),
        session_id=one.session_id,
        departed_ids=one.departed,
    )


def _actor(one: Row[*tuple[Any, ...]]) -> Actor | None:
    if one.is_app:
        return Actor(ActorKind.APP, one.app_id or one.id, one.app_name or one.name)
    return None if one.member_id is None else Actor(ActorKind.MEMBER, one.member_id, one.member_name)


def _held(row: Row[*tuple[Any, ...]]) -> frozenset[Permission]:
    if row.is_app:
        return known(row.permissions or ())
    if row.role is not None:
        return ROLE_PERMISSIONS[Role(row.role)]
    return known(row.custom or ())


def known(permissions: Iterable[str]) -> frozenset[Permission]:
    """Read stored permissions; one that a later release no longer knows gives nothing."""
    return frozenset(_BY_NAME[one] for one in permissions if one in _BY_NAME)


async def token(session: AsyncSession, organization_id: UUID, token_id: UUID) -> AccessTokenRow | None:
    """Return a token, live or not."""
    return await session.get(AccessTokenRow, (organization_id, token_id), populate_existing=True)


async def note_use(session: AsyncSession, organization_id: UUID, token_id: UUID) -> None:
    """Note that the token was used now, unless somebody did within the last minute or is doing it."""
    due = (
        select(AccessTokenRow.id)
        .where(
            AccessTokenRow.organization_id == organization_id,
            AccessTokenRow.id == token_id,
            or_(
                AccessTokenRow.last_used_at.is_(None),
                AccessTokenRow.last_used_at <= func.clock_timestamp() - timedelta(minutes=1),
            ),
        )
        .with_for_update(skip_locked=True)
    )
    await session.execute(
        update(AccessTokenRow)
        .where(AccessTokenRow.organization_id == organization_id, AccessTokenRow.id.in_(due))
        .values(last_used_at=func.clock_timestamp())
    )


async def list_tokens(
    session: AsyncSession, scope: Scope, keyset: Keyset, arguments: PageArguments
) -> Sequence[AccessTokenRow]:
    """Return up to `size + 1` tokens of the page that the scope sees."""
    statement = (
        select(AccessTokenRow)
        .where(*seen_by(scope), *keyset.beyond(arguments))
        .order_by(*keyset.order(arguments))
        .limit(arguments.size + 1)
    )
    return (await session.scalars(statement)).all()


async def tokens_by_id(session: AsyncSession, scope: Scope, ids: Sequence[UUID]) -> Sequence[AccessTokenRow]:
    """Return those of the tokens that the scope sees."""
    statement = select(AccessTokenRow).where(*seen_by(scope), AccessTokenRow.id.in_(ids))
    return (await session.scalars(statement)).all()


def seen_by(scope: Scope) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return the conditions of the tokens that the scope sees: its organization, and whose or on which units they are."""
    same = AccessTokenRow.organization_id == scope.organization_id
    if Permission.TOKEN_MANAGE in scope.everywhere:
        return same, true()
    managed = [unit for unit, held in scope.by_unit.items() if Permission.TOKEN_MANAGE in held]
    at_units = AccessTokenRow.unit_ids.contained_by(managed)
    mine = (AccessTokenRow.member_id, AccessTokenRow.owner_id, AccessTokenRow.id)
    return same, or_(*(column == scope.actor.id for column in mine), at_units)


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
