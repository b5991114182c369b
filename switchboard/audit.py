"""Checking an exported audit trail offline. Shares no code with the service: the rule is docs/audit.md, read anew."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

MOST_BYTES = 16 << 20
"""Longer than any line of an export; what is longer is none."""

WHOLE, BROKEN, UNREADABLE = 0, 1, 2

_FORMAT, _VERSION = "switchboard-audit", 1
_HEADER = {"after_seq", "algorithm", "format", "from", "organization_id", "previous_hash", "to", "version"}
_EVENT = {"content", "hash", "previous_hash"}
_CONTENT = {
    "action",
    "actor_id",
    "actor_kind",
    "actor_name",
    "details",
    "occurred_at",
    "organization_id",
    "seq",
    "subject_id",
}
_END = {"count", "head", "header_hash", "last_seq"}
_HASH = re.compile(r"[0-9a-f]{64}")


class Fault(StrEnum):
    """What is wrong where a chain breaks."""

    NOT_JSON = "not JSON"
    HEADER_MISSING = "header missing"
    CHANGED = "changed"
    REMOVED = "removed"
    INSERTED = "inserted"
    REORDERED = "reordered"
    TRUNCATED = "truncated"


class Broken(Exception):
    """The first broken link: at which line (from 1), at which event, what, and why."""

    def __init__(self, line: int, seq: int | None, fault: Fault, why: str) -> None:
        at = "" if seq is None else f", event {seq}"
        super().__init__(f"line {line}{at}: {fault.value}: {why}")
        self.line, self.seq, self.fault = line, seq, fault


@dataclass(frozen=True, slots=True)
class Verified:
    """What a whole export holds. `first_seq` is None for one without events."""

    organization_id: str
    count: int
    first_seq: int | None
    last_seq: int
    head: str


@dataclass(frozen=True, slots=True)
class Noted:
    """What somebody wrote down of the chain earlier: its end then, by hash, by number or both."""

    head: str | None = None
    seq: int | None = None


def verify(file: BinaryIO, noted: Noted | None = None) -> Verified:
    """Read an export to its end, a line at a time, and return what it holds; raise Broken for the first broken link."""
    return _Chain(file, noted or Noted()).read()


def run(path: Path, noted: Noted) -> int:
    """Check the file and say what was found; return the exit status: 0 whole, 1 broken, 2 not to be read."""
    if noted.head is not None and not _is_hash(noted.head):
        sys.stderr.write("--head takes the 64 hexadecimal digits of a hash, in lower case.\n")
        return UNREADABLE
    try:
        with path.open("rb") as file:
            found = verify(file, noted)
    except OSError as error:
        sys.stderr.write(f"{path}: {error.strerror}\n")
        return UNREADABLE
    except Broken as broken:
        sys.stdout.write(f"BROKEN {broken}\n")
        return BROKEN
    sys.stdout.write(
        f"WHOLE organization {found.organization_id}: {found.count} events, to number {found.last_seq}, head {found.head}\n"
    )
    return WHOLE


class _Chain:
    def __init__(self, file: BinaryIO, noted: Noted) -> None:
        self.lines = _lines(file)
        self.noted = noted
        self.seen_noted = noted.head is None
        self.number = 0
        self.organization = ""
        self.seq = 0
        self.head = ""

    def read(self) -> Verified:
        header_line = next(self.lines, None)
        header = self._header(header_line)
        self.organization = str(header["organization_id"])
        self.seq = first = _integer(header["after_seq"])
        self.head = str(header["previous_hash"])
        self._compare_with_noted()
        for line in self.lines:
            self.number += 1
            found = self._parsed(line)
            if found.keys() == _END:
                return self._end(found, hashlib.sha256(header_line or b"").hexdigest(), first)
            self._follow(found)
        why = "the last line, which tells how many events there are, is missing"
        raise Broken(self.number + 1, self.seq + 1, Fault.TRUNCATED, why)

    def _header(self, line: bytes | None) -> Mapping[str, object]:
        self.number = 1
        if line is None:
            raise Broken(1, None, Fault.HEADER_MISSING, "the file is empty")
        found = self._parsed(line)
        if found.get("format") != _FORMAT or found.keys() != _HEADER:
            raise Broken(1, None, Fault.HEADER_MISSING, "the first line is not the header of an export")
        if found["version"] != _VERSION:
            raise Broken(1, None, Fault.HEADER_MISSING, f"version {found['version']!r} is not known to this program")
        if not _is_integer(found["after_seq"]) or not _is_hash(found["previous_hash"]):
            raise Broken(1, None, Fault.CHANGED, "the header does not say where the chain begins")
        if found["after_seq"] == 0 and found["previous_hash"] != "0" * 64:
            raise Broken(1, None, Fault.CHANGED, "a whole chain begins with 64 zeros")
        return found

    def _parsed(self, line: bytes) -> Mapping[str, object]:
        """Return the object of a line, which must be written exactly as the service writes it."""
        try:
            found = json.loads(line)
        except ValueError as error:
            fault = Fault.NOT_JSON if line.endswith(b"\n") else Fault.TRUNCATED
            raise Broken(self.number, self._next(), fault, "the line cannot be read") from error
        except RecursionError as error:
            raise Broken(self.number, self._next(), Fault.NOT_JSON, "the line is nested without end") from error
        if not isinstance(found, dict):
            raise Broken(self.number, self._next(), Fault.NOT_JSON, "the line is not a JSON object")
        if not line.endswith(b"\n"):
            raise Broken(self.number, self._next(), Fault.TRUNCATED, "the line has no end")
        if _written(found) + b"\n" != line:
            raise Broken(self.number, self._next(), Fault.CHANGED, "the line is not written as the service writes it")
        return found

    def _next(self) -> int | None:
        return None if self.number == 1 else self.seq + 1

    def _follow(self, found: Mapping[str, object]) -> None:
        content, previous, own = found.get("content"), found.get("previous_hash"), found.get("hash")
        if found.keys() != _EVENT or not isinstance(content, dict) or content.keys() != _CONTENT:
            raise Broken(self.number, self.seq + 1, Fault.CHANGED, "the line is not an event")
        if not _is_hash(previous) or not _is_hash(own) or not _is_integer(content["seq"]):
            raise Broken(self.number, self.seq + 1, Fault.CHANGED, "the line is not an event")
        seq = _integer(content["seq"])
        if hashlib.sha256(bytes.fromhex(str(previous)) + _written(content)).hexdigest() != own:
            raise Broken(self.number, seq, Fault.CHANGED, "its hash is not that of its content")
        if content["organization_id"] != self.organization:
            raise Broken(self.number, seq, Fault.INSERTED, "it is an event of another organization than the header's")
        if seq <= self.seq:
            raise Broken(self.number, seq, Fault.INSERTED, f"event {self.seq} stands before it already")
        if seq > self.seq + 1:
            raise self._gap(seq)
        if previous != self.head:
            why = "it does not continue the event before it; one of the two was replaced"
            raise Broken(self.number, seq, Fault.CHANGED, why)
        self.seq, self.head = seq, str(own)
        self._compare_with_noted()

    def _gap(self, seq: int) -> Broken:
        """Tell whether the event that should stand here comes later or not at all."""
        missing = self.seq + 1
        for line in self.lines:
            try:
                found = json.loads(line)
                later = found["content"]["seq"]
            except (ValueError, KeyError, TypeError, RecursionError):
                continue
            if later == missing:
                return Broken(self.number, seq, Fault.REORDERED, f"event {missing} belongs here and comes later")
        return Broken(self.number, missing, Fault.REMOVED, f"event {missing} is missing; event {seq} stands here")

    def _end(self, found: Mapping[str, object], header_hash: str, first: int) -> Verified:
        count = self.seq - first
        if found["header_hash"] != header_hash:
            raise Broken(1, None, Fault.CHANGED, "the header is not the one that the last line knows")
        if _is_integer(found["count"]) and _integer(found["count"]) > count:
            raise Broken(self.number, self.seq + 1, Fault.TRUNCATED, f"{found['count']} events were exported")
        if found["count"] != count or found["last_seq"] != self.seq or found["head"] != self.head:
            raise Broken(self.number, None, Fault.CHANGED, "the last line does not tell what stands before it")
        if next(self.lines, None) is not None:
            raise Broken(self.number + 1, None, Fault.INSERTED, "nothing follows the last line of an export")
        self._check_noted()
        return Verified(self.organization, count, first + 1 if count else None, self.seq, self.head)

    def _compare_with_noted(self) -> None:
        if self.noted.seq == self.seq and self.noted.head not in {None, self.head}:
            raise Broken(self.number, self.seq, Fault.CHANGED, "the noted hash of this event is another one")
        self.seen_noted = self.seen_noted or self.noted.head == self.head

    def _check_noted(self) -> None:
        if self.noted.seq is not None and self.noted.seq > self.seq:
            why = f"the chain had {self.noted.seq} events when its end was noted"
            raise Broken(self.number, self.seq + 1, Fault.TRUNCATED, why)
        if not self.seen_noted:
            raise Broken(self.number, None, Fault.TRUNCATED, "no event here has the noted hash")


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(MOST_BYTES):
        yield line


def _written(value: Mapping[str, object]) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which no text of the service holds
        return b""


def _is_hash(value: object) -> bool:
    return isinstance(value, str) and _HASH.fullmatch(value) is not None


def _is_integer(value: object) -> bool:
    return type(value) is int and value >= 0


def _integer(value: object) -> int:
    return value if isinstance(value, int) else 0
