"""SQL of known documents and of their uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from server.documents.models import DocumentUseRow, KnownDocumentRow
from server.documents.rules import ClientBuild
from server.kit.pagination import Keyset, PageArguments
from server.tenants.cuts import is_one_of


class UseKey(NamedTuple):
    """What is counted as one: an organization's document, by operation and build. Sorts, so that locks have one order."""

    organization_id: UUID
    digest: bytes
    operation_name: str
    app: str
    version: str


@dataclass(frozen=True, slots=True)
class Use:
    """How often a build asked for an operation of a document over some days, and when last."""

    digest: bytes
    operation_name: str
    app: str
    version: str
    uses: int
    last_used_at: datetime


@dataclass(frozen=True, slots=True)
class UseFilter:
    """Which uses are wanted: those of the last days, of one document, app or version; None is no condition."""

    since: timedelta
    digest: bytes | None = None
    app: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class DocumentFilter:
    """Which registrations are wanted; None is no condition.

    `is_valid` is no condition here, because the schema decides it; it only keeps the cursors of such lists apart.
    """

    app: str | None = None
    version: str | None = None
    is_withdrawn: bool | None = None
    is_valid: bool | None = None


async def lock(session: AsyncSession, organization_id: UUID) -> None:
    """Keep other registrations of the organization waiting until the transaction ends, so that the bound is exact."""
    key = func.hashtextextended(f"known documents {organization_id}", 0)
    await session.execute(select(func.pg_advisory_xact_lock(key)))


async def insert_documents(session: AsyncSession, rows: Sequence[Mapping[str, object]]) -> int:
    """Insert those of the rows that the build does not have already; return how many."""
    # Two builds of one version may be registered at once: the unique index of what is live decides.
    statement = insert(KnownDocumentRow).values(list(rows)).on_conflict_do_nothing().returning(KnownDocumentRow.id)
    return len((await session.execute(statement)).all())


async def count_live(session: AsyncSession, organization_id: UUID) -> int:
    """Count the registrations that are not withdrawn."""
    statement = select(func.count()).where(
        KnownDocumentRow.organization_id == organization_id, KnownDocumentRow.withdrawn_at.is_(None)
    )
    return (await session.execute(statement)).scalar_one()


async def live_of_build(
    session: AsyncSession, organization_id: UUID, build: ClientBuild, digests: Sequence[bytes] | None = None
) -> Sequence[KnownDocumentRow]:
    """Return what a build has that is not withdrawn, the newest first: all of it, or those of the digests."""
    statement = select(KnownDocumentRow).where(
        *_of_build(organization_id, build), KnownDocumentRow.withdrawn_at.is_(None)
    )
    if digests is not None:
        statement = statement.where(KnownDocumentRow.digest.in_(digests))
    return (await session.scalars(statement.order_by(KnownDocumentRow.id.desc()))).all()


async def has_build(session: AsyncSession, organization_id: UUID, build: ClientBuild) -> bool:
    """Say whether a build has a registration, be it withdrawn."""
    statement = select(KnownDocumentRow.id).where(*_of_build(organization_id, build)).limit(1)
    return (await session.execute(statement)).first() is not None


def _of_build(organization_id: UUID, build: ClientBuild) -> tuple[ColumnElement[bool], ...]:
    return (
        KnownDocumentRow.organization_id == organization_id,
        KnownDocumentRow.app == build.app,
        KnownDocumentRow.version == build.version,
    )


async def withdraw(
    session: AsyncSession, organization_id: UUID, ids: Sequence[UUID], actor_id: UUID
) -> Sequence[KnownDocumentRow]:
    """Withdraw those of the registrations that are live; return them as they are now."""
    statement = (
        update(KnownDocumentRow)
        .where(
            KnownDocumentRow.organization_id == organization_id,
            is_one_of(KnownDocumentRow.id, ids),
            KnownDocumentRow.withdrawn_at.is_(None),
        )
        .values(withdrawn_at=func.clock_timestamp(), withdrawn_by=actor_id)
        .returning(KnownDocumentRow)
        .execution_options(populate_existing=True, synchronize_session=False)
    )
    return (await session.scalars(statement)).all()


async def forget_withdrawn(session: AsyncSession, organization_id: UUID, kept: int) -> None:
    """Delete the registrations that were withdrawn before the newest `kept` of them."""
    old = (
        select(KnownDocumentRow.id)
        .where(KnownDocumentRow.organization_id == organization_id, KnownDocumentRow.withdrawn_at.is_not(None))
        .order_by(KnownDocumentRow.withdrawn_at.desc(), KnownDocumentRow.id.desc())
        .offset(kept)
    )
    await session.execute(
        delete(KnownDocumentRow)
        .where(KnownDocumentRow.organization_id == organization_id, KnownDocumentRow.id.in_(old))
        .execution_options(synchronize_session=False)
    )


async def text_of(session: AsyncSession, organization_id: UUID, digest: bytes) -> str | None:
    """Return the text of a document of which a registration is live."""
    statement = select(KnownDocumentRow.text).where(
        KnownDocumentRow.organization_id == organization_id,
        KnownDocumentRow.digest == digest,
        KnownDocumentRow.withdrawn_at.is_(None),
    )
    return (await session.execute(statement.limit(1))).scalar_one_or_none()


async def list_documents(
    session: AsyncSession, organization_id: UUID, keyset: Keyset, arguments: PageArguments, wanted: DocumentFilter
) -> Sequence[KnownDocumentRow]:
    """Return up to `size + 1` registrations of the page."""
    statement = _wanted(organization_id, wanted).where(*keyset.beyond(arguments))
    return (await session.scalars(statement.order_by(*keyset.order(arguments)).limit(arguments.size + 1))).all()


