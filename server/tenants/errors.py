"""What can be refused about organizations, units and people."""

from __future__ import annotations

from server.kit.errors import DomainError


class UnitMisplaced(DomainError):
    """A unit of this kind cannot stand under that parent."""

    code = "unit.misplaced"


class AlreadyExists(DomainError):
    """A name, code or address that must be unique in its place is taken."""

    code = "already_exists"
