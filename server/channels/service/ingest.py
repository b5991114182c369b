"""From a verified webhook body to rows: one transaction for all tenants of the body, whatever is in it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson
from psycopg import errors as pg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from server.channels.jobs import DrainPage
from server.channels.repository import events as repository
from server.channels.repository.events import NewEvent, NewStray, PageRoute
from server.channels.rules import MAX_KEY_BYTES, Unstorable, as_kept, as_stored, mark_of, storable_text
from server.channels.service.withdrawing import Withdrawal, owe_withdrawals
from server.kit import jobs
from server.kit.db import Database
from server.platforms.port import BodyMalformed, Channel, Connector, GrantWithdrawn, RawEvent
from server.tenants.uow import system_scope

_INLINE_BYTES = 64_000
"""Larger bodies are split in a thread, so that one of them does not hold up every other request."""
_STRICT = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS
_PLAIN_CHARACTERS = MAX_KEY_BYTES // 4
"""A text of so many characters is never longer than a key may be, whatever characters they are."""


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of the items of one body; the three add up to their number."""

    stored: int
    duplicates: int
    strays: int


@dataclass(slots=True)
class Split:
    """The items of a body: those a row can hold, with their payload as JSON text, and those that none can.

    `withdrawals` are words of people who gave us grants: no page has them, so they are kept as strays and acted upon.
    """

    channel: Channel
    events: list[tuple[RawEvent, str]] = field(default_factory=list)
    strays: list[NewStray] = field(default_factory=list)
    withdrawals: list[Withdrawal] = field(default_factory=list)

    def __len__(self) -> int:
        """Count the items."""
        return len(self.events) + len(self.strays)


async def record_events(database: Database, connector: Connector, body: bytes) -> Ingested:
    """Store the items of a verified body once each, and ask for the work on the new ones, in one transaction.

    A second delivery changes nothing. Items of pages that nobody connected, and items that no row can hold, are kept as
    strays. Raises BodyMalformed after the whole body was kept as a stray, and Unavailable with nothing stored. Many bodies
    at once are stored faster by an `Intake`.
    """
    split = await split_or_keep(database, connector, body)
    return (await store_together(database, [split]))[0] if len(split) else Ingested(0, 0, 0)


async def split_or_keep(database: Database, connector: Connector, body: bytes) -> Split:
    """Split a body into its items; raise BodyMalformed after the whole of it was kept as a stray."""
    try:
        if len(body) <= _INLINE_BYTES:
            return _split(connector, body)
        return await asyncio.to_thread(_split, connector, body)
    except BodyMalformed as error:
        malformed = NewStray(hashlib.sha256(body).digest(), "malformed", body, storable_text(str(error)))
        async with system_scope(database) as session:
            await repository.insert_strays(session, connector.channel, [malformed])
        raise


def _split(connector: Connector, body: bytes) -> Split:
    found = Split(connector.channel)
    for event in connector.split(body):
        payload = _as_plain(event) or as_stored(event)
        if isinstance(payload, Unstorable):
            found.strays.append(NewStray(mark_of(event), "unstorable", as_kept(event) or body, payload.detail))
        else:
            found.events.append((event, payload))
            if event.is_of_grant:
                found.withdrawals += _withdrawals(connector, event)
    return found


def _withdrawals(connector: Connector, event: RawEvent) -> list[Withdrawal]:
    told = connector.parse(event.kind, event.page_external_id, event.payload)
    return [
        Withdrawal(mark_of(event), one.person, connector.logins, event.occurred_at, bool(one.permissions))
        for one in told
        if isinstance(one, GrantWithdrawn)
    ]


def _as_plain(event: RawEvent) -> str | None:
    """Write the payload of an item that is plainly no trouble, as nearly all are; None leaves it to `as_stored`.

    "null" may stand for a number without a value, and an escaped NUL may be one: both need the closer look.
    """
    keys = (event.page_external_id, event.kind, event.external_id, event.mailbox)
    if event.occurred_at.tzinfo is None or max(map(len, keys)) > _PLAIN_CHARACTERS:
        return None
    named = "".join(keys)
    if not named.isascii() or "\x00" in named:
        return None
    try:
        payload = orjson.dumps(event.payload, option=_STRICT)
    except TypeError:
        return None
    return None if b"\\u0000" in payload or b"null" in payload else payload.decode()


