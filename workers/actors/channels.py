"""Walk A: a stored platform event becomes contacts, messages, receipts and consent, in one unit of work per mailbox."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import assert_never
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy.exc import DataError, IntegrityError

from server.channels import service as channels
from server.channels.jobs import DrainMailbox, DrainPage
from server.channels.models import Health, PlatformEventRow
from server.channels.service import PageRef
from server.comments import service as comments
from server.consent import service as consent
from server.consent.errors import UnknownTopic
from server.consent.models import ConsentSource
from server.contacts import service as contacts
from server.inbox import service as inbox
from server.kit import log
from server.kit.errors import Unavailable
from server.kit.jobs import ClaimLost
from server.platforms import port
from server.sends import service as sends
from server.tenants.uow import UnitOfWork
from workers.run import Actor, Run

_AT_ONCE = 100
_FEW = 1
"""So many mailboxes are drained in the transaction that ends the job: one, since it holds locks until its end."""
_WIDE = 60
_EASY = 200
"""Events that are applied together where that is easy."""
_LANES = 3
"""Mailboxes of one page that are drained side by side; more would take the connections of other pages."""


_logger = log.get(__name__)
_FATAL = (ClaimLost, Unavailable, asyncio.CancelledError)
"""What concerns the whole job, not one mailbox."""


_SIDE_BY_SIDE = 6
"""Transactions of drains at once in one process; the other connections of the pool are for claims and other work."""
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


def _turn() -> asyncio.Semaphore:
    """Return what a drain waits for before it takes a connection, so that it never waits in vain for one of the pool."""
    return _turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(_SIDE_BY_SIDE))


class Unplaceable(Exception):
    """The event cannot be applied; it becomes a dead letter with this reason and detail."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


async def drain_page(run: Run, job: DrainPage) -> None:
    """Apply the stored events of a page: its mailboxes side by side, each in order.

    A mailbox whose events fail for a reason that nobody foresaw is left to a job of its own, and the others go on.
    """
    ended = await asyncio.gather(_drain_few(run, job), return_exceptions=True)
    if isinstance(ended[0], _FATAL):
        raise ended[0]
    if ended[0] is True:
        return
    troubled: list[str] = []
    after: str | None = None
    while True:
        async with _turn(), run.begin_read() as uow:
            names = await channels.waiting_mailboxes(uow, job.page_id, after, _WIDE)
        if not names:
            break
        troubled += await _drain_wide(run, job.page_id, names)
        after = names[-1]
    async with _turn(), run.begin() as uow:
        for name in troubled:
            uow.defer(DrainMailbox(job.page_id, name), key=f"{job.page_id}:{name}")
        await run.finish(uow)


async def _drain_few(run: Run, job: DrainPage) -> bool:
    """Drain a page on which nothing difficult happened in the transaction that ends the job; False if there is more."""
    async with _turn(), run.begin() as uow:
        names = await channels.waiting_mailboxes(uow, job.page_id, None, _WIDE + 1)
        page = await channels.page_ref(uow, job.page_id)
        easy = await _apply_easy(run, uow, page, names[:_WIDE])
        left = [name for name in names if name not in easy]
        # One mailbox alone may be drained here: more of them would be locked in no order.
        if left and (len(names) > _FEW or not await _drain_some(run, uow, page, left[0])):
            return False
        await run.finish(uow)
    return True


async def _drain_wide(run: Run, page_id: UUID, names: Sequence[str]) -> list[str]:
    """Drain mailboxes, the easy ones together and the others side by side; return those that failed."""
    together = await asyncio.gather(_drain_easy(run, page_id, names), return_exceptions=True)
    if isinstance(together[0], _FATAL):
        raise together[0]
    easy = frozenset() if isinstance(together[0], BaseException) else together[0]
    waiting = [name for name in reversed(names) if name not in easy]
    failed: list[str] = []

    async def lane() -> None:
        while waiting:
            name = waiting.pop()
            ended = await asyncio.gather(_drain_whole(run, page_id, name), return_exceptions=True)
            if isinstance(ended[0], _FATAL):
                raise ended[0]
            if ended[0] is not None:
                failed.append(name)

    await asyncio.gather(*(lane() for _ in range(min(_LANES, len(waiting)))))
    return failed


