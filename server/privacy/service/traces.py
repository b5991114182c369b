"""Traces: jobs, dead letters and stored results that name something which leaves. They have no unit of their own."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from server.kit import ids, owed
from server.privacy.parts import PARTS
from server.tenants import idempotency
from server.tenants.leaving import owned_ids
from server.tenants.uow import UnitOfWork

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Traces:
    """How many of each were forgotten."""

    jobs: int = 0
    dead_letters: int = 0
    results: int = 0

    def counts(self) -> dict[str, int]:
        """Return the numbers by table."""
        return {"job": self.jobs, "dead_letter": self.dead_letters, "idempotency": self.results}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose traces are looked for: rows of units, these very ids, and words that stand beside one of the ids."""

    unit_ids: Sequence[UUID] = ()
    ids: frozenset[UUID] = frozenset()
    words: frozenset[str] = frozenset()
    spared: str = ""
    """The kind of the job that asks, which names what it erases."""


async def forget_traces(uow: UnitOfWork, wanted: Wanted) -> Traces:
    """Delete the traces and say how many there were. Before the rows go: it is they who tell whose an id is."""
    jobs, job_letters = await _forget_jobs(uow, wanted)
    letters = await _forget_letters(uow, wanted)
    results = await _forget_results(uow, wanted)
    return Traces(jobs, job_letters + letters, results)


async def _forget_jobs(uow: UnitOfWork, wanted: Wanted) -> tuple[int, int]:
    after: UUID | None = None
    doomed: list[UUID] = []
    while rows := await owed.jobs_after(uow.session, uow.scope.organization_id, after, _AT_ONCE):
        named = {row.id: _named(row) for row in rows}
        owned = await _owned(uow, wanted, {one for found in named.values() for one in found})
        found = [row for row in rows if named[row.id] & owned or _speaks_of(row, wanted.words)]
        doomed += [row.id for row in found if row.kind != wanted.spared]
        after = rows[-1].id
    return await owed.forget(uow.session, uow.scope.organization_id, job_ids=doomed)


def _named(row: owed.Owed) -> set[UUID]:
    words = [row.dedupe_key, *_texts(row.payload)]
    return {UUID(one) for word in words for one in _UUID.findall(word)}


def _speaks_of(row: owed.Owed, words: frozenset[str]) -> bool:
    return bool(words.intersection(_texts(row.payload)))


async def _forget_letters(uow: UnitOfWork, wanted: Wanted) -> int:
    after: UUID | None = None
    doomed: list[UUID] = []
    while rows := await owed.letters_after(uow.session, uow.scope.organization_id, after, _AT_ONCE):
        owned = await _owned(uow, wanted, {subject for _, subject in rows})
        doomed += [letter for letter, subject in rows if subject in owned]
        after = rows[-1][0]
    return (await owed.forget(uow.session, uow.scope.organization_id, job_ids=(), letter_ids=doomed))[1]


async def _forget_results(uow: UnitOfWork, wanted: Wanted) -> int:
    after: tuple[UUID, str] | None = None
    doomed: list[tuple[UUID, str]] = []
    while rows := await idempotency.results_after(uow, after, _AT_ONCE):
        named = {(actor, key): set(_decoded(_texts(result))) for actor, key, result in rows}
        owned = await _owned(uow, wanted, {one for found in named.values() for one in found})
        doomed += [place for place, found in named.items() if found & owned]
        after = rows[-1][0], rows[-1][1]
    await idempotency.forget(uow, doomed)
    return len(doomed)


async def _owned(uow: UnitOfWork, wanted: Wanted, found: Collection[UUID]) -> set[UUID]:
    owned = wanted.ids & set(found)
    if wanted.unit_ids and found:
        for part in PARTS:
            owned |= await owned_ids(uow, part, wanted.unit_ids, list(found))
    return set(owned)


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for one in value.values():
                yield from _texts(one)
        case list():
            for one in value:
                yield from _texts(one)


def _decoded(texts: Iterator[str]) -> Iterator[UUID]:
    for one in texts:
        try:
            yield ids.decode(one)[1]
        except ids.MalformedId:
            continue
