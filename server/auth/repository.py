"""SQL of tokens. The scope of a request is resolved in one statement, over the tables of `tenants` too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, bindparam, func, or_, select, text, true, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.auth.models import AccessTokenRow, TokenKind
from server.kit.pagination import Keyset, PageArguments
from server.tenants.models import MemberRow
from server.tenants.rules import Permission, Role
from server.tenants.scope import Actor, ActorKind, Scope
from server.tenants.service import Grant


@dataclass(frozen=True, slots=True)
class LiveToken:
    """A token that is valid at this moment, with everything that its scope is made of.

    `member` is None for an app and for a member who is deactivated. `below` are the token's own unit and everything under
    it, empty for a token without one and for an app on the root, which `is_on_root` tells.
    """

    id: UUID
    kind: TokenKind
    name: str
    unit_id: UUID | None
    permissions: Sequence[str] | None
    is_on_root: bool
    below: Sequence[UUID]
    member: Actor | None
    grants: Sequence[Grant]


# Every request begins with this statement, so it is one, of text: nothing is built or compiled, and no entity is made.
# One row per grant; units come as arrays, because one grant may reach ten thousand. A grant on the root is not expanded.
_LIVE_TOKEN = text("""
SELECT t.id, t.kind, t.name, t.unit_id, t.permissions,
  own.id IS NOT NULL AND own.parent_id IS NULL AS is_on_root,
  CASE WHEN t.kind <> 'SERVICE' OR own.parent_id IS NOT NULL THEN ARRAY(
    SELECT c.descendant_id FROM unit_closure AS c
    WHERE c.organization_id = t.organization_id AND c.ancestor_id = t.unit_id) END AS below,
  m.id AS member_id, m.name AS member_name, g.role,
  CASE WHEN stands.parent_id IS NOT NULL THEN ARRAY(
    SELECT c.descendant_id FROM unit_closure AS c
    WHERE c.organization_id = t.organization_id AND c.ancestor_id = g.unit_id) END AS reached
FROM access_token AS t
LEFT JOIN unit AS own ON own.organization_id = t.organization_id AND own.id = t.unit_id
LEFT JOIN member AS m
  ON m.organization_id = t.organization_id AND m.id = t.member_id AND m.deactivated_at IS NULL AND t.kind <> 'SERVICE'
LEFT JOIN (membership AS g
  JOIN unit AS stands ON stands.organization_id = g.organization_id AND stands.id = g.unit_id)
  ON g.organization_id = t.organization_id AND g.member_id = m.id
WHERE t.organization_id = :organization AND t.token_hash = :token_hash AND t.revoked_at IS NULL
  AND (t.expires_at IS NULL OR t.expires_at > clock_timestamp())
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
        kind=TokenKind(one.kind),
        name=one.name,
        unit_id=one.unit_id,
        permissions=one.permissions,
        is_on_root=one.is_on_root,
        below=one.below or (),
        member=None if one.member_id is None else Actor(ActorKind.MEMBER, one.member_id, one.member_name),
        grants=[Grant(Role(row.role), row.reached) for row in rows if row.role is not None],
    )


async def list_tokens(
    session: AsyncSession, scope: Scope, keyset: Keyset, arguments: PageArguments
) -> Sequence[AccessTokenRow]:
    """Return up to `size + 1` tokens of the page that the scope sees."""
    statement = (
        select(AccessTokenRow)
        .where(*_seen_by(scope), *keyset.beyond(arguments))
        .order_by(*keyset.order(arguments))
        .limit(arguments.size + 1)
    )
    return (await session.scalars(statement)).all()


async def tokens_by_id(session: AsyncSession, scope: Scope, ids: Sequence[UUID]) -> Sequence[AccessTokenRow]:
    """Return those of the tokens that the scope sees."""
    statement = select(AccessTokenRow).where(*_seen_by(scope), AccessTokenRow.id.in_(ids))
    return (await session.scalars(statement)).all()


def _seen_by(scope: Scope) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    same = AccessTokenRow.organization_id == scope.organization_id
    if Permission.TOKEN_MANAGE in scope.everywhere:
        return same, true()
    managed = [unit for unit, held in scope.by_unit.items() if Permission.TOKEN_MANAGE in held]
    at_units = AccessTokenRow.unit_id == any_(bindparam(None, managed, type_=ARRAY(Uuid())))
    return same, or_(AccessTokenRow.member_id == scope.actor.id, AccessTokenRow.id == scope.actor.id, at_units)


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
