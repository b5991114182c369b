"""What comes in from a platform. Events may come in any order and more than once; the result is the same.

Each function is called for one page and contact at a time; what it stores is decided under the lock of that pair.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from uuid import UUID

from server.channels.service import PageRef
from server.inbox.models import Direction, MessageState
from server.inbox.repository import groups
from server.inbox.repository import inbound as repository
from server.inbox.repository.inbound import NewMessage
from server.inbox.rules import Change, ChangeKind, Content, attachments_of, changed, folded
from server.inbox.service import media
from server.kit.ids import new_id
from server.platforms.port import (
    Attachment,
    Delivered,
    MessageEdited,
    MessageReceived,
    MessageUnsent,
    Postback,
    Reacted,
    Read,
)
from server.tenants.uow import UnitOfWork

_UNSUPPORTED = Attachment("unsupported", None)


async def receive_message(
    uow: UnitOfWork, page: PageRef, contact_id: UUID, event: MessageReceived, writer_id: UUID | None = None
) -> None:
    """Store a message of the contact, once per platform id, with what already happened to it.

    It counts as unread and wakes a RESOLVED or SNOOZED conversation. A stranger's first message begins a request (S2-03). In a
    group the contact stands for the group, and `writer_id` is who of it wrote: a participant from then on.
    """
    attachments = (*event.attachments, _UNSUPPORTED) if event.is_unsupported else event.attachments
    message = NewMessage(
        id=new_id(),
        direction=Direction.INBOUND,
        state=MessageState.RECEIVED,
        content=Content(event.text, attachments_of(attachments)),
        occurred_at=event.occurred_at,
        platform_message_id=event.message_id,
        reply_to_platform_id=event.reply_to_message_id,
        is_request=event.is_request,
        is_group=writer_id is not None,
        writer_id=writer_id,
    )
    await _store(uow, page, contact_id, message, event.message_id)


async def note_postback(uow: UnitOfWork, page: PageRef, contact_id: UUID, event: Postback) -> None:
    """Store a tap on a button as a message of the contact; the words are the button's title, else its payload."""
    message_id = event.message_id or _postback_id(event)
    message = NewMessage(
        id=new_id(),
        direction=Direction.INBOUND,
        state=MessageState.RECEIVED,
        content=Content(event.title or event.payload),
        occurred_at=event.occurred_at,
        platform_message_id=message_id,
    )
    await _store(uow, page, contact_id, message, message_id)


def _postback_id(event: Postback) -> str:
    seed = "\x1f".join([event.person, event.payload or "", event.title or "", event.occurred_at.isoformat()])
    return "postback:" + hashlib.sha256(seed.encode("utf-8", "surrogatepass")).hexdigest()


async def _store(
    uow: UnitOfWork, page: PageRef, contact_id: UUID, message: NewMessage, platform_message_id: str
) -> None:
    organization_id = uow.scope.organization_id
    await repository.lock(uow.session, organization_id, page.id, contact_id)
    if await repository.message_by_platform_id(uow.session, organization_id, page.id, platform_message_id) is not None:
        return
    waiting = await repository.take_changes(uow.session, organization_id, page.id, [platform_message_id])
    content = folded(message.content, waiting.get(platform_message_id, []))
    conversation_id, seq = await repository.take_place(uow.session, organization_id, page, contact_id, message)
    await repository.insert_message(
        uow.session, organization_id, page, conversation_id, seq, replace(message, content=content)
    )
    if message.writer_id is not None:
        await groups.note(
            uow.session, organization_id, page.unit_id, contact_id, [message.writer_id], seen_at=message.occurred_at
        )
    media.ask_for_copies(uow, message.id, content.attachments)
    uow.announce("inbox")


# --------------------------------------------------------------------------- what happens to a message afterwards


async def apply_edit(uow: UnitOfWork, page: PageRef, contact_id: UUID, event: MessageEdited) -> None:
    """Replace the text of a message unless a later edit or an unsend stands; an edit without a text says nothing."""
    if event.text is not None:
        change = Change(ChangeKind.EDIT, event.occurred_at, event.text, max(1, event.edit_number))
        await _apply(uow, page, contact_id, event.message_id, change)


async def apply_unsend(uow: UnitOfWork, page: PageRef, contact_id: UUID, event: MessageUnsent) -> None:
    """Remove the content of a message for good; its row stays and says when."""
    await _apply(uow, page, contact_id, event.message_id, Change(ChangeKind.UNSEND, event.occurred_at))


async def apply_reaction(uow: UnitOfWork, page: PageRef, contact_id: UUID, event: Reacted) -> None:
    """Set or take back the contact's reaction to a message, unless a later one stands."""
    change = Change(ChangeKind.REACTION, event.occurred_at, event.emoji)
    await _apply(uow, page, contact_id, event.message_id, change)


async def _apply(uow: UnitOfWork, page: PageRef, contact_id: UUID, message_id: str, change: Change) -> None:
    organization_id = uow.scope.organization_id
    conversation_id = await repository.lock(uow.session, organization_id, page.id, contact_id)
    row = await repository.message_by_platform_id(uow.session, organization_id, page.id, message_id)
    if row is None or row.conversation_id != conversation_id:
        await repository.keep_change(uow.session, organization_id, page, contact_id, message_id, change)
        return
    before = repository.content_of(row)
    after = changed(before, change)
    if after != before:
        await repository.set_values(uow.session, row, repository.content_values(after))
        if change.kind is ChangeKind.UNSEND:
            await media.drop_copies(uow, row.id)
        await repository.touch(uow.session, organization_id, [row.conversation_id])
        uow.announce("inbox")


async def apply_receipt(uow: UnitOfWork, page: PageRef, contact_id: UUID, event: Delivered | Read) -> None:
    """Move messages that were written outside of Switchboard forward to DELIVERED or READ.

    Ours follow `reflect`. The caller has given the receipt to `sends.apply_receipt` first, which keeps it for messages that
    are still on their way to us.
    """
    organization_id = uow.scope.organization_id
    wanted = MessageState.READ if isinstance(event, Read) else MessageState.DELIVERED
    conversation_id = await repository.lock(uow.session, organization_id, page.id, contact_id)
    if conversation_id is not None and await repository.note_receipt(
        uow.session, organization_id, conversation_id, wanted, event.watermark, event.message_ids
    ):
        await repository.touch(uow.session, organization_id, [conversation_id])
        uow.announce("inbox")
