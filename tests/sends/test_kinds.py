"""Sends of every kind: what the claim lets out, and what becomes of them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from server.config import Settings
from server.consent import service as consent
from server.consent.models import SuppressionReason
from server.kit.db import Database
from server.kit.ids import new_id
from server.platforms.port import (
    Channel,
    FailureReason,
    ListedMessage,
    Listing,
    NotSent,
    OutgoingKind,
    OutgoingMessage,
    QuotaScope,
    Sent,
    Unknown,
    UtilityTemplate,
)
from server.sends import service as sends
from server.sends.errors import CommentAnswered
from server.sends.models import Purpose, SendState
from server.sends.repository import claim as claims
from server.sends.service import CommentReplySend, ReplySend, UtilitySend
from server.tenants.uow import begin, begin_read
from tests.factories.post_office import ACounter, a_counter, people_of
from tests.factories.sends import AShop, a_reply, the_send
from tests.workshop import Workshop

TEMPLATE = UtilityTemplate("order_shipped", "de", ("42",))


def an_answer(shop: AShop, person: tuple[UUID, str], comment: str, at: datetime | None = None) -> CommentReplySend:
    """An answer to a comment that was written just now, or at a time."""
    written = at or datetime.now(UTC)
    return CommentReplySend(
        shop.page.id, shop.page.unit_id, *person, comment, written, "Thank you", None, f"test:{new_id()}"
    )


async def answer(database: Database, shop: AShop, reply: CommentReplySend, *, is_private: bool) -> UUID:
    """Queue an answer to a comment."""
    async with begin(database, shop.organization.scope) as uow:
        return await sends.enqueue_comment_reply(uow, reply, is_private=is_private)


async def a_utility(database: Database, shop: AShop, person: tuple[UUID, str]) -> UUID:
    """Queue a utility message."""
    wanted = UtilitySend(shop.page.id, shop.page.unit_id, *person, TEMPLATE, "On its way", None, f"test:{new_id()}")
    async with begin(database, shop.organization.scope) as uow:
        return await sends.enqueue_utility(uow, wanted)


async def close_window(database: Database, shop: AShop, contact_id: UUID) -> None:
    """Let the person's window be over."""
    async with begin(database, shop.organization.scope) as uow:
        await uow.session.execute(
            text("UPDATE messaging_window SET closes_at = now(), human_agent_closes_at = now() WHERE contact_id = :id"),
            {"id": contact_id},
        )


@pytest.fixture
async def counter(database: Database, settings: Settings, workshop: Workshop) -> ACounter:
    """A Messenger page at a post office."""
    return await a_counter(database, settings, workshop.runtime.lock, Channel.MESSENGER)


async def test_each_kind_leaves_with_what_it_needs_and_without_an_open_window(
    database: Database, counter: ACounter
) -> None:
    shop = counter.shop
    (person,) = await people_of(database, shop)
    await close_window(database, shop, person[0])
    private = await answer(database, shop, an_answer(shop, person, "c_1"), is_private=True)
    public = await answer(database, shop, an_answer(shop, person, "c_1"), is_private=False)
    utility = await a_utility(database, shop, person)
    plain = await a_reply(database, shop, *person)

    await counter.workshop.settle(shop.organization.id)

    by_kind = {message.kind: message for message in counter.office.sent}
    assert by_kind[OutgoingKind.PRIVATE_REPLY].comment_id == by_kind[OutgoingKind.COMMENT_REPLY].comment_id == "c_1"
    assert by_kind[OutgoingKind.UTILITY].utility == TEMPLATE
    assert {(await the_send(database, shop, one)).state for one in (private, public, utility)} == {SendState.SENT}
    assert (await the_send(database, shop, plain)).reason == "WINDOW_CLOSED"
    assert OutgoingKind.MESSAGE not in by_kind


async def test_a_comment_is_answered_in_private_once_however_many_ask_at_once(
    database: Database, counter: ACounter
) -> None:
    shop = counter.shop
    (person,) = await people_of(database, shop)

    tries = [answer(database, shop, an_answer(shop, person, "c_2"), is_private=True) for _ in range(8)]
    found = await asyncio.gather(*tries, return_exceptions=True)
    await counter.workshop.settle(shop.organization.id)

    assert sum(isinstance(one, CommentAnswered) for one in found) == 7
    assert [message.comment_id for message in counter.office.sent] == ["c_2"]


