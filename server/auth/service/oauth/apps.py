"""Apps of third parties: registering them, changing them, and ending them and what people granted them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from server.audit import service as audit
from server.audit.actions import Action
from server.auth import oauth_rules as rules
from server.auth.errors import AppArchived, AppKeepsNoSecret, AppMayNot
from server.auth.oauth_models import OAuthAppRow, OAuthGrantRow
from server.auth.oauth_rules import AppGrantType, AppKind, Secret
from server.auth.repository import apps as repository
from server.auth.repository import oauth as protocol
from server.auth.service.family import answered_parent, under_app
from server.config import SecuritySettings
from server.kit.crypto import keyed_hash
from server.kit.errors import DomainError, InvalidInput, NotFound, Problems
from server.kit.ids import new_id
from server.kit.pagination import Keyset, Page, PageArguments, SortKey
from server.tenants import service as tenants
from server.tenants.rules import Permission, UnitFilter, UnitKind
from server.tenants.scope import CredentialKind
from server.tenants.uow import UnitOfWork


@dataclass(frozen=True, slots=True)
class NewApp:
    """What an app is to be. Its units never change, unless one leaves; `unit_ids` None makes it the whole organization's."""

    name: str
    kind: AppKind
    permissions: frozenset[Permission]
    redirect_uris: Sequence[str]
    grant_types: frozenset[AppGrantType]
    unit_ids: frozenset[UUID] | None


@dataclass(frozen=True, slots=True)
class AppChange:
    """What changes about an app; None leaves a part as it is."""

    name: str | None = None
    permissions: frozenset[Permission] | None = None
    redirect_uris: Sequence[str] | None = None
    grant_types: frozenset[AppGrantType] | None = None


async def register_app(uow: UnitOfWork, security: SecuritySettings, wanted: NewApp) -> tuple[OAuthAppRow, str | None]:
    """Register an app; return it with its secret, shown only now, or None for a PUBLIC app.

    Needs app:manage and each of the app's permissions on each of its units: nobody makes an app that may do more than
    themselves. Raises Problems with everything that is wrong with the description.
    """
    _refuse_apps(uow)
    unit_ids = await _units(uow, wanted.unit_ids)
    _require_all(uow, [Permission.APP_MANAGE], unit_ids)
    _check(wanted.name, wanted.kind, wanted.grant_types, wanted.permissions, wanted.redirect_uris)
    _require_all(uow, wanted.permissions, unit_ids)
    parent = await answered_parent(uow, wanted.permissions | {Permission.APP_MANAGE}, unit_ids)
    secret = rules.make_secret(Secret.CLIENT, uow.scope.organization_id)
    row = OAuthAppRow(
        organization_id=uow.scope.organization_id,
        id=new_id(),
        name=wanted.name,
        kind=wanted.kind,
        member_id=parent.maker_id,
        owner_id=parent.maker_id,
        parent_id=parent.token_id,
        expires_at=parent.expires_at,
        unit_ids=unit_ids,
        permissions=_names(wanted.permissions),
        redirect_uris=list(wanted.redirect_uris),
        grant_types=_names(wanted.grant_types),
        secret_hash=_digest(security, secret) if wanted.kind is AppKind.CONFIDENTIAL else None,
    )
    uow.session.add(row)
    await uow.session.flush()
    await audit.record(uow, Action.APP_REGISTER, row.id, _told(row))
    return row, secret if wanted.kind is AppKind.CONFIDENTIAL else None


async def update_app(uow: UnitOfWork, app_id: UUID, change: AppChange) -> OAuthAppRow:
    """Change an app. What it may no longer do, its tokens may not either, from the next request on.

    Needs app:manage on its units, and each permission that is added, or that it would newly use by itself.
    """
    row = await _managed(uow, app_id)
    before = rules.known(row.permissions)
    name, permissions = change.name or row.name, before if change.permissions is None else change.permissions
    had = frozenset(AppGrantType(one) for one in row.grant_types)
    grant_types = had if change.grant_types is None else change.grant_types
    uris = row.redirect_uris if change.redirect_uris is None else change.redirect_uris
    _check(name, row.kind, grant_types, permissions, uris)
    becomes_itself = AppGrantType.CLIENT_CREDENTIALS in grant_types - had
    _require_all(uow, permissions if becomes_itself else permissions - before, row.unit_ids)
    row.name, row.permissions = name, _names(permissions)
    row.redirect_uris, row.grant_types = list(uris), _names(grant_types)
    await audit.record(uow, Action.APP_EDIT, row.id, _told(row))
    return row


async def rotate_secret(
    uow: UnitOfWork, security: SecuritySettings, app_id: UUID, *, ends_former: bool = False
) -> tuple[OAuthAppRow, str]:
    """Give an app a new secret, shown only now; the one before works for another day, unless it shall end at once.

    Needs app:manage on its units, and all its permissions there if it may act as itself: who holds the secret is the app.
    """
    row = await _managed(uow, app_id)
    if row.kind is AppKind.PUBLIC:
        raise AppKeepsNoSecret
    if AppGrantType.CLIENT_CREDENTIALS in row.grant_types:
        _require_all(uow, rules.known(row.permissions), row.unit_ids)
    secret = rules.make_secret(Secret.CLIENT, uow.scope.organization_id)
    row.former_secret_hash = None if ends_former else row.secret_hash
    row.former_secret_until = None if ends_former else await uow.now() + rules.SECRET_OVERLAP
    row.secret_hash = _digest(security, secret)
    await audit.record(uow, Action.APP_SECRET_ROTATE, row.id, {"name": row.name})
    return row, secret