async def _drain_easy(run: Run, page_id: UUID, names: Sequence[str]) -> frozenset[str]:
    async with _turn(), run.begin() as uow:
        return await _apply_easy(run, uow, await channels.page_ref(uow, page_id), names)


async def _apply_easy(run: Run, uow: UnitOfWork, page: PageRef, names: Sequence[str]) -> frozenset[str]:
    """Apply, in few statements, what people wrote who have a conversation already; return the mailboxes that are empty now.

    Only mailboxes that hold nothing else, so that each keeps its order. What fails here is done mailbox by mailbox.
    """
    rows = await channels.next_events(uow, page.id, names, _EASY)
    said = _all_said(run, page, rows)
    people = await contacts.known(uow, page, list({one.person for each in said.values() for one in each}))
    by_contact: dict[UUID, list[port.MessageReceived]] = {}
    for each in said.values():
        for one in each:
            if one.person in people:
                by_contact.setdefault(people[one.person], []).append(one)
    if not by_contact:
        return frozenset()
    latest = {contact_id: max(one.occurred_at for one in each) for contact_id, each in by_contact.items()}
    await consent.note_actions(uow, page, latest)
    for contact_id, thread_id in {(whose, one.thread_id) for whose, each in by_contact.items() for one in each}:
        if thread_id is not None:
            await contacts.note_thread(uow, page.id, contact_id, thread_id)
    done = await inbox.receive_messages(uow, page, by_contact)
    easy = frozenset(name for name, each in said.items() if all(people.get(one.person) in done for one in each))
    await channels.mark_handled(uow, [row.id for row in rows if row.mailbox in easy])
    return easy if len(rows) < _EASY else easy - {rows[-1].mailbox}


def _all_said(run: Run, page: PageRef, rows: Sequence[PlatformEventRow]) -> dict[str, list[port.MessageReceived]]:
    """Return the messages of those mailboxes in which nothing else happened."""
    connector = run.registry.of(page.channel)
    said: dict[str, list[port.MessageReceived]] = {}
    for row in rows:
        said.setdefault(row.mailbox, [])
    others: set[str] = set()
    for row in rows:
        match connector.parse(row.kind, page.external_id, row.payload):
            case [port.MessageReceived(writer=None) as message]:
                said[row.mailbox].append(message)
            case _:
                others.add(row.mailbox)
    return {name: each for name, each in said.items() if name not in others}


async def _drain_whole(run: Run, page_id: UUID, name: str) -> None:
    """Drain a mailbox as if there were no strange event in it, which is quicker; if there is one, event by event."""
    is_empty = False
    is_careful = False
    while not is_empty:
        try:
            async with _turn(), run.begin() as uow:
                page = await channels.page_ref(uow, page_id)
                is_empty = await _drain_some(run, uow, page, name, is_careful=is_careful)
        except (Unplaceable, DataError, IntegrityError):
            if is_careful:
                raise
            is_careful = True


async def drain_mailbox(run: Run, job: DrainMailbox) -> None:
    """Apply the stored events of one mailbox in order; a strange one becomes a dead letter and the rest goes on."""
    while True:
        async with _turn(), run.begin() as uow:
            page = await channels.page_ref(uow, job.page_id)
            if await _drain_some(run, uow, page, job.mailbox):
                await run.finish(uow)
                return


async def _drain_some(run: Run, uow: UnitOfWork, page: PageRef, mailbox: str, *, is_careful: bool = True) -> bool:
    """Apply the next events of a mailbox; say whether that was all there is.

    A strange event becomes a dead letter, at the price of a savepoint for each event. Without that care it is raised.
    """
    events = await channels.next_events(uow, page.id, [mailbox], _AT_ONCE)
    apply = _apply if is_careful else _apply_plainly
    handled = [event.id for event in events if await apply(run, uow, page, event)]
    await channels.mark_handled(uow, handled)
    return len(events) < _AT_ONCE


