"""GraphQL types of known documents and of their uses."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from server.documents import service as documents
from server.documents.models import KnownDocumentRow
from server.documents.rules import Reading, document_id
from server.schema.context import ApiContext, Info
from server.schema.cost import LOADED, loaded
from server.schema.declarations import readable
from server.schema.documents.reading import readings_of
from server.schema.enums import DocumentOperationType
from server.schema.nodes import Kind, Node, finder, gid
from server.schema.scalars import BigInt
from server.schema.tenants.types import Member
from server.tenants.rules import Permission


@readable(Permission.DOCUMENT_MANAGE)
@strawberry.type(
    description="How often one build of a client asked for one operation of a document. Counted within seconds, by the headers "
    "X-Client-Name and X-Client-Version: what callers say of themselves."
)
class DocumentUse:
    """Counted uses."""

    document_id: str = strawberry.field(description="The id that was asked for: sha256: and the digest of the text.")
    operation_name: str = strawberry.field(description="The operation that was run.")
    app: str = strawberry.field(
        description='The client\'s name; empty if it gave none, "(others)" for all that are too many to tell apart.'
    )
    version: str = strawberry.field(description="The client's version; empty if it gave none.")
    uses: BigInt = strawberry.field(description="How often, over the days that were asked for.")
    last_used_at: datetime = strawberry.field(description="When it was last used, to within a few seconds.")

    @classmethod
    def of(cls, use: documents.Use) -> DocumentUse:
        """Show a count."""
        return cls(
            document_id=document_id(use.digest),
            operation_name=use.operation_name,
            app=use.app,
            version=use.version,
            uses=BigInt(use.uses),
            last_used_at=use.last_used_at,
        )


@readable(Permission.DOCUMENT_MANAGE)
@strawberry.type(
    description="A document that one version of one app registered. Callers of the organization may send its documentId until "
    "it is withdrawn. Seen with document:manage on the whole tree."
)
class Document(Node):
    """One registration."""

    document_id: str = strawberry.field(
        description="What a client sends instead of the text: sha256: and the SHA-256 of the text in hexadecimal."
    )
    operation_name: str = strawberry.field(description="The name of its one operation.")
    operation_type: DocumentOperationType = strawberry.field(description="What the operation does.")
    text: str = strawberry.field(description="The document, byte for byte as it was registered.")
    app: str = strawberry.field(description="The app that registered it.")
    version: str = strawberry.field(description="The version of the app.")
    created_at: datetime = strawberry.field(description="When it was registered.")
    withdrawn_at: datetime | None = strawberry.field(
        description="Since when it is not served for this build, at most a few seconds late; null while it is."
    )
    key: strawberry.Private[UUID]
    registrar: strawberry.Private[UUID]

    @classmethod
    def of(cls, row: KnownDocumentRow) -> Document:
        """Show a registration."""
        return cls(
            id=gid(Kind.DOCUMENT, row.id),
            document_id=row.document_id,
            operation_name=row.operation_name,
            operation_type=row.operation_type,
            text=row.text,
            app=row.app,
            version=row.version,
            created_at=row.created_at,
            withdrawn_at=row.withdrawn_at,
            key=row.id,
            registrar=row.registered_by,
        )

    @strawberry.field(
        description="Whether the schema as it is now serves the document; a deploy can change it.", directives=LOADED
    )
    async def is_valid(self, info: Info) -> bool:
        """Read the text with the running schema."""
        return (await self._reading(info)).is_valid

    @strawberry.field(
        description="Why the schema as it is now does not serve it, at most 5 sentences; empty if it does.",
        directives=loaded(25),
    )
    async def problems(self, info: Info) -> list[str]:
        """Read the text with the running schema."""
        return list((await self._reading(info)).problems)

    @strawberry.field(
        description="What the operation costs at most, in points, with the schema as it is now; null while it is not "
        "valid.",
        directives=LOADED,
    )
    async def price(self, info: Info) -> int | None:
        """Read the text with the running schema."""
        return (await self._reading(info)).price

    @strawberry.field(
        description="How often its text was asked for in the last 30 days by any build, at most 20 builds, the most used first. "
        "Old versions that nobody uses any more can be withdrawn.",
        directives=loaded(20),
    )
    async def uses(self, info: Info) -> list[DocumentUse]:
        """Resolve the uses."""
        return [DocumentUse.of(one) for one in await info.context.loaders.uses_of_documents.load(self.key) or ()]

    @strawberry.field(description="Who registered it; null for an app, and for people out of reach.", directives=LOADED)
    async def registered_by(self, info: Info) -> Member | None:
        """Resolve the member."""
        row = await info.context.loaders.members.load(self.registrar)
        return None if row is None else Member.of(row)

    async def _reading(self, info: Info) -> Reading:
        return await readings_of(info.schema).read(self.text)


@finder(Kind.DOCUMENT)
async def _document(context: ApiContext, value: UUID) -> Document | None:
    row = await context.loaders.documents.load(value)
    return None if row is None else Document.of(row)
