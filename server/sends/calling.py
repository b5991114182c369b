"""The calls of one round: media first, then the quota, then the platform, each outcome handed on as it comes.

No transaction is open while the platform is called. A claim is given back when it has become too old
to be called safely, and nothing is called once the worker's lock is lost (reliability.md 2.6, steps 4 to 6). Messages to
one person go one after the other, in their order; one that has to wait lets those behind it wait, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from server.config import SendSettings
from server.kit.clock import monotonic_s
from server.kit.db import Database
from server.kit.errors import Unavailable
from server.kit.locks import WorkerLock, WorkerLockLost
from server.platforms.port import (
    Act,
    Connector,
    FailureReason,
    MediaKind,
    NotSent,
    OutgoingKind,
    OutgoingMessage,
    QuotaScope,
    Sent,
    Unknown,
    Usage,
)
from server.sends import quota
from server.sends.drain import Round, Try
from server.sends.media import MediaDesk, files_of
from server.sends.models import Purpose
from server.sends.quota import Allowances, Tokens
from server.sends.quota_rules import Asker
from server.sends.repository.claim import Claimed
from server.sends.rules import WAITS_FOR_QUOTA, Ending, MediaForgotten, NotCalled

_RECORD_RETRY_S = (0.1, 0.3, 1.0, 2.0, 4.0, 8.0, 15.0)
_RECORD_AT_MOST = 20
_APP_WAITS_S = 60.0
_LONG_REST_S = 60.0
_SLOW_KINDS = frozenset({MediaKind.AUDIO, MediaKind.VIDEO})
_ACTS = {
    OutgoingKind.PRIVATE_REPLY: frozenset({Act.SEND, Act.PRIVATE_REPLY}),
    OutgoingKind.COMMENT_REPLY: frozenset({Act.COMMENT_REPLY}),
}

RecordSome = Callable[[Sequence[Try]], Awaitable[None]]
Line = tuple[Claimed, OutgoingMessage]


@dataclass(slots=True)
class Caller:
    """What one run of a page's drain calls with."""

    database: Database
    connector: Connector
    settings: SendSettings
    lock: WorkerLock
    worker_id: UUID
    organization_id: UUID
    desk: MediaDesk
    tokens: Tokens | None = None
    """Those of the last round, whose calls have all ended."""

    async def close(self) -> None:
        """Settle what the last round took."""
        if self.tokens is not None:
            ended, self.tokens = self.tokens, None
            await quota.settle(self.database, ended)


def acts_of(row: Claimed) -> frozenset[Act]:
    """Return as what a send counts in the platform's quotas."""
    acts = _ACTS.get(row.kind, frozenset({Act.SEND}))
    return acts | {Act.SEND_MEDIA} if any(kind in _SLOW_KINDS for _, kind in files_of(row)) else acts


async def call_round(caller: Caller, work: Round, messages: Sequence[OutgoingMessage], record_some: RecordSome) -> bool:
    """Carry out one round; return whether sends were put back because a quota has no room for them now.

    `record_some` writes a few outcomes in a transaction of its own. A database that is away is waited for; if it stays away
    the rows stay claimed and become unknown when this worker's lock is free.
    """
    if not work.claimed:
        return False
    await caller.desk.prepare(work.claimed)
    ready: list[Line] = []
    settled: list[Try] = []
    for row, message in zip(work.claimed, messages, strict=True):
        media = caller.desk.of(row)
        if isinstance(media, NotSent):
            settled.append((row, media))
        else:
            ready.append((row, replace(message, media=media)))
    if not ready:
        await _persist(record_some, settled)
        return False
    allowances = Allowances.of(work.page, caller.connector.app, work.capability, caller.settings)
    asker = Asker(caller.organization_id, is_urgent=work.purpose is Purpose.CONVERSATIONAL)
    calls = [acts_of(row) for row, _ in ready]
    tokens = await quota.take(caller.database, allowances, calls, asker, ended=caller.tokens)
    caller.tokens = None
    await _call_all(caller, work, tokens, _lanes(ready, tokens.waits_s), settled, record_some)
    caller.tokens = tokens
    return any(wait is not None for wait in tokens.waits_s)


