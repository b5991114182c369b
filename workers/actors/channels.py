"""Walk A: a stored platform event becomes contacts, messages, receipts and consent, in one unit of work per mailbox."""

from __future__ import annotations

from typing import assert_never

from sqlalchemy.exc import DataError, IntegrityError

from server.channels import service as channels
from server.channels.jobs import DrainMailbox
from server.channels.models import Health, PlatformEventRow
from server.channels.service import PageRef
from server.consent import service as consent
from server.consent.errors import UnknownTopic
from server.consent.models import ConsentSource
from server.contacts import service as contacts
from server.inbox import service as inbox
from server.platforms import port
from server.sends import service as sends
from server.tenants.uow import UnitOfWork
from workers.run import Actor, Run

_AT_ONCE = 100


class Unplaceable(Exception):
    """The event cannot be applied; it becomes a dead letter with this reason and detail."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


async def drain_mailbox(run: Run, job: DrainMailbox) -> None:
    """Apply the stored events of one mailbox in order; a strange one becomes a dead letter and the rest goes on."""
    while True:
        async with run.begin() as uow:
            events = await channels.next_events(uow, job.page_id, job.mailbox, _AT_ONCE)
            page = await channels.page_ref(uow, job.page_id)
            for event in events:
                await _apply(run, uow, page, event)
            if len(events) < _AT_ONCE:
                await run.finish(uow)
                return


async def _apply(run: Run, uow: UnitOfWork, page: PageRef, row: PlatformEventRow) -> None:
    connector = run.registry.of(page.channel)
    for event in connector.parse(row.kind, page.external_id, row.payload):
        try:
            async with uow.session.begin_nested():
                await place(uow, page, row, event)
        except Unplaceable as problem:
            await channels.mark_dead(uow, row, problem.reason, problem.detail)
            return
        except (DataError, IntegrityError) as error:
            # One event that the tables refuse must not hold its mailbox back; an outage is not of these kinds.
            await channels.mark_dead(uow, row, "refused_by_database", type(error.orig).__name__)
            return
    await channels.mark_handled(uow, [row.id])


async def place(uow: UnitOfWork, page: PageRef, row: PlatformEventRow, event: port.Event) -> None:
    """Make the one call that an event means."""
    match event:
        case port.MessageReceived() | port.Postback() | port.Reacted() | port.MessageUnsent() | port.MessageEdited():
            await _from_person(uow, page, event)
        case port.MessageEchoed() | port.MarketingEchoed():
            await _from_page(uow, page, event)
        case port.Delivered() | port.Read() | port.DeliveryFailed():
            await _receipt(uow, page, event)
        case port.OptedIn() | port.OptedOut():
            await _consent(uow, page, row, event)
        case port.PageRestricted():
            await _restriction(uow, page, event)
        case port.CommentChanged() | port.ReviewChanged() | port.Noticed():
            pass  # kept raw; comments and reviews get their own slice
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
    match event:
        case port.MessageReceived():
            await consent.note_action(uow, page, contact_id, event.occurred_at)
            await inbox.receive_message(uow, page, contact_id, event)
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


async def _restriction(uow: UnitOfWork, page: PageRef, event: port.PageRestricted) -> None:
    if event.action == "block":
        await channels.mark_unhealthy(uow, page.id, Health.RESTRICTED, event.reason or "the platform blocked the page")


ACTORS: dict[type, Actor] = {DrainMailbox: drain_mailbox}
