"""Media on their way out: each file is uploaded once for a page, before the batch that needs it, and used again.

No transaction is open while a file is uploaded, and one file at a time is in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from server.channels.service import PageRef
from server.config import Settings
from server.kit.errors import NotFound
from server.platforms.port import (
    Connector,
    FailureReason,
    MediaFile,
    MediaKind,
    NotSent,
    OutgoingMedia,
    PageCredentials,
    PlatformCallFailed,
)
from server.sends import media_links
from server.sends.media_links import MediaLink
from server.sends.repository import media as repository
from server.sends.repository.claim import Claimed
from server.tenants import service as tenants
from server.tenants.uow import UnitOfWork

_LINK_LIFE = timedelta(hours=2)

Begin = Callable[[], AbstractAsyncContextManager[UnitOfWork]]


@dataclass(slots=True)
class MediaDesk:
    """The media of one page during one run: `ids` is what its platform calls our files."""

    begin: Begin
    connector: Connector
    settings: Settings
    page: PageRef
    credentials: PageCredentials
    ids: dict[UUID, str] = field(default_factory=dict)
    fresh: set[UUID] = field(default_factory=set)
    """Files that were uploaded in this run: a refusal of these is not cured by another upload."""
    failed: dict[UUID, NotSent] = field(default_factory=dict)

    async def prepare(self, rows: Sequence[Claimed]) -> None:
        """Upload what these sends need and the platform does not have; what fails is told by `of`."""
        wanted = list(dict.fromkeys(file_id for row in rows for file_id, _ in files_of(row)))
        self.failed.clear()
        if not wanted:
            return
        async with self.begin() as uow:
            self.ids = await repository.known(uow.session, uow.scope.organization_id, self.page.id, wanted)
        kinds = {file_id: kind for row in rows for file_id, kind in files_of(row)}
        for file_id in wanted:
            if file_id not in self.ids:
                await self._upload(file_id, kinds[file_id])

    def of(self, row: Claimed) -> tuple[OutgoingMedia, ...] | NotSent:
        """Return the media of one send as the platform calls them, or why it cannot go."""
        for file_id, _ in files_of(row):
            if file_id in self.failed:
                return self.failed[file_id]
        return tuple(OutgoingMedia(kind, self.ids[file_id]) for file_id, kind in files_of(row))

    def is_stale(self, row: Claimed) -> bool:
        """Say whether a refusal of this send may come from a name that the platform has forgotten."""
        files = [file_id for file_id, _ in files_of(row)]
        return bool(files) and not self.fresh.issuperset(files)

    async def _upload(self, file_id: UUID, kind: MediaKind) -> None:
        try:
            file = await self._read(file_id, kind)
            uploaded = await self.connector.upload_media(self.credentials, file)
        except NotFound:
            self.failed[file_id] = NotSent(FailureReason.BAD_CONTENT, False, "the file is no longer kept")
            return
        except PlatformCallFailed as problem:
            self.failed[file_id] = NotSent(problem.reason, problem.retryable, problem.detail, problem.retry_after_s)
            return
        self.ids[file_id] = uploaded.platform_media_id
        self.fresh.add(file_id)
        async with self.begin() as uow:
            await repository.keep(
                uow.session,
                {
                    "organization_id": uow.scope.organization_id,
                    "page_id": self.page.id,
                    "file_id": file_id,
                    "unit_id": self.page.unit_id,
                    "platform_media_id": uploaded.platform_media_id,
                    "expires_at": uploaded.expires_at,
                },
            )

    async def _read(self, file_id: UUID, kind: MediaKind) -> MediaFile:
        async with self.begin() as uow:
            row = await tenants.file_of(uow, file_id)
            content = b"".join([part async for part in tenants.contents(uow, file_id)])
            link = MediaLink(uow.scope.organization_id, file_id, await uow.now() + _LINK_LIFE)
        return MediaFile(kind, row.media_type, row.name, content, url_of(self.settings, link))


async def forget(uow: UnitOfWork, page_id: UUID, rows: Sequence[Claimed]) -> None:
    """Forget what the platform called the files of these sends."""
    files = {file_id for row in rows for file_id, _ in files_of(row)}
    if files:
        await repository.forget(uow.session, uow.scope.organization_id, page_id, files)


def files_of(row: Claimed) -> list[tuple[UUID, MediaKind]]:
    """Return the files of a send, in their order."""
    return [(UUID(one["file"]), MediaKind(one["kind"])) for one in row.media]


def url_of(settings: Settings, link: MediaLink) -> str:
    """Return the address at which a file answers without a bearer token until the link's end."""
    pepper = settings.security.pepper.get_secret_value()
    return f"{settings.web.public_url.rstrip('/')}{media_links.PATH}{media_links.write(pepper, link)}"