async def archive_app(uow: UnitOfWork, app_id: UUID) -> Sequence[UUID]:
    """End an app for good: none of its tokens is taken from the next request on. Needs app:manage on its units.

    Return the grants and tokens that ended with it: they are the app's own, and nobody else could go on with them.
    """
    row = await _managed(uow, app_id)
    hanging = await under_app(uow, app_id)
    row.archived_at = await uow.now()
    tenants.announce_access(uow)
    await audit.record(uow, Action.APP_ARCHIVE, row.id, {"name": row.name, "ended": len(hanging)})
    return [one.id for one in hanging]


async def list_apps(uow: UnitOfWork, arguments: PageArguments) -> Page[OAuthAppRow]:
    """List the apps that the caller manages, newest first. Needs app:manage."""
    uow.scope.require_anywhere(Permission.APP_MANAGE)
    keyset = Keyset((SortKey(OAuthAppRow.id, UUID, descending=True),), ["apps"])
    rows = await repository.list_apps(uow.session, uow.scope, keyset, arguments)
    return keyset.page(rows, arguments, lambda row: (row.id,))


async def apps_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Sequence[OAuthAppRow]:
    """Return those of the apps that `list_apps` would list, in no order."""
    return await repository.apps_by_id(uow.session, uow.scope, ids)


async def list_app_grants(uow: UnitOfWork, arguments: PageArguments) -> Page[OAuthGrantRow]:
    """List what the caller granted to apps, newest first; with app:manage on the whole tree what anybody did."""
    keyset = Keyset((SortKey(OAuthGrantRow.id, UUID, descending=True),), ["app grants"])
    rows = await repository.list_grants(uow.session, uow.scope, keyset, arguments)
    return keyset.page(rows, arguments, lambda row: (row.id,))


async def app_grants_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Sequence[OAuthGrantRow]:
    """Return those of the grants that `list_app_grants` would list, in no order."""
    return await repository.grants_by_id(uow.session, uow.scope, ids)


async def revoke_app_grant(uow: UnitOfWork, grant_id: UUID) -> None:
    """End a grant and every token that follows from it, at once. People end their own; others need app:manage."""
    found = await repository.grants_by_id(uow.session, uow.scope, [grant_id])
    if not found:
        raise NotFound(path=("grantId",))
    if await protocol.revoke_grant(uow.session, uow.scope.organization_id, grant_id):
        await audit.record(uow, Action.APP_GRANT_REVOKE, grant_id, {"app": found[0].app_name})
        tenants.announce_access(uow)


async def forget_used(uow: UnitOfWork) -> None:
    """Delete codes, devices and tokens of apps that expired long ago."""
    now, organization_id = await uow.now(), uow.scope.organization_id
    await protocol.forget(uow.session, organization_id, now - rules.KEPT_FOR)
    await protocol.forget_access_tokens(uow.session, organization_id, now - rules.ACCESS_KEPT_FOR)


async def _units(uow: UnitOfWork, named: frozenset[UUID] | None) -> list[UUID]:
    if named is None:
        page = await tenants.list_units(uow, PageArguments(), UnitFilter(kind=UnitKind.HEADQUARTERS))
        return [one.id for one in page.items]
    if not 0 < len(named) <= rules.MAX_UNITS:
        raise InvalidInput(f"Name 1 to {rules.MAX_UNITS} units.", path=("unitIds",))
    if named - (await tenants.units_by_id(uow, list(named))).keys():
        raise NotFound(path=("unitIds",))
    return sorted(named)


async def _managed(uow: UnitOfWork, app_id: UUID) -> OAuthAppRow:
    _refuse_apps(uow)
    row = await repository.lock_app(uow.session, uow.scope, app_id)
    if row is None:
        raise NotFound(path=("appId",))
    if row.archived_at is not None:
        raise AppArchived
    return row


def _refuse_apps(uow: UnitOfWork) -> None:
    credential = uow.scope.credential
    if credential is not None and credential.kind is CredentialKind.OAUTH:
        raise AppMayNot


def _check(
    name: str,
    kind: AppKind,
    grant_types: Collection[AppGrantType],
    permissions: Collection[Permission],
    uris: Sequence[str],
) -> None:
    problems: list[DomainError] = [
        *rules.app_problems(name, kind, grant_types, permissions),
        *rules.redirect_problems(kind, uris),
    ]
    if AppGrantType.AUTHORIZATION_CODE in grant_types and not uris:
        problems.append(InvalidInput("AUTHORIZATION_CODE needs a redirect URI.", path=("redirectUris",)))
    if problems:
        raise Problems(problems)


def _require_all(uow: UnitOfWork, permissions: Iterable[Permission], unit_ids: Iterable[UUID]) -> None:
    wanted = sorted(permissions)
    for unit_id in unit_ids:
        for permission in wanted:
            uow.scope.require(permission, unit_id)


def _names(values: Iterable[Permission | AppGrantType]) -> list[str]:
    return sorted(one.value for one in values)


def _told(row: OAuthAppRow) -> dict[str, object]:
    return {
        "name": row.name,
        "kind": row.kind.value,
        "permissions": row.permissions,
        "redirectUris": row.redirect_uris,
        "grantTypes": row.grant_types,
    }


def _digest(security: SecuritySettings, secret: str) -> bytes:
    return keyed_hash(security.pepper.get_secret_value(), secret)
