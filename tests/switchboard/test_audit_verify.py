"""Checking an export offline: an untouched one holds, and whatever is done to one is found and named."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st
from typer.testing import CliRunner

from server.audit.lines import Start, end_line, event_line
from server.audit.rules import link, plain
from switchboard.audit import Broken, Fault, Noted, Verified, verify
from switchboard.cli import app

ORGANIZATION, OTHER = UUID(int=1), UUID(int=2)
GENESIS = bytes(32)

_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec="utf-8"))
    | st.sampled_from([1e16, 1e300, -0.0, 2**53, 2**53 - 1, 2**70, '\u2028\x7f\x00"\\/', "e\u0301", "\U0001f9fe"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
_DETAILS = st.dictionaries(st.text(max_size=6), _VALUES, max_size=3)


def an_export(
    details: list[dict[str, object]], after_seq: int = 0, previous: bytes = GENESIS, whose: UUID = ORGANIZATION
) -> list[bytes]:
    """Write an export with one event for each of the details."""
    first = Start(whose, after_seq, previous, None, None).line()
    lines, seq = [first], after_seq
    for one in details:
        seq += 1
        content = {
            "organization_id": str(whose),
            "seq": seq,
            "occurred_at": "2026-11-22T10:00:00.000000+00:00",
            "actor_kind": "MEMBER",
            "actor_id": str(UUID(int=7)),
            "actor_name": "Zoë Ω",
            "action": "unit:self:edit",
            "subject_id": str(UUID(int=9)),
            "details": plain(one),
        }
        found = link(previous, content)
        lines.append(event_line(content, previous, found))
        previous = found
    return [*lines, end_line(first, len(details), seq, previous)]


def checked(lines: list[bytes], noted: Noted | None = None) -> Verified:
    """Verify lines."""
    return verify(io.BytesIO(b"".join(lines)), noted)


def broken(lines: list[bytes], noted: Noted | None = None) -> tuple[int, int | None, Fault]:
    """Return the first broken link: line, number of the event, what is wrong."""
    with pytest.raises(Broken) as found:
        checked(lines, noted)
    return found.value.line, found.value.seq, found.value.fault


def head_of(line: bytes) -> str:
    """Return the hash of an event's line."""
    return str(json.loads(line)["hash"])


SOME: list[dict[str, object]] = [{"number": number} for number in range(6)]


@given(st.lists(_DETAILS, max_size=6), st.integers(min_value=0, max_value=10**6))
@budget(max_examples=150, deadline=None)
def test_an_untouched_export_of_whatever_was_recorded_holds(details: list[dict[str, object]], after: int) -> None:
    found = checked(an_export(details, after, GENESIS if after == 0 else b"\1" * 32))

    assert (found.count, found.last_seq) == (len(details), after + len(details))


@given(st.data())
@budget(max_examples=400, deadline=None)
def test_whatever_single_thing_is_done_to_an_export_is_found(data: st.DataObject) -> None:
    lines = an_export(data.draw(st.lists(_DETAILS, min_size=1, max_size=5)))
    done = data.draw(st.sampled_from([_change_a_byte, _remove, _repeat, _swap, _cut]))

    spoiled = done(lines, data.draw)

    if spoiled != b"".join(lines):
        with pytest.raises(Broken):
            verify(io.BytesIO(spoiled))


Draw = Callable[[st.SearchStrategy[int]], int]


def _place(lines: list[bytes], draw: Draw) -> int:
    return draw(st.integers(0, len(lines) - 1))


def _change_a_byte(lines: list[bytes], draw: Draw) -> bytes:
    text = bytearray(b"".join(lines))
    text[draw(st.integers(0, len(text) - 1))] = draw(st.integers(0, 255))
    return bytes(text)


def _remove(lines: list[bytes], draw: Draw) -> bytes:
    place = _place(lines, draw)
    return b"".join(lines[:place] + lines[place + 1 :])


def _repeat(lines: list[bytes], draw: Draw) -> bytes:
    place, to = _place(lines, draw), _place(lines, draw)
    return b"".join([*lines[:to], lines[place], *lines[to:]])


def _swap(lines: list[bytes], draw: Draw) -> bytes:
    one, two = _place(lines, draw), _place(lines, draw)
    mixed = list(lines)
    mixed[one], mixed[two] = mixed[two], mixed[one]
    return b"".join(mixed)


def _cut(lines: list[bytes], draw: Draw) -> bytes:
    text = b"".join(lines)
    return text[: draw(st.integers(0, len(text) - 1))]


