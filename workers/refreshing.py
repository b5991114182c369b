"""Fresh tokens before a call: one worker renews them, and whoever needs them meanwhile waits for it (G10)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

from server.channels import service as channels
from server.channels.service import RefreshClaim, Standing
from server.kit.clock import monotonic_s
from server.kit.errors import Unavailable
from server.platforms.port import FailureReason, PlatformCallFailed, Tokens
from workers.run import RetryLater, Run

_POLL_S = 0.1
_AGAIN = timedelta(seconds=2)
_STORE_RETRY_S = (0.1, 0.3, 1.0, 2.0, 4.0, 8.0, 15.0)


async def ensure_fresh(run: Run, page_id: UUID) -> None:
    """Renew the tokens that calls for this page use, if they are refused or about to end; else do nothing.

    Raises RetryLater while another worker renews them for longer than a few seconds, or the platform could not.
    """
    async with run.begin_read() as uow:
        found = await channels.standing_of_page(uow, page_id)
    if found is not None and found.must_renew:
        await renew(run, found.account_id)


async def renew(run: Run, account_id: UUID, *, ahead: bool = False) -> None:
    """Renew a grant's tokens if no call may use them, or, `ahead` of time, if they are due.

    Returns when they may be used, or when only a person can help; the health of the page says which.
    """
    settings = run.settings.channels
    patience = monotonic_s() + settings.refresh_wait_s
    while True:
        async with run.begin() as uow:
            found = await channels.standing(uow, account_id)
            if found is None or not (found.must_renew or (ahead and found.is_due)):
                return
            claim = await channels.claim_refresh(uow, found, settings.refresh_lease_s)
        if claim is not None:
            await _carry_out(run, found, claim)
        elif found.not_before is not None:
            return _wait(found)
        elif monotonic_s() >= patience:
            raise RetryLater(_AGAIN)
        else:
            await asyncio.sleep(_POLL_S)


def _wait(found: Standing) -> None:
    """Go on with a token that still works; wait for the next try with one that does not."""
    if not found.is_usable and found.not_before is not None:
        raise RetryLater(max(found.not_before - found.now, _AGAIN))


async def _carry_out(run: Run, found: Standing, claim: RefreshClaim) -> None:
    deadline_s = run.settings.channels.refresh_lease_s / 2
    try:
        async with asyncio.timeout(deadline_s):
            tokens = await run.registry.of(found.channel).refresh(claim.credentials)
    except PlatformCallFailed as problem:
        await _note(run, claim, problem)
    except TimeoutError:
        late = PlatformCallFailed(FailureReason.TRANSIENT, f"no answer within {deadline_s:g} s", retryable=True)
        await _note(run, claim, late)
    else:
        await _store(run, claim, tokens)


async def _note(run: Run, claim: RefreshClaim, problem: PlatformCallFailed) -> None:
    async with run.begin() as uow:
        await channels.note_refresh_failed(uow, claim, problem)


async def _store(run: Run, claim: RefreshClaim, tokens: Tokens) -> None:
    """Keep the tokens; they may be the only valid ones, so a database that is away is waited for."""
    for pause_s in _STORE_RETRY_S:
        try:
            async with run.begin() as uow:
                await channels.store_tokens(uow, claim, tokens)
        except Unavailable:
            await asyncio.sleep(pause_s)
        else:
            return
    async with run.begin() as uow:
        await channels.store_tokens(uow, claim, tokens)
