"""Work that the inbox asks for later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from server.kit.jobs import Queue, job
from server.platforms.port import SignalKind


@job("inbox.unsend_message", Queue.REPLIES, max_attempts=6, backoff=timedelta(seconds=2))
@dataclass(frozen=True, slots=True)
class UnsendMessage:
    """Take one message of a page back at its platform, and then, if it was asked for, erase our copy."""

    message_id: UUID
    erases: bool


@job("inbox.show_signal", Queue.REPLIES, max_attempts=1)
@dataclass(frozen=True, slots=True)
class ShowSignal:
    """Show typing or a read mark to one person, once: losing it harms nobody."""

    page_id: UUID
    contact_id: UUID
    signal: SignalKind


@job("inbox.copy_media", Queue.HOUSEKEEPING, max_attempts=8, backoff=timedelta(seconds=5))
@dataclass(frozen=True, slots=True)
class CopyMedia:
    """Copy the attachments of one message before the platform's addresses expire."""

    message_id: UUID
