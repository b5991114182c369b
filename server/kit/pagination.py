"""Keyset pagination: a page is fetched by where the last one ended, never by counting rows from the start."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, TypeVar, overload
from uuid import UUID

import orjson
from sqlalchemy import BigInteger, ColumnElement, and_, false, or_, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from server.kit.errors import InvalidCursor, InvalidInput

DEFAULT_PAGE = 25
MAX_PAGE = 100

T = TypeVar("T")
U = TypeVar("U")
KeyValue = datetime | UUID | int | str


def _read_int(raw: object) -> int:
    if type(raw) is not int:
        raise ValueError("not a number")
    return raw


def _read_str(raw: object) -> str:
    if not isinstance(raw, str) or "\0" in raw:
        raise ValueError("not a text of the database")
    return raw


# Whoever has a cursor can write one with other values; none of them may reach the database and be refused there.
_READERS: dict[type, Callable[[object], KeyValue]] = {
    datetime: lambda raw: datetime.fromisoformat(str(raw)),
    UUID: lambda raw: UUID(str(raw)),
    int: _read_int,
    str: _read_str,
}


@dataclass(frozen=True, slots=True)
class PageArguments:
    """How much of a list the caller wants: the `first` or the `last` n, after or before a cursor."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None

    @property
    def is_backward(self) -> bool:
        """Say whether the page is read from the end of the list."""
        return self.last is not None

    @property
    def size(self) -> int:
        """Return the wanted number of items; raise InvalidInput outside of 1 to 100."""
        size = self.last if self.last is not None else self.first if self.first is not None else DEFAULT_PAGE
        name = "last" if self.is_backward else "first"
        if not 1 <= size <= MAX_PAGE:
            raise InvalidInput(f"{name} must be from 1 to {MAX_PAGE}.", path=(name,))
        if self.first is not None and self.last is not None:
            raise InvalidInput("Give first or last, not both.", path=("last",))
        return size


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Items in list order with a cursor each, and whether there is more on either side."""

    items: Sequence[T]
    cursors: Sequence[str]
    has_next: bool
    has_previous: bool

    def map(self, change: Callable[[T], U]) -> Page[U]:
        """Return the same page with every item changed."""
        return Page([change(item) for item in self.items], self.cursors, self.has_next, self.has_previous)


@dataclass(frozen=True, slots=True)
class SortKey:
    """One column of the list's order. `kind` is the type of its values; the last key of a list must be unique."""

    column: ColumnElement[Any] | InstrumentedAttribute[Any]
    kind: type
    descending: bool = False

    def read(self, raw: object) -> KeyValue:
        """Read one value of a cursor; raise ValueError for one that the column cannot hold."""
        value = _READERS[self.kind](raw)
        if isinstance(value, int):
            limit = 2**63 if isinstance(self.column.type, BigInteger) else 2**31
            if not -limit <= value < limit:
                raise ValueError("not a number of this column")
        return value


def _written(digest: str, values: Sequence[KeyValue]) -> str:
    raw = orjson.dumps([digest, *[str(v) if isinstance(v, (UUID, datetime)) else v for v in values]])
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Keyset:
    """An order with the arguments it was asked with; `digest` binds its cursors to them.

    `shape` holds everything besides the order that selects the list (filter, search, parent): a cursor of one shape is
    refused by another.
    """

    keys: tuple[SortKey, ...]
    shape: object = None

    @property
    def digest(self) -> str:
        """Return the mark that all cursors of this list carry."""
        names = [(str(key.column), key.descending) for key in self.keys]
        seed = orjson.dumps([names, self.shape], default=str, option=orjson.OPT_SORT_KEYS)
        return hashlib.blake2s(seed, digest_size=6).hexdigest()

    def cursor(self, values: Sequence[KeyValue]) -> str:
        """Write the cursor of one item from the values of its sort columns."""
        return _written(self.digest, values)

    def read(self, cursor: str, path: str) -> list[KeyValue]:
        """Read a cursor back; raise InvalidCursor for one that this list did not make."""
        try:
            raw = orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
            if not isinstance(raw, list) or len(raw) != len(self.keys) + 1 or raw[0] != self.digest:
                raise InvalidCursor(path=(path,))
            return [key.read(value) for key, value in zip(self.keys, raw[1:], strict=True)]
        except (binascii.Error, ValueError, UnicodeEncodeError) as error:
            raise InvalidCursor(path=(path,)) from error

    def beyond(self, arguments: PageArguments) -> list[ColumnElement[bool]]:
        """Return the conditions that start the page behind its cursors."""
        conditions = []
        if arguments.after is not None:
            conditions.append(self._past(self.read(arguments.after, "after"), forward=True))
        if arguments.before is not None:
            conditions.append(self._past(self.read(arguments.before, "before"), forward=False))
        return conditions

    def order(self, arguments: PageArguments) -> list[ColumnElement[Any]]:
        """Return the ORDER BY of the page, turned round for one that is read from the end."""
        return [
            key.column.desc() if key.descending is not arguments.is_backward else key.column.asc() for key in self.keys
        ]

    def page(self, rows: Sequence[T], arguments: PageArguments, values: Callable[[T], Sequence[KeyValue]]) -> Page[T]:
        """Cut `rows`, fetched with a limit of `size + 1`, into the page in list order."""
        more = len(rows) > arguments.size
        kept = list(rows[: arguments.size])
        if arguments.is_backward:
            kept.reverse()
        return Page(
            items=kept,
            cursors=_Cursors(self, [values(row) for row in kept]),
            has_next=arguments.before is not None if arguments.is_backward else more,
            has_previous=more if arguments.is_backward else arguments.after is not None,
        )

    def _past(self, values: Sequence[KeyValue], *, forward: bool) -> ColumnElement[bool]:
        if len({key.descending for key in self.keys}) == 1:
            # One direction: a row comparison, which PostgreSQL can start an index scan from; the OR form cannot.
            row, bound = tuple_(*(key.column for key in self.keys)), tuple_(*values)
            return row < bound if self.keys[0].descending is forward else row > bound
        past: ColumnElement[bool] = false()
        for key, value in reversed(list(zip(self.keys, values, strict=True))):
            further = key.column < value if key.descending is forward else key.column > value
            past = or_(further, and_(key.column == value, past))
        return past


class _Cursors(Sequence[str]):
    """The cursors of a page, written when they are asked for: most callers want those of its two ends only."""

    def __init__(self, keyset: Keyset, values: Sequence[Sequence[KeyValue]]) -> None:
        self._keyset, self._values = keyset, values

    @cached_property
    def _digest(self) -> str:
        return self._keyset.digest

    def __len__(self) -> int:
        return len(self._values)

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> list[str]: ...

    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [_written(self._digest, values) for values in self._values[place]]
        return _written(self._digest, self._values[place])
