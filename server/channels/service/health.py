"""How well grants are: what the platform says of them, and what their pages show."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from server.audit import service as audit
from server.audit.actions import Action
from server.channels import rules
from server.channels.jobs import KeepGrant, SyncPage
from server.channels.models import ConnectedAccountRow, Health
from server.channels.repository import grants as repository
from server.channels.rules import storable_text
from server.channels.service.pages import page_token_identity
from server.channels.service.refreshing import account_credentials
from server.platforms.port import AccountCredentials, Channel, GrantState
from server.tenants.uow import UnitOfWork

_AT_ONCE = 500
_SOON = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class GrantCheck:
    """A grant whose platform is to be asked how well it is. Lives in memory only."""

    account_id: UUID
    version: int
    channel: Channel
    credentials: AccountCredentials = field(repr=False)


async def check_due(uow: UnitOfWork, account_id: UUID, every: timedelta) -> GrantCheck | None:
    """Return what a check needs, if the last one is longer ago than `every`; None also for a grant nobody uses."""
    row = await repository.account(uow.session, uow.scope.organization_id, account_id)
    if row is None or not await _is_kept(uow, row):
        return None
    if row.checked_at is not None and row.checked_at + every > await uow.now():
        return None
    return GrantCheck(row.id, row.token_version, row.channel, account_credentials(uow, row))


async def note_check(uow: UnitOfWork, check: GrantCheck, state: GrantState) -> list[UUID]:
    """Draw the consequences of what the platform says of a grant; return the pages that may be sent for again.

    A verdict on tokens that are not the grant's any more means nothing. Audited when the health changes.
    """
    organization_id = uow.scope.organization_id
    row = await repository.account(uow.session, organization_id, check.account_id, lock=True)
    if row is None or row.token_version != check.version:
        return []
    now = await uow.now()
    row.checked_at = now
    if state.is_valid and state.expires_at is not None:
        row.token_expires_at = state.expires_at
    health, reason = await _verdict(uow, row, state, now)
    if health is None:
        row.refresh_wanted_at = row.refresh_wanted_at or now
        return []
    await uow.session.flush()
    return await _mark(uow, row, health, reason)


async def _verdict(
    uow: UnitOfWork, row: ConnectedAccountRow, state: GrantState, now: datetime
) -> tuple[Health | None, str | None]:
    """Say how well a grant is; None: it can still be renewed, so nothing is lost yet."""
    renews = row.is_refreshable
    if not state.is_valid:
        if renews and not row.was_forced:
            return None, None
        has_ended = row.token_expires_at is not None and row.token_expires_at <= now
        if has_ended and await _have_own_tokens(uow, row.id):
            return Health.EXPIRING, "The login has ended. Its pages go on for now; connect again before they stop."
        return Health.RECONNECT_NEEDED, state.detail or "The platform says that the login is not valid any more."
    if state.missing_scopes:
        return Health.MISSING_PERMISSION, f"The login lacks: {', '.join(state.missing_scopes)}."
    if rules.ends_soon(row.token_expires_at, row.refresh_expires_at, now, renews=renews):
        end = row.refresh_expires_at if renews else row.token_expires_at
        return Health.EXPIRING, f"The login ends at {end:%Y-%m-%d %H:%M} UTC and cannot be renewed without a person."
    return Health.HEALTHY, None


async def _mark(uow: UnitOfWork, row: ConnectedAccountRow, health: Health, reason: str | None) -> list[UUID]:
    told = None if reason is None else storable_text(reason, 500)
    has_changed, page_ids = await repository.mark(uow.session, uow.scope.organization_id, row.id, health, told)
    if has_changed or page_ids:
        uow.announce("channels")
    if has_changed:
        is_well = health in (Health.HEALTHY, Health.EXPIRING)
        action = Action.ACCOUNT_HEALTHY if is_well else Action.ACCOUNT_UNHEALTHY
        await audit.record(uow, action, row.id, {"health": health.value, "reason": told or ""})
    return page_ids if health in (Health.HEALTHY, Health.EXPIRING) else []


async def next_care(uow: UnitOfWork, account_id: UUID, every: timedelta) -> timedelta | None:
    """Return in how long a grant has to be looked at again; None when a person must connect it, or nobody uses it."""
    row = await repository.account(uow.session, uow.scope.organization_id, account_id)
    if row is None or row.health is Health.RECONNECT_NEEDED or not await _is_kept(uow, row):
        return None
    now = await uow.now()
    at = now if row.checked_at is None else row.checked_at + every
    if row.is_refreshable:
        if row.refresh_wanted_at is not None:
            at = now
        due = rules.refresh_due(row.tokens_at, row.token_expires_at)
        at = at if due is None else min(at, due)
        if row.refresh_not_before is not None and at <= row.refresh_not_before:
            at = row.refresh_not_before
    return max(at - now, _SOON)


_NEXT_STEPS = {
    Health.EXPIRING: "Connect the page again before its login ends.",
    Health.RECONNECT_NEEDED: "Connect the page again; what is queued goes out then.",
    Health.RESTRICTED: "The platform restricts the page: look into its support inbox there. What is queued waits.",
    Health.MISSING_PERMISSION: "Connect the page again and leave every permission in the platform's dialogue ticked.",
}


def next_step(health: Health, *, is_disconnected: bool) -> str | None:
    """Say what a person has to do about a page; None while nothing has to be done."""
    return None if is_disconnected else _NEXT_STEPS.get(health)


async def tend(uow: UnitOfWork) -> None:
    """Owe the care of grants and pages that nobody looks after, up to 500 of each."""
    organization_id = uow.scope.organization_id
    await repository.name_connectors(uow.session, organization_id)
    for account_id in await repository.untended_grants(uow.session, organization_id, KeepGrant, _AT_ONCE):
        uow.defer(KeepGrant(account_id), key=str(account_id))
    for page_id in await repository.unwatched_pages(uow.session, organization_id, SyncPage, _AT_ONCE):
        uow.defer(SyncPage(page_id), key=str(page_id))


async def _is_kept(uow: UnitOfWork, row: ConnectedAccountRow) -> bool:
    """Say whether there is a token to look after, and a page that needs it."""
    return bool(account_credentials(uow, row).token) and await repository.is_used(
        uow.session, row.organization_id, row.id
    )


async def _have_own_tokens(uow: UnitOfWork, account_id: UUID) -> bool:
    organization_id = uow.scope.organization_id
    rows = await repository.pages_of(uow.session, organization_id, account_id)
    return any(uow.keys.open(bytes(row.token_sealed), page_token_identity(organization_id, row.id)) for row in rows)
