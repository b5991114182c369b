"""Quotas: permission to call a platform, taken right before the calls, shared by all processes and kept over restarts.

`take` and `settle` are transactions of the system's own: an app's allowance belongs to all organizations. A process that
dies with tokens has used them; that is the safe side. Workers that list or sync take `Act.LIST` here as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from server.channels.service import PageRef
from server.config import SendSettings
from server.kit.db import Database
from server.platforms.capabilities.capability import Capability
from server.platforms.port import Act, QuotaScope, Usage
from server.sends.quota_rules import Asker, Book, Grant, Name, Window, Word, grant, windows_of
from server.sends.repository import quotas as repository
from server.sends.repository.quotas import Key, Locked, Told, Used
from server.tenants.uow import system_scope

_MAX_WAIT_S = 86_400.0
_FORGET_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Allowances:
    """Whose allowances calls use: a page's and our app's at its platform."""

    page: PageRef
    app: str
    capability: Capability
    hold_s: float
    """How long after its token a call may still be on its way: it begins within half the lease and ends by its deadline."""

    @classmethod
    def of(cls, page: PageRef, app: str, capability: Capability, settings: SendSettings) -> Allowances:
        """Return the allowances that sends of a page use."""
        return cls(page, app, capability, settings.lease_s / 2 + settings.deadline_s)

    def name(self, scope: QuotaScope, act: Act) -> Name:
        """Return under which name tokens of an act are counted."""
        if scope is QuotaScope.APP:
            return f"app:{self.app}", act
        return f"page:{self.page.channel.value}:{self.page.external_id}", act

    def names(self, act: Act) -> list[Name]:
        """Return all names under which a call of an act is counted."""
        return [self.name(scope, act) for scope in QuotaScope]


@dataclass(slots=True)
class Tokens:
    """What `take` gave: for each call None if it may go, else in how many seconds it is worth asking again.

    Until they are settled, or handed to the next `take`, tokens count as calls on their way.
    """

    allowances: Allowances
    waits_s: tuple[float | None, ...]
    taken: Mapping[Name, int]
    slices: Mapping[Key, int]
    unused: list[frozenset[Act]] = field(default_factory=list)
    """Calls that were granted and never made."""
    usage: list[Usage] = field(default_factory=list)
    """What the answers told about allowances."""


async def take(
    database: Database,
    allowances: Allowances,
    calls: Sequence[frozenset[Act]],
    asker: Asker,
    *,
    ended: Tokens | None = None,
) -> Tokens:
    """Take tokens for the calls, each of which counts as these acts, as far as there is room.

    `ended` are the tokens of the calls before, which have all ended: they are settled on the way.
    """
    acts = sorted(frozenset().union(*calls))
    keys = _keys(allowances, acts)
    names = {name for act in acts for name in allowances.names(act)} | {key.name for key in _of(ended)}
    wanted = [frozenset(name for act in call for name in allowances.names(act)) for call in calls]
    while True:
        async with system_scope(database) as session:
            locked = await repository.lock(session, names)
            missing = keys.keys() - locked.used.keys()
            if missing:
                await repository.create(session, sorted(missing, key=lambda key: (key.name, key.window_s)))
                continue
            windows = {key: _window(allowances, key, keys.get(key, 0), used) for key, used in locked.used.items()}
            _end(windows, ended, locked.now)
            books = _books(allowances, acts, keys, windows, locked)
            given = grant(books, wanted, asker, locked.now)
            await _write(session, windows, books, given, _of(ended))
            if ended is not None and (told := _merged(allowances, ended.usage)):
                await repository.tell(session, told)
            break
    slices = {key: windows[key].at(locked.now) for key in keys if key.name in given.taken}
    return Tokens(allowances, given.waits_s, given.taken, slices)


async def take_one(database: Database, allowances: Allowances, act: Act, organization_id: UUID) -> Tokens:
    """Take one token for a call that no person waits for, such as a list; settle it when the call has ended."""
    return await take(database, allowances, [frozenset({act})], Asker(organization_id, is_urgent=False))


async def settle(database: Database, ended: Tokens) -> None:
    """Note that the calls of these tokens have ended, and what the platform's answers told about allowances."""
    told = _merged(ended.allowances, ended.usage)
    if not ended.slices and not told:
        return
    async with system_scope(database) as session:
        if ended.slices:
            locked = await repository.lock(session, {key.name for key in ended.slices})
            windows = {
                key: _window(ended.allowances, key, 0, locked.used[key]) for key in ended.slices if key in locked.used
            }
            _end(windows, ended, locked.now)
            await repository.write(session, windows)
        if told:
            await repository.tell(session, told)


