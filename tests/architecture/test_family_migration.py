"""The migration that takes maker and parent of what exists from the trail, over rows as the release before left them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from psycopg.rows import dict_row

from server.kit.ids import new_id
from switchboard.postgres import Server
from tests.architecture.source import ROOT

_OPEN = ("organization", "unit", "member", "access_token", "oauth_app", "audit_event")
NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Before:
    """A database of the release before, its owner's connection, and one organization in it."""

    config: Config
    connection: psycopg.Connection[dict[str, object]]
    organization_id: UUID
    unit_id: UUID
    member_id: UUID

    def insert(self, table: str, **values: object) -> UUID:
        """Add a row of the organization; return its id."""
        row = {"organization_id": self.organization_id, "id": new_id(), **values}
        names, places = ", ".join(row), ", ".join("%s" for _ in row)
        self.connection.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", list(row.values()))
        row_id = row["id"]
        assert isinstance(row_id, UUID)
        return row_id

    def token(self, name: str, *, by: UUID | None, kind: str = "SERVICE", ends: datetime | None = None) -> UUID:
        """Add a token, and the event of its making: by a member, by the token of an app, or unknown."""
        row_id = self.insert(
            "access_token",
            kind=kind,
            name=name,
            token_hash=name.encode(),
            member_id=None if kind == "SERVICE" else self.member_id,
            unit_ids=[self.unit_id],
            permissions="[]",
            expires_at=ends,
        )
        self.event("token:self:issue", row_id, by)
        return row_id

    def event(self, action: str, subject_id: UUID, by: UUID | None) -> None:
        """Add an event; the chain is not what is tried here."""
        if by is None:
            return
        seq = self.connection.execute("SELECT count(*) + 1 AS n FROM audit_event").fetchone()
        assert seq is not None
        self.insert(
            "audit_event",
            seq=seq["n"],
            occurred_at=NOON,
            actor_kind="MEMBER" if by == self.member_id else "APP",
            actor_id=by,
            actor_name="?",
            action=action,
            subject_id=subject_id,
            details="{}",
            previous_hash=str(seq["n"]).encode(),
            hash=b"h",
        )

    def rows(self, table: str) -> dict[object, dict[str, object]]:
        """Return the rows of a table by name."""
        found = self.connection.execute(f"SELECT * FROM {table}").fetchall()
        return {one["name"]: one for one in found}

    def let_through(self, *, is_open: bool) -> None:
        """Let the owner of the tables past their walls, or not."""
        for table in _OPEN:
            self.connection.execute(f"ALTER TABLE {table} {'NO ' if is_open else ''}FORCE ROW LEVEL SECURITY")


@pytest.fixture
def before(postgres: Server, worker_id: str) -> Iterator[Before]:
    """An organization with one member, in a database of the release before."""
    name = f"sb_family_{worker_id}"
    postgres.create_database(name)
    config = Config(str(ROOT / "alembic.ini"))
    config.attributes["url"] = postgres.owner_url(name)
    command.upgrade(config, "0018")
    url = postgres.owner_url(name).replace("postgresql+psycopg://", "postgresql://", 1)
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        made = Before(config, connection, new_id(), new_id(), new_id())
        made.let_through(is_open=True)
        connection.execute(
            "INSERT INTO organization (organization_id, kind, name) VALUES (%s, 'AGENCY', 'A')",
            [made.organization_id],
        )
        made.insert("unit", id=made.unit_id, kind="HEADQUARTERS", name="A")
        made.insert("member", id=made.member_id, user_id=new_id(), name="Ada", email="ada@example.test")
        yield made
    postgres.drop_database(name)


def test_maker_and_parent_of_what_exists_come_from_the_trail_and_ends_are_cut(before: Before) -> None:
    # Given: a service token of a member for a day, one that it made for a year, and one of that; one that nobody knows of.
    day = NOON + timedelta(days=1)
    first = before.token("first", by=before.member_id, ends=day)
    second = before.token("second", by=first, ends=NOON + timedelta(days=365))
    before.token("third", by=second)
    before.token("short", by=first, ends=NOON)
    before.token("unknown", by=None)
    before.token("laptop", by=before.member_id, kind="PERSONAL")
    app = {
        "kind": "CONFIDENTIAL",
        "unit_ids": [before.unit_id],
        "permissions": "[]",
        "redirect_uris": "[]",
        "grant_types": "[]",
    }
    before.event("app:self:register", before.insert("oauth_app", name="by an app", **app), first)
    before.insert("oauth_app", name="by a person", member_id=before.member_id, **app)
    before.let_through(is_open=False)

    # When
    command.upgrade(before.config, "0019")
    before.let_through(is_open=True)

    # Then: makers and parents are known, nothing outlives its parent, and what is unknown goes on.
    tokens, apps = before.rows("access_token"), before.rows("oauth_app")
    assert {name: one["parent_id"] for name, one in tokens.items()} == {
        "first": None, "second": first, "third": second, "short": first, "unknown": None, "laptop": None,
    }  # fmt: skip
    assert {name for name, one in tokens.items() if one["maker_id"] == before.member_id} == tokens.keys() - {"unknown"}
    assert {name for name, one in tokens.items() if one["owner_id"] == before.member_id} == {
        "first", "second", "third", "short",
    }  # fmt: skip
    assert {name: one["expires_at"] for name, one in tokens.items()} == {
        "first": day, "second": day, "third": day, "short": NOON, "unknown": None, "laptop": None,
    }  # fmt: skip
    assert {name for name, one in tokens.items() if one["cut_at"] is not None} == {"second", "third"}
    assert (apps["by an app"]["parent_id"], apps["by an app"]["expires_at"]) == (first, day)
    assert {one["owner_id"] for one in apps.values()} == {before.member_id}
    assert (apps["by an app"]["cut_at"] is None, apps["by a person"]["cut_at"]) == (False, None)


def test_the_walls_stand_again_after_the_migration(before: Before) -> None:
    before.let_through(is_open=False)

    command.upgrade(before.config, "0019")

    open_tables = "SELECT relname FROM pg_class WHERE relrowsecurity AND NOT relforcerowsecurity"
    assert before.connection.execute(open_tables).fetchall() == []
