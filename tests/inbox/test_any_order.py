"""Platforms promise no order and repeat themselves; whatever arrives when, the inbox ends up the same (G38)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from server.channels.service import PageRef
from server.consent import service as consent
from server.contacts import service as contacts
from server.inbox import service as inbox
from server.inbox.models import ConversationStatus, MessageRow, MessageState, PendingChangeRow
from server.inbox.rules import Change, ChangeKind, Content, folded, follow
from server.kit.db import Database
from server.kit.ids import new_id
from server.platforms.port import (
    Attachment,
    Delivered,
    MarketingEchoed,
    MessageEchoed,
    MessageEdited,
    MessageReceived,
    MessageUnsent,
    Postback,
    Reacted,
    Read,
)
from server.sends import service as sends
from server.sends.models import Purpose, SendIntentRow, SendState
from server.sends.rules import reference
from server.tenants.uow import UnitOfWork, begin
from tests.factories.inbox import a_page, at, conversation_of, messages_of
from tests.factories.tenants import AnOrganization, an_agency

PERMUTATIONS = int(os.environ.get("INBOX_PERMUTATIONS", "60"))
Happening = (
    MessageReceived
    | MessageEdited
    | MessageUnsent
    | Reacted
    | MessageEchoed
    | MarketingEchoed
    | Delivered
    | Read
    | Postback
)


@dataclass(frozen=True, slots=True)
class ATalk:
    """A person at a page, who wrote once, was answered by us (still queued) and sent a campaign; then put aside."""

    organization: AnOrganization
    page: PageRef
    contact_id: UUID
    conversation_id: UUID
    reply_send_id: UUID
    mark: str

    def stream(self) -> list[Happening]:
        """Return everything that happens next, in order. Message ids are the talk's own."""
        m = f"{self.mark}-"
        photo = Attachment("image", "https://cdn.example/1.jpg")
        return [
            MessageReceived("p", m + "in1", "do you have bred", (), at(1)),
            MessageEchoed("p", m + "native1", "yes", (), at(2), app_id="other"),
            MessageEdited("p", m + "in1", "do you have bread", 1, at(3)),
            MessageEdited("p", m + "in1", "Do you have bread?", 2, at(4)),
            Delivered("p", (m + "native1",), at(5)),
            Reacted("p", m + "native1", "love", at(6)),
            MessageEchoed("p", m + "reply", "We do.", (), at(7), reference=reference(self.reply_send_id, 1)),
            Read("p", (), at(8)),
            MessageReceived("p", m + "in2", "my address is secret", (photo,), at(9), reply_to_message_id=m + "reply"),
            MessageEdited("p", m + "in2", "my address is a secret", 1, at(10)),
            MessageUnsent("p", m + "in2", at(11)),
            Reacted("p", m + "reply", "like", at(12)),
            Reacted("p", m + "reply", None, at(13)),
            MarketingEchoed("p", m + "campaign", f"campaign-{self.mark}", at(14)),
            MessageEchoed("p", m + "native2", "anything else?", (), at(15)),
            Delivered("p", (m + "native2",), None),
            Postback(self.mark, None, "No, thanks", "NO", at(16)),
        ]


async def a_talk(database: Database, organization: AnOrganization, page: PageRef) -> ATalk:
    """Begin a talk at the page with a new person."""
    mark = new_id().hex
    async with begin(database, organization.scope) as uow:
        contact_id = await contacts.identify(uow, page, mark)
        await inbox.receive_message(uow, page, contact_id, MessageReceived("p", mark + "-in0", "Hello", (), at(0)))
        await consent.note_action(uow, page, contact_id, at(0))
        said = await uow.session.execute(
            select(MessageRow.conversation_id, MessageRow.id).where(MessageRow.platform_message_id == mark + "-in0")
        )
        conversation_id, message_id = said.one()
        answer = await inbox.reply(uow, conversation_id, inbox.Reply(message_id, text="We do."))
        await inbox.set_status(uow, conversation_id, ConversationStatus.SNOOZED)
        uow.session.add(_campaign_send(organization, page, contact_id, f"campaign-{mark}"))
    assert answer.send_id is not None
    return ATalk(organization, page, contact_id, conversation_id, answer.send_id, mark)


