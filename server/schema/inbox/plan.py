"""Which parts of conversations a document asks for, and whether the list's own statement is enough for them."""

from __future__ import annotations

from server.inbox.views import Parts
from server.schema.context import Info
from server.schema.lookahead import selected

# What the statement of the list reads of each part; whoever selects more gets the whole object from a loader.
_READ = {
    "page": frozenset({"__typename", "id", "name", "channel", "externalId"}),
    "assignee": frozenset({"__typename", "id", "name"}),
    "lastMessage": frozenset(
        {"__typename", "id", "direction", "state", "text", "hasAttachments", "occurredAt", "isUnsent"}
    ),
}


def enough(info: Info, *ways: str) -> frozenset[str]:
    """Return the parts of which nothing is selected, along any of the ways, that the list's statement does not read."""
    return frozenset(
        part for part, known in _READ.items() if selected(info, *(f"{way}.{part}" for way in ways)) <= known
    )


def parts(info: Info, sufficient: frozenset[str], *ways: str) -> Parts:
    """Return the parts that the list's statement has to read; the others are not selected, or come from a loader."""
    names = selected(info, *ways)
    return Parts(
        contact="contact" in names,
        page="page" in names & sufficient,
        assignee="assignee" in names & sufficient,
        labels="labels" in names,
        last_message="lastMessage" in names & sufficient,
    )