_Lane = list[tuple[Claimed, OutgoingMessage, float | None]]


def _lanes(ready: Sequence[Line], waits_s: Sequence[float | None]) -> list[_Lane]:
    """Put the messages of one person behind each other."""
    lanes: dict[UUID, _Lane] = {}
    for (row, message), wait_s in zip(ready, waits_s, strict=True):
        lanes.setdefault(row.contact_id, []).append((row, message, wait_s))
    return list(lanes.values())


async def _call_all(
    caller: Caller,
    work: Round,
    tokens: Tokens,
    lanes: Sequence[_Lane],
    settled: Sequence[Try],
    record_some: RecordSome,
) -> None:
    done: asyncio.Queue[Try] = asyncio.Queue()
    for one in settled:
        done.put_nowait(one)

    async def lane(lines: _Lane) -> None:
        held: NotCalled | None = None
        for row, message, wait_s in lines:
            if wait_s is not None and held is None:
                held = NotCalled(timedelta(seconds=wait_s), WAITS_FOR_QUOTA)
            if held is not None:
                ending: Ending = held
                if wait_s is None:
                    tokens.unused.append(acts_of(row))
            else:
                ending = await _call(caller, work, tokens, row, message)
                held = _holds_back(ending)
            done.put_nowait((row, ending))

    remaining = len(settled) + sum(len(lines) for lines in lanes)
    async with asyncio.TaskGroup() as group:
        for lines in lanes:
            group.create_task(lane(lines))
        while remaining:
            batch = [await done.get()]
            while not done.empty() and len(batch) < _RECORD_AT_MOST:
                batch.append(done.get_nowait())
            remaining -= len(batch)
            await _persist(record_some, batch)


def _holds_back(ending: Ending) -> NotCalled | None:
    """Return how those behind a message wait that is queued again itself; None if they go on."""
    if isinstance(ending, NotCalled):
        return ending
    if isinstance(ending, MediaForgotten) or (isinstance(ending, NotSent) and ending.retryable):
        return NotCalled(timedelta(seconds=1))
    return None


async def _call(caller: Caller, work: Round, tokens: Tokens, row: Claimed, message: OutgoingMessage) -> Ending:
    """Call the platform, unless that is no longer safe."""
    try:
        await caller.lock.ensure(caller.worker_id)
    except WorkerLockLost:
        tokens.unused.append(acts_of(row))
        return NotCalled()
    if monotonic_s() - work.claimed_at_s >= caller.settings.lease_s / 2:
        tokens.unused.append(acts_of(row))
        return NotCalled()
    rest_s = _rest_s(tokens, acts_of(row))
    if rest_s >= _LONG_REST_S:
        tokens.unused.append(acts_of(row))
        return NotCalled(timedelta(seconds=rest_s), WAITS_FOR_QUOTA)
    outcome = await caller.connector.send(work.credentials, message, caller.settings.deadline_s)
    tokens.usage.extend(outcome.usage)
    match outcome:
        case NotSent(reason=FailureReason.RATE_LIMITED, scope=QuotaScope.APP):
            wait_s = outcome.retry_after_s or _APP_WAITS_S
            tokens.usage.extend(Usage(QuotaScope.APP, act, wait_s=wait_s) for act in acts_of(row))
        case NotSent(reason=FailureReason.BAD_CONTENT, retryable=False) if caller.desk.is_stale(row):
            return MediaForgotten(outcome.detail)
        case Sent() | NotSent() | Unknown():
            pass
    return outcome


def _rest_s(tokens: Tokens, acts: frozenset[Act]) -> float:
    """Return how long the platform's answers of this round want calls of these acts to rest; `take` sees to later rounds."""
    return max((one.wait_s or 0.0 for one in tokens.usage if one.act in acts), default=0.0)


async def _persist(record_some: RecordSome, batch: Sequence[Try]) -> None:
    for pause_s in _RECORD_RETRY_S:
        try:
            await record_some(batch)
        except Unavailable:
            await asyncio.sleep(pause_s)
        else:
            return
    await record_some(batch)