async def _apply(run: Run, uow: UnitOfWork, page: PageRef, row: PlatformEventRow) -> bool:
    """Apply one event; False if what became of it is noted already: a dead letter, or a kind that nobody knows."""
    events = run.registry.of(page.channel).parse(row.kind, page.external_id, row.payload)
    for event in events:
        try:
            async with uow.session.begin_nested():
                await place(uow, page, row, event)
        except Unplaceable as problem:
            await channels.mark_dead(uow, row, problem.reason, problem.detail)
            return False
        except (DataError, IntegrityError) as error:
            # One event that the tables refuse must not hold its mailbox back; an outage is not of these kinds.
            await channels.mark_dead(uow, row, "refused_by_database", type(error.orig).__name__)
            return False
    return not await _is_unknown(uow, page, row, events)


async def _apply_plainly(run: Run, uow: UnitOfWork, page: PageRef, row: PlatformEventRow) -> bool:
    """Apply one event, or raise; False if what became of it is noted already."""
    events = run.registry.of(page.channel).parse(row.kind, page.external_id, row.payload)
    for event in events:
        await place(uow, page, row, event)
    return not await _is_unknown(uow, page, row, events)


async def _is_unknown(uow: UnitOfWork, page: PageRef, row: PlatformEventRow, events: Sequence[port.Event]) -> bool:
    """Note an event of a kind that nobody knows, so that it is counted; say whether it was one."""
    kind = next((one.kind for one in events if isinstance(one, port.Noticed) and one.is_unknown), None)
    if kind is None:
        return False
    _logger.warning("event of an unknown kind", channel=page.channel.value, kind=kind, event_id=str(row.id))
    await channels.mark_unknown(uow, row, kind)
    return True


async def place(uow: UnitOfWork, page: PageRef, row: PlatformEventRow, event: port.Event) -> None:
    """Make the one call that an event means."""
    match event:
        case port.MessageReceived() | port.Postback() | port.Reacted() | port.MessageUnsent() | port.MessageEdited():
            await _from_person(uow, page, event)
        case port.MessageEchoed() | port.MarketingEchoed():
            await _from_page(uow, page, event)
        case port.ParticipantsChanged():
            await _participants(uow, page, event)
        case port.Delivered() | port.Read() | port.DeliveryFailed():
            await _receipt(uow, page, event)
        case port.OptedIn() | port.OptedOut():
            await _consent(uow, page, row, event)
        case port.PageRestricted() | port.GrantWithdrawn():
            await _about_page(uow, page, row, event)
        case port.CommentChanged() | port.ReviewChanged():
            await _public(uow, page, event)
        case port.Noticed():
            pass  # kept raw
        case port.Unplaced(reason=reason):
            raise Unplaceable("unreadable", reason)
        case _:
            assert_never(event)


async def _from_person(
    uow: UnitOfWork,
    page: PageRef,
    event: port.MessageReceived | port.Postback | port.Reacted | port.MessageUnsent | port.MessageEdited,
) -> None:
    contact_id = await contacts.identify(uow, page, event.person)
    thread_id = event.thread_id if isinstance(event, port.MessageReceived) else None
    if thread_id is not None:
        await contacts.note_thread(uow, page.id, contact_id, thread_id)
    match event:
        case port.MessageReceived():
            await consent.note_action(uow, page, contact_id, event.occurred_at)
            writer_id = None if event.writer is None else await contacts.identify(uow, page, event.writer)
            await inbox.receive_message(uow, page, contact_id, event, writer_id)
        case port.Postback():
            await consent.note_action(uow, page, contact_id, event.occurred_at)
            await inbox.note_postback(uow, page, contact_id, event)
        case port.Reacted():
            await consent.note_action(uow, page, contact_id, event.occurred_at)
            await inbox.apply_reaction(uow, page, contact_id, event)
        case port.MessageUnsent():
            await inbox.apply_unsend(uow, page, contact_id, event)
        case port.MessageEdited():
            await inbox.apply_edit(uow, page, contact_id, event)


