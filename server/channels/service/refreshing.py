"""Renewing a grant's tokens, so that exactly one worker asks and nothing that the platform gave is lost.

Claim (a lease on the row, committed), call (no transaction is open), record (the new tokens over the version that was read).
Whoever needs the tokens meanwhile waits. A rotated refresh token voids the one before it, so a renewal whose answer was lost
can only be tried once more with the old one; if that is refused, a person must connect again, and is told why.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from server.audit import service as audit
from server.audit.actions import Action
from server.channels import rules
from server.channels.jobs import KeepGrant
from server.channels.models import ConnectedAccountRow, Health
from server.channels.repository import grants as repository
from server.channels.repository import pages
from server.channels.rules import storable_text
from server.channels.service.pages import account_token_identity, mark_unhealthy, page_token_identity, refresh_identity
from server.kit.errors import NotFound
from server.kit.ids import new_id
from server.platforms.port import AccountCredentials, Channel, FailureReason, PlatformCallFailed, Tokens
from server.tenants.uow import UnitOfWork

_INTERRUPTED = (
    "A renewal of this login was interrupted before its new token was stored, and the platform does not take the old one"
    " any more. Connect again."
)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a grant's tokens are good for now. `not_before` is set while a failed renewal waits for its next try."""

    account_id: UUID
    channel: Channel
    version: int
    must_renew: bool
    """Its token is refused or about to end: no call may use it."""
    is_due: bool
    """It is time to renew it ahead of its end."""
    is_usable: bool
    """Its token still works, as far as anybody knows."""
    not_before: datetime | None
    now: datetime


@dataclass(frozen=True, slots=True)
class RefreshClaim:
    """The leave to renew one grant's tokens. Lives in memory only."""

    account_id: UUID
    version: int
    credentials: AccountCredentials = field(repr=False)
    was_interrupted: bool


async def standing_of_page(uow: UnitOfWork, page_id: UUID) -> Standing | None:
    """Say how the tokens stand that calls for a page use; None where nothing can be renewed for it."""
    row = await pages.page(uow.session, uow.scope.organization_id, page_id)
    if row is None or row.disconnected_at is not None:
        return None
    return await standing(uow, row.account_id)


async def standing(uow: UnitOfWork, account_id: UUID) -> Standing | None:
    """Say how a grant's tokens stand; None if they cannot be renewed, or a person must connect it again."""
    row = await repository.account(uow.session, uow.scope.organization_id, account_id)
    if row is None or not row.is_refreshable or row.health is Health.RECONNECT_NEEDED:
        return None
    now = await uow.now()
    is_refused = row.refresh_wanted_at is not None
    due = rules.refresh_due(row.tokens_at, row.token_expires_at)
    waits = row.refresh_not_before is not None and row.refresh_not_before > now
    return Standing(
        account_id=row.id,
        channel=row.channel,
        version=row.token_version,
        must_renew=is_refused or rules.is_urgent(row.token_expires_at, now),
        is_due=due is not None and due <= now,
        is_usable=not is_refused and (row.token_expires_at is None or row.token_expires_at > now),
        not_before=row.refresh_not_before if waits else None,
        now=now,
    )


async def claim_refresh(uow: UnitOfWork, found: Standing, lease_s: float) -> RefreshClaim | None:
    """Take the leave to renew; None while another worker has it or a pause runs. Commit before the platform is called."""
    organization_id = uow.scope.organization_id
    row = await repository.claim_refresh(
        uow.session, organization_id, found.account_id, found.version, new_id(), timedelta(seconds=lease_s)
    )
    if row is None:
        return None
    return RefreshClaim(row.id, row.token_version, account_credentials(uow, row), row.was_interrupted)


async def store_tokens(uow: UnitOfWork, claim: RefreshClaim, tokens: Tokens) -> bool:
    """Keep what a renewal gave, before anybody uses it; False if the grant was connected anew or withdrawn meanwhile."""
    organization_id, account_id = uow.scope.organization_id, claim.account_id
    values: dict[str, object] = {
        "token_sealed": uow.keys.seal(tokens.access_token, account_token_identity(organization_id, account_id)),
        "token_expires_at": tokens.expires_at,
    }
    if tokens.refresh_token is not None:
        identity = refresh_identity(organization_id, account_id)
        values["refresh_token_sealed"] = uow.keys.seal(tokens.refresh_token, identity)
    if tokens.refresh_expires_at is not None:
        values["refresh_expires_at"] = tokens.refresh_expires_at
    health = await repository.health_of(uow.session, organization_id, account_id)
    is_stored = await repository.store_tokens(uow.session, organization_id, account_id, claim.version, values)
    if is_stored and health in (Health.RECONNECT_NEEDED, Health.EXPIRING):
        await repository.mark(uow.session, organization_id, account_id, Health.HEALTHY, None)
    return is_stored


