"""The database: metadata, the two engines, and sessions that carry their row-level-security context.

A session without a context sees no rows. The context is set with `set_config(…, true)` when a transaction begins, so it
ends with the transaction and cannot leak through a pool, not even a transaction-mode pooler (reliability.md finding 11).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any
from uuid import UUID

from psycopg import errors as pg
from sqlalchemy import BigInteger, DateTime, Enum, MetaData, TextClause, Uuid, event, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from server.config import DatabaseSettings, Pooler
from server.kit.crypto import KeyRing
from server.kit.errors import Busy, TookTooLong, Unavailable


class Wall(StrEnum):
    """Which second predicate, besides `organization_id`, row-level security puts before a table."""

    ORGANIZATION = "organization"
    """Every scope of the organization sees the row."""
    UNIT = "unit"
    """Only scopes that reach `unit_id`; a row without a unit only scopes that reach every unit."""
    LINEAGE = "lineage"
    """Scopes that reach `unit_id` read and write; scopes below it (an HQ row, seen from a location) read only."""
    HEADQUARTERS = "headquarters"
    """Every scope of the organization may add rows; only scopes that reach every unit see or change them."""
    OWN = "own"
    """The actor's own rows (`member_id`, or `id` for an app), and those whose `unit_ids` the scope reaches entirely."""
    ACTOR = "actor"
    """Rows of the actor alone (`actor_id`); scopes that reach every unit see them all."""
    PEOPLE = "people"
    """People with a role on a unit that the scope reaches or that lies above it, and oneself."""
    SYSTEM = "system"
    """Nobody but the system role: rows that have no organization yet."""


def walled(wall: Wall, *, system: str = "") -> dict[str, object]:
    """Declare a table's row-level security (`info=`). `system` lists the rights of the system role, e.g. "SELECT"."""
    return {"wall": wall, "system": system}


def sealed_to(identity: str) -> dict[str, object]:
    """Declare a sealed column (`info=`). `identity` is what its values are sealed to, with columns of the row in braces."""
    return {"sealed_to": identity}


def identity_of(row: type[DeclarativeBase], column: str, **values: object) -> str:
    """Return what the value of a sealed column is sealed to; `values` are the columns that the declaration names."""
    return str(row.__table__.c[column].info["sealed_to"]).format(**values)


class Base(DeclarativeBase):
    """The one metadata. Constraint names are fixed, so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "pk": "%(table_name)s_pkey",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
            "ck": "%(table_name)s_%(constraint_name)s_check",
            "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own class attribute
        datetime: DateTime(timezone=True),
        UUID: Uuid(),
        dict[str, object]: JSONB(),
        dict[str, Any]: JSONB(),
        list[str]: JSONB(none_as_null=True),
        StrEnum: Enum(
            native_enum=False, length=40, create_constraint=False, values_callable=lambda e: [m.value for m in e]
        ),
    }


class TenantRow:
    """Columns that every tenant table starts with; the primary key starts with the organization."""

    organization_id: Mapped[UUID] = mapped_column(primary_key=True, sort_order=-20)
    id: Mapped[UUID] = mapped_column(primary_key=True, sort_order=-19)
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp(), sort_order=90)


BigInt = BigInteger


@dataclass(frozen=True, slots=True)
class Context:
    """What one transaction may see, as PostgreSQL's row-level security reads it."""

    organization_id: UUID
    actor_id: UUID
    all_units: bool
    unit_ids: frozenset[UUID]
    lineage_ids: frozenset[UUID]
    read_only: bool
    departed_ids: frozenset[UUID] = frozenset()
    """Units that are being parted with: nothing of them is seen, not even by who reaches every unit."""

    def settings(self) -> Mapping[str, str]:
        """Return the session settings, local to the transaction."""
        return {
            "app.organization": str(self.organization_id),
            "app.actor": str(self.actor_id),
            "app.all_units": "on" if self.all_units else "off",
            "app.units": _array(self.unit_ids),
            "app.lineage": _array(self.lineage_ids),
            "app.departed": _array(self.departed_ids),
            "transaction_read_only": "on" if self.read_only else "off",
        }


def _array(ids: frozenset[UUID]) -> str:
    return "{" + ",".join(str(one) for one in ids) + "}"


@event.listens_for(Session, "after_begin")
def _set_local(session: Session, _transaction: object, connection: Any) -> None:
    """Set what holds until the transaction ends, in one statement."""
    context = session.info.get("context")
    local: dict[str, str] = dict(session.info.get("timeouts", {}))
    if isinstance(context, Context):
        local |= context.settings()
    if local:
        connection.execute(_set_config(tuple(local)), _values(local))


@lru_cache(maxsize=8)
def _set_config(names: tuple[str, ...]) -> TextClause:
    return text("SELECT " + ", ".join(f"set_config('{name}', :{_bound(name)}, true)" for name in names))