async def _participants(uow: UnitOfWork, page: PageRef, event: port.ParticipantsChanged) -> None:
    group_id = await contacts.identify(uow, page, event.person)
    people = [await contacts.identify(uow, page, one) for one in sorted(event.participants)]
    await inbox.apply_participants(uow, page, group_id, people, event)


async def _from_page(uow: UnitOfWork, page: PageRef, event: port.MessageEchoed | port.MarketingEchoed) -> None:
    contact_id = await contacts.identify(uow, page, event.person)
    if isinstance(event, port.MarketingEchoed):
        settled = await sends.settle_marketing_echo(uow, page, contact_id, event)
        if settled:
            text = await sends.text_of(uow, settled[0].send_id)
            echo = port.MessageEchoed(event.person, event.message_id, text, (), event.occurred_at)
            await inbox.record_echo(uow, page, contact_id, echo, settled[0].send_id)
    else:
        settled = await sends.settle_by_echo(uow, page, contact_id, event)
        await inbox.record_echo(uow, page, contact_id, event, settled[0].send_id if settled else None)
    await inbox.reflect(uow, settled)


async def _receipt(uow: UnitOfWork, page: PageRef, event: port.Delivered | port.Read | port.DeliveryFailed) -> None:
    contact_id = await contacts.identify(uow, page, event.person)
    if isinstance(event, port.DeliveryFailed):
        await inbox.reflect(uow, await sends.apply_failure(uow, page, contact_id, event))
        return
    await inbox.reflect(uow, await sends.apply_receipt(uow, page, contact_id, event))
    await inbox.apply_receipt(uow, page, contact_id, event)


async def _consent(uow: UnitOfWork, page: PageRef, row: PlatformEventRow, event: port.OptedIn | port.OptedOut) -> None:
    contact_id = await contacts.identify(uow, page, event.person)
    if isinstance(event, port.OptedOut):
        source = ConsentSource.PLATFORM_STOP
        await consent.opt_out(uow, page, contact_id, event.topic_key, event.occurred_at, source, row.id)
        return
    try:
        await consent.opt_in(
            uow,
            page,
            contact_id,
            event.topic_key,
            event.title,
            event.marketing_token,
            event.expires_at,
            event.occurred_at,
            ConsentSource.PLATFORM_OPT_IN,
            row.id,
        )
    except UnknownTopic as error:
        raise Unplaceable("unknown_topic", event.topic_key) from error


async def _public(uow: UnitOfWork, page: PageRef, event: port.CommentChanged | port.ReviewChanged) -> None:
    is_own = isinstance(event, port.CommentChanged) and event.is_own
    contact_id = None
    if event.person is not None and not is_own:
        contact_id = await contacts.identify(uow, page, event.person)
    if isinstance(event, port.CommentChanged):
        await comments.apply_comment(uow, page, contact_id, event)
    else:
        await comments.apply_review(uow, page, contact_id, event)


async def _about_page(
    uow: UnitOfWork, page: PageRef, row: PlatformEventRow, event: port.PageRestricted | port.GrantWithdrawn
) -> None:
    if isinstance(event, port.PageRestricted):
        await _restriction(uow, page, event)
    else:
        await _withdrawn(uow, page, row, event)


async def _withdrawn(uow: UnitOfWork, page: PageRef, row: PlatformEventRow, event: port.GrantWithdrawn) -> None:
    if event.permissions:
        detail = f"the person took rights back: {', '.join(event.permissions)}"
        await channels.mark_unhealthy(uow, page.id, Health.MISSING_PERMISSION, detail)
    else:
        await channels.withdraw_of_page(uow, page.id, row.occurred_at)


async def _restriction(uow: UnitOfWork, page: PageRef, event: port.PageRestricted) -> None:
    if event.action == "block":
        await channels.mark_unhealthy(uow, page.id, Health.RESTRICTED, event.reason or "the platform blocked the page")


ACTORS: dict[type, Actor] = {DrainPage: drain_page, DrainMailbox: drain_mailbox}
