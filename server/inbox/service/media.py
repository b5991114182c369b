"""Our copies of what people attach: fetched before the platform's addresses expire, gone when the writer takes them back."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from server.inbox.jobs import CopyMedia
from server.inbox.models import MessageMediaRow
from server.inbox.repository import media as repository
from server.kit.errors import NotFound
from server.kit.ids import new_id
from server.platforms.port import Attachment
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork

MAX_BYTES = 25_000_000
PIECE_BYTES = 1 << 20
_KNOWN = ("image/", "video/", "audio/")
_PLAIN = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Missing:
    """One attachment that has no copy yet; `position` is its place in the message."""

    position: int
    attachment: Attachment


@dataclass(frozen=True, slots=True)
class ToCopy:
    """A message whose attachments are to be copied."""

    page_id: UUID
    platform_message_id: str
    thread_external_id: str | None
    missing: Sequence[Missing]


@dataclass(frozen=True, slots=True)
class Copied:
    """What came of one attachment: its content, or the problem why there is none."""

    position: int
    content: bytes | None = field(default=None, repr=False)
    media_type: str = ""
    problem: str | None = None


def ask_for_copies(uow: UnitOfWork, message_id: UUID, attachments: Sequence[dict[str, object]]) -> None:
    """Owe the copies of a message's attachments, if any of them may be kept and can be fetched."""
    if any(_attachment(one) is not None for one in attachments):
        uow.defer(CopyMedia(message_id), key=str(message_id))


async def to_copy(uow: UnitOfWork, message_id: UUID) -> ToCopy | None:
    """Return what of a message is still to be copied; None if nothing is, or if its writer took it back."""
    organization_id = uow.scope.organization_id
    message = await repository.illustrated(uow.session, organization_id, message_id)
    if message is None or message.platform_message_id is None:
        return None
    known = await repository.places_known(uow.session, organization_id, message_id)
    missing = [
        Missing(position, attachment)
        for position, one in enumerate(message.attachments)
        if position not in known and (attachment := _attachment(one)) is not None
    ]
    if not missing:
        return None
    return ToCopy(message.page_id, message.platform_message_id, message.thread_external_id, missing)


def _attachment(stored: dict[str, object]) -> Attachment | None:
    url, media_id = stored.get("url"), stored.get("media_id")
    if stored.get("may_be_stored") is False or not (isinstance(url, str) or isinstance(media_id, str)):
        return None
    return Attachment(
        kind=str(stored.get("kind")),
        url=url if isinstance(url, str) else None,
        media_id=media_id if isinstance(media_id, str) else None,
    )


async def store_copies(uow: UnitOfWork, message_id: UUID, copies: Sequence[Copied]) -> None:
    """Store what was fetched, unless the writer has taken the message back in the meantime."""
    organization_id = uow.scope.organization_id
    message = await repository.illustrated(uow.session, organization_id, message_id)
    if message is None or not await repository.is_still_there(uow.session, organization_id, message_id):
        return
    for copy in copies:
        content = copy.content
        await repository.insert_copy(
            uow.session,
            {
                "organization_id": organization_id,
                "id": new_id(),
                "unit_id": message.unit_id,
                "message_id": message_id,
                "position": copy.position,
                "media_type": None if content is None else _shown_as(copy.media_type),
                "size": None if content is None else len(content),
                "sha256": None if content is None else hashlib.sha256(content).digest(),
                "content": content,
                "problem": copy.problem,
            },
        )
    uow.announce("inbox")


def _shown_as(media_type: str) -> str:
    """Return the type under which a copy may be given out; what could be a page with scripts is plain bytes."""
    is_known = media_type.startswith(_KNOWN) and "svg" not in media_type
    return media_type[:100] if is_known or media_type == "application/pdf" else _PLAIN


async def copies_of(uow: UnitOfWork, message_ids: Sequence[UUID]) -> dict[UUID, list[MessageMediaRow]]:
    """Return what is known of the copies of these messages, without content. Needs inbox:read on their units."""
    found: dict[UUID, list[MessageMediaRow]] = defaultdict(list)
    for row in await repository.copies_of(uow.session, uow.scope, message_ids):
        if uow.scope.may(Permission.INBOX_READ, row.unit_id):
            found[row.message_id].append(row)
    return dict(found)


async def copy_of(uow: UnitOfWork, media_id: UUID) -> MessageMediaRow:
    """Return one copy that has content; raise NotFound. Needs inbox:read on its unit. `piece_of` gives the content."""
    row = await repository.copy(uow.session, uow.scope, media_id)
    if row is None:
        raise NotFound
    uow.scope.require_on(Permission.INBOX_READ, row.unit_id, read_with=Permission.INBOX_READ)
    return row


async def piece_of(uow: UnitOfWork, media_id: UUID, number: int) -> bytes:
    """Return a mebibyte of a copy's content, counted from 0; b"" behind its end, and for a copy that was dropped.

    The caller has asked `copy_of` for it.
    """
    start = number * PIECE_BYTES
    return await repository.content(uow.session, uow.scope, media_id, start, PIECE_BYTES) or b""


async def drop_copies(uow: UnitOfWork, message_id: UUID) -> None:
    """Delete the copies of a message that its writer took back."""
    await repository.delete_copies(uow.session, uow.scope.organization_id, message_id)