def _campaign_send(organization: AnOrganization, page: PageRef, contact_id: UUID, campaign: str) -> SendIntentRow:
    return SendIntentRow(
        organization_id=organization.id,
        id=new_id(),
        unit_id=page.unit_id,
        page_id=page.id,
        contact_id=contact_id,
        recipient_external_id="p",
        purpose=Purpose.MARKETING,
        text="Croissants are half price",
        platform_campaign_id=campaign,
        dedupe_key=campaign,
        state=SendState.CLAIMED,
        attempt=1,
    )


async def happen(uow: UnitOfWork, talk: ATalk, event: Happening) -> None:
    """Carry one event to the slices as the worker does: sends first, then the inbox, in one transaction."""
    page, contact_id = talk.page, talk.contact_id
    match event:
        case MessageReceived():
            await inbox.receive_message(uow, page, contact_id, event)
        case MessageEdited():
            await inbox.apply_edit(uow, page, contact_id, event)
        case MessageUnsent():
            await inbox.apply_unsend(uow, page, contact_id, event)
        case Reacted():
            await inbox.apply_reaction(uow, page, contact_id, event)
        case Postback():
            await inbox.note_postback(uow, page, contact_id, event)
        case Delivered() | Read():
            await inbox.reflect(uow, await sends.apply_receipt(uow, page, contact_id, event))
            await inbox.apply_receipt(uow, page, contact_id, event)
        case MessageEchoed():
            settled = await sends.settle_by_echo(uow, page, contact_id, event)
            await inbox.record_echo(uow, page, contact_id, event, settled[0].send_id if settled else None)
            await inbox.reflect(uow, settled)
        case MarketingEchoed():
            settled = await sends.settle_marketing_echo(uow, page, contact_id, event)
            echo = MessageEchoed(event.person, event.message_id, None, (), event.occurred_at)
            await inbox.record_echo(uow, page, contact_id, echo, settled[0].send_id if settled else None)
            await inbox.reflect(uow, settled)


async def happen_all(database: Database, talk: ATalk, events: Sequence[Happening], *, apart: bool) -> None:
    """Carry events in the given order, in one transaction or in one each."""
    if not apart:
        async with begin(database, talk.organization.scope) as uow:
            for event in events:
                await happen(uow, talk, event)
        return
    for event in events:
        async with begin(database, talk.organization.scope) as uow:
            await happen(uow, talk, event)


def _shown(talk: ATalk, row: MessageRow) -> tuple[object, ...]:
    name = (row.platform_message_id or "none").removeprefix(talk.mark)
    is_postback = name.startswith("postback:")
    return (
        "postback" if is_postback else name,
        row.direction,
        row.state,
        row.text,
        row.attachments,
        (row.reply_to_platform_id or "").removeprefix(talk.mark),
        row.send_id is not None,
        row.occurred_at,
        row.edit_number,
        row.reaction,
        row.reaction_at,
        row.unsent_at,
    )


async def what_is_shown(database: Database, talk: ATalk) -> tuple[object, ...]:
    """Return everything of the talk that a reader can see, without ids and times of our own."""
    conversation = await conversation_of(database, talk.organization, talk.page, talk.contact_id)
    messages = await messages_of(database, talk.organization, talk.conversation_id)
    newest = next(row for row in messages if row.id == conversation.last_message_id)
    assert sorted(row.seq for row in messages) == list(range(1, len(messages) + 1))
    async with begin(database, talk.organization.scope) as uow:
        waiting = select(func.count()).where(PendingChangeRow.platform_message_id.startswith(talk.mark))
        pending = (await uow.session.execute(waiting)).scalar_one()
    return (
        conversation.status,
        conversation.unread_count,
        conversation.last_inbound_at,
        conversation.last_message_at,
        _shown(talk, newest)[0],
        pending,
        [_shown(talk, row) for row in messages],
    )


@pytest.fixture(scope="module")
async def agency(database: Database) -> AnOrganization:
    return await an_agency(database, clients=1)


@pytest.fixture(scope="module")
async def page(database: Database, agency: AnOrganization) -> PageRef:
    return await a_page(database, agency, agency.units["client 1"])