def _bound(name: str) -> str:
    return name.replace(".", "_")


def _values(settings: Mapping[str, str]) -> dict[str, str]:
    return {_bound(name): value for name, value in settings.items()}


def _timeouts(settings: DatabaseSettings) -> dict[str, str]:
    return {
        "statement_timeout": str(settings.statement_timeout_ms),
        "lock_timeout": "10000",
        "idle_in_transaction_session_timeout": "30000",
    }


async def change_context(session: AsyncSession, context: Context) -> None:
    """Let the rest of the transaction, and every later one of this session, see `context`."""
    session.info["context"] = context
    settings = context.settings()
    await session.execute(_set_config(tuple(settings)), _values(settings))


@asynccontextmanager
async def seen_as(session: AsyncSession, context: Context) -> AsyncIterator[None]:
    """Let the enclosed statements of a session see another context of the same kind (reading or writing).

    They run in a savepoint, whose rollback takes the context back with everything else when one of them fails.
    """
    own: Context = session.info["context"]
    await session.connection()  # the outer transaction begins when it is first used: with its own context
    session.info["context"] = context
    try:
        async with session.begin_nested():  # sets the context, as every transaction does when it begins
            yield
            await change_context(session, own)
    finally:
        session.info["context"] = own


def _engine(url: str, settings: DatabaseSettings, size: int) -> AsyncEngine:
    connect: dict[str, object] = {"connect_timeout": 5, "application_name": "switchboard"}
    if settings.pooler is Pooler.TRANSACTION:
        # The next transaction runs on another connection, which knows nothing of what this one prepared. Options at
        # the start are refused by poolers or, worse, ignored: each transaction brings its timeouts itself.
        connect["prepare_threshold"] = None
    else:
        connect["options"] = " ".join(f"-c {name}={value}" for name, value in _timeouts(settings).items())
    return create_async_engine(
        url,
        pool_size=size,
        max_overflow=0,
        pool_timeout=settings.pool_timeout_s,
        pool_pre_ping=True,
        connect_args=connect,
    )


class Database:
    """The engines of one process (`app` for scoped work, `system` for what crosses organizations) and its key ring."""

    def __init__(self, settings: DatabaseSettings, keys: KeyRing) -> None:
        self.keys = keys
        self.app_engine = _engine(settings.app.get_secret_value(), settings, settings.pool_size)
        self.system_engine = _engine(settings.system.get_secret_value(), settings, max(2, settings.pool_size // 3))
        info = {"timeouts": _timeouts(settings)} if settings.pooler is Pooler.TRANSACTION else {}
        self._app = async_sessionmaker(self.app_engine, expire_on_commit=False, info=info)
        self._system = async_sessionmaker(self.system_engine, expire_on_commit=False, info=info)
        self.app_dsn = settings.app_dsn
        self.system_dsn = settings.system_dsn

    @asynccontextmanager
    async def scoped(self, context: Context) -> AsyncIterator[AsyncSession]:
        """Open a transaction that sees only `context`; commit at the end, roll back on an error."""
        async with self.translated(), self._app(info={"context": context}) as session, session.begin():
            yield session

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """Hold one connection of the pool for several transactions in a row; whatever is open at the end is rolled back."""
        async with self.translated(), self.app_engine.connect() as connection:
            yield connection

    @asynccontextmanager
    async def scoped_on(self, connection: AsyncConnection, context: Context) -> AsyncIterator[AsyncSession]:
        """Open a transaction as `scoped` does, on a connection that is held already."""
        async with self.translated(), self._app(bind=connection, info={"context": context}) as session, session.begin():
            yield session

    @asynccontextmanager
    async def unscoped_system(self) -> AsyncIterator[AsyncSession]:
        """Open a transaction of the system role, which has rights on a short list of tables only."""
        async with self.translated(), self._system() as session, session.begin():
            yield session

    async def aclose(self) -> None:
        """Close every connection."""
        await self.app_engine.dispose()
        await self.system_engine.dispose()

    @staticmethod
    @asynccontextmanager
    async def translated() -> AsyncIterator[None]:
        """Turn what the driver and the pool raise into what callers are told: Unavailable, Busy or TookTooLong."""
        try:
            yield
        except PoolTimeout as error:
            raise Busy from error
        except (OperationalError, InterfaceError) as error:
            if is_outage(error):
                raise Unavailable from error
            if isinstance(error.orig, (pg.QueryCanceled, pg.LockNotAvailable)):
                raise TookTooLong from error
            raise


def is_outage(error: DBAPIError) -> bool:
    """Tell a database that is away, starting or stopping from a statement that was refused."""
    cause = error.orig
    if error.connection_invalidated or isinstance(cause, (pg.AdminShutdown, pg.CannotConnectNow, pg.CrashShutdown)):
        return True
    return isinstance(cause, (pg.OperationalError, pg.InterfaceError)) and getattr(cause, "sqlstate", None) is None
