"""The lines of an exported trail, as docs/audit.md publishes them. Pure: the verifier in `switchboard` is written anew."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from server.audit.rules import canonical, moment

FORMAT = "switchboard-audit"
VERSION = 1
ALGORITHM = "sha256(previous_hash_bytes + content_bytes)"


@dataclass(frozen=True, slots=True)
class Start:
    """Where an export begins: after the event `after_seq` with its hash, both of the beginning for a whole chain."""

    organization_id: UUID
    after_seq: int
    previous_hash: bytes
    since: datetime | None
    until: datetime | None

    def line(self) -> bytes:
        """Return the first line."""
        return _line(
            {
                "format": FORMAT,
                "version": VERSION,
                "organization_id": str(self.organization_id),
                "after_seq": self.after_seq,
                "previous_hash": self.previous_hash.hex(),
                "from": None if self.since is None else moment(self.since),
                "to": None if self.until is None else moment(self.until),
                "algorithm": ALGORITHM,
            }
        )


def event_line(content: Mapping[str, object], previous: bytes, found: bytes) -> bytes:
    """Return the line of one event: exactly what was hashed, the hash before it and its own."""
    return _line({"content": content, "previous_hash": previous.hex(), "hash": found.hex()})


def end_line(first_line: bytes, count: int, last_seq: int, head: bytes) -> bytes:
    """Return the last line, by which a cut is noticed."""
    return _line(
        {
            "count": count,
            "last_seq": last_seq,
            "head": head.hex(),
            "header_hash": hashlib.sha256(first_line).hexdigest(),
        }
    )


def _line(value: Mapping[str, object]) -> bytes:
    return canonical(value) + b"\n"