@pytest.fixture(scope="module")
async def expected(database: Database, agency: AnOrganization, page: PageRef) -> tuple[object, ...]:
    """What the stream adds up to when it arrives in order, each event once and alone."""
    talk = await a_talk(database, agency, page)
    await happen_all(database, talk, talk.stream(), apart=True)
    return await what_is_shown(database, talk)


async def test_the_stream_in_order_gives_what_a_person_would_expect(
    database: Database, agency: AnOrganization, page: PageRef
) -> None:
    talk = await a_talk(database, agency, page)

    await happen_all(database, talk, talk.stream(), apart=True)

    conversation = await conversation_of(database, agency, page, talk.contact_id)
    rows = {
        (row.platform_message_id or "").removeprefix(talk.mark + "-"): row
        for row in await messages_of(database, agency, talk.conversation_id)
    }
    postback = next(name for name in rows if name.startswith("postback:"))
    assert list(rows) == ["in0", "in1", "native1", "reply", "in2", "campaign", "native2", postback]
    assert (rows["in1"].text, rows["in1"].edit_number) == ("Do you have bread?", 2)
    assert (rows["in2"].text, rows["in2"].attachments, rows["in2"].unsent_at) == (None, [], at(11))
    assert (rows["native1"].state, rows["native1"].reaction) == (MessageState.READ, "love")
    assert (rows["reply"].state, rows["reply"].reaction, rows["reply"].reaction_at) == (MessageState.READ, None, at(13))
    assert rows["campaign"].text == "Croissants are half price"
    assert (rows["campaign"].state, rows["native2"].state) == (MessageState.SENT, MessageState.DELIVERED)
    assert rows[postback].text == "No, thanks"
    assert (conversation.status, conversation.unread_count) == (ConversationStatus.OPEN, 3)
    assert (conversation.last_inbound_at, conversation.last_message_id) == (at(16), rows[postback].id)


@settings(
    max_examples=PERMUTATIONS,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # an example takes a while; the printed order is enough
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    order=st.permutations(range(17)),
    again=st.lists(st.tuples(st.integers(0, 16), st.integers(0, 16)), max_size=6),
    apart=st.integers(0, 5).map(lambda number: number == 0),  # mostly in one transaction, which is quicker
)
async def test_any_order_and_any_repetition_gives_the_same_conversation(
    database: Database,
    agency: AnOrganization,
    page: PageRef,
    expected: tuple[object, ...],
    order: list[int],
    again: list[tuple[int, int]],
    apart: bool,
) -> None:
    talk = await a_talk(database, agency, page)
    events = talk.stream()
    assert len(events) == len(order)
    played = [events[number] for number in order]
    for number, place in again:
        played.insert(place, events[number])

    await happen_all(database, talk, played, apart=apart)

    assert await what_is_shown(database, talk) == expected


_moments = st.integers(0, 6).map(at)
_changes = st.one_of(
    st.builds(Change, st.just(ChangeKind.EDIT), _moments, st.sampled_from(["a", "b", "c"]), st.integers(1, 3)),
    st.builds(Change, st.just(ChangeKind.UNSEND), _moments),
    st.builds(Change, st.just(ChangeKind.REACTION), _moments, st.sampled_from([None, "love", "sad"])),
)


@given(changes=st.lists(_changes, max_size=8), again=st.lists(st.integers(0, 7), max_size=4), data=st.data())
def test_changes_of_a_message_add_up_to_the_same_in_any_order(
    changes: list[Change], again: list[int], data: st.DataObject
) -> None:
    repeated = changes + [changes[number] for number in again if number < len(changes)]
    content = Content("first", ({"kind": "image"},))

    assert astuple(folded(content, data.draw(st.permutations(repeated)))) == astuple(folded(content, changes))


@given(states=st.lists(st.sampled_from([state for state in MessageState if state is not MessageState.RECEIVED])))
def test_a_message_that_was_read_stays_read_whatever_is_said_later(states: list[MessageState]) -> None:
    state = MessageState.READ
    for said in states:
        state = follow(state, said)

    assert state is MessageState.READ
