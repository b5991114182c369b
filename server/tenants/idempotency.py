"""Idempotency: one intention has one effect, however often it is asked for.

The row is written in the transaction of the effect. A second request with the same key waits for the first on the unique
key and then gets the stored result; with another input it is refused. A refused request stores nothing and may be repeated.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

import orjson
from psycopg import errors as pg
from sqlalchemy import delete, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError

from server.kit.errors import IdempotencyInProgress, IdempotencyKeyReused, InvalidInput
from server.tenants.models import IdempotencyRow
from server.tenants.uow import UnitOfWork

MAX_KEY = 255
KEPT_FOR = timedelta(days=7)


def fingerprint(field: str, arguments: Mapping[str, object]) -> bytes:
    """Return a digest of the mutation field and its arguments, independent of the order of their names."""
    return hashlib.sha256(orjson.dumps([field, arguments], default=str, option=orjson.OPT_SORT_KEYS)).digest()


async def once(
    uow: UnitOfWork, key: str, mark: bytes, effect: Callable[[], Awaitable[Mapping[str, object]]]
) -> Mapping[str, object]:
    """Run `effect` once for the key and return its result (JSON values), now and on every repetition.

    Raises InvalidInput for an unusable key, IdempotencyKeyReused for another input under the same key, and
    IdempotencyInProgress when the first request takes longer than the lock timeout.
    """
    if not 1 <= len(key) <= MAX_KEY or not key.isprintable():
        raise InvalidInput(f"An idempotency key has 1 to {MAX_KEY} printable characters.", path=("idempotencyKey",))
    mine = (
        IdempotencyRow.organization_id == uow.scope.organization_id,
        IdempotencyRow.actor_id == uow.scope.actor.id,
        IdempotencyRow.key == key,
    )
    taken = insert(IdempotencyRow).values(
        organization_id=uow.scope.organization_id, actor_id=uow.scope.actor.id, key=key, fingerprint=mark
    )
    try:
        created = await uow.session.execute(taken.on_conflict_do_nothing().returning(IdempotencyRow.key))
    except OperationalError as error:
        if isinstance(error.orig, pg.LockNotAvailable):
            raise IdempotencyInProgress from error
        raise
    if created.first() is None:
        stored = (
            await uow.session.execute(select(IdempotencyRow.fingerprint, IdempotencyRow.result).where(*mine))
        ).one()
        if bytes(stored.fingerprint) != mark:
            raise IdempotencyKeyReused
        result: Mapping[str, object] = stored.result or {}
        return result
    result = await effect()
    await uow.session.execute(update(IdempotencyRow).where(*mine).values(result=dict(result)))
    return result


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
