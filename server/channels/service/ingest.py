"""From a verified webhook body to rows: one transaction for all tenants of the body, whatever is in it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncSession

from server.channels.jobs import DrainMailbox
from server.channels.repository import events as repository
from server.channels.repository.events import NewEvent, NewStray, StoredMailbox
from server.channels.rules import Unstorable, as_kept, as_stored, mark_of, storable_text
from server.kit import jobs
from server.kit.db import Database
from server.platforms.port import BodyMalformed, Connector, RawEvent
from server.tenants.uow import system_scope

_INLINE_BYTES = 64_000
"""Larger bodies are split in a thread, so that one of them does not hold up every other request."""
_JOBS_AT_ONCE = 2_000
"""Writing the jobs of one statement holds up the event loop for a few tens of milliseconds; others get their turn between."""


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of the items of one body; the three add up to their number."""

    stored: int
    duplicates: int
    strays: int


@dataclass(slots=True)
class _Split:
    """The items of a body: those a row can hold, with their payload as JSON text, and those that none can."""

    events: list[tuple[RawEvent, str]] = field(default_factory=list)
    strays: list[NewStray] = field(default_factory=list)


async def record_events(database: Database, connector: Connector, body: bytes) -> Ingested:
    """Store the items of a verified body once each, and ask for the work on the new ones, in one transaction.

    A second delivery changes nothing. Items of pages that nobody connected, and items that no row can hold, are kept as
    strays. Raises BodyMalformed after the whole body was kept as a stray, and Unavailable with nothing stored.
    """
    try:
        split = await _in_time(connector, body)
    except BodyMalformed as error:
        malformed = NewStray(hashlib.sha256(body).digest(), "malformed", body, storable_text(str(error)))
        async with system_scope(database) as session:
            await repository.insert_strays(session, connector.channel, [malformed])
        raise
    total = len(split.events) + len(split.strays)
    if not total:
        return Ingested(0, 0, 0)
    async with system_scope(database) as session:
        stored, strays = await _store(session, connector, split)
    return Ingested(stored, total - stored - strays, strays)


async def _in_time(connector: Connector, body: bytes) -> _Split:
    if len(body) <= _INLINE_BYTES:
        return _split(connector, body)
    return await asyncio.to_thread(_split, connector, body)


def _split(connector: Connector, body: bytes) -> _Split:
    found = _Split()
    for event in connector.split(body):
        payload = as_stored(event)
        if isinstance(payload, Unstorable):
            found.strays.append(NewStray(mark_of(event), "unstorable", as_kept(event) or body, payload.detail))
        else:
            found.events.append((event, payload))
    return found


async def _store(session: AsyncSession, connector: Connector, split: _Split) -> tuple[int, int]:
    """Insert everything; return the numbers of new events and new strays."""
    names = sorted({event.page_external_id for event, _ in split.events})
    routes = await repository.routes(session, connector.channel, names)
    events, strays = [], list(split.strays)
    for event, payload in split.events:
        route = routes.get(event.page_external_id)
        if route is None:
            detail = f"{event.kind} for page {event.page_external_id}"
            strays.append(NewStray(mark_of(event), "unknown_page", as_kept(event) or b"", storable_text(detail)))
        else:
            events.append(NewEvent(route, event.kind, event.external_id, event.mailbox, event.occurred_at, payload))
    stored = await repository.insert_events(session, connector.channel, events)
    new_strays = await repository.insert_strays(session, connector.channel, strays)
    await _ask_for_work(session, stored)
    return len(stored), new_strays


async def _ask_for_work(session: AsyncSession, stored: Sequence[StoredMailbox]) -> None:
    """Owe one drain per mailbox that got something new; in one order, so that two bodies cannot lock each other out."""
    found = {(one.route.organization_id, one.route.page_id, one.mailbox) for one in stored}
    wanted = [
        (organization_id, jobs.Deferred(DrainMailbox(page_id, mailbox), key=f"{page_id}:{mailbox}"))
        for organization_id, page_id, mailbox in sorted(found)
    ]
    for start in range(0, len(wanted), _JOBS_AT_ONCE):
        await jobs.write_many(session, wanted[start : start + _JOBS_AT_ONCE])