async def note_refresh_failed(uow: UnitOfWork, claim: RefreshClaim, problem: PlatformCallFailed) -> None:
    """Write a failed renewal down: what a pause heals is tried again, everything else needs a person.

    A grant whose token still works and that has nothing to renew it with is left as it is.
    """
    organization_id, account_id = uow.scope.organization_id, claim.account_id
    row = await repository.account(uow.session, organization_id, account_id, lock=True)
    if row is None or row.token_version != claim.version:
        return
    now = await uow.now()
    works = row.refresh_wanted_at is None and (row.token_expires_at is None or row.token_expires_at > now)
    has_nothing = row.refresh_token_sealed is None and problem.reason is not FailureReason.TRANSIENT
    is_over = problem.reason is FailureReason.AUTH or not (problem.retryable or works)
    if has_nothing and works and not problem.retryable:
        await repository.end_lease(uow.session, organization_id, account_id, claim.version, {"is_refreshable": False})
    elif is_over:
        reason = _INTERRUPTED if row.was_interrupted else f"The platform does not renew this login: {problem.detail}"
        await repository.end_lease(uow.session, organization_id, account_id, claim.version, {})
        await lose_grant(uow, row, reason)
    else:
        failures = row.refresh_failures + 1
        pause = max(rules.pause_after(failures), timedelta(seconds=problem.retry_after_s or 0))
        # An answer that was lost may have held the only valid token, so the next refusal can be told from a plain one.
        values = {
            "refresh_failures": failures,
            "refresh_not_before": now + pause,
            "was_interrupted": row.was_interrupted or problem.reason is FailureReason.TRANSIENT,
        }
        await repository.end_lease(uow.session, organization_id, account_id, claim.version, values)


async def note_refused_token(uow: UnitOfWork, page_id: UUID, detail: str, claimed_at: datetime) -> None:
    """Draw the consequence of a call that the platform refused because of its token; what is queued stays queued.

    A token that was renewed after `claimed_at` is not meant. One that can be renewed is renewed once, before the next call;
    if the new one is refused too, or nothing renews it, a person must connect again.
    """
    organization_id = uow.scope.organization_id
    row = await pages.page(uow.session, organization_id, page_id)
    if row is None:
        raise NotFound
    account = await repository.account(uow.session, organization_id, row.account_id, lock=True)
    has_own = bool(uow.keys.open(bytes(row.token_sealed), page_token_identity(organization_id, row.id)))
    since = row.tokens_at if has_own or account is None else account.tokens_at
    if since > claimed_at:
        return
    if account is None or has_own or not account.is_refreshable or account.was_forced:
        await mark_unhealthy(uow, page_id, Health.RECONNECT_NEEDED, detail or "the platform refuses the token")
        if account is not None and has_own:
            # The page's own token says nothing sure about the grant: the platform is asked about that at once.
            uow.defer(KeepGrant(account.id), key=str(account.id))
            account.checked_at = None
        return
    if account.refresh_wanted_at is None:
        account.refresh_wanted_at = await uow.now()
    uow.defer(KeepGrant(account.id), key=str(account.id))


async def lose_grant(uow: UnitOfWork, row: ConnectedAccountRow, reason: str) -> None:
    """Say that a person must connect a grant again, on it and all of its pages; audited once."""
    told = storable_text(reason, 500)
    has_changed, _ = await repository.mark(
        uow.session, uow.scope.organization_id, row.id, Health.RECONNECT_NEEDED, told
    )
    if has_changed:
        uow.announce("channels")
        details = {"health": Health.RECONNECT_NEEDED.value, "reason": told}
        await audit.record(uow, Action.ACCOUNT_UNHEALTHY, row.id, details)


def account_credentials(uow: UnitOfWork, row: ConnectedAccountRow) -> AccountCredentials:
    """Open the sealed tokens of a grant for one call. Never log the result."""
    organization_id = row.organization_id
    renewing = None
    if row.refresh_token_sealed is not None:
        renewing = uow.keys.open(bytes(row.refresh_token_sealed), refresh_identity(organization_id, row.id))
    token = uow.keys.open(bytes(row.token_sealed), account_token_identity(organization_id, row.id))
    return AccountCredentials(row.channel, row.external_id, token, row.login, renewing or None)
