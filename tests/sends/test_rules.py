"""Pure decisions about sends."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.kit.ids import new_id
from server.platforms.port import FailureReason, ListedMessage, NotSent, Outcome, Sent, Unknown
from server.sends.models import Delivery, SendState
from server.sends.rules import (
    MAX_ATTEMPTS,
    NotCalled,
    UnknownSend,
    further,
    judge,
    match_unknowns,
    read_reference,
    reference,
)

START = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("_case", "outcome", "attempt", "state"),
    [
        ("taken", Sent("m_1"), 1, SendState.SENT),
        ("no answer", Unknown("reset"), 1, SendState.UNKNOWN),
        ("never called", NotCalled(), 1, SendState.QUEUED),
        ("busy", NotSent(FailureReason.RATE_LIMITED, retryable=True), 1, SendState.QUEUED),
        ("busy for the last time", NotSent(FailureReason.TRANSIENT, retryable=True), MAX_ATTEMPTS, SendState.NOT_SENT),
        ("blocked", NotSent(FailureReason.BLOCKED_BY_CONTACT, retryable=False), 1, SendState.NOT_SENT),
        ("token dead", NotSent(FailureReason.AUTH, retryable=False), MAX_ATTEMPTS, SendState.QUEUED),
    ],
)
def test_only_what_certainly_did_not_leave_is_queued_again(
    _case: str, outcome: Outcome | NotCalled, attempt: int, state: SendState
) -> None:
    assert judge(outcome, attempt).state is state


def test_a_platforms_wish_to_wait_is_kept_and_an_absurd_one_is_capped() -> None:
    wished = judge(NotSent(FailureReason.RATE_LIMITED, retryable=True, retry_after_s=90), 1)
    absurd = judge(NotSent(FailureReason.RATE_LIMITED, retryable=True, retry_after_s=1e9), 1)

    assert wished.retry_in == timedelta(seconds=90)
    assert absurd.retry_in == timedelta(hours=1)


@given(st.integers(min_value=1, max_value=9999))
def test_a_reference_reads_back(attempt: int) -> None:
    send_id = new_id()

    assert read_reference(reference(send_id, attempt)) == (send_id, attempt)
    assert len(reference(send_id, attempt)) <= 64


@pytest.mark.parametrize(
    "text", [None, "", "sb1:", "DEVELOPER_DEFINED_METADATA_STRING", "sb1:zz:1", "sb2:" + "0" * 32 + ":1"]
)
def test_a_foreign_reference_is_not_ours(text: str | None) -> None:
    assert read_reference(text) is None


def test_deliveries_only_move_forward_in_every_order() -> None:
    for order in itertools.permutations([Delivery.ACCEPTED, Delivery.DELIVERED, Delivery.READ]):
        reached = Delivery.NONE
        for one in order:
            reached = further(reached, one)
        assert reached is Delivery.READ


def an_unknown(text: str, person: str = "p1", after_s: int = 0) -> UnknownSend:
    """An unknown send, claimed some seconds after the start."""
    return UnknownSend(new_id(), person, text, START + timedelta(seconds=after_s))


def a_listed(mid: str, text: str, person: str = "p1", after_s: int = 1) -> ListedMessage:
    """A message of the platform's list."""
    return ListedMessage(mid, "page", person, text, START + timedelta(seconds=after_s))


def test_the_list_finds_a_message_by_person_text_and_time_whatever_the_white_space() -> None:
    unknown = an_unknown("Hello  you\n")

    found = match_unknowns([unknown], [a_listed("m1", "Hello you"), a_listed("m2", "Hello you", "p2")], frozenset())

    assert found[unknown.id].message == a_listed("m1", "Hello you")


def test_a_message_older_than_the_claim_or_of_another_send_proves_nothing() -> None:
    unknown = an_unknown("Hello", after_s=60)
    older, taken = a_listed("m1", "Hello", after_s=1), a_listed("m2", "Hello", after_s=61)

    found = match_unknowns([unknown], [older, taken], frozenset({"m2"}))

    assert found[unknown.id].message is None
    assert not found[unknown.id].is_ambiguous


def test_equal_texts_of_one_second_are_told_apart_by_their_place_in_the_list_which_shows_the_newest_first() -> None:
    first, second = an_unknown("Hello"), an_unknown("Hello", after_s=1)
    listed = [a_listed("later", "Hello", after_s=2), a_listed("earlier", "Hello", after_s=2)]

    found = match_unknowns([first, second], listed, frozenset())

    assert (found[first.id].message, found[second.id].message) == (listed[1], listed[0])


def test_two_equal_texts_of_which_one_arrived_are_for_a_person() -> None:
    unknowns = [an_unknown("Hello"), an_unknown("Hello", after_s=1)]

    one = match_unknowns(unknowns, [a_listed("m1", "Hello")], frozenset())
    both = match_unknowns(unknowns, [a_listed("m1", "Hello"), a_listed("m2", "Hello", after_s=2)], frozenset())

    assert all(finding.is_ambiguous for finding in one.values())
    assert {finding.message.platform_message_id for finding in both.values() if finding.message} == {"m1", "m2"}
