"""Tokens: issuing, revoking, and turning one into the scope of a request."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from server.audit import service as audit
from server.audit.actions import Action
from server.auth import tokens
from server.auth.errors import AppMayNot
from server.auth.models import AccessTokenRow
from server.auth.repository import sessions
from server.auth.repository import tokens as repository
from server.auth.service.apart import check_app
from server.auth.service.family import UNDECIDED, Choice, answered_parent, settle, under
from server.auth.service.lineage import Parent, parent_of
from server.config import SecuritySettings
from server.kit.crypto import keyed_hash
from server.kit.db import Database
from server.kit.errors import InvalidInput, NotFound
from server.kit.ids import new_id
from server.kit.pagination import Keyset, Page, PageArguments, SortKey
from server.tenants import service as tenants
from server.tenants.rules import Permission
from server.tenants.scope import Credential, CredentialKind, Scope, worker_scope
from server.tenants.uow import UnitOfWork, begin, begin_read, system_scope

MAX_UNITS = 100


async def authenticate(database: Database, settings: SecuritySettings, text: str) -> Scope | None:
    """Return the scope that a bearer token gives at this moment; None for an unknown, expired or revoked one.

    Roles are read anew for each request, so a revocation takes effect with the next one. Notes the use of the token, at
    most once a minute.
    """
    bearer = tokens.read(text)
    if bearer is None:
        return None
    digest = keyed_hash(settings.pepper.get_secret_value(), bearer.text)
    # The wall is set to the organization that the token names; a token of another one has no row inside it.
    inside = worker_scope(bearer.organization_id)
    async with begin_read(database, inside) as uow:
        token = await repository.live_token(uow.session, bearer.organization_id, digest)
    if token is None or token.actor is None:
        return None
    if not token.is_use_noted:
        async with begin(database, inside) as uow:
            await repository.note_use(uow.session, bearer.organization_id, token.id)
        if token.session_id is not None:
            async with system_scope(database) as session:
                await sessions.note_seen(session, token.session_id)
    return tenants.scope_of(
        token.actor,
        bearer.organization_id,
        token.grants,
        limit=None if token.permissions is None else repository.known(token.permissions),
        credential=Credential(token.kind, token.id, token.user_id),
        departed_ids=token.departed_ids,
    )


@dataclass(frozen=True, slots=True)
class NewToken:
    """What a token is to be. `member_id` None makes an app's token, which needs units and permissions of its own."""

    kind: CredentialKind
    name: str
    member_id: UUID | None = None
    unit_ids: Collection[UUID] | None = None
    permissions: Iterable[Permission] | None = None
    expires_in: timedelta | None = None
    app_id: UUID | None = None
    """The registered app that an OAUTH token is handed to."""
    grant_id: UUID | None = None
    """The consent that it follows from."""
    session_id: UUID | None = None
    """The sign-in that a SESSION token ends with."""
    idle: timedelta | None = None
    """After how long without use the token stops."""
    parent: Parent = field(default_factory=Parent)
    """Through what it is made, and who makes it; it ends no later."""


async def issue_personal_token(
    uow: UnitOfWork,
    settings: SecuritySettings,
    *,
    member_id: UUID,
    name: str,
    unit_ids: Collection[UUID] | None = None,
    permissions: Iterable[Permission] | None = None,
    expires_in: timedelta | None = None,
) -> tuple[AccessTokenRow, str]:
    """Make a token that acts as a member; return the row and the secret, which is not stored and shown only now.

    A token that was cut makes no wider one: `permissions` or `unit_ids` None means all that the maker's own token may do.
    """
    _refuse_apps(uow)
    if await repository.active_member(uow.session, uow.scope.organization_id, member_id) is None:
        raise NotFound(path=("memberId",))
    if uow.scope.limit is not None:
        permissions = uow.scope.limit if permissions is None else uow.scope.limit.intersection(permissions)
    parent = await parent_of(uow)
    if unit_ids is None:
        unit_ids = parent.unit_ids
    else:
        await _check_units(uow, unit_ids)
    wanted = NewToken(CredentialKind.PERSONAL, name, member_id, unit_ids, permissions, expires_in, parent=parent)
    return await issue(uow, settings, wanted)