def _wanted(organization_id: UUID, wanted: DocumentFilter) -> Select[KnownDocumentRow]:
    statement = select(KnownDocumentRow).where(KnownDocumentRow.organization_id == organization_id)
    if wanted.app is not None:
        statement = statement.where(KnownDocumentRow.app == wanted.app)
    if wanted.version is not None:
        statement = statement.where(KnownDocumentRow.version == wanted.version)
    if wanted.is_withdrawn is not None:
        statement = statement.where(KnownDocumentRow.withdrawn_at.is_not(None).is_(wanted.is_withdrawn))
    return statement


async def documents_by_id(
    session: AsyncSession, organization_id: UUID, ids: Sequence[UUID]
) -> Sequence[KnownDocumentRow]:
    """Return the registrations with these ids, in no order."""
    statement = select(KnownDocumentRow).where(
        KnownDocumentRow.organization_id == organization_id, is_one_of(KnownDocumentRow.id, ids)
    )
    return (await session.scalars(statement)).all()


# The rows come sorted, so that two processes which count the same documents wait for each other instead of deadlocking.
_ADD_USES = text("""
INSERT INTO document_use (organization_id, digest, day, operation_name, app, version, uses, last_used_at)
SELECT n.organization_id, n.digest, (now() AT TIME ZONE 'UTC')::date, n.operation_name, n.app, n.version, n.uses, now()
FROM unnest(CAST(:organizations AS uuid[]), CAST(:digests AS bytea[]), CAST(:operations AS text[]), CAST(:apps AS text[]),
  CAST(:versions AS text[]), CAST(:uses AS bigint[]))
  WITH ORDINALITY AS n (organization_id, digest, operation_name, app, version, uses, place)
ORDER BY n.place
ON CONFLICT (organization_id, digest, day, operation_name, app, version) DO UPDATE
SET uses = document_use.uses + excluded.uses, last_used_at = greatest(document_use.last_used_at, excluded.last_used_at)
""")


async def add_uses(session: AsyncSession, counted: Mapping[UseKey, int]) -> None:
    """Add counted uses to those of today, of any number of organizations, in one statement of the system role."""
    keys = sorted(counted)
    await session.execute(
        _ADD_USES,
        {
            "organizations": [one.organization_id for one in keys],
            "digests": [one.digest for one in keys],
            "operations": [one.operation_name for one in keys],
            "apps": [one.app for one in keys],
            "versions": [one.version for one in keys],
            "uses": [counted[one] for one in keys],
        },
    )


async def list_uses(session: AsyncSession, organization_id: UUID, wanted: UseFilter, limit: int) -> Sequence[Use]:
    """Add up the uses of the wanted days by document, operation and build; the most used first, at most `limit`."""
    total, last = func.sum(DocumentUseRow.uses), func.max(DocumentUseRow.last_used_at)
    group = (DocumentUseRow.digest, DocumentUseRow.operation_name, DocumentUseRow.app, DocumentUseRow.version)
    statement = select(*group, total, last).where(
        DocumentUseRow.organization_id == organization_id, DocumentUseRow.day > _day_before(wanted.since)
    )
    for column, value in zip((group[0], *group[2:]), (wanted.digest, wanted.app, wanted.version), strict=True):
        if value is not None:
            statement = statement.where(column == value)
    rows = await session.execute(statement.group_by(*group).order_by(total.desc(), *group).limit(limit))
    return [Use(bytes(row[0]), row[1], row[2], row[3], int(row[4]), row[5]) for row in rows]


async def uses_of(
    session: AsyncSession, organization_id: UUID, ids: Sequence[UUID], since: timedelta, limit: int
) -> Mapping[UUID, list[Use]]:
    """Return for each registration the uses of its text over the last days, at most `limit` each, the most used first."""
    total, last = func.sum(DocumentUseRow.uses), func.max(DocumentUseRow.last_used_at)
    names = (DocumentUseRow.operation_name, DocumentUseRow.app, DocumentUseRow.version)
    place = func.row_number().over(partition_by=KnownDocumentRow.id, order_by=[total.desc(), *names])
    counted = (
        select(
            KnownDocumentRow.id,
            KnownDocumentRow.digest,
            *names,
            total.label("total"),
            last.label("last"),
            place.label("place"),
        )
        .join(
            DocumentUseRow,
            (DocumentUseRow.organization_id == KnownDocumentRow.organization_id)
            & (DocumentUseRow.digest == KnownDocumentRow.digest),
        )
        .where(
            KnownDocumentRow.organization_id == organization_id,
            is_one_of(KnownDocumentRow.id, ids),
            DocumentUseRow.day > _day_before(since),
        )
        .group_by(KnownDocumentRow.id, KnownDocumentRow.digest, *names)
        .subquery()
    )
    found: dict[UUID, list[Use]] = {}
    for row in await session.execute(select(counted).where(counted.c.place <= limit).order_by(counted.c.place)):
        one = Use(bytes(row.digest), row.operation_name, row.app, row.version, int(row.total), row.last)
        found.setdefault(row.id, []).append(one)
    return found


async def forget_uses(session: AsyncSession, organization_id: UUID, kept: timedelta) -> None:
    """Delete what was counted before the last days."""
    await session.execute(
        delete(DocumentUseRow)
        .where(DocumentUseRow.organization_id == organization_id, DocumentUseRow.day <= _day_before(kept))
        .execution_options(synchronize_session=False)
    )


def _day_before(since: timedelta) -> object:
    """Return, as SQL, the last day (UTC) that no longer belongs to the days up to today."""
    return func.timezone("UTC", func.now()).cast(DocumentUseRow.day.type) - since.days
