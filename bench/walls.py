"""What row-level security costs a page of 50 conversations (G29): the same statements with it and without it.

1,000,000 messages of 500 organizations, one of which holds 40 %. The statements are those that the product sends for the
page, taken from it and sent again, so that only PostgreSQL is timed: by the role that the policies bind, and by one that
they do not apply to. Both connections set the same context, and the explicit conditions are the same.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import Engine, event

from bench import data
from bench.data import Connection
from bench.harness import BenchFailed, Place, Stage, opened, read_settings
from bench.results import Ratio, Result
from server.inbox import service as inbox
from server.inbox.views import Parts
from server.kit.db import Database
from server.kit.pagination import PageArguments
from server.tenants.rules import Permission
from server.tenants.scope import Actor, ActorKind, Reach, Scope, member_scope, worker_scope
from server.tenants.uow import begin_read

ORGANIZATIONS = 500
LARGEST = 80_000
OTHERS = 240
"""Conversations of the largest organization and of each other; 240 of these have one more, which makes 200,000."""
LOCATIONS = 1_000
"""Further units of the largest organization, which hold half of its conversations."""
_FIRST = 1_001
PER_CONVERSATION = 5
ROUNDS = 15
WITHIN_S = 40.0
PAGE = 50
PAGES = 20
"""Different pages of each kind; every second one of a list, or the first of different organizations."""
_BOUND, _FREE = "with", "without"

_FILL = f"""
INSERT INTO page (organization_id, id, unit_id, account_id, channel, external_id, name, token_sealed, health)
SELECT organization_id, uid({data.PAGE}, 0, {_FIRST} + n), id, uid({data.ACCOUNT}, 0), 'MESSENGER', (2000000 + n)::text,
  'Bakery ' || n, '', 'HEALTHY'
FROM generate_series(0, {LOCATIONS} - 1) n JOIN unit ON id = uid({data.UNIT}, 0, {_FIRST} + n);
CREATE TEMP TABLE spread AS
SELECT o, n, (CASE o WHEN 0 THEN 0 ELSE {LARGEST} + (o - 1) * {OTHERS + 1} END + n)::int AS number, p.organization_id,
  p.unit_id, p.id AS page_id,
  timestamptz '2026-11-01 12:00:00.123456+00' - make_interval(secs => (n * 7919 + o * 31) %% 1000003) AS at
FROM generate_series(0, {ORGANIZATIONS} - 1) o
  CROSS JOIN generate_series(1, CASE o WHEN 0 THEN {LARGEST} ELSE {OTHERS} + (o <= {OTHERS})::int END) n
  JOIN page p ON p.id = uid({data.PAGE}, o, CASE WHEN o = 0 AND n %% 2 = 0 THEN {_FIRST} + (n / 2) %% {LOCATIONS}
                                            ELSE n %% {data.PAGES} END);
INSERT INTO contact (organization_id, id, unit_id, name, first_name)
SELECT organization_id, uid({data.CONTACT}, 0, number), unit_id, 'Grace Hopper ' || n, 'Grace' FROM spread ORDER BY at;
INSERT INTO conversation (organization_id, id, unit_id, page_id, contact_id, status, folder, category, assignee_id,
  last_message_id, last_message_at, last_inbound_at, unread_count, next_seq, revision)
SELECT organization_id, uid({data.CONVERSATION}, 0, number), unit_id, page_id, uid({data.CONTACT}, 0, number),
  (ARRAY['OPEN', 'PENDING', 'RESOLVED'])[1 + n %% 3], 'PRIMARY', (ARRAY['INQUIRY', 'SUPPORT', NULL])[1 + n %% 3],
  CASE WHEN n %% 4 > 0 THEN uid({data.MEMBER}, o, 1 + n %% {data.MEMBERS}) END,
  uid({data.MESSAGE}, {PER_CONVERSATION - 1}, number), at, at, n %% 4, {PER_CONVERSATION + 1}, 1 + n %% 7
FROM spread ORDER BY at;
INSERT INTO message (organization_id, id, unit_id, page_id, conversation_id, seq, direction, state, text,
  platform_message_id, occurred_at)
SELECT organization_id, uid({data.MESSAGE}, k, number), unit_id, page_id, uid({data.CONVERSATION}, 0, number), k + 1,
  (ARRAY['INBOUND', 'OUTBOUND'])[1 + k %% 2], (ARRAY['RECEIVED', 'READ'])[1 + k %% 2],
  'Hello, are you open on Sunday? This is message ' || k || ' of conversation ' || n,
  'm_' || number || '_' || k, at - make_interval(mins => {PER_CONVERSATION} - 1 - k)
