"""Where changes go on: a text that tells its holder nothing, and that only its own organization can use."""

from __future__ import annotations

import base64
import os

import orjson
import pytest

from server.inbox import service as inbox
from server.inbox.service import positions
from server.kit.crypto import KeyRing
from server.kit.db import Database
from server.kit.errors import InvalidCursor
from server.kit.ids import new_id
from server.tenants.uow import begin_read
from tests.factories.tenants import an_agency

OLD = KeyRing((("old", os.urandom(32)),))
ROTATED = KeyRing((("new", os.urandom(32)), *OLD.keys))
ORGANIZATION, PLACE = new_id(), (7_000_000_123, new_id())


def test_a_position_is_read_back_and_shows_no_number_of_the_database() -> None:
    few, many = [positions.written(OLD, ORGANIZATION, (xid, PLACE[1])) for xid in (3, 2**62)]
    shown = base64.urlsafe_b64decode(many + "=" * (-len(many) % 4))

    assert positions.read(OLD, ORGANIZATION, many) == (2**62, PLACE[1])
    assert str(2**62).encode() not in shown
    assert PLACE[1].hex.encode() not in shown
    assert PLACE[1].bytes not in shown
    assert len(few) == len(many)  # nor how large it is
    assert positions.written(OLD, ORGANIZATION, PLACE) != positions.written(OLD, ORGANIZATION, PLACE)


def test_a_position_outlives_the_change_of_its_key_until_the_old_one_is_gone() -> None:
    written = positions.written(OLD, ORGANIZATION, PLACE)

    assert positions.read(ROTATED, ORGANIZATION, written) == PLACE
    with pytest.raises(InvalidCursor):
        positions.read(KeyRing(ROTATED.keys[:1]), ORGANIZATION, written)


def a_changed(cursor: str) -> str:
    """Change one letter in the middle."""
    middle = len(cursor) // 2
    return cursor[:middle] + ("A" if cursor[middle] != "A" else "B") + cursor[middle + 1 :]


def an_old_form() -> str:
    """Write a position as it was written before it was sealed."""
    raw = orjson.dumps(["0123456789ab", PLACE[0], str(PLACE[1])])
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "nonsense",
        "\ud800",
        "ä",
        "A" * 100_000,
        an_old_form(),
        a_changed(positions.written(OLD, ORGANIZATION, PLACE)),
    ],
    ids=["empty", "nonsense", "half a surrogate pair", "not base64", "long", "the earlier form", "changed"],
)
def test_what_was_not_written_here_is_refused_with_the_way_on(cursor: str) -> None:
    with pytest.raises(InvalidCursor, match="Start again without it") as refused:
        positions.read(OLD, ORGANIZATION, cursor)

    assert refused.value.path == ("after",)


async def test_a_cursor_of_changes_is_of_no_use_to_another_organization(database: Database) -> None:
    ours, theirs = await an_agency(database, clients=1), await an_agency(database, clients=1)
    async with begin_read(database, ours.scope) as uow:
        _, cursor = await inbox.changes_after(uow, None)

    async with begin_read(database, theirs.scope) as uow:
        with pytest.raises(InvalidCursor):
            await inbox.changes_after(uow, cursor)
