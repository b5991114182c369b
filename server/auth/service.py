"""Tokens: issuing, revoking, and turning one into the scope of a request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

from server.audit import service as audit
from server.audit.actions import Action
from server.auth import repository, tokens
from server.auth.models import AccessTokenRow, TokenKind
from server.auth.repository import LiveToken
from server.config import SecuritySettings
from server.kit.crypto import keyed_hash
from server.kit.db import Database
from server.kit.errors import NotFound
from server.kit.ids import new_id
from server.kit.pagination import Keyset, Page, PageArguments, SortKey
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
        token = await repository.live_token(uow.session, bearer.organization_id, digest)
        return await _scope_of(uow, token) if token is not None else None


async def _scope_of(uow: UnitOfWork, token: LiveToken) -> Scope | None:
    limit = None if token.permissions is None else frozenset(Permission(one) for one in token.permissions)
    if token.kind is TokenKind.SERVICE:
        if token.unit_id is None or limit is None:
            return None
        reached = None if token.is_on_root else token.below
        return await tenants.scope_of_app(uow, Actor(ActorKind.APP, token.id, token.name), reached, limit)
    if token.member is None:
        return None
    within = None if token.unit_id is None else token.below
    return await tenants.scope_of_member(uow, token.member, token.grants, within=within, limit=limit)


async def issue_personal_token(
    uow: UnitOfWork,
    settings: SecuritySettings,
    *,
    member_id: UUID,
    name: str,
    permissions: Iterable[Permission] | None = None,
    expires_in: timedelta | None = None,
) -> tuple[AccessTokenRow, str]:
    """Make a token that acts as a member; return the row and the secret, which is not stored and shown only now.

    A token that was cut makes no wider one: `permissions` None means all that the maker's own token may do.
    """
    if await repository.active_member(uow.session, uow.scope.organization_id, member_id) is None:
        raise NotFound(path=("memberId",))
    if uow.scope.limit is not None:
        permissions = uow.scope.limit if permissions is None else uow.scope.limit.intersection(permissions)
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
    await tenants.unit(uow, unit_id)  # a scope that reaches every unit also reaches ids that are none
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


async def list_tokens(uow: UnitOfWork, arguments: PageArguments) -> Page[AccessTokenRow]:
    """List the caller's own tokens, newest first; with token:manage also those of its units, or all on the whole tree."""
    keyset = Keyset((SortKey(AccessTokenRow.id, UUID, descending=True),), ["tokens"])
    rows = await repository.list_tokens(uow.session, uow.scope, keyset, arguments)
    return keyset.page(rows, arguments, lambda row: (row.id,))


async def tokens_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Sequence[AccessTokenRow]:
    """Return those of the tokens that `list_tokens` would list, in no order."""
    return await repository.tokens_by_id(uow.session, uow.scope, ids)


async def revoke_token(uow: UnitOfWork, token_id: UUID) -> None:
    """Revoke a token at once. People revoke their own; others need token:manage, and see nothing of it without."""
    if not await repository.tokens_by_id(uow.session, uow.scope, [token_id]):
        raise NotFound(path=("tokenId",))
    await repository.revoke(uow.session, uow.scope.organization_id, token_id)
    await audit.record(uow, Action.TOKEN_REVOKE, token_id)
