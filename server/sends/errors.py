"""What can be refused about sends."""

from __future__ import annotations

from server.kit.errors import DomainError


class NotOpen(DomainError):
    """The send is not waiting for a person's decision (any more)."""

    code = "send.not_open"
