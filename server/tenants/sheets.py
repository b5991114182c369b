"""Reading the file of an import: CSV or JSON lines into rows, each with all that is wrong with it. Pure but for the file.

Nothing that stands in a file raises: what cannot be read is a problem of its line. Memory holds one line at a time.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO

import orjson

from server.kit.errors import DomainError, InvalidInput
from server.tenants.attributes import HOURS, KNOWN, read_patch
from server.tenants.rules import MAX_CODE, UnitKind, is_external_code, name_problems

MAX_ROWS = 50_000
MAX_COLUMNS = 100
MAX_LINE_BYTES = 65_536
_FIXED = ("external_code", "name", "kind", "parent_code")
_CUSTOM = "attr."
_FORMULA = ("=", "+", "-", "@")
_LONE = re.compile(r"[\ud800-\udfff]")
Cells = Mapping[str, str | None]


class SheetFormat(StrEnum):
    """How the file of an import is written."""

    CSV = "CSV"
    JSONL = "JSONL"


@dataclass(frozen=True, slots=True)
class RawRow:
    """One line (its first, from 1) with its cells by column, or with the reason why it has none."""

    line: int
    cells: Cells
    problems: tuple[DomainError, ...] = ()
    is_last: bool = False
    """Whether the rest of the file cannot be read or is not wanted."""


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One unit as a line wants it. `external_code` None: the line says nothing that others could refer to."""

    line: int
    external_code: str | None
    name: str | None = None
    kind: UnitKind | None = None
    parent_code: str | None = None
    attributes: Mapping[str, object] | None = None
    problems: tuple[DomainError, ...] = ()


def raw_rows(form: SheetFormat, file: BinaryIO) -> Iterator[RawRow]:
    """Yield the rows of a file that is read from its start; at most 50,000, and a problem where there are more."""
    file.seek(0)
    # Bytes that are no UTF-8 become lone surrogates, so that the line that has them can be told.
    lines = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    try:
        count = 0
        for row in _csv_rows(lines) if form is SheetFormat.CSV else _json_rows(lines):
            count += 1
            if count > MAX_ROWS:
                yield _refused(row.line, f"A file has at most {MAX_ROWS:,} rows. Import it in parts.", is_last=True)
                return
            yield row
        if count == 0:
            yield _refused(0, "The file has no rows.", is_last=True)
    finally:
        lines.detach()


def _refused(line: int, message: str, *path: str, is_last: bool = False) -> RawRow:
    return RawRow(line, {}, (InvalidInput(message, path=path),), is_last)


def _csv_rows(lines: io.TextIOWrapper) -> Iterator[RawRow]:
    head = lines.readline()
    if not head:
        return
    reader = csv.reader(lines, delimiter=_delimiter(head), strict=True)
    columns, problems = _header(head, reader.dialect.delimiter)
    if problems:
        yield RawRow(1, {}, tuple(problems), is_last=True)
        return
    while True:
        line = reader.line_num + 2  # the header was read apart, and this row begins behind the last
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _refused(line, f"The line is no CSV: {error}.")
            continue
        if any(cells):
            yield _fitted(line, columns, cells)


def _delimiter(head: str) -> str:
    return ";" if head.count(";") > head.count(",") else ","


def _header(head: str, delimiter: str) -> tuple[list[str], list[DomainError]]:
    if _is_not_utf8(head):
        return [], [InvalidInput("The file is not in UTF-8.")]
    try:
        (cells,) = csv.reader([head], delimiter=delimiter, strict=True)
    except (csv.Error, ValueError):
        return [], [InvalidInput("The first line must name the columns, without line breaks in them.")]
    columns = [cell.strip() for cell in cells]
    if len(columns) > MAX_COLUMNS:
        return [], [InvalidInput(f"A file has at most {MAX_COLUMNS} columns.")]
    problems: list[DomainError] = [
        InvalidInput("There is no such column. Texts of your own are called attr.<name>.", path=(one[:60],))
        for one in columns
        if not _is_column(one)
    ]
    problems += [
        InvalidInput("This column is there twice.", path=(one[:60],))
        for one in sorted({one for one in columns if columns.count(one) > 1})
    ]
    problems += [InvalidInput("This column is missing.", path=(one,)) for one in _FIXED[:2] if one not in columns]
    return columns, problems


def _is_column(name: str) -> bool:
    return name in _FIXED or name in KNOWN or (name.startswith(_CUSTOM) and len(name) > len(_CUSTOM))