def test_each_fault_is_named_with_its_line_and_event() -> None:
    lines = an_export(SOME)
    stranger = an_export(SOME, whose=OTHER)

    assert broken([]) == (1, None, Fault.HEADER_MISSING)
    assert broken(lines[1:]) == (1, None, Fault.HEADER_MISSING)
    assert broken([lines[0].replace(b'"version":1', b'"version":2'), *lines[1:]]) == (1, None, Fault.HEADER_MISSING)
    assert broken([lines[0].replace(b'"from":null', b'"from":"2026"'), *lines[1:]]) == (1, None, Fault.CHANGED)
    assert broken([*lines[:3], b"nonsense\n", *lines[4:]]) == (4, 3, Fault.NOT_JSON)
    assert broken([*lines[:3], b"[1]\n", *lines[4:]]) == (4, 3, Fault.NOT_JSON)
    assert broken([*lines[:3], b"[" * 100_000 + b"\n", *lines[4:]]) == (4, 3, Fault.NOT_JSON)
    assert broken([*lines[:3], lines[3].replace(b'"number":2', b'"number":9'), *lines[4:]]) == (4, 3, Fault.CHANGED)
    assert broken([*lines[:3], lines[3].replace(b'"number":2', b'"number": 2'), *lines[4:]]) == (4, 3, Fault.CHANGED)
    assert broken([*lines[:3], *lines[4:]]) == (4, 3, Fault.REMOVED)
    assert broken([*lines[:3], lines[4], lines[3], *lines[5:]]) == (4, 4, Fault.REORDERED)
    assert broken([*lines[:4], lines[3], *lines[4:]]) == (5, 3, Fault.INSERTED)
    assert broken([*lines[:3], stranger[3], *lines[4:]]) == (4, 3, Fault.INSERTED)
    assert broken([*lines, lines[3]]) == (9, None, Fault.INSERTED)
    assert broken(lines[:-1]) == (8, 7, Fault.TRUNCATED)
    assert broken([*lines[:-2], lines[-1]]) == (7, 6, Fault.TRUNCATED)
    assert broken([*lines[:-1], lines[-1][:-9]]) == (8, 7, Fault.TRUNCATED)


def test_an_event_that_was_written_anew_with_its_own_fitting_hash_breaks_the_link_after_it() -> None:
    lines = an_export(SOME)
    forged = an_export([*SOME[:2], {"number": "forged"}, *SOME[3:]])

    assert broken([*lines[:3], forged[3], *lines[4:]]) == (5, 4, Fault.CHANGED)


def test_a_chain_that_was_cut_and_closed_again_is_found_by_what_was_noted_of_it() -> None:
    whole, short = an_export(SOME), an_export(SOME[:4])
    head = head_of(whole[6])

    assert checked(short).count == 4
    assert broken(short, Noted(head=head)) == (6, None, Fault.TRUNCATED)
    assert broken(short, Noted(seq=6)) == (6, 5, Fault.TRUNCATED)
    assert checked(whole, Noted(head, 6)).count == 6
    assert checked(an_export([*SOME, {"later": True}]), Noted(head, 6)).count == 7


def test_a_chain_that_was_written_anew_as_a_whole_is_found_by_what_was_noted_of_it() -> None:
    whole, forged = an_export(SOME), an_export([{"number": "forged"}, *SOME[1:]])
    noted = head_of(whole[3])

    assert checked(forged).count == 6
    assert broken(forged, Noted(noted, 3)) == (4, 3, Fault.CHANGED)
    assert broken(forged, Noted(noted)) == (8, None, Fault.TRUNCATED)


def test_the_command_tells_by_its_exit_status_and_its_words(tmp_path: Path) -> None:
    run = CliRunner()
    whole, spoiled = tmp_path / "whole.jsonl", tmp_path / "spoiled.jsonl"
    lines = an_export(SOME)
    whole.write_bytes(b"".join(lines))
    spoiled.write_bytes(b"".join([*lines[:3], *lines[4:]]))

    good = run.invoke(app, ["audit", "verify", str(whole), "--head", head_of(lines[6]), "--seq", "6"])
    bad = run.invoke(app, ["audit", "verify", str(spoiled)])
    absent = run.invoke(app, ["audit", "verify", str(tmp_path / "absent.jsonl")])
    misused = run.invoke(app, ["audit", "verify", str(whole), "--head", "abc"])
    unknown = run.invoke(app, ["audit", "verify", str(whole), "--seq", "many"])

    assert (good.exit_code, good.output.split()[0]) == (0, "WHOLE")
    assert bad.exit_code == 1
    assert bad.output == "BROKEN line 4, event 3: removed: event 3 is missing; event 4 stands here\n"
    assert [one.exit_code for one in (absent, misused, unknown)] == [2, 2, 2]


def test_a_large_export_is_read_a_line_at_a_time(tmp_path: Path) -> None:
    lines = an_export([{"number": number} for number in range(20_000)])
    most = 0

    class Watched(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            nonlocal most
            line = super().readline(size)
            most = max(most, len(line))
            return line

        def read(self, size: int | None = -1, /) -> bytes:
            raise AssertionError("the file was read as a whole")

    found = verify(Watched(b"".join(lines)))

    assert found.count == 20_000
    assert most < 1_000
