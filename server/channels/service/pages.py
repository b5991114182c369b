"""Pages: who may see them, what a call on their behalf needs, and how well they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from server.audit import service as audit
from server.audit.actions import Action
from server.channels.errors import PageDisconnected
from server.channels.models import ConnectedAccountRow, Health, PageRow
from server.channels.repository import grants
from server.channels.repository import pages as repository
from server.channels.rules import storable_text
from server.kit.db import identity_of
from server.kit.errors import NotFound
from server.kit.pagination import Keyset, Page, PageArguments, SortKey
from server.platforms.port import Channel, Login, PageCredentials
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork

# A restriction is the platform's verdict on one page; everything else is wrong with the grant, too.
_OF_THE_GRANT = frozenset({Health.EXPIRING, Health.RECONNECT_NEEDED, Health.MISSING_PERMISSION})


@dataclass(frozen=True, slots=True)
class PageRef:
    """What other slices need to know of a page."""

    id: UUID
    unit_id: UUID
    channel: Channel
    external_id: str
    name: str


async def page_ref(uow: UnitOfWork, page_id: UUID) -> PageRef:
    """Return a page of the scope, connected or not; raise NotFound."""
    row = await repository.page_names(uow.session, uow.scope.organization_id, page_id)
    if row is None:
        raise NotFound
    return PageRef(row.id, row.unit_id, row.channel, row.external_id, row.name)


async def pages_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Sequence[PageRow]:
    """Return those of the pages that the scope sees, in no particular order."""
    return await repository.pages_by_id(uow.session, uow.scope.organization_id, ids)


async def list_pages(uow: UnitOfWork, arguments: PageArguments, unit_id: UUID | None = None) -> Page[PageRow]:
    """List pages by name, disconnected ones included: all, or those of a unit and everything under it.

    Needs channel:read; pages of units where the scope lacks it are left out.
    """
    if unit_id is None:
        uow.scope.require_anywhere(Permission.CHANNEL_READ)
    else:
        uow.scope.require(Permission.CHANNEL_READ, unit_id)
    keyset = Keyset((SortKey(PageRow.name, str), SortKey(PageRow.id, UUID)), ["pages", unit_id])
    rows = await repository.list_pages(
        uow.session,
        uow.scope.organization_id,
        keyset,
        arguments,
        unit_id=unit_id,
        unit_ids=uow.scope.units_with(Permission.CHANNEL_READ),
    )
    return keyset.page(rows, arguments, lambda row: (row.name, row.id))


async def credentials(uow: UnitOfWork, page_id: UUID) -> PageCredentials:
    """Open the sealed tokens of a page and its account for one call; raise NotFound or PageDisconnected.

    For workers: a scope that does not reach the account gets the page's token alone. Never log the result.
    """
    row = await _page(uow, page_id)
    if row.disconnected_at is not None:
        raise PageDisconnected
    organization_id = uow.scope.organization_id
    account = await repository.account(uow.session, organization_id, row.account_id)
    own = uow.keys.open(row.token_sealed, page_token_identity(organization_id, row.id))
    of_account = None
    if account is not None:
        of_account = uow.keys.open(account.token_sealed, account_token_identity(organization_id, account.id))
    return PageCredentials(
        channel=row.channel,
        page_external_id=row.external_id,
        page_token=own or of_account or "",
        account_token=of_account,
        ad_account_id=row.ad_account_id,
        login=Login.DIRECT if account is None else account.login,
        parent_external_id=row.parent_external_id,
        account_external_id=None if account is None else account.external_id,
    )


def page_token_identity(organization_id: UUID, page_id: UUID) -> str:
    """Return what a page's token is sealed to."""
    return identity_of(PageRow, "token_sealed", organization_id=organization_id, id=page_id)


def account_token_identity(organization_id: UUID, account_id: UUID) -> str:
    """Return what an account's token is sealed to."""
    return identity_of(ConnectedAccountRow, "token_sealed", organization_id=organization_id, id=account_id)


def refresh_identity(organization_id: UUID, account_id: UUID) -> str:
    """Return what an account's refresh token is sealed to."""
    return identity_of(ConnectedAccountRow, "refresh_token_sealed", organization_id=organization_id, id=account_id)


async def mark_unhealthy(uow: UnitOfWork, page_id: UUID, health: Health, reason: str) -> None:
    """Stop sends of a page until a person heals it; what is queued stays queued. Repeating it changes nothing.

    The account goes with its page, and shows on its other pages, except for a restriction, which is about the page alone.
    """
    row = await _page(uow, page_id)
    organization_id, told = uow.scope.organization_id, storable_text(reason, 500)
    changed = await repository.mark_page(uow.session, organization_id, page_id, health, told)
    if health in _OF_THE_GRANT:
        has_changed, _ = await grants.mark(uow.session, organization_id, row.account_id, health, told)
        changed |= has_changed
    if changed:
        uow.announce("channels")
        details = {"page": str(page_id), "health": health.value, "reason": told}
        await audit.record(uow, Action.ACCOUNT_UNHEALTHY, row.account_id, details)


async def lift_restriction(uow: UnitOfWork, page_id: UUID) -> None:
    """Let a restricted page send again; a page that ails from something else keeps it."""
    row = await _page(uow, page_id)
    if row.health is Health.RESTRICTED:
        await repository.mark_page(uow.session, uow.scope.organization_id, page_id, Health.HEALTHY, None)
        uow.announce("channels")


async def pause_page(uow: UnitOfWork, page_id: UUID, until: datetime) -> None:
    """Claim no send of the page before `until`; never shortens a pause that is longer already."""
    await repository.pause(uow.session, uow.scope.organization_id, page_id, until)
    uow.announce("channels")


async def mark_subscribed(uow: UnitOfWork, page_id: UUID) -> None:
    """Note that the platform now sends us the page's webhooks."""
    await repository.mark_subscribed(uow.session, uow.scope.organization_id, page_id)
    uow.announce("channels")


async def _page(uow: UnitOfWork, page_id: UUID) -> PageRow:
    row = await repository.page(uow.session, uow.scope.organization_id, page_id)
    if row is None:
        raise NotFound
    return row
