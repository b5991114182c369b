"""Keyset pages: together they are the list, in both directions, whatever its order."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as budget
from hypothesis import strategies as st
from sqlalchemy import BigInteger, DateTime, Integer, Uuid, column, select, values
from sqlalchemy import Text as SqlText

from server.kit.db import Database
from server.kit.errors import InvalidCursor, InvalidInput
from server.kit.ids import new_id
from server.kit.pagination import DEFAULT_PAGE, Keyset, KeyValue, Page, PageArguments, SortKey

Row = tuple[str, datetime, int, UUID]
START = datetime(2026, 11, 22, tzinfo=UTC)
COLUMNS = (
    column("name", SqlText()),
    column("at", DateTime(timezone=True)),
    column("number", BigInteger()),
    column("id", Uuid()),
)
KINDS: tuple[type, ...] = (str, datetime, int, UUID)
KEYSET = Keyset((SortKey(COLUMNS[0], str), SortKey(COLUMNS[3], UUID)), ["things", None])

OTHER_ORDER = Keyset((SortKey(COLUMNS[0], str, True), SortKey(COLUMNS[3], UUID)), KEYSET.shape)

rows_with_ties = st.lists(
    st.tuples(
        st.sampled_from(["", "a", "A", "ä", "z z", "%_'\\"]),
        st.integers(0, 3).map(lambda n: START + timedelta(microseconds=n)),
        st.integers(-2, 2).map(lambda n: n * 2**61),
        st.uuids(),
    ),
    max_size=25,
    unique_by=lambda row: row[3],
)
orders = st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.booleans()), max_size=3, unique_by=lambda one: one[0])


class Shelf:
    """Some rows and an order of them, read page by page from the database."""

    def __init__(self, database: Database, rows: Sequence[Row], order: Sequence[tuple[int, bool]], down: bool) -> None:
        self._database = database
        self._table = values(*COLUMNS, name="thing").data(list(rows))
        self._places = [*(place for place, _ in order), 3]
        descending = [*(way for _, way in order), down]
        self._keyset = Keyset(
            tuple(
                SortKey(self._table.c[COLUMNS[place].name], KINDS[place], way)
                for place, way in zip(self._places, descending, strict=True)
            )
        )

    def _key(self, row: Any) -> list[KeyValue]:
        return [row[place] for place in self._places]

    async def page(self, arguments: PageArguments) -> Page[UUID]:
        """Read one page, as a repository does."""
        statement = select(self._table).where(*self._keyset.beyond(arguments)).order_by(*self._keyset.order(arguments))
        async with self._database.app_engine.connect() as connection:
            found = (await connection.execute(statement.limit(arguments.size + 1))).all()
        return self._keyset.page(found, arguments, self._key).map(lambda row: row[3])

    async def all(self, size: int, *, backward: bool) -> tuple[list[UUID], int]:
        """Follow the cursors from one end to the other; return the ids in list order and the number of pages."""
        seen: list[UUID] = []
        cursor, pages = None, 0
        while True:
            step = PageArguments(last=size, before=cursor) if backward else PageArguments(first=size, after=cursor)
            page = await self.page(step)
            seen = [*page.items, *seen] if backward else [*seen, *page.items]
            pages += 1
            assert (page.has_next if backward else page.has_previous) is (cursor is not None)
            if not (page.has_previous if backward else page.has_next):
                return seen, pages
            cursor = page.cursors[0] if backward else page.cursors[-1]


@budget(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=rows_with_ties, order=orders, down=st.booleans(), size=st.integers(1, 7))
async def test_the_pages_of_both_directions_are_the_list(
    database: Database, rows: list[Row], order: list[tuple[int, bool]], down: bool, size: int
) -> None:
    shelf = Shelf(database, rows or [("", START, 0, new_id())], order, down)

    whole = (await shelf.page(PageArguments(first=100))).items
    forward, forward_pages = await shelf.all(size, backward=False)
    backward, backward_pages = await shelf.all(size, backward=True)

    assert forward == backward == list(whole)
    assert forward_pages == backward_pages == max(1, -(-len(whole) // size))


async def test_a_row_that_comes_or_goes_between_two_pages_doubles_and_hides_no_other(database: Database) -> None:
    rows: list[Row] = [(f"{n:02}", START, n, UUID(int=n)) for n in range(10)]
    first = await Shelf(database, rows, [(0, False)], False).page(PageArguments(first=4))
    changed = [*rows[:2], ("001", START, 0, UUID(int=99)), *rows[4:]]

    second = await Shelf(database, changed, [(0, False)], False).page(PageArguments(first=4, after=first.cursors[-1]))

    assert [one.int for one in (*first.items, *second.items)] == list(range(8))


async def test_between_two_cursors_lies_what_stands_between_them(database: Database) -> None:
    rows: list[Row] = [(f"{n:02}", START, n, UUID(int=n)) for n in range(10)]
    shelf = Shelf(database, rows, [(0, True)], True)
    whole = await shelf.page(PageArguments(first=10))

    page = await shelf.page(PageArguments(first=2, after=whole.cursors[2], before=whole.cursors[7]))

    assert [one.int for one in whole.items] == list(range(9, -1, -1))
    assert [one.int for one in page.items] == [6, 5]


def _forged(*parts: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([KEYSET.digest, *parts])).decode().rstrip("=")


GOOD = KEYSET.cursor(["name", UUID(int=1)])


@pytest.mark.parametrize(
    ("_case", "cursor"),
    [
        ("empty", ""),
        ("not base64", "!!!!"),
        ("not ASCII", "курсор"),
        ("half a surrogate pair", "\ud800"),
        ("NUL", "\0"),
        ("base64 of noise", base64.urlsafe_b64encode(b"\xff\xfe\x00").decode()),
        ("base64 of null", base64.urlsafe_b64encode(b"null").decode()),
        ("base64 of an object", base64.urlsafe_b64encode(b"{}").decode()),
        ("an empty list", base64.urlsafe_b64encode(b"[]").decode()),
        ("deep nesting", base64.urlsafe_b64encode(b"[" * 5000).decode()),
        ("cut off", GOOD[:-3]),
        ("something behind", GOOD + "AAAA"),
        ("another order", OTHER_ORDER.cursor(["name", UUID(int=1)])),
        ("another filter", Keyset(KEYSET.keys, ["things", "OPEN"]).cursor(["name", UUID(int=1)])),
        ("one value short", _forged("name")),
        ("one value more", _forged("name", str(UUID(int=1)), 3)),
        ("a number for a text", _forged(3, str(UUID(int=1)))),
        ("null for a text", _forged(None, str(UUID(int=1)))),
        ("a text that PostgreSQL cannot hold", _forged("a\0b", str(UUID(int=1)))),
        ("no UUID", _forged("name", "1")),
        ("a list for a UUID", _forged("name", [1])),
    ],
)
def test_a_cursor_that_this_list_did_not_make_is_refused(_case: str, cursor: str) -> None:
    with pytest.raises(InvalidCursor) as refused:
        KEYSET.read(cursor, "after")

    assert refused.value.path == ("after",)


@pytest.mark.parametrize("value", [2**63, 2**64 - 1, 1.5, True, None, "1", [1]])
def test_a_number_that_the_database_cannot_hold_is_refused(value: object) -> None:
    keyset = Keyset((SortKey(COLUMNS[2], int),))
    cursor = base64.urlsafe_b64encode(orjson.dumps([keyset.digest, value])).decode()

    with pytest.raises(InvalidCursor):
        keyset.read(cursor, "before")


@pytest.mark.parametrize(("kind", "limit"), [(Integer(), 2**31), (BigInteger(), 2**63)])
def test_the_largest_number_of_a_column_is_read_and_the_next_one_refused(kind: Integer, limit: int) -> None:
    keyset = Keyset((SortKey(column("n", kind), int),))

    assert keyset.read(keyset.cursor([limit - 1]), "after") == [limit - 1]
    assert keyset.read(keyset.cursor([-limit]), "after") == [-limit]
    with pytest.raises(InvalidCursor):
        keyset.read(keyset.cursor([limit]), "after")


@pytest.mark.parametrize("value", ["", "soon", 5, None, "2026-13-01T00:00:00+00:00"])
def test_a_time_that_is_none_is_refused(value: object) -> None:
    keyset = Keyset((SortKey(COLUMNS[1], datetime),))
    cursor = base64.urlsafe_b64encode(orjson.dumps([keyset.digest, value])).decode()

    with pytest.raises(InvalidCursor):
        keyset.read(cursor, "before")


@given(name=st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0")), key=st.uuids())
def test_a_cursor_reads_back_as_it_was_written(name: str, key: UUID) -> None:
    assert KEYSET.read(KEYSET.cursor([name, key]), "after") == [name, key]


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (PageArguments(first=0), "first"),
        (PageArguments(first=-1), "first"),
        (PageArguments(first=101), "first"),
        (PageArguments(last=0), "last"),
        (PageArguments(last=101), "last"),
        (PageArguments(first=5, last=5), "last"),
    ],
)
def test_a_page_of_an_unreasonable_size_is_refused(arguments: PageArguments, path: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        _ = arguments.size

    assert refused.value.path == (path,)


def test_a_page_has_a_size_also_when_nobody_says_so() -> None:
    assert PageArguments().size == DEFAULT_PAGE


def test_the_cursors_of_a_page_are_a_list_that_is_written_when_it_is_read() -> None:
    ids = [new_id() for _ in range(5)]
    page = KEYSET.page(ids, PageArguments(first=4), lambda one: ("name", one))
    whole = [KEYSET.cursor(("name", one)) for one in ids[:4]]

    assert list(page.cursors) == whole
    assert (len(page.cursors), page.cursors[-1], page.cursors[1:3]) == (4, whole[3], whole[1:3])
    assert KEYSET.read(page.cursors[2], "after") == ["name", ids[2]]