async def tell(database: Database, allowances: Allowances, usage: Iterable[Usage]) -> None:
    """Write what answers to other calls than sends told about allowances."""
    told = _merged(allowances, usage)
    if told:
        async with system_scope(database) as session:
            await repository.tell(session, told)


async def forget_old(database: Database) -> None:
    """Delete what nobody used for longer than the longest window."""
    async with system_scope(database) as session:
        await repository.forget_old(session, _FORGET_AT_ONCE)


def _keys(allowances: Allowances, acts: Sequence[Act]) -> dict[Key, int]:
    """Return the rows that count calls of these acts, with their limits."""
    return {
        Key(allowances.name(scope, act), max(1, round(window.total_seconds()))): limit
        for act in acts
        for scope in QuotaScope
        for limit, window in windows_of(allowances.capability.quotas, scope, act)
    }


def _of(tokens: Tokens | None) -> Collection[Key]:
    return () if tokens is None else tokens.slices.keys()


def _window(allowances: Allowances, key: Key, limit: int, used: Used) -> Window:
    return Window(limit, key.window_s, allowances.hold_s, used.open, used.done)


def _end(windows: Mapping[Key, Window], ended: Tokens | None, now: float) -> None:
    if ended is None:
        return
    unused = Counter(name for call in ended.unused for act in call for name in ended.allowances.names(act))
    for key, taken_at in ended.slices.items():
        if key in windows:
            windows[key].prune(now)
            windows[key].end(taken_at, now, ended.taken[key.name], unused[key.name])


def _books(
    allowances: Allowances,
    acts: Sequence[Act],
    keys: Collection[Key],
    windows: Mapping[Key, Window],
    locked: Locked,
) -> dict[Name, Book]:
    books: dict[Name, Book] = {}
    for act in acts:
        for scope in QuotaScope:
            name = allowances.name(scope, act)
            mine = [windows[key] for key in keys if key.name == name]
            if mine or name in locked.words:
                books[name] = Book(scope is QuotaScope.APP, mine, locked.words.get(name, Word()))
    return books


async def _write(
    session: AsyncSession,
    windows: Mapping[Key, Window],
    books: Mapping[Name, Book],
    given: Grant,
    ended: Collection[Key],
) -> None:
    changed = {key: window for key, window in windows.items() if key.name in given.taken or key in ended}
    if changed:
        await repository.write(session, changed)
    words = {name: book.word for name, book in books.items() if book.word.is_changed}
    if words:
        await repository.write_words(session, words)


def _merged(allowances: Allowances, usage: Iterable[Usage]) -> list[Told]:
    """Keep the strictest word about each allowance: the later reset, the smaller rest, the longer wait."""
    found: dict[Name, Told] = {}
    for one in usage:
        has_rest = one.remaining is not None and one.resets_at is not None
        if not has_rest and not one.wait_s:
            continue
        name = allowances.name(one.scope, one.act)
        wait_s = min(one.wait_s, _MAX_WAIT_S) if one.wait_s else None
        new = Told(name, one.remaining if has_rest else None, one.resets_at if has_rest else None, wait_s)
        found[name] = new if name not in found else _stricter(found[name], new)
    return list(found.values())


def _stricter(one: Told, other: Told) -> Told:
    rest = min((one, other), key=lambda told: (-_until(told), _rest(told)))
    waits = [told.wait_s for told in (one, other) if told.wait_s is not None]
    return Told(one.name, rest.remaining, rest.resets_at, max(waits, default=None))


def _until(told: Told) -> int:
    return -1 if told.resets_at is None else round(told.resets_at.timestamp())


def _rest(told: Told) -> int:
    return 0 if told.remaining is None else told.remaining
