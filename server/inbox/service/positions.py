"""Positions in the stream of changes, as clients keep them: sealed for their organization.

A position counts the transactions of the whole database, so that it would tell one tenant how much all others write.
"""

from __future__ import annotations

import base64
import binascii
from uuid import UUID

from server.kit.crypto import KeyRing, SealBroken
from server.kit.errors import InvalidCursor

Position = tuple[int, UUID]
"""The transaction of a change, and the conversation that changed."""

_DIGITS = 20
"""Of the longest transaction number. All positions are equally long: the length of a sealed text stays visible."""


def written(keys: KeyRing, organization_id: UUID, position: Position) -> str:
    """Write a position for the organization's clients. Two texts of one position differ."""
    xid, conversation_id = position
    sealed = keys.seal(f"{xid:0{_DIGITS}d}{conversation_id.hex}", _identity(organization_id))
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def read(keys: KeyRing, organization_id: UUID, cursor: str) -> Position:
    """Read a position back; raise InvalidCursor for one of another organization, of a lost key or of our own earlier form."""
    try:
        sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        opened = keys.open(sealed, _identity(organization_id))
    except (binascii.Error, ValueError, SealBroken) as error:
        raise InvalidCursor from error
    return int(opened[:_DIGITS]), UUID(opened[_DIGITS:])


def _identity(organization_id: UUID) -> str:
    return f"inbox.changes:{organization_id}"
