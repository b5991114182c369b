"""GraphQL types of attachments: the platform's address, which expires, and our own copy, which does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import strawberry

from server.inbox.models import MessageMediaRow
from server.schema.context import Info
from server.schema.cost import LOADED
from server.schema.declarations import readable
from server.schema.nodes import Kind, gid
from server.sends import media
from server.sends.media_links import MediaLink
from server.tenants.rules import Permission

_LINK_LIFE = timedelta(hours=1)


@readable(Permission.INBOX_READ)
@strawberry.type(description="Our own copy of an attachment, which stays when the platform's address has expired.")
class AttachmentCopy:
    """A copy, or why there is none."""

    path: str | None = strawberry.field(
        description="Where it is fetched with the bearer token, on this server; null where there is no copy."
    )
    media_type: str | None = strawberry.field(description="What it is, as far as the network said.")
    size: int | None = strawberry.field(description="Its size in bytes.")
    problem: str | None = strawberry.field(description="Why there is no copy; it is not tried again.")

    @classmethod
    def of(cls, row: MessageMediaRow) -> AttachmentCopy:
        """Show a copy."""
        path = None if row.size is None else f"/attachments/{gid(Kind.MEDIA, row.id)}"
        return cls(path=path, media_type=row.media_type, size=row.size, problem=row.problem)


@readable(Permission.INBOX_READ)
@strawberry.type(description="One piece of media as the platform describes it.")
class Attachment:
    """An attachment."""

    kind: str = strawberry.field(description='For example "image", in the platform\'s words.')
    title: str | None = strawberry.field(description="Its title, if it has one.")
    platform_url: strawberry.Private[str | None] = None
    file_id: strawberry.Private[UUID | None] = None
    message_id: strawberry.Private[UUID | None] = None
    position: strawberry.Private[int] = 0

    @strawberry.field(
        description="The platform's address of it; it expires. For media that were sent from here an address that answers"
        " without a bearer token for an hour.",
        directives=LOADED,
    )
    async def url(self, info: Info) -> str | None:
        """Resolve the address."""
        if self.file_id is None:
            return self.platform_url
        ends_at = datetime.now(UTC) + _LINK_LIFE
        link = MediaLink(info.context.scope.organization_id, self.file_id, ends_at)
        return media.url_of(info.context.services.settings, link)

    @strawberry.field(
        description="Our own copy of it; null while it is being made, and where none may be kept.", directives=LOADED
    )
    async def copy(self, info: Info) -> AttachmentCopy | None:
        """Resolve the copy."""
        if self.message_id is None:
            return None
        copies = await info.context.loaders.copies_of_messages.load(self.message_id)
        found = next((one for one in copies or [] if one.position == self.position), None)
        return None if found is None else AttachmentCopy.of(found)


def shown(message_id: UUID, position: int, stored: dict[str, object]) -> Attachment:
    """Show an attachment as the message stores it."""
    url, title, file_id = stored.get("url"), stored.get("title"), stored.get("file")
    return Attachment(
        kind=str(stored.get("kind", "file")),
        title=None if title is None else str(title),
        platform_url=None if url is None else str(url),
        file_id=None if file_id is None else UUID(str(file_id)),
        message_id=message_id,
        position=position,
    )
