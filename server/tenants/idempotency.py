"""Idempotency: one intention has one effect, however often it is asked for.

The row is written in the transaction of the effect, under a lock of its key. A second request with the same key meanwhile
is told to come again, so that it waits without a connection; later it gets the stored result, and with another input it is
refused. A refused request stores nothing and may be repeated.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

import orjson
from sqlalchemy import delete, func, select, text, tuple_, update

from server.kit.errors import IdempotencyInProgress, IdempotencyKeyReused, InvalidInput
from server.tenants.models import IdempotencyRow
from server.tenants.uow import UnitOfWork

MAX_KEY = 255
KEPT_FOR = timedelta(days=7)
_PAUSES_S = (0.05, 0.1, 0.2, *(0.4,) * 24)
T = TypeVar("T")

# The lock ends with the transaction. Waiting for the unique key instead would hold a connection for each that waits.
_TAKE = text("""
INSERT INTO idempotency (organization_id, actor_id, key, fingerprint)
SELECT :organization, :actor, :key, :mark
WHERE pg_try_advisory_xact_lock(hashtextextended(:lock, 0))
ON CONFLICT DO NOTHING RETURNING key
""")


class KeyInUse(Exception):
    """The first request with this key is still running; end the transaction, wait, and ask again."""


def fingerprint(field: str, arguments: Mapping[str, object]) -> bytes:
    """Return a digest of the mutation field and its arguments, independent of the order of their names."""
    return hashlib.sha256(orjson.dumps([field, arguments], default=str, option=orjson.OPT_SORT_KEYS)).digest()


async def once(
    uow: UnitOfWork, key: str, mark: bytes, effect: Callable[[], Awaitable[Mapping[str, object]]]
) -> Mapping[str, object]:
    """Run `effect` once for the key and return its result (JSON values), now and on every repetition.

    Raises InvalidInput for an unusable key, IdempotencyKeyReused for another input under the same key, and KeyInUse,
    without waiting, while the first request is running.
    """
    if not 1 <= len(key) <= MAX_KEY or not key.isprintable():
        raise InvalidInput(f"An idempotency key has 1 to {MAX_KEY} printable characters.", path=("idempotencyKey",))
    mine = (
        IdempotencyRow.organization_id == uow.scope.organization_id,
        IdempotencyRow.actor_id == uow.scope.actor.id,
        IdempotencyRow.key == key,
    )
    organization, actor = uow.scope.organization_id, uow.scope.actor.id
    taken = {"organization": organization, "actor": actor, "key": key, "mark": mark}
    created = await uow.session.execute(_TAKE, {**taken, "lock": f"idempotency {organization} {actor} {key}"})
    if created.first() is None:
        found = await uow.session.execute(select(IdempotencyRow.fingerprint, IdempotencyRow.result).where(*mine))
        stored = found.one_or_none()
        if stored is None:
            raise KeyInUse
        if bytes(stored.fingerprint) != mark:
            raise IdempotencyKeyReused
        result: Mapping[str, object] = stored.result or {}
        return result
    result = await effect()
    await uow.session.execute(update(IdempotencyRow).where(*mine).values(result=dict(result)))
    return result


async def in_turn(attempt: Callable[[], Awaitable[T]], pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> T:
    """Run an attempt that calls `once` in a unit of work of its own, again and again while its key is in use.

    `pause` waits between two attempts, for some seconds, and holds nothing meanwhile. Raises IdempotencyInProgress when the
    first request is still running after about 10 s.
    """
    for seconds in _PAUSES_S:
        try:
            return await attempt()
        except KeyInUse:
            await pause(seconds)
    raise IdempotencyInProgress


async def forget_old(uow: UnitOfWork) -> None:
    """Delete the keys of this organization that are older than a week."""
    await uow.session.execute(
        delete(IdempotencyRow).where(
            IdempotencyRow.organization_id == uow.scope.organization_id,
            IdempotencyRow.created_at < func.clock_timestamp() - KEPT_FOR,
        )
    )


async def results_after(
    uow: UnitOfWork, after: tuple[UUID, str] | None, limit: int
) -> Sequence[tuple[UUID, str, Mapping[str, object]]]:
    """Return (actor, key, result) of what is kept, in the order of actors and keys."""
    statement = select(IdempotencyRow.actor_id, IdempotencyRow.key, IdempotencyRow.result).where(
        IdempotencyRow.organization_id == uow.scope.organization_id
    )
    if after is not None:
        statement = statement.where(tuple_(IdempotencyRow.actor_id, IdempotencyRow.key) > tuple_(*after))
    found = await uow.session.execute(statement.order_by(IdempotencyRow.actor_id, IdempotencyRow.key).limit(limit))
    return [(row.actor_id, row.key, row.result or {}) for row in found]


async def forget(uow: UnitOfWork, keys: Sequence[tuple[UUID, str]]) -> None:
    """Delete what is kept under these keys of these actors."""
    if keys:
        await uow.session.execute(
            delete(IdempotencyRow).where(
                IdempotencyRow.organization_id == uow.scope.organization_id,
                tuple_(IdempotencyRow.actor_id, IdempotencyRow.key).in_(keys),
            )
        )