def _fitted(line: int, columns: Sequence[str], cells: Sequence[str]) -> RawRow:
    if len(cells) != len(columns):
        return _refused(line, f"The line has {len(cells)} cells, but there are {len(columns)} columns.")
    return RawRow(line, dict(zip(columns, cells, strict=True)))


def _json_rows(lines: io.TextIOWrapper) -> Iterator[RawRow]:
    for line, text in enumerate(lines, 1):
        if text.strip():
            yield _json_row(line, text)


def _json_row(line: int, text: str) -> RawRow:
    if len(text) > MAX_LINE_BYTES:
        return _refused(line, f"A line has at most {MAX_LINE_BYTES:,} characters.")
    if _is_not_utf8(text):
        return _refused(line, "The line is not in UTF-8.")
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return _refused(line, "The line is no JSON object.")
    if not isinstance(found, dict) or len(found) > MAX_COLUMNS:
        return _refused(line, f"The line is no JSON object with at most {MAX_COLUMNS} names.")
    problems: list[DomainError] = [
        InvalidInput("There is no such name. Texts of your own are called attr.<name>.", path=(name[:60],))
        for name in found
        if not _is_column(name)
    ]
    problems += [
        InvalidInput("Every value is a text or null.", path=(name[:60],))
        for name, value in found.items()
        if not isinstance(value, str | None)
    ]
    kept = {name: value for name, value in found.items() if isinstance(value, str | None) and _is_column(name)}
    return RawRow(line, kept, tuple(problems))


def _is_not_utf8(text: str) -> bool:
    return _LONE.search(text) is not None


def rows(form: SheetFormat, file: BinaryIO) -> Iterator[SheetRow]:
    """Yield what each line of a file wants, with all that is wrong with it by itself."""
    return map(read_row, raw_rows(form, file))


def count(form: SheetFormat, file: BinaryIO) -> int:
    """Count the rows of a file."""
    return sum(1 for _ in raw_rows(form, file))


def read_row(raw: RawRow) -> SheetRow:
    """Read the cells of one line. A blank cell of an attribute takes the attribute away, a missing one leaves it."""
    if not raw.cells:
        return SheetRow(raw.line, None, problems=raw.problems or (InvalidInput("The line is empty."),))
    if any(value is not None and _is_not_utf8(value) for value in raw.cells.values()):
        return SheetRow(raw.line, None, problems=(InvalidInput("The line is not in UTF-8."),))
    cells = {name: (value or "").strip() for name, value in raw.cells.items()}
    problems = [*raw.problems, *_formulas(cells)]
    code = cells.get("external_code", "")
    if not is_external_code(code):
        message = f"An external code has 1 to {MAX_CODE} printable characters."
        problems.append(InvalidInput(message, path=("external_code",)))
    problems += name_problems(cells.get("name", ""))
    kind, wrong = _kind(cells.get("kind", ""))
    parent_code = cells.get("parent_code") or None
    if parent_code is not None and not is_external_code(parent_code):
        wrong.append(InvalidInput("This is no external code.", path=("parent_code",)))
        parent_code = None
    attributes, refused = read_patch(
        {name.removeprefix(_CUSTOM): value or None for name, value in cells.items() if name not in _FIXED}
    )
    problems += [*wrong, *(_at_column(one) for one in refused)]
    return SheetRow(
        line=raw.line,
        external_code=code if is_external_code(code) else None,
        name=None if name_problems(cells.get("name", "")) else cells["name"],
        kind=kind,
        parent_code=parent_code,
        attributes=attributes,
        problems=tuple(problems),
    )


def _kind(text: str) -> tuple[UnitKind | None, list[DomainError]]:
    known = {kind.value: kind for kind in UnitKind if kind is not UnitKind.HEADQUARTERS}
    if not text or text.upper() in known:
        return known.get(text.upper()), []
    return None, [InvalidInput(f"A kind is one of {', '.join(sorted(known))}.", path=("kind",))]


def _formulas(cells: Mapping[str, str]) -> Iterator[DomainError]:
    """Refuse what a spreadsheet would calculate when somebody exports it and opens the file."""
    for name, value in cells.items():
        if value.startswith(_FORMULA) and name not in {"phone", HOURS}:
            yield InvalidInput("A text cannot begin with =, +, - or @, which spreadsheets calculate.", path=(name,))


def _at_column(problem: DomainError) -> DomainError:
    (name,) = problem.path
    return InvalidInput(problem.message, path=(name if name in KNOWN else f"{_CUSTOM}{name}",))
