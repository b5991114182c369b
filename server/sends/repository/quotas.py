"""SQL of quotas: a row per allowance and window, locked in one order, and what the platform told beside it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from server.platforms.port import Act
from server.sends.quota_rules import Name, Window, Word

# The time is that of the statement's begin: before the locks are waited for, and after the end of every call that is told.
# A token counts from earlier than it could be used, and its end is never too early.
_LOCK = text("""
SELECT subject, act, window_s, open, done, waiting, remaining, extract(epoch FROM resets_at) AS resets_at,
  extract(epoch FROM blocked_until) AS blocked_until, extract(epoch FROM statement_timestamp()) AS now
FROM quota_use WHERE (subject, act) IN (SELECT * FROM unnest(cast(:subjects AS text[]), cast(:acts AS text[])))
ORDER BY subject, act, window_s FOR UPDATE
""")
_CREATE = text("""
INSERT INTO quota_use (subject, act, window_s)
SELECT * FROM unnest(cast(:subjects AS text[]), cast(:acts AS text[]), cast(:windows AS int[]))
ORDER BY 1, 2, 3
ON CONFLICT DO NOTHING
""")
_WRITE = text("""
UPDATE quota_use q SET open = v.open, done = v.done, used_at = clock_timestamp()
FROM unnest(cast(:subjects AS text[]), cast(:acts AS text[]), cast(:windows AS int[]), cast(:open AS jsonb[]),
  cast(:done AS jsonb[])) AS v(subject, act, window_s, open, done)
WHERE q.subject = v.subject AND q.act = v.act AND q.window_s = v.window_s
""")
_WRITE_WORDS = text("""
INSERT INTO quota_use AS q (subject, act, window_s, waiting, remaining)
SELECT subject, act, 0, waiting, remaining
FROM unnest(cast(:subjects AS text[]), cast(:acts AS text[]), cast(:waiting AS jsonb[]), cast(:remaining AS int[]))
  AS v(subject, act, waiting, remaining)
ORDER BY 1, 2
ON CONFLICT (subject, act, window_s) DO UPDATE
  SET waiting = excluded.waiting, remaining = excluded.remaining, used_at = clock_timestamp()
""")
# Within one period of the platform answers come in any order, so the smallest number holds; a later reset begins anew.
_TELL = text("""
INSERT INTO quota_use AS q (subject, act, window_s, remaining, resets_at, blocked_until)
SELECT subject, act, 0, remaining, to_timestamp(resets_at), clock_timestamp() + make_interval(secs => wait_s)
FROM unnest(cast(:subjects AS text[]), cast(:acts AS text[]), cast(:remaining AS int[]), cast(:resets AS float8[]),
  cast(:waits AS float8[])) AS v(subject, act, remaining, resets_at, wait_s)
ORDER BY 1, 2
ON CONFLICT (subject, act, window_s) DO UPDATE SET
  remaining = CASE
    WHEN excluded.remaining IS NULL THEN q.remaining
    WHEN q.resets_at IS NULL OR q.resets_at <= clock_timestamp() OR q.resets_at < excluded.resets_at - interval '1 second'
      THEN excluded.remaining
    ELSE least(q.remaining, excluded.remaining) END,
  resets_at = CASE WHEN excluded.remaining IS NULL THEN q.resets_at ELSE greatest(q.resets_at, excluded.resets_at) END,
  blocked_until = greatest(q.blocked_until, excluded.blocked_until),
  used_at = clock_timestamp()
""")
_FORGET = text("""
DELETE FROM quota_use WHERE (subject, act, window_s) IN (
  SELECT subject, act, window_s FROM quota_use
  WHERE used_at < clock_timestamp() - interval '2 days' LIMIT :size FOR UPDATE SKIP LOCKED)
