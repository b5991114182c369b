"""The export: everything of the units that leave, as lines of JSON, and where the platforms keep their media."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson

from server.inbox import leaving as inbox
from server.privacy.parts import EXPORTED
from server.privacy.rules import EXPORT_KEPT_FOR
from server.tenants import service as tenants
from server.tenants.leaving import export_rows
from server.tenants.models import StoredFileRow
from server.tenants.rules import Permission
from server.tenants.service import NewFile
from server.tenants.uow import UnitOfWork

FORMAT = "switchboard-client-export-1"
MEDIA_TYPE = "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class Exported:
    """The two files and how many rows of each table stand in the first."""

    data: StoredFileRow
    manifest: StoredFileRow
    rows: Mapping[str, int]
    media: int


async def export(uow: UnitOfWork, above_id: UUID, unit_ids: Sequence[UUID], unit_name: str) -> Exported:
    """Write both files at the unit above, readable with unit:offboard there, in this one transaction: all or nothing."""
    rows: dict[str, int] = {}
    told = {"format": FORMAT, "made_at": await uow.now(), "unit": {"id": unit_ids[0], "name": unit_name}}
    data = await tenants.store_file(uow, _file(above_id, "data.jsonl"), _data(uow, unit_ids, told, rows))
    media: dict[str, int] = {}
    manifest = await tenants.store_file(uow, _file(above_id, "media.jsonl"), _media(uow, unit_ids, told, media))
    return Exported(data, manifest, rows, media.get("media", 0))


def _file(unit_id: UUID, name: str) -> NewFile:
    return NewFile(unit_id, name, MEDIA_TYPE, EXPORT_KEPT_FOR, Permission.UNIT_OFFBOARD)


async def _data(
    uow: UnitOfWork, unit_ids: Sequence[UUID], told: Mapping[str, object], rows: dict[str, int]
) -> AsyncIterator[bytes]:
    tables = [part.name for part in EXPORTED]
    yield _line({"type": "header", **told, "tables": tables})
    for part in EXPORTED:
        name = part.name
        rows[name] = 0
        async for found in export_rows(uow, part, unit_ids):
            rows[name] += len(found)
            yield b"".join(_line({"type": name, "row": row}) for row in found)
    yield _line({"type": "end", "rows": rows})


async def _media(
    uow: UnitOfWork, unit_ids: Sequence[UUID], told: Mapping[str, object], count: dict[str, int]
) -> AsyncIterator[bytes]:
    yield _line({"type": "header", **told})
    async for found in inbox.media(uow, unit_ids):
        count["media"] = count.get("media", 0) + len(found)
        yield b"".join(_line({"type": "media", **one}) for one in found)
    yield _line({"type": "end", "media": count.get("media", 0)})


def _line(value: Mapping[str, object]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS)