async def test_an_old_comment_gets_no_private_answer_and_a_suppressed_person_no_utility_message(
    database: Database, counter: ACounter
) -> None:
    shop = counter.shop
    person, other = await people_of(database, shop, 2)
    async with begin(database, shop.organization.scope) as uow:
        await consent.suppress(uow, other[0], SuppressionReason.ASKED_TO_STOP)
    week_ago = datetime.now(UTC) - timedelta(days=7, minutes=1)
    late = await answer(database, shop, an_answer(shop, person, "c_3", week_ago), is_private=True)
    unwanted = await a_utility(database, shop, other)
    answered = await a_reply(database, shop, *other)

    await counter.workshop.settle(shop.organization.id)

    assert (await the_send(database, shop, late)).reason == "COMMENT_TOO_OLD"
    assert (await the_send(database, shop, unwanted)).reason == "SUPPRESSED"
    assert (await the_send(database, shop, answered)).state is SendState.SENT


async def claim_ten(database: Database, shop: AShop) -> list[claims.Claimed]:
    """Claim as the page's drain would on a channel of ten messages a window."""
    async with begin(database, shop.organization.scope) as uow:
        return await claims.claim(
            uow.session,
            shop.organization.id,
            shop.page.id,
            Purpose.CONVERSATIONAL,
            worker_id=new_id(),
            size=4,
            rules=claims.ChannelRules(timedelta(days=1), None, 10),
        )


async def test_racing_claims_never_put_more_than_ten_messages_into_one_window(
    database: Database, settings: Settings, workshop: Workshop
) -> None:
    counter = await a_counter(database, settings, workshop.runtime.lock, Channel.TIKTOK)
    person, other = await people_of(database, counter.shop, 2)
    for number in range(14):
        await a_reply(database, counter.shop, *person, f"{number}")
    await a_reply(database, counter.shop, *other)

    claimed: list[claims.Claimed] = []
    for _ in range(6):
        for rows in await asyncio.gather(*(claim_ten(database, counter.shop) for _ in range(5))):
            claimed += rows

    mine = [row for row in claimed if row.contact_id == person[0]]
    assert sorted(row.state for row in mine) == [SendState.CLAIMED] * 10 + [SendState.SKIPPED] * 4
    assert {row.reason for row in mine if row.state is SendState.SKIPPED} == {"WINDOW_FULL"}
    assert [row.state for row in claimed if row.contact_id == other[0]] == [SendState.CLAIMED]


async def test_the_next_message_of_the_person_opens_the_window_anew(
    database: Database, settings: Settings, workshop: Workshop
) -> None:
    counter = await a_counter(database, settings, workshop.runtime.lock, Channel.TIKTOK)
    (person,) = await people_of(database, counter.shop)
    for _ in range(11):
        last = await a_reply(database, counter.shop, *person)
    while await claim_ten(database, counter.shop):
        pass
    assert (await the_send(database, counter.shop, last)).reason == "WINDOW_FULL"

    async with begin(database, counter.shop.organization.scope) as uow:
        await consent.note_action(uow, counter.shop.page, person[0], datetime.now(UTC))
    await a_reply(database, counter.shop, *person)

    assert [row.state for row in await claim_ten(database, counter.shop)] == [SendState.CLAIMED]


async def test_messages_to_one_person_leave_in_their_order(database: Database, counter: ACounter) -> None:
    (person,) = await people_of(database, counter.shop)
    for number in range(6):
        await a_reply(database, counter.shop, *person, f"{number}")

    await counter.workshop.settle(counter.shop.organization.id)

    assert [message.text for message in counter.office.sent] == ["0", "1", "2", "3", "4", "5"]


async def test_a_thread_and_a_new_name_of_the_person_are_kept_and_used(database: Database, counter: ACounter) -> None:
    shop = counter.shop
    (person,) = await people_of(database, shop)
    counter.office.says = lambda message: Sent(f"m_{new_id().hex}", "psid-7", "thread-7")
    await answer(database, shop, an_answer(shop, person, "c_4"), is_private=True)

    await counter.workshop.settle(shop.organization.id)

    async with begin_read(database, shop.organization.scope) as uow:
        rows = await uow.session.execute(
            text("SELECT external_id, thread_external_id FROM contact_identity WHERE contact_id = :id ORDER BY id"),
            {"id": person[0]},
        )
        assert [tuple(row) for row in rows] == [(person[1], "thread-7"), ("psid-7", "thread-7")]