""")


@dataclass(frozen=True, slots=True)
class Key:
    """One row: whose allowance of which act, in which window."""

    name: Name
    window_s: int


@dataclass(frozen=True, slots=True)
class Told:
    """One line of what the platform said. `wait_s`: nothing may be called for so long."""

    name: Name
    remaining: int | None
    resets_at: datetime | None
    wait_s: float | None


@dataclass(frozen=True, slots=True)
class Used:
    """One row's tokens by slice."""

    open: dict[int, int]
    done: dict[int, int]


@dataclass(frozen=True, slots=True)
class Locked:
    """The rows as they are, locked until the transaction ends, and the time before the lock."""

    now: float
    used: Mapping[Key, Used]
    words: Mapping[Name, Word]


async def lock(session: AsyncSession, names: Collection[Name]) -> Locked:
    """Lock and read every row of these allowances."""
    ordered = sorted(names)
    values = {"subjects": [name[0] for name in ordered], "acts": [name[1].value for name in ordered]}
    used: dict[Key, Used] = {}
    words: dict[Name, Word] = {}
    now = 0.0
    for row in await session.execute(_LOCK, values):
        name, now = (row.subject, Act(row.act)), float(row.now)
        if row.window_s:
            used[Key(name, row.window_s)] = Used(_slices(row.open), _slices(row.done))
        else:
            words[name] = Word(
                row.remaining, _seconds(row.resets_at), _seconds(row.blocked_until), _waiting(row.waiting)
            )
    return Locked(now, used, words)


async def create(session: AsyncSession, keys: Sequence[Key]) -> None:
    """Make the rows that are missing; commit before they are locked, so that all lock in one order."""
    await session.execute(_CREATE, _keys(keys))


async def write(session: AsyncSession, windows: Mapping[Key, Window]) -> None:
    """Write the slices of locked rows."""
    keys = list(windows)
    values = {
        **_keys(keys),
        "open": [_json(windows[key].open) for key in keys],
        "done": [_json(windows[key].done) for key in keys],
    }
    await session.execute(_WRITE, values)


async def write_words(session: AsyncSession, words: Mapping[Name, Word]) -> None:
    """Write who waits and what is left of the platform's own number."""
    names = sorted(words)
    values = {
        "subjects": [name[0] for name in names],
        "acts": [name[1].value for name in names],
        "waiting": [orjson.dumps(words[name].waiting).decode() for name in names],
        "remaining": [words[name].remaining for name in names],
    }
    await session.execute(_WRITE_WORDS, values)


async def tell(session: AsyncSession, told: Sequence[Told]) -> None:
    """Write what the platform said, at most one line for each allowance."""
    ordered = sorted(told, key=lambda one: one.name)
    values = {
        "subjects": [one.name[0] for one in ordered],
        "acts": [one.name[1].value for one in ordered],
        "remaining": [one.remaining for one in ordered],
        "resets": [None if one.resets_at is None else one.resets_at.astimezone(UTC).timestamp() for one in ordered],
        "waits": [one.wait_s for one in ordered],
    }
    await session.execute(_TELL, values)


async def forget_old(session: AsyncSession, size: int) -> None:
    """Delete up to `size` rows that nobody used for longer than the longest window."""
    await session.execute(_FORGET, {"size": size})


def _keys(keys: Sequence[Key]) -> dict[str, list[str] | list[int]]:
    return {
        "subjects": [key.name[0] for key in keys],
        "acts": [key.name[1].value for key in keys],
        "windows": [key.window_s for key in keys],
    }


def _json(slices: Mapping[int, int]) -> str:
    return orjson.dumps(slices, option=orjson.OPT_NON_STR_KEYS).decode()


def _slices(stored: Mapping[str, int]) -> dict[int, int]:
    return {int(number): int(count) for number, count in stored.items()}


def _seconds(value: object) -> float | None:
    return None if value is None else float(str(value))


def _waiting(stored: Mapping[str, object]) -> dict[str, tuple[float, float]]:
    return {one: (float(times[0]), float(times[1])) for one, times in stored.items() if isinstance(times, list)}