FROM generate_series(0, {PER_CONVERSATION} - 1) k, (SELECT * FROM spread ORDER BY at) s;
INSERT INTO conversation_label (organization_id, conversation_id, label_id, unit_id)
SELECT organization_id, uid({data.CONVERSATION}, 0, number), uid({data.LABEL}, o, 1 + (n / 2 + j) %% {data.LABELS}), unit_id
FROM spread, generate_series(0, 2) j WHERE j < n %% 4;
DROP TABLE spread;
"""


@dataclass(frozen=True, slots=True)
class Question:
    """One page: the statements that the product sends for it, the first of which sets the context."""

    kind: str
    sent: Sequence[tuple[str, Any]]
    times_ms: Mapping[str, list[float]] = field(default_factory=lambda: {_BOUND: [], _FREE: []})

    def ask(self, connection: Connection, contestant: str) -> list[Sequence[object]]:
        """Send the statements, time those after the first, and return the rows."""
        context, *page = self.sent
        rows: list[Sequence[object]] = []
        with connection.transaction():
            connection.execute(context[0].encode(), context[1])
            started = perf_counter()
            for statement, parameters in page:
                rows += connection.execute(statement.encode(), parameters).fetchall()
            self.times_ms[contestant].append((perf_counter() - started) * 1000)
        return rows


async def run(stage: Stage) -> Result:
    """Measure; raises BenchFailed when the two roles are shown different rows."""
    place = stage.database("bench_walls")
    with place.superuser() as connection:
        _fill(connection)
    questions: list[Question] = []
    async with opened(read_settings(place.environment())) as database:
        for kind, scopes, pages in _callers():
            for scope in scopes:
                questions += [Question(kind, sent) for sent in await _pages(database, scope, pages)]
    _measure(place, questions)
    return _shown(questions)


def _shown(questions: Sequence[Question]) -> Result:
    result = Result(
        f"walls: page of {PAGE} of 1,000,000 messages in {ORGANIZATIONS} organizations, in PostgreSQL alone",
        ("pages", "p50 ms with RLS", "without", "p95 ms with RLS", "without"),
    )
    for kind in dict.fromkeys(one.kind for one in questions):
        figures = {}
        for contestant in (_BOUND, _FREE):
            # A page's own median first: the slowest pages are wanted, not the moments in which a neighbour was busy.
            each = [statistics.median(one.times_ms[contestant]) for one in questions if one.kind == kind]
            percentiles = statistics.quantiles(each, n=20, method="inclusive")
            figures[contestant] = {50: percentiles[9], 95: percentiles[18]}
        cells = [f"{figures[one][percent]:.2f}" for percent in (50, 95) for one in (_BOUND, _FREE)]
        result.rows.append((kind, *cells))
        for percent in (50, 95):
            ratio = figures[_BOUND][percent] / figures[_FREE][percent]
            result.ratios.append(Ratio(f"walls.p{percent}_{kind.replace(' ', '_')}", ratio, most=1.3))
    return result


def _fill(connection: Connection) -> None:
    data.fill_spine(connection, ORGANIZATIONS)
    data.fill_locations(connection, LOCATIONS)
    # Foreign keys of a million rows would take most of the time; the rows are right by how they are made.
    connection.execute("SET session_replication_role = replica")
    data.run(connection, _FILL)
    connection.execute("VACUUM ANALYZE")


def _callers() -> Iterator[tuple[str, Sequence[Scope], int]]:
    """Yield kinds of pages: whose they are, and how many of each."""
    largest = data.uid(data.ORGANIZATION, 0)
    yield "the largest", [worker_scope(largest)], PAGES
    yield "small ones", [worker_scope(data.uid(data.ORGANIZATION, 20 * n + 7)) for n in range(PAGES)], 1
    for name, units in (
        ("two units", [data.uid(data.UNIT, 0, n) for n in (1, 4)]),
        ("300 units", [data.uid(data.UNIT, 0, _FIRST + 3 * n) for n in range(300)]),
    ):
        yield f"{name} of the largest", [_reader(largest, units)], PAGES


def _reader(organization_id: UUID, units: Sequence[UUID]) -> Scope:
    return member_scope(
        Actor(ActorKind.MEMBER, data.uid(data.MEMBER, 0, 1), "Ada"),
        organization_id,
        everywhere=frozenset(),
        reaches=[Reach(unit_id, frozenset({Permission.INBOX_READ})) for unit_id in units],
        lineage_ids=[data.uid(data.UNIT, 0)],
    )


async def _pages(database: Database, scope: Scope, count: int) -> list[Sequence[tuple[str, Any]]]:
    """Turn over a list and return what is sent for every second page."""
    kept: list[Sequence[tuple[str, Any]]] = []
    after = None
    for number in range(2 * count):
        with _sent() as statements:
            async with begin_read(database, scope) as uow:
                page = await inbox.list_conversations(uow, PageArguments(first=PAGE, after=after), parts=Parts.every())
        if len(page.items) != PAGE or "set_config" not in statements[0][0]:
            raise BenchFailed(f"page {number} is not what was asked for")
        after = page.cursors[-1]
        if number % 2 == 0:
            kept.append(statements)
    return kept


@contextmanager
def _sent() -> Iterator[list[tuple[str, Any]]]:
    """Collect the statements of this process with their parameters, as the driver is given them."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: object, *_rest: object) -> None:
        seen.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def _measure(place: Place, questions: Sequence[Question]) -> None:
    with psycopg.connect(place.app_dsn, autocommit=True) as bound, place.superuser() as free:
        contestants: Mapping[str, Connection] = {_BOUND: bound, _FREE: free}
        # This also lets statements be prepared and plans be chosen, which happens within the first ten times.
        for one in questions:
            if one.ask(bound, _BOUND) != one.ask(free, _FREE):
                raise BenchFailed(f"{one.kind}: the roles are shown different pages")
        for one in questions:
            for seen in one.times_ms.values():
                seen.clear()
        started = perf_counter()
        for number in range(ROUNDS):
            if number >= ROUNDS // 3 and perf_counter() - started > WITHIN_S:
                break
            for one in questions:
                for contestant, connection in contestants.items():
                    one.ask(connection, contestant)
