"""Identifiers: sorted by time inside, opaque outside."""

from __future__ import annotations

import threading
import time
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.kit.ids import MalformedId, decode, decode_as, encode, new_id

PREFIXES = st.from_regex(r"[a-z]{1,12}", fullmatch=True)
BODY = "0" * 26


def test_later_ids_sort_after_earlier_ones_also_within_a_millisecond() -> None:
    made = [new_id() for _ in range(20_000)]

    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_ids_of_many_threads_are_all_different() -> None:
    made: list[UUID] = []
    threads = [threading.Thread(target=lambda: made.extend([new_id() for _ in range(2_000)])) for _ in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(made)) == 16_000


def test_an_id_is_a_uuid_of_version_7_with_the_time_in_front() -> None:
    before_ms = time.time_ns() // 1_000_000

    made = new_id()

    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    # Many ids in one millisecond may run a little ahead of the clock, never behind it.
    assert before_ms <= made.int >> 80 <= before_ms + 1_000


@given(prefix=PREFIXES, number=st.integers(0, 2**128 - 1))
def test_an_id_reads_back_as_it_was_written(prefix: str, number: int) -> None:
    text = encode(prefix, UUID(int=number))

    assert decode(text) == (prefix, UUID(int=number))
    assert decode_as(prefix, text) == UUID(int=number)


@given(first=st.integers(0, 2**128 - 1), second=st.integers(0, 2**128 - 1))
def test_the_texts_sort_as_the_ids_do(first: int, second: int) -> None:
    ids = [UUID(int=first), UUID(int=second)]

    assert sorted(encode("unit", one) for one in ids) == [encode("unit", one) for one in sorted(ids)]


@given(text=st.text(max_size=60))
def test_a_text_is_either_an_id_or_malformed_and_never_both(text: str) -> None:
    try:
        prefix, value = decode(text)
    except MalformedId:
        return
    assert encode(prefix, value) == text


@pytest.mark.parametrize(
    ("_case", "text"),
    [
        ("empty", ""),
        ("no prefix", BODY),
        ("an empty prefix", f"_{BODY}"),
        ("a long prefix", f"{'p' * 13}_{BODY}"),
        ("one letter short", f"unit_{BODY[1:]}"),
        ("one letter long", f"unit_{BODY}0"),
        ("a capital letter", f"unit_{BODY[1:]}A"),
        ("a letter that is not in the alphabet", f"unit_{BODY[1:]}u"),
        ("more than 128 bits", f"unit_8{BODY[1:]}"),
        ("a space before", f"unit_ {BODY[1:]}"),
        ("a line end after", f"unit_{BODY[1:]}\n"),
        ("NUL", f"unit_{BODY[1:]}\0"),
        ("digits of another script", "unit_" + "٠" * 26),
        ("a bare UUID", "018f0000-0000-7000-8000-000000000000"),
        ("quotes", "unit_' OR 1=1 --000000000000000"),
    ],
)
def test_what_we_could_not_have_written_is_malformed(_case: str, text: str) -> None:
    with pytest.raises(MalformedId):
        decode(text)


def test_an_id_of_another_kind_is_malformed() -> None:
    with pytest.raises(MalformedId):
        decode_as("page", encode("unit", new_id()))
