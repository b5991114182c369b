"""One stored item while it is being read: its parts, or the reason why it cannot be read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from server.platforms.meta.items import occurred_at, person_of
from server.platforms.wire.reading import Json, identifier, mapping


class Unreadable(Exception):
    """The item lacks what its kind needs; the text says what."""


@dataclass(frozen=True, slots=True)
class Subject:
    """An item, its kind, and the page it came to."""

    kind: str
    page: str
    item: Json

    def part(self, name: str) -> Json:
        """Return a part of the item, empty if it is absent or no object."""
        return mapping(self.item.get(name))

    def person(self) -> str:
        """Return the customer's id; raise Unreadable."""
        found = person_of(self.item, self.page)
        if not found:
            raise Unreadable("no person")
        return found

    def mid(self, part: Json) -> str:
        """Return the message id; raise Unreadable."""
        found = identifier(part.get("mid"))
        if found is None:
            raise Unreadable("no message id")
        return found

    def at(self) -> datetime:
        """Return when it happened; raise Unreadable."""
        found = occurred_at(self.item)
        if found is None:
            raise Unreadable("no time")
        return found
