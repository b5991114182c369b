"""SQL of what platforms ask on behalf of a person: the request, and the grants that it is about. For the system role."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from server.channels.models import CallbackKind, PlatformRequestRow
from server.platforms.port import Channel, Login


@dataclass(frozen=True, slots=True)
class GrantOf:
    """A grant of a person, and whose it is."""

    organization_id: UUID
    account_id: UUID


@dataclass(frozen=True, slots=True)
class RequestState:
    """Where a request stands."""

    id: UUID
    channel: Channel
    kind: CallbackKind
    received_at: datetime
    done_at: datetime | None


async def insert_request(
    session: AsyncSession, request_id: UUID, channel: Channel, kind: CallbackKind, code_hash: bytes
) -> bool:
    """Write a request down; False if it came before."""
    inserted = await session.execute(
        insert(PlatformRequestRow)
        .values(id=request_id, channel=channel, kind=kind, code_hash=code_hash)
        .on_conflict_do_nothing(index_elements=["code_hash"])
        .returning(PlatformRequestRow.id)
    )
    return inserted.first() is not None


# A login through another network's page is one grant for all channels that hang on it.
_GRANTS = text(
    "SELECT organization_id, id FROM connected_account WHERE external_id = :person AND login = :login"
    " AND (:shared OR channel = :channel) ORDER BY organization_id, id"
)


async def grants_of(session: AsyncSession, channel: Channel, login: Login, person: str) -> list[GrantOf]:
    """Return all grants of a person, of every organization."""
    values = {
        "person": person,
        "login": login.value,
        "shared": login is not Login.DIRECT,
        "channel": channel.value,
    }
    return [GrantOf(row.organization_id, row.id) for row in await session.execute(_GRANTS, values)]


_REQUEST = text("SELECT id, channel, kind, created_at, done_at FROM platform_request WHERE code_hash = ANY (:hashes)")
_OWED = text("SELECT EXISTS (SELECT FROM job WHERE kind = :kind AND payload ->> 'request_id' = :id)")
_DONE = text(
    "UPDATE platform_request SET done_at = clock_timestamp() WHERE id = :id AND done_at IS NULL RETURNING done_at"
)


async def request_state(session: AsyncSession, code_hashes: Sequence[bytes], job_kind: str) -> RequestState | None:
    """Return the request that a code opens; it is done as soon as no organization owes a job for it."""
    row = (await session.execute(_REQUEST, {"hashes": list(code_hashes)})).one_or_none()
    if row is None:
        return None
    done_at = row.done_at
    if done_at is None:
        is_owed = (await session.execute(_OWED, {"kind": job_kind, "id": str(row.id)})).scalar_one()
        done_at = None if is_owed else (await session.execute(_DONE, {"id": row.id})).scalar_one_or_none()
    return RequestState(row.id, Channel(row.channel), CallbackKind(row.kind), row.created_at, done_at)
