"""The list of a bulk connect: which page goes to which unit, from CSV or JSON lines. Pure.

CSV has the columns `externalId` and `unitId` in its first line; a JSON line is an object with these two. What cannot be read
is a problem of its line.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from server.channels.errors import ChoicesUnclear
from server.channels.rules import MAX_KEY_BYTES, MAX_LIST
from server.kit.ids import MalformedId, decode_as

UNIT_PREFIX = "unit"
"""The prefix of a unit's id, as the GraphQL schema writes it."""
_COLUMNS = ("externalId", "unitId")


class Problem(StrEnum):
    """Why a line is not tried at all."""

    UNREADABLE = "UNREADABLE"
    TWICE = "TWICE"
    NO_SUCH_UNIT = "NO_SUCH_UNIT"
    NOT_ALLOWED = "NOT_ALLOWED"
    OTHER_UNIT = "OTHER_UNIT"


class ListFormat(StrEnum):
    """How the file of a bulk connect is written."""

    CSV = "CSV"
    JSONL = "JSONL"


@dataclass(frozen=True, slots=True)
class Choice:
    """One line: a page and its unit; `problem` says why it is not tried. For OTHER_UNIT the unit is where the page stands."""

    external_id: str
    unit_id: UUID | None
    problem: Problem | None = None


def read(form: ListFormat, content: bytes) -> list[Choice]:
    """Read a list of 1 to 10,000 lines; raise ChoicesUnclear for what is no such list at all."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ChoicesUnclear("The file is not UTF-8 text.", path=("fileId",)) from None
    found: list[Choice] = []
    for line in _csv(text) if form is ListFormat.CSV else _json(text):
        found.append(_choice(line))
        if len(found) > MAX_LIST:
            raise ChoicesUnclear(f"A list has at most {MAX_LIST:,} lines. Connect in parts.", path=("fileId",))
    if not found:
        raise ChoicesUnclear("The file has no lines.", path=("fileId",))
    return found


def once(choices: list[Choice]) -> list[Choice]:
    """Mark every line whose page stood in an earlier one."""
    seen: set[str] = set()
    told: list[Choice] = []
    for one in choices:
        is_again = one.external_id in seen and one.problem is None
        told.append(Choice(one.external_id, None, Problem.TWICE) if is_again else one)
        seen.add(one.external_id)
    return told


def written(choices: list[Choice]) -> bytes:
    """Write lines so that `stored` reads them back."""
    rows = (
        [one.external_id, None if one.unit_id is None else str(one.unit_id), one.problem and one.problem.value]
        for one in choices
    )
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def stored(content: bytes) -> list[Choice]:
    """Read back what `written` wrote."""
    rows = [json.loads(line) for line in content.splitlines()]
    return [Choice(name, unit and UUID(unit), problem and Problem(problem)) for name, unit, problem in rows]


def _csv(text: str) -> Iterator[Mapping[object, object] | None]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        if not set(_COLUMNS) <= set(reader.fieldnames or ()):
            raise ChoicesUnclear("The first line must name the columns externalId and unitId.", path=("fileId",))
        yield from reader
    except csv.Error:
        raise ChoicesUnclear("The file is no CSV.", path=("fileId",)) from None


def _json(text: str) -> Iterator[Mapping[object, object] | None]:
    for line in text.splitlines():
        if line.strip():
            try:
                told = json.loads(line)
            except (ValueError, RecursionError):
                told = None
            yield told if isinstance(told, dict) else None


def _choice(line: Mapping[object, object] | None) -> Choice:
    external_id, unit = (None, None) if line is None else (line.get(name) for name in _COLUMNS)
    if not isinstance(external_id, str) or not _is_name(external_id.strip()):
        return Choice("", None, Problem.UNREADABLE)
    try:
        unit_id = decode_as(UNIT_PREFIX, unit.strip() if isinstance(unit, str) else "")
    except MalformedId:
        return Choice(external_id.strip(), None, Problem.NO_SUCH_UNIT)
    return Choice(external_id.strip(), unit_id)


def _is_name(value: str) -> bool:
    return value.isprintable() and 0 < len(value.encode("utf-8", "replace")) <= MAX_KEY_BYTES