async def issue_service_token(
    uow: UnitOfWork,
    settings: SecuritySettings,
    *,
    name: str,
    unit_ids: Collection[UUID],
    permissions: Iterable[Permission],
    expires_in: timedelta | None = None,
) -> tuple[AccessTokenRow, str]:
    """Make a token for an app on some units; nobody can give an app more than they hold on each of them themselves.

    Its maker answers for it, and is active and holds that much at the moment of its making: see `answered_parent`.
    """
    _refuse_apps(uow)
    wanted = frozenset(permissions)
    for unit_id in sorted(unit_ids):
        uow.scope.require(Permission.TOKEN_MANAGE, unit_id)
        for permission in sorted(wanted):
            uow.scope.require(permission, unit_id)
    await _check_units(uow, unit_ids)
    parent = await answered_parent(uow, wanted | {Permission.TOKEN_MANAGE}, unit_ids)
    described = NewToken(CredentialKind.SERVICE, name, None, unit_ids, wanted, expires_in, parent=parent)
    return await issue(uow, settings, described)


async def _check_units(uow: UnitOfWork, unit_ids: Collection[UUID]) -> None:
    if not 0 < len(unit_ids) <= MAX_UNITS:
        raise InvalidInput(f"A token is limited to 1 to {MAX_UNITS} units.", path=("unitIds",))
    found = await tenants.units_by_id(uow, list(unit_ids))
    # Units above the scope are seen, but not reached; a scope that reaches every unit also reaches ids that are none.
    if any(one not in found or not uow.scope.reaches(one) for one in unit_ids):
        raise NotFound(path=("unitIds",))


def _refuse_apps(uow: UnitOfWork) -> None:
    credential = uow.scope.credential
    if credential is not None and credential.kind is CredentialKind.OAUTH:
        raise AppMayNot


async def issue(uow: UnitOfWork, settings: SecuritySettings, wanted: NewToken) -> tuple[AccessTokenRow, str]:
    """Make a token as it is described and record it; who may have it was decided by the caller."""
    row, secret = await mint(uow, settings, wanted)
    await audit.record(uow, Action.TOKEN_ISSUE, row.id, {"name": wanted.name, "kind": wanted.kind.value})
    return row, secret


async def mint(uow: UnitOfWork, settings: SecuritySettings, wanted: NewToken) -> tuple[AccessTokenRow, str]:
    """Make a token that follows from an act that is in the trail already, as an app's hourly one does from a consent.

    Raises Separated for an app's token that reaches two units which are kept apart.
    """
    secret = tokens.make(wanted.kind, uow.scope.organization_id)
    parent, until = wanted.parent, None if wanted.expires_in is None else await uow.now() + wanted.expires_in
    row = AccessTokenRow(
        organization_id=uow.scope.organization_id,
        id=new_id(),
        kind=wanted.kind,
        name=wanted.name,
        token_hash=keyed_hash(settings.pepper.get_secret_value(), secret),
        member_id=wanted.member_id,
        unit_ids=None if wanted.unit_ids is None else sorted(wanted.unit_ids),
        permissions=None if wanted.permissions is None else sorted(one.value for one in wanted.permissions),
        expires_at=parent.cut(until),
        app_id=wanted.app_id,
        grant_id=wanted.grant_id,
        session_id=wanted.session_id,
        idle_s=None if wanted.idle is None else max(1, round(wanted.idle.total_seconds())),
        maker_id=parent.maker_id,
        owner_id=parent.maker_id if wanted.kind is CredentialKind.SERVICE else None,
        parent_id=parent.token_id,
    )
    uow.session.add(row)
    await uow.session.flush()
    if row.member_id is None:
        await check_app(uow, row.id, path=("unitId",))
    return row, secret


async def list_tokens(uow: UnitOfWork, arguments: PageArguments) -> Page[AccessTokenRow]:
    """List the caller's own tokens, newest first; with token:manage also those of its units, or all on the whole tree."""
    keyset = Keyset((SortKey(AccessTokenRow.id, UUID, descending=True),), ["tokens"])
    rows = await repository.list_tokens(uow.session, uow.scope, keyset, arguments)
    return keyset.page(rows, arguments, lambda row: (row.id,))


async def tokens_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Sequence[AccessTokenRow]:
    """Return those of the tokens that `list_tokens` would list, in no order."""
    return await repository.tokens_by_id(uow.session, uow.scope, ids)


async def revoke_token(uow: UnitOfWork, token_id: UUID, choice: Choice = UNDECIDED) -> Sequence[UUID]:
    """Revoke a token at once; return what hung on it. People revoke their own and what they answer for; others need
    token:manage, and see nothing of it without.

    Raises CredentialHasDependents when tokens or apps were made through it and nobody chose what becomes of them.
    """
    if not await repository.tokens_by_id(uow.session, uow.scope, [token_id]):
        raise NotFound(path=("tokenId",))
    hanging = await under(uow, [token_id])
    await settle(uow, hanging, choice, may_end=True)
    await repository.revoke(uow.session, uow.scope.organization_id, token_id)
    tenants.announce_access(uow)
    await audit.record(uow, Action.TOKEN_REVOKE, token_id)
    return [one.id for one in hanging]
