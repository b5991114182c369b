"""What goes out: echoes of the page's own messages, and messages that follow their sends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from server.channels.service import PageRef
from server.inbox.models import Direction, MessageRow, MessageState
from server.inbox.repository import inbound as repository
from server.inbox.repository import settle
from server.inbox.repository.inbound import NewMessage, SendFacts
from server.inbox.repository.settle import Following
from server.inbox.rules import Change, ChangeKind, Content, attachments_of, folded, follow, native_state, state_of
from server.inbox.service import media
from server.kit.ids import new_id
from server.platforms.port import MessageEchoed
from server.sends import service as sends
from server.sends.service import SettledSend
from server.tenants.uow import UnitOfWork


@dataclass(frozen=True, slots=True)
class _Echo:
    """One echo at its page and contact."""

    page: PageRef
    contact_id: UUID
    event: MessageEchoed


async def record_echo(
    uow: UnitOfWork, page: PageRef, contact_id: UUID, event: MessageEchoed, send_id: UUID | None
) -> None:
    """Store what the page wrote, once per platform id: by hand or through another app, or through our send `send_id`.

    An echo of our own reply gives that message its platform id and time; one of a campaign's send creates the message.
    Echoes may come before the send's own answer, with and without our reference.
    """
    organization_id = uow.scope.organization_id
    await repository.lock(uow.session, organization_id, page.id, contact_id)
    same = await repository.message_by_platform_id(uow.session, organization_id, page.id, event.message_id)
    echo = _Echo(page, contact_id, event)
    if send_id is None:
        if same is None:
            await _insert(uow, echo, None, None)
        return
    facts = await repository.send_facts(uow.session, organization_id, send_id)
    ours = await repository.message_by_send(uow.session, organization_id, send_id)
    if ours is None and same is None:
        await _insert(uow, echo, send_id, facts)
    elif ours is None and same is not None and same.send_id is None:
        await _attach(uow, same, echo, send_id, facts)
    elif ours is not None and (same is None or same.send_id is None) and ours.platform_message_id is None:
        if same is not None:
            await _absorb(uow, ours, same)
        await _attach(uow, ours, echo, send_id, facts)
    elif ours is not None and same is ours and ours.occurred_at != event.occurred_at:
        await _attach(uow, ours, echo, send_id, facts)
    elif ours is not None and same is None:
        # A second message under one reference: the person did get two, so the second is shown as one of its own.
        await _insert(uow, echo, None, None)


async def _insert(uow: UnitOfWork, echo: _Echo, send_id: UUID | None, facts: SendFacts | None) -> None:
    organization_id, event = uow.scope.organization_id, echo.event
    content = Content(event.text, attachments_of(event.attachments))
    if facts is not None and event.text is None and not event.attachments:
        content = Content(facts.text)
    waiting = await repository.take_changes(uow.session, organization_id, echo.page.id, [event.message_id])
    message = NewMessage(
        id=new_id(),
        direction=Direction.OUTBOUND,
        state=await _native(uow, echo) if facts is None else _left(facts),
        content=folded(content, waiting.get(event.message_id, [])),
        occurred_at=event.occurred_at,
        platform_message_id=event.message_id,
        state_reason=None if facts is None else facts.reason,
        send_id=send_id,
        author_id=None if facts is None else facts.author_id,
        is_group=event.is_group,
    )
    conversation_id, seq = await repository.take_place(
        uow.session, organization_id, echo.page, echo.contact_id, message
    )
    await repository.insert_message(uow.session, organization_id, echo.page, conversation_id, seq, message)
    if facts is None:
        media.ask_for_copies(uow, message.id, message.content.attachments)
    uow.announce("inbox")


async def _native(uow: UnitOfWork, echo: _Echo) -> MessageState:
    delivered_until, read_until = await sends.watermarks(uow, echo.page.id, echo.contact_id)
    named = await repository.named_receipt(uow.session, uow.scope.organization_id, echo.page.id, echo.event.message_id)
    return native_state(echo.event.occurred_at, named, delivered_until, read_until)


def _left(facts: SendFacts) -> MessageState:
    """Return the state of a message that was seen to have left: at least SENT."""
    return follow(MessageState.SENT, state_of(facts.state, facts.delivery))


async def _attach(uow: UnitOfWork, row: MessageRow, echo: _Echo, send_id: UUID, facts: SendFacts | None) -> None:
    organization_id, event = uow.scope.organization_id, echo.event
    waiting = await repository.take_changes(uow.session, organization_id, echo.page.id, [event.message_id])
    content = folded(repository.content_of(row), waiting.get(event.message_id, []))
    state = follow(row.state, MessageState.SENT if facts is None else _left(facts))
    values = repository.content_values(content) | {
        "send_id": send_id,
        "platform_message_id": event.message_id,
        "occurred_at": event.occurred_at,
        "state": state,
        "state_reason": row.state_reason if facts is None else facts.reason,
    }
    if row.author_id is None and facts is not None:
        values["author_id"] = facts.author_id
    await repository.set_values(uow.session, row, values)
    await repository.touch(uow.session, organization_id, [row.conversation_id])
    uow.announce("inbox")


async def _absorb(uow: UnitOfWork, ours: MessageRow, copy: MessageRow) -> None:
    """Fold what happened to the second copy of a message into ours, and remove the copy."""
    content = folded(repository.content_of(ours), _changes_in(copy))
    await repository.delete_message(uow.session, copy)
    await repository.set_values(uow.session, ours, repository.content_values(content))


def _changes_in(row: MessageRow) -> Sequence[Change]:
    """Return what happened to a message since it was written, as changes that another copy can take."""
    found: list[Change] = []
    if row.edit_number:
        found.append(Change(ChangeKind.EDIT, row.occurred_at, row.text, row.edit_number))
    if row.reaction_at is not None:
        found.append(Change(ChangeKind.REACTION, row.reaction_at, row.reaction))
    if row.unsent_at is not None:
        found.append(Change(ChangeKind.UNSEND, row.unsent_at))
    return found


# --------------------------------------------------------------------------- following sends


async def reflect(uow: UnitOfWork, settled: Sequence[SettledSend]) -> None:
    """Let messages follow their sends, many at once. Sends that have no message (campaigns before their echo) are left out.

    Call it in the transaction that settled them: the latest word about a send is then the last one written here.
    """
    latest = {one.send_id: one for one in settled}
    if not latest:
        return
    organization_id = uow.scope.organization_id
    pairs = sorted({(one.page_id, one.contact_id) for one in latest.values()})
    if not await settle.lock_pairs(uow.session, organization_id, pairs):
        return
    named = {(one.page_id, one.platform_message_id): one.send_id for one in latest.values() if one.platform_message_id}
    rows = await settle.messages_of(uow.session, organization_id, list(latest), list(named))
    ours = {row.send_id: row for row in rows if row.send_id is not None}
    copies = {named[row.page_id, row.platform_message_id or ""]: row for row in rows if row.send_id is None}
    for send_id, copy in copies.items():
        mine = ours.get(send_id)
        if mine is None:
            ours[send_id] = copy
        elif mine.platform_message_id is None:
            await _absorb(uow, mine, copy)
    followings = [
        following
        for send_id, row in ours.items()
        if (following := _following(row, latest[send_id], copies.get(send_id))) is not None
    ]
    if followings:
        await settle.follow_many(uow.session, organization_id, followings)
        await _take_waiting(uow, {row.id: row for row in ours.values()}, followings)
        touched = {ours[one.send_id].conversation_id for one in followings}
        await repository.touch(uow.session, organization_id, sorted(touched))
        uow.announce("inbox")


def _following(row: MessageRow, settled: SettledSend, copy: MessageRow | None) -> Following | None:
    mid, occurred_at = row.platform_message_id, row.occurred_at
    if mid is None and settled.platform_message_id is not None:
        mid = settled.platform_message_id
        # The echo's own time is the platform's; the answer's is only when it arrived here.
        occurred_at = copy.occurred_at if copy is not None else settled.platform_at or occurred_at
    state = follow(row.state, state_of(settled.state, settled.delivery))
    reason = settled.reason if state is not row.state else row.state_reason
    now = Following(row.id, settled.send_id, state, reason, mid, occurred_at)
    before = Following(
        row.id, row.send_id or row.id, row.state, row.state_reason, row.platform_message_id, row.occurred_at
    )
    return None if now == before else now


async def _take_waiting(uow: UnitOfWork, rows: Mapping[UUID, MessageRow], followings: Sequence[Following]) -> None:
    """Apply what waited for messages that have only now got their platform id."""
    fresh: dict[UUID, dict[str, MessageRow]] = {}
    for one in followings:
        row = rows[one.id]
        if one.platform_message_id is not None and row.platform_message_id is None:
            fresh.setdefault(row.page_id, {})[one.platform_message_id] = row
    for page_id, named in fresh.items():
        waiting = await repository.take_changes(uow.session, uow.scope.organization_id, page_id, list(named))
        for mid, changes in waiting.items():
            content = folded(repository.content_of(named[mid]), changes)
            await repository.set_values(uow.session, named[mid], repository.content_values(content))
