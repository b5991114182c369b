"""Refusals of campaigns as the API tells them: their data names people and pages by global ids and counts by reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar, cast
from uuid import UUID

from server.approvals.errors import ContentChanged
from server.campaigns.errors import MissingValues, NoAudience, PageNotReady, TextTooLong
from server.kit.errors import DomainError, Problems
from server.schema.nodes import Kind, gid

E = TypeVar("E", bound=DomainError)


def told(error: E) -> E:
    """Rewrite the data and path of one refusal in the words of the API; return it."""
    match error:
        case MissingValues() | TextTooLong():
            listed = cast("Sequence[Mapping[str, str]]", error.data["recipients"])
            people = [gid(Kind.CONTACT, UUID(one["contactId"])) for one in listed]
            error.data = {**error.data, "recipients": people}
        case PageNotReady() if "pageIds" in error.data:
            pages = cast("Sequence[str]", error.data["pageIds"])
            error.data = {"pageIds": [gid(Kind.PAGE, UUID(one)) for one in pages]}
        case NoAudience():
            counts = cast("Mapping[str, int]", error.data["skipped"])
            skipped = [f"{reason}: {count}" for reason, count in sorted(counts.items())]
            error.data = {**error.data, "skipped": skipped}
        case ContentChanged():
            error.path = ("contentDigest",)
    return error


@contextmanager
def telling() -> Iterator[None]:
    """Rewrite the refusals that the block raises."""
    try:
        yield
    except Problems as many:
        raise Problems([told(one) for one in many.problems]) from many
    except DomainError as one:
        told(one)
        raise
