"""Tokens: issuing, revoking, and turning one into the scope of a request."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from server.audit import service as audit
from server.audit.actions import Action
from server.auth import repository, tokens
from server.auth.models import AccessTokenRow, TokenKind
from server.config import SecuritySettings
from server.kit.crypto import keyed_hash
from server.kit.db import Database
from server.kit.errors import NotFound
from server.kit.ids import new_id
from server.tenants import service as tenants
from server.tenants.rules import Permission
from server.tenants.scope import Actor, ActorKind, Scope, worker_scope
from server.tenants.uow import UnitOfWork, begin_read


async def authenticate(database: Database, settings: SecuritySettings, text: str) -> Scope | None:
    """Return the scope that a bearer token gives at this moment; None for an unknown, expired or revoked one.

    Roles are read anew for each request, so a revocation takes effect with the next one.
    """
    bearer = tokens.read(text)
    if bearer is None:
        return None
    digest = keyed_hash(settings.pepper.get_secret_value(), bearer.text)
    # The wall is set to the organization that the token names; a token of another one has no row inside it.
    async with begin_read(database, worker_scope(bearer.organization_id)) as uow:
        row = await repository.live_token(uow.session, bearer.organization_id, digest)
        return await _scope_of(uow, row) if row is not None else None


async def _scope_of(uow: UnitOfWork, row: AccessTokenRow) -> Scope | None:
    limit = None if row.permissions is None else frozenset(Permission(one) for one in row.permissions)
    if row.kind is TokenKind.SERVICE:
        if row.unit_id is None or limit is None:
            return None
        return await tenants.scope_of_app(uow, Actor(ActorKind.APP, row.id, row.name), row.unit_id, limit)
    if row.member_id is None:
        return None
    member = await repository.active_member(uow.session, uow.scope.organization_id, row.member_id)
    if member is None:
        return None
    return await tenants.scope_of_member(uow, member, unit_id=row.unit_id, limit=limit)


async def issue_personal_token(
    uow: UnitOfWork,
    settings: SecuritySettings,
    *,
    member_id: UUID,
    name: str,
    permissions: Iterable[Permission] | None = None,
    expires_in: timedelta | None = None,
) -> tuple[AccessTokenRow, str]:
    """Make a token that acts as a member; return the row and the secret, which is not stored and shown only now."""
    if await repository.active_member(uow.session, uow.scope.organization_id, member_id) is None:
        raise NotFound(path=("memberId",))
    return await _issue(uow, settings, TokenKind.PERSONAL, name, member_id, None, permissions, expires_in)


async def issue_service_token(
    uow: UnitOfWork,
    settings: SecuritySettings,
    *,
    name: str,
    unit_id: UUID,
    permissions: Iterable[Permission],
    expires_in: timedelta | None = None,
) -> tuple[AccessTokenRow, str]:
    """Make a token for an app on one unit; nobody can give an app more than they hold there themselves."""
    uow.scope.require(Permission.TOKEN_MANAGE, unit_id)
    wanted = frozenset(permissions)
    for permission in sorted(wanted):
        uow.scope.require(permission, unit_id)
    return await _issue(uow, settings, TokenKind.SERVICE, name, None, unit_id, wanted, expires_in)


async def _issue(
    uow: UnitOfWork,
    settings: SecuritySettings,
    kind: TokenKind,
    name: str,
    member_id: UUID | None,
    unit_id: UUID | None,
    permissions: Iterable[Permission] | None,
    expires_in: timedelta | None,
) -> tuple[AccessTokenRow, str]:
    secret = tokens.make(kind, uow.scope.organization_id)
    row = AccessTokenRow(
        organization_id=uow.scope.organization_id,
        id=new_id(),
        kind=kind,
        name=name,
        token_hash=keyed_hash(settings.pepper.get_secret_value(), secret),
        member_id=member_id,
        unit_id=unit_id,
        permissions=None if permissions is None else sorted(one.value for one in permissions),
        expires_at=None if expires_in is None else await uow.now() + expires_in,
    )
    uow.session.add(row)
    await uow.session.flush()
    await audit.record(uow, Action.TOKEN_ISSUE, row.id, {"name": name, "kind": kind.value})
    return row, secret


async def revoke_token(uow: UnitOfWork, token_id: UUID) -> None:
    """Revoke a token at once. People revoke their own; others need token:manage."""
    row = await repository.token(uow.session, uow.scope.organization_id, token_id)
    if row is None:
        raise NotFound
    if row.member_id != uow.scope.actor.id:
        uow.scope.require(Permission.TOKEN_MANAGE, row.unit_id)
    await repository.revoke(uow.session, uow.scope.organization_id, token_id)
    await audit.record(uow, Action.TOKEN_REVOKE, token_id)