async def store_together(database: Database, bodies: Sequence[Split]) -> list[Ingested]:
    """Store the items of bodies of one channel in one transaction, and say what became of each body.

    Raises DBAPIError if PostgreSQL refuses any row, with nothing of any body stored; `store_one_by_one` then finds it.
    """
    async with system_scope(database) as session:
        return await _store(session, bodies)


async def store_one_by_one(database: Database, body: Split) -> Ingested:
    """Store the items of a body that PostgreSQL refused as a whole: what it refuses alone, too, is kept as a stray.

    Each in a transaction of its own, so that none waits for a lock while it holds one. A call that ends early is made
    good by the next delivery.
    """
    told = Ingested(0, 0, 0)
    for event, payload in body.events:
        try:
            found = await store_together(database, [Split(body.channel, [(event, payload)], [], body.withdrawals)])
        except DBAPIError as error:
            if not is_refusal(error):
                raise
            found = await store_together(database, [_refused(body.channel, event, error)])
        told = _sum(told, found[0])
    return _sum(told, (await store_together(database, [Split(body.channel, [], body.strays)]))[0])


def is_refusal(error: DBAPIError) -> bool:
    """Tell a row that PostgreSQL refuses from an outage, and from a statement that took too long."""
    return isinstance(error.orig, (pg.DataError, pg.IntegrityError, pg.ProgramLimitExceeded))


def _refused(channel: Channel, event: RawEvent, error: DBAPIError) -> Split:
    detail = f"the database refused it: {type(error.orig).__name__}"
    return Split(channel, [], [NewStray(mark_of(event), "unstorable", as_kept(event) or b"", detail)])


def _sum(one: Ingested, other: Ingested) -> Ingested:
    return Ingested(one.stored + other.stored, one.duplicates + other.duplicates, one.strays + other.strays)


async def _store(session: AsyncSession, bodies: Sequence[Split]) -> list[Ingested]:
    """Insert everything in few statements, however many bodies and tenants there are."""
    channel = bodies[0].channel
    names = {event.page_external_id for body in bodies for event, _ in body.events}
    routes = await repository.routes(session, channel, sorted(names)) if names else {}
    events, strays, counts = [], [], []
    for body in bodies:
        routed, lost = _routed(body, routes)
        events += routed
        strays += lost
        counts.append((len(routed), len(lost)))
    are_new = await repository.add_events(session, channel, events)
    kept = await repository.add_strays(session, channel, strays)
    new = {stray.digest for stray, is_new in zip(strays, kept, strict=True) if is_new}
    await owe_withdrawals(session, channel, [one for body in bodies for one in body.withdrawals if one.mark in new])
    await _ask_for_work(session, {one.route for one, is_new in zip(events, are_new, strict=True) if is_new})
    return _told(counts, are_new, kept)


def _routed(body: Split, routes: dict[str, PageRoute]) -> tuple[list[NewEvent], list[NewStray]]:
    events, strays = [], list(body.strays)
    for event, payload in body.events:
        route = routes.get(event.page_external_id)
        if route is None:
            reason = "of_a_grant" if event.is_of_grant else "unknown_page"
            detail = f"{event.kind} for page {event.page_external_id}"
            strays.append(NewStray(mark_of(event), reason, as_kept(event) or b"", storable_text(detail)))
        else:
            events.append(NewEvent(route, event.kind, event.external_id, event.mailbox, event.occurred_at, payload))
    return events, strays


def _told(counts: Sequence[tuple[int, int]], are_new: Sequence[bool], kept: Sequence[bool]) -> list[Ingested]:
    found, event, stray = [], 0, 0
    for events, strays in counts:
        stored = sum(are_new[event : event + events])
        lost = sum(kept[stray : stray + strays])
        found.append(Ingested(stored, events + strays - stored - lost, lost))
        event, stray = event + events, stray + strays
    return found


async def _ask_for_work(session: AsyncSession, routes: set[PageRoute]) -> None:
    """Owe one drain per page that got something new; in one order, so that two bodies cannot lock each other out."""
    wanted = [
        (route.organization_id, jobs.Deferred(DrainPage(route.page_id), key=str(route.page_id))) for route in routes
    ]
    await jobs.write_many(session, sorted(wanted, key=lambda one: (one[0], one[1].key)))
