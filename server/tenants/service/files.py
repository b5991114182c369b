"""Files that come in for an import or that an export makes, kept in pieces until their time is over."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from server.kit.errors import InvalidInput, NotFound, PermissionDenied
from server.kit.ids import new_id
from server.tenants.models import StoredFileRow
from server.tenants.repository import operations as repository
from server.tenants.rules import Permission
from server.tenants.scope import Scope
from server.tenants.service.units import unit
from server.tenants.uow import UnitOfWork

PART_BYTES = 1 << 20
MAX_FILE_NAME = 200


@dataclass(frozen=True, slots=True)
class NewFile:
    """What a file is. `unit_id` is whose it is: whoever does not reach the unit knows nothing of it."""

    unit_id: UUID
    name: str
    media_type: str
    kept_for: timedelta
    permission: Permission = Permission.UNIT_MANAGE
    """What others than its maker need on the unit to read it."""


async def store_file(uow: UnitOfWork, new: NewFile, chunks: AsyncIterator[bytes]) -> StoredFileRow:
    """Store what `chunks` (of any size) yield; raise NotFound for a unit out of reach. Holds at most two pieces in memory."""
    if not uow.scope.reaches(new.unit_id):
        raise NotFound(path=("unitId",))
    await unit(
        uow, new.unit_id
    )  # who reaches the whole organization reaches every id, also of units that are not there
    if not 1 <= len(new.name) <= MAX_FILE_NAME or not new.name.isprintable():
        raise InvalidInput(f"A file's name has 1 to {MAX_FILE_NAME} printable characters.", path=("name",))
    row = StoredFileRow(
        organization_id=uow.scope.organization_id,
        id=new_id(),
        unit_id=new.unit_id,
        name=new.name,
        media_type=new.media_type,
        permission=new.permission,
        size=0,
        created_by=uow.scope.actor.id,
        expires_at=await uow.now() + new.kept_for,
    )
    uow.session.add(row)
    await uow.session.flush()
    digest, seq = hashlib.sha256(), 0
    async for part in _parts(chunks):
        digest.update(part)
        await repository.insert_part(
            uow.session,
            {
                "organization_id": row.organization_id,
                "file_id": row.id,
                "seq": seq,
                "unit_id": row.unit_id,
                "content": part,
            },
        )
        row.size += len(part)
        seq += 1
    row.sha256 = digest.digest()
    await uow.session.flush()
    return row


async def _parts(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    held = bytearray()
    async for chunk in chunks:
        held += chunk
        while len(held) >= PART_BYTES:
            yield bytes(held[:PART_BYTES])
            del held[:PART_BYTES]
    if held:
        yield bytes(held)


async def file_of(uow: UnitOfWork, file_id: UUID) -> StoredFileRow:
    """Return a file that the scope may read.

    Raises NotFound for one that is out of reach, over or was never there, and PermissionDenied without the permission
    that the file asks of everybody but its maker.
    """
    found = (await files_by_id(uow, [file_id])).get(file_id)
    if found is None:
        raise NotFound(path=("fileId",))
    if not may_read(uow.scope, found):
        raise PermissionDenied(found.permission.value)
    return found


def may_read(scope: Scope, row: StoredFileRow) -> bool:
    """Say whether the scope may read a file at a unit that it reaches."""
    return row.created_by == scope.actor.id or scope.may(row.permission, row.unit_id)


async def files_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Mapping[UUID, StoredFileRow]:
    """Return the files with these ids at units that the scope reaches."""
    return {row.id: row for row in await repository.files_by_id(uow.session, uow.scope, ids)}


def contents(uow: UnitOfWork, file_id: UUID) -> AsyncIterator[bytes]:
    """Yield a file's bytes in pieces of up to a mebibyte; the caller has asked `file_of` for it."""
    return repository.parts(uow.session, uow.scope.organization_id, file_id)


async def part_of(uow: UnitOfWork, file_id: UUID, number: int) -> bytes:
    """Return one of these pieces, counted from 0; b"" behind the last one, and for a file that is not kept any more."""
    return await repository.part(uow.session, uow.scope.organization_id, file_id, number) or b""


async def forget_files(uow: UnitOfWork) -> None:
    """Delete the files of this organization whose time is over."""
    await repository.delete_files_over(uow.session, uow.scope.organization_id)
