"""Quotas as arithmetic: no window of the platform ever holds more calls than its limit, whatever the timing."""

from __future__ import annotations

import math
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.kit.ids import new_id
from server.platforms.port import Act
from server.sends.quota_rules import Asker, Book, Window, Word, grant

NAME = ("app:test", Act.SEND)
A, B = new_id(), new_id()
START = 1_800_000_000.0


def a_book(limit: int, window_s: float, *, is_app: bool = False) -> Book:
    """One allowance with one window."""
    return Book(is_app, [Window(limit, window_s, 25.0)], Word())


def ask(book: Book, count: int, now: float, who: UUID = A, *, is_urgent: bool = True) -> int:
    """Take tokens of one allowance; return how many were granted."""
    given = grant({NAME: book}, [frozenset({NAME})] * count, Asker(who, is_urgent), now)
    return count - given.refused


ROUNDS = st.lists(
    st.tuples(
        st.floats(0, 3),  # until the tokens are taken
        st.integers(1, 12),  # how many are asked for
        st.floats(0, 4),  # until the last of their calls has ended
        st.booleans(),  # whether the process died before it could say so
    ),
    min_size=1,
    max_size=40,
)


@pytest.mark.parametrize(("limit", "window_s"), [(5, 1.0), (10, 2.0), (15, 60.0)])
@settings(max_examples=150, deadline=None)
@given(rounds=ROUNDS, dice=st.randoms(use_true_random=False))
def test_no_sliding_window_of_the_platform_ever_holds_more_than_the_limit(
    limit: int, window_s: float, rounds: list[tuple[float, int, float, bool]], dice: object
) -> None:
    book, now, arrivals = a_book(limit, window_s), START, []
    for pause, count, lasts, is_killed in rounds:
        now += pause
        taken = ask(book, count, now)
        at = book.windows[0].at(now)
        arrivals += [now + dice.random() * lasts for _ in range(taken)]  # type: ignore[attr-defined]
        now += lasts
        if not is_killed and taken:
            book.windows[0].end(at, now, taken, 0)

    arrivals.sort()
    for number, end in enumerate(arrivals):
        assert sum(end - window_s < one <= end for one in arrivals[: number + 1]) <= limit


def test_what_was_not_used_is_free_at_once_and_what_was_used_after_a_window() -> None:
    book = a_book(10, 1.0)
    assert ask(book, 12, START) == 10
    assert ask(book, 1, START + 0.5) == 0

    book.windows[0].end(book.windows[0].at(START), START + 0.5, 10, 4)

    assert ask(book, 10, START + 0.6) == 4
    assert ask(book, 10, START + 1.75) == 6


def test_the_tokens_of_a_process_that_died_come_back_when_its_calls_cannot_be_on_their_way() -> None:
    book = a_book(10, 1.0)
    assert ask(book, 10, START) == 10
    assert ask(book, 1, START + 20) == 0
    assert ask(book, 10, START + 26.2) == 10


def test_the_last_fifth_of_an_apps_allowance_is_for_replies() -> None:
    book = a_book(100, 60.0, is_app=True)
    assert ask(book, 200, START, is_urgent=False) == 80
    assert ask(book, 1, START, is_urgent=False) == 0
    assert ask(book, 50, START, B) == 20


def test_a_pages_allowance_has_no_such_part() -> None:
    assert ask(a_book(100, 60.0), 200, START, is_urgent=False) == 100


def test_while_another_organization_waits_nobody_takes_more_than_an_equal_share() -> None:
    book = a_book(100, 60.0, is_app=True)
    assert ask(book, 100, START) == 100
    assert ask(book, 100, START + 1, B) == 0  # B waits from now on
    book.windows[0].end(book.windows[0].at(START), START + 2, 100, 100)

    first = ask(book, 100, START + 3)
    greedy = ask(book, 100, START + 3.1)
    other = ask(book, 100, START + 3.2, B)

    assert (first, greedy) == (50, 0)
    assert other >= 25
    assert first + other <= 100


def test_who_asks_for_little_is_served_among_those_who_ask_for_much() -> None:
    book, greedy, waited = a_book(20, 1.0, is_app=True), [new_id() for _ in range(4)], []
    wants_since: float | None = None
    for step in range(200):
        now = START + step * 0.1
        if step % 10 == 0 and wants_since is None:
            wants_since = now
        for one, count in [*((one, 10) for one in greedy), *([(B, 1)] if wants_since is not None else [])]:
            taken = ask(book, count, now, one)
            if taken:
                book.windows[0].end(book.windows[0].at(now), now, taken, 0)
            if taken and one is B and wants_since is not None:
                waited.append(now - wants_since)
                wants_since = None

    assert len(waited) >= 12
    assert sorted(waited)[len(waited) // 2] <= 0.5
    assert max(waited) <= 1.5


def test_alone_an_organization_takes_all_there_is() -> None:
    book = a_book(100, 60.0, is_app=True)
    assert ask(book, 100, START) == 100
    book.windows[0].end(book.windows[0].at(START), START + 1, 100, 100)
    assert ask(book, 100, START + 2) == 100


def test_the_platforms_own_number_and_its_wish_for_quiet_come_first() -> None:
    book = a_book(100, 60.0)
    book.word = Word(remaining=3, resets_at=START + 30)
    assert ask(book, 10, START) == 3
    assert ask(book, 10, START + 29) == 0
    assert ask(book, 10, START + 31) == 10

    book.word = Word(blocked_until=START + 90)
    assert ask(book, 1, START + 80) == 0
    assert ask(book, 1, START + 91) == 1


def test_a_refused_call_is_told_when_there_is_room_and_not_after_it() -> None:
    book = a_book(5, 60.0)
    ask(book, 5, START)
    book.windows[0].end(book.windows[0].at(START), START + 1, 5, 0)

    given = grant({NAME: book}, [frozenset({NAME})], Asker(A, True), START + 2)
    wait_s = given.waits_s[0]

    assert wait_s is not None
    assert 58 <= wait_s <= 66
    assert ask(book, 1, START + 2 + math.ceil(wait_s)) == 1
