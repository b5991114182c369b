"""Lists of documents by validity, which only the schema knows: a page is what is found among the next registrations."""

from __future__ import annotations

from server.documents import service as documents
from server.documents.models import KnownDocumentRow
from server.documents.service import DocumentFilter
from server.kit.pagination import MAX_PAGE, Page, PageArguments
from server.schema.documents.reading import Readings
from server.schema.documents.types import Document
from server.schema.pages import Connection, PageInfo
from server.tenants.uow import UnitOfWork

MAX_LOOKED_AT = MAX_PAGE
"""Registrations that one page looks at: to read one may take a hundredth of a second."""


async def page_by_validity(
    uow: UnitOfWork, arguments: PageArguments, wanted: DocumentFilter, readings: Readings
) -> Connection[Document]:
    """Show the registrations that are, or are not, valid with the running schema.

    A page can be shorter than asked for, even empty, while there is more: its last cursor stands where the look ended.
    """
    page = await documents.list_documents(uow, _all_of(arguments), wanted)
    found: list[tuple[KnownDocumentRow, str]] = []
    looked, at = 0, None
    for row, at in _in_turn(arguments, page):
        looked += 1
        if (await readings.read(row.text)).is_valid is wanted.is_valid:
            found.append((row, at))
            if len(found) == arguments.size:
                break
    has_more = looked < len(page.items) or (page.has_previous if arguments.is_backward else page.has_next)
    return _shown(arguments, found, at, has_more=has_more)


def _all_of(arguments: PageArguments) -> PageArguments:
    """Return the longest page that begins where the wanted one does; raise InvalidInput for a size that is none."""
    first, last = (None, MAX_LOOKED_AT) if arguments.size and arguments.is_backward else (MAX_LOOKED_AT, None)
    return PageArguments(first, arguments.after, last, arguments.before)


def _in_turn(arguments: PageArguments, page: Page[KnownDocumentRow]) -> list[tuple[KnownDocumentRow, str]]:
    pairs = list(zip(page.items, page.cursors, strict=True))
    return pairs[::-1] if arguments.is_backward else pairs


def _shown(
    arguments: PageArguments, found: list[tuple[KnownDocumentRow, str]], at: str | None, *, has_more: bool
) -> Connection[Document]:
    kept = found[::-1] if arguments.is_backward else found
    cursors = [cursor for _, cursor in kept]
    first, last = (cursors[0], cursors[-1]) if cursors else (at, at)
    return Connection(
        nodes=[Document.of(row) for row, _ in kept],
        page_info=PageInfo(
            has_next_page=arguments.before is not None if arguments.is_backward else has_more,
            has_previous_page=has_more if arguments.is_backward else arguments.after is not None,
            start_cursor=at if arguments.is_backward else first,
            end_cursor=last if arguments.is_backward else at,
        ),
        cursors=cursors,
    )
