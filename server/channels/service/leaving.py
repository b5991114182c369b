"""Pages and grants that leave with their unit: frozen at once, taken back at the platform, then wiped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from server.channels.models import ConnectedAccountRow, Health, PageRow
from server.channels.repository import leaving as repository
from server.channels.repository import pages
from server.channels.service.pages import account_token_identity, page_token_identity, refresh_identity
from server.kit.crypto import SealBroken
from server.kit.db import Database
from server.platforms.port import AccountCredentials, Channel, PageCredentials
from server.tenants.uow import UnitOfWork, system_scope


@dataclass(frozen=True, slots=True)
class DepartingPage:
    """A page on its way out. `credentials` is None when its token was destroyed before: nothing can be taken back."""

    id: UUID
    channel: Channel
    external_id: str
    credentials: PageCredentials | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class DepartingAccount:
    """A grant on its way out. `serves_others` means that a connected page of another unit hangs on it."""

    id: UUID
    channel: Channel
    external_id: str
    serves_others: bool
    credentials: AccountCredentials | None = field(repr=False)


async def freeze_pages(uow: UnitOfWork, unit_ids: Sequence[UUID]) -> list[UUID]:
    """Disconnect all pages of these units, so that nothing is claimed for them, and end their open dialogues.

    Tokens and routes stay for `wipe_page`: the platform is told first. Returns the pages. Repeatable.
    """
    organization_id = uow.scope.organization_id
    await repository.refuse_connections(uow.session, organization_id, unit_ids)
    found = await repository.freeze_pages(uow.session, organization_id, unit_ids, await uow.now())
    uow.announce("channels")
    return list(found)


async def departing_pages(uow: UnitOfWork, unit_ids: Sequence[UUID]) -> list[DepartingPage]:
    """Return the pages of these units with their tokens opened. For workers; never log the result."""
    rows = await repository.pages_of(uow.session, uow.scope.organization_id, unit_ids)
    return [DepartingPage(row.id, row.channel, row.external_id, _of_page(uow, row)) for row in rows]


async def departing_accounts(uow: UnitOfWork, unit_ids: Sequence[UUID]) -> list[DepartingAccount]:
    """Return the grants of these units, and those above that only their pages use, with their tokens opened."""
    organization_id, found = uow.scope.organization_id, []
    for row in await repository.accounts_of(uow.session, organization_id, unit_ids):
        _, is_used = await repository.serves_others(uow.session, organization_id, row.id, unit_ids)
        if row.unit_id in unit_ids or not is_used:
            found.append(DepartingAccount(row.id, row.channel, row.external_id, is_used, _of_account(uow, row)))
    return found


async def wipe_page(uow: UnitOfWork, page_id: UUID) -> None:
    """Destroy a page's token and set its route free. Repeatable."""
    row = await pages.page(uow.session, uow.scope.organization_id, page_id, lock=True)
    if row is not None:
        row.token_sealed = uow.keys.seal("", page_token_identity(row.organization_id, row.id))
        await pages.release_route(uow.session, row.channel, row.external_id)


async def wipe_account(uow: UnitOfWork, account_id: UUID, unit_ids: Sequence[UUID], left_id: UUID) -> None:
    """Destroy a grant's token; a grant above that serves nobody else goes with the unit that leaves. Repeatable."""
    organization_id = uow.scope.organization_id
    row = await pages.account(uow.session, organization_id, account_id)
    if row is None:
        return
    row.token_sealed = uow.keys.seal("", account_token_identity(organization_id, row.id))
    row.refresh_token_sealed, row.is_refreshable, row.token_version = None, False, row.token_version + 1
    row.health, row.health_reason = Health.RECONNECT_NEEDED, "leaving"
    has_others, _ = await repository.serves_others(uow.session, organization_id, row.id, unit_ids)
    if not has_others and row.unit_id not in unit_ids:
        await repository.move_account(uow.session, row, left_id)


async def hand_over(uow: UnitOfWork, account_id: UUID, unit_ids: Sequence[UUID], above_id: UUID) -> None:
    """Give a grant of a unit that leaves to the unit above, because pages of others hang on it. Repeatable."""
    row = await pages.account(uow.session, uow.scope.organization_id, account_id)
    if row is None or row.unit_id not in unit_ids:
        return
    has_others, _ = await repository.serves_others(uow.session, uow.scope.organization_id, row.id, unit_ids)
    if has_others:
        await repository.move_account(uow.session, row, above_id)


async def is_granted_elsewhere(
    database: Database, organization_id: UUID, unit_ids: Sequence[UUID], account: DepartingAccount
) -> bool:
    """Say whether the same person's grant serves other units or other customers of ours, whom a revocation would hit."""
    async with system_scope(database) as session:
        return await repository.is_granted_elsewhere(
            session, organization_id, unit_ids, account.channel, account.external_id
        )


async def forget_strays(database: Database, channel: Channel, external_ids: Sequence[str]) -> int:
    """Delete the strays that came for these pages or name them; return how many. They belong to no organization."""
    if not external_ids:
        return 0
    async with system_scope(database) as session:
        return await repository.forget_strays(session, channel, external_ids)


def _of_page(uow: UnitOfWork, row: PageRow) -> PageCredentials | None:
    token = _open(uow, row.token_sealed, page_token_identity(row.organization_id, row.id))
    if not token:
        return None
    return PageCredentials(row.channel, row.external_id, token, parent_external_id=row.parent_external_id)


def _of_account(uow: UnitOfWork, row: ConnectedAccountRow) -> AccountCredentials | None:
    token = _open(uow, row.token_sealed, account_token_identity(row.organization_id, row.id))
    renewing = ""
    if row.refresh_token_sealed is not None:
        renewing = _open(uow, row.refresh_token_sealed, refresh_identity(row.organization_id, row.id))
    return None if not token else AccountCredentials(row.channel, row.external_id, token, row.login, renewing or None)


def _open(uow: UnitOfWork, sealed: bytes, identity: str) -> str:
    """Return the token; "" for one that no key opens any more: it must not keep a client from leaving."""
    try:
        return uow.keys.open(bytes(sealed), identity)
    except SealBroken:
        return ""
