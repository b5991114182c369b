"""Queries of known documents."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import strawberry

from server.documents import service as documents
from server.documents.rules import USES_SHOWN, digest_in
from server.documents.service import DocumentFilter, UseFilter
from server.kit.errors import InvalidInput
from server.kit.pagination import PageArguments
from server.schema.context import Info
from server.schema.cost import PAGED, loaded
from server.schema.documents.listing import page_by_validity
from server.schema.documents.reading import readings_of
from server.schema.documents.types import Document, DocumentUse
from server.schema.pages import After, Before, Connection, First, Last, connection
from server.schema.permissions import query
from server.tenants.rules import Permission


@strawberry.input(name="DocumentFilter", description="Which documents; what is left out is no condition.")
class DocumentFilterInput:
    """A filter."""

    app: str | None = strawberry.field(default=None, description="Registered by this app, letter by letter.")
    version: str | None = strawberry.field(default=None, description="Registered by this version, letter by letter.")
    is_withdrawn: bool | None = strawberry.field(default=None, description="Withdrawn ones, or those that are served.")
    is_valid: bool | None = strawberry.field(
        default=None,
        description="Those that the schema as it is now serves, or does not. A page looks at 100 documents at most: it can be "
        "short, even empty, while hasNextPage is true; go on with endCursor.",
    )


@strawberry.input(name="DocumentUseFilter", description="Which uses; what is left out is no condition.")
class DocumentUseFilterInput:
    """A filter."""

    document_id: str | None = strawberry.field(default=None, description="Of this document: sha256:…")
    app: str | None = strawberry.field(default=None, description="By clients of this name, letter by letter.")
    version: str | None = strawberry.field(default=None, description="By clients of this version, letter by letter.")
    days: int = strawberry.field(
        default=USES_SHOWN.days, description="In the last days, today (UTC) included: 1 to 90, 30 by default."
    )


@strawberry.type
class DocumentsQuery:
    """Root fields about known documents."""

    @query(
        Permission.DOCUMENT_MANAGE,
        "Documents that the organization's apps registered, withdrawn ones too; newest first. Needs document:manage on the whole "
        "tree.",
        costs=PAGED,
    )
    async def documents(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[DocumentFilterInput | None, strawberry.argument(description="Which.")] = None,
    ) -> Connection[Document]:
        """List documents."""
        given = filter or DocumentFilterInput()
        wanted = DocumentFilter(given.app, given.version, given.is_withdrawn, given.is_valid)
        arguments = PageArguments(first, after, last, before)
        async with info.context.read() as uow:
            if wanted.is_valid is not None:
                return await page_by_validity(uow, arguments, wanted, readings_of(info.schema))
            page = await documents.list_documents(uow, arguments, wanted)
        return connection(page, Document.of)

    @query(
        Permission.DOCUMENT_MANAGE,
        "How often the organization asked for documents by their id, shipped ones too, by operation and build: the 100 most "
        "used. Needs document:manage on the whole tree.",
        costs=loaded(100),
    )
    async def document_uses(
        self,
        info: Info,
        filter: Annotated[DocumentUseFilterInput | None, strawberry.argument(description="Which.")] = None,
    ) -> list[DocumentUse]:
        """List uses."""
        given = filter or DocumentUseFilterInput()
        digest = None if given.document_id is None else digest_in(given.document_id)
        if given.document_id is not None and digest is None:
            raise InvalidInput(
                "A documentId is sha256: and 64 hexadecimal digits in small letters.", path=("filter", "documentId")
            )
        # Far beyond any day there is; the service refuses it with the days that are offered.
        days = min(max(given.days, 0), 1_000)
        async with info.context.read() as uow:
            found = await documents.list_uses(uow, UseFilter(timedelta(days=days), digest, given.app, given.version))
        return [DocumentUse.of(one) for one in found]
