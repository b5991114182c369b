"""Messages of many conversations of one page at once: what `receive_message` does, in a constant number of statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from server.channels.service import PageRef
from server.inbox.models import Direction, MessageState
from server.inbox.repository import inbound as repository
from server.inbox.repository import many
from server.inbox.repository.inbound import NewMessage
from server.inbox.repository.many import Arrival
from server.inbox.rules import Change, Content, attachments_of, folded
from server.inbox.service import media
from server.kit.ids import new_id
from server.platforms.port import Attachment, MessageReceived
from server.tenants.uow import UnitOfWork

_UNSUPPORTED = Attachment("unsupported", None)


async def receive_messages(
    uow: UnitOfWork, page: PageRef, said: Mapping[UUID, Sequence[MessageReceived]]
) -> frozenset[UUID]:
    """Store what contacts wrote, each message once, with what already happened to it; return the contacts it was done for.

    Who has no conversation with the page yet is left to `receive_message`. Conversations are locked in the order of their
    ids, as by everybody who locks several.
    """
    session, organization_id = uow.session, uow.scope.organization_id
    known = await many.lock_conversations(session, organization_id, page.id, list(said))
    events = {event.message_id: (contact_id, event) for contact_id in known for event in said[contact_id]}
    there = await many.known_messages(session, organization_id, page.id, list(events))
    fresh = {mid: one for mid, one in events.items() if mid not in there}
    if not fresh:
        return known
    waiting = await repository.take_changes(session, organization_id, page.id, list(fresh))
    messages: dict[UUID, list[NewMessage]] = {}
    for mid, (contact_id, event) in fresh.items():
        messages.setdefault(contact_id, []).append(_message(event, waiting.get(mid, [])))
    arrivals = [Arrival.of(contact_id, one) for contact_id, one in messages.items()]
    places = await many.take_places(session, organization_id, page.id, arrivals)
    await many.insert_messages(
        session,
        organization_id,
        page,
        [(places[contact_id], number, one) for contact_id, each in messages.items() for number, one in enumerate(each)],
    )
    for each in messages.values():
        for one in each:
            media.ask_for_copies(uow, one.id, one.content.attachments)
    uow.announce("inbox")
    return known


def _message(event: MessageReceived, waiting: Sequence[Change]) -> NewMessage:
    attachments = (*event.attachments, _UNSUPPORTED) if event.is_unsupported else event.attachments
    return NewMessage(
        id=new_id(),
        direction=Direction.INBOUND,
        state=MessageState.RECEIVED,
        content=folded(Content(event.text, attachments_of(attachments)), waiting),
        occurred_at=event.occurred_at,
        platform_message_id=event.message_id,
        reply_to_platform_id=event.reply_to_message_id,
        is_request=event.is_request,
    )