async def test_a_throttled_app_holds_its_pages_and_a_throttled_page_holds_itself(
    database: Database, settings: Settings, counter: ACounter
) -> None:
    other = await a_counter(database, settings, counter.workshop.runtime.lock, Channel.MESSENGER, counter.office)
    held = (await people_of(database, counter.shop))[0]
    free = (await people_of(database, other.shop))[0]

    def throttled(scope: QuotaScope, text_of: str) -> None:
        refusal = NotSent(FailureReason.RATE_LIMITED, True, "slow down", 30.0, scope)
        counter.office.says = lambda message: refusal if message.text == text_of else None

    throttled(QuotaScope.PAGE, "one")
    one = await a_reply(database, counter.shop, *held, "one")
    await counter.workshop.settle(counter.shop.organization.id)
    two = await a_reply(database, other.shop, *free, "two")
    await other.workshop.settle(other.shop.organization.id)
    throttled(QuotaScope.APP, "three")
    three = await a_reply(database, other.shop, *free, "three")
    await other.workshop.settle(other.shop.organization.id)
    four = await a_reply(database, other.shop, *free, "four")
    await other.workshop.settle(other.shop.organization.id)

    assert (await the_send(database, counter.shop, one)).state is SendState.QUEUED
    assert (await the_send(database, other.shop, two)).state is SendState.SENT
    assert (await the_send(database, other.shop, three)).reason == "RATE_LIMITED"
    waiting = await the_send(database, other.shop, four)
    assert (waiting.state, waiting.reason, waiting.attempt) == (SendState.QUEUED, "WAITS_FOR_QUOTA", 0)
    assert waiting.not_before > datetime.now(UTC) + timedelta(seconds=15)


@pytest.mark.parametrize(("_case", "is_complete"), [("does not reach back", False), ("does", True)])
async def test_what_is_missing_from_a_list_that_does_not_reach_back_is_for_a_person(
    database: Database, counter: ACounter, _case: str, is_complete: bool
) -> None:
    shop = counter.shop
    (person,) = await people_of(database, shop)
    answers = [Unknown("no answer")]
    counter.office.says = lambda message: answers.pop() if answers else None
    counter.office.listing = Listing((), is_complete)
    send_id = await a_reply(database, shop, *person)

    await counter.workshop.settle(shop.organization.id)
    for _ in range(4):
        await asyncio.sleep(1.1)
        await counter.workshop.work(shop.organization.id, within=timedelta(seconds=5))
        await counter.workshop.settle(shop.organization.id)

    sent = await the_send(database, shop, send_id)
    expected = SendState.SENT if is_complete else SendState.NEEDS_HUMAN
    assert (sent.state, len(counter.office.sent)) == (expected, 2 if is_complete else 1)
    assert is_complete or sent.reason == "NOT_PROVEN"


async def test_an_unknown_public_answer_is_never_sent_again_by_itself(database: Database, counter: ACounter) -> None:
    shop = counter.shop
    (person,) = await people_of(database, shop)

    def says(message: OutgoingMessage) -> Unknown:
        return Unknown("no answer")

    counter.office.says = says
    stranger = ListedMessage("m_9", "page", "somebody", "Thank you", datetime.now(UTC))
    counter.office.listing = Listing((stranger,))
    send_id = await answer(database, shop, an_answer(shop, person, "c_5"), is_private=False)

    await counter.workshop.settle(shop.organization.id)
    for _ in range(4):
        await asyncio.sleep(1.1)
        await counter.workshop.work(shop.organization.id, within=timedelta(seconds=5))

    assert (await the_send(database, shop, send_id)).state is SendState.NEEDS_HUMAN
    assert len(counter.office.sent) == 1


async def test_a_reply_carries_its_thread_its_quote_and_its_choices(database: Database, counter: ACounter) -> None:
    (person,) = await people_of(database, counter.shop)
    page = counter.shop.page
    reply = ReplySend(page.id, page.unit_id, *person, "Hi", None, f"test:{new_id()}", thread_external_id="t_1")
    async with begin(database, counter.shop.organization.scope) as uow:
        await sends.enqueue_reply(uow, reply)

    await counter.workshop.settle(counter.shop.organization.id)

    assert [message.thread_external_id for message in counter.office.sent] == ["t_1"]
