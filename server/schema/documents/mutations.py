"""Mutations of known documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import strawberry

from server.documents import service as documents
from server.documents.rules import MAX_AT_ONCE, ClientBuild, NewDocument, size_problems
from server.kit.errors import InvalidInput, Problems
from server.schema.context import Info
from server.schema.cost import USER_ERRORS, ListSize, held
from server.schema.documents.reading import readings_of
from server.schema.documents.types import Document
from server.schema.nodes import Kind, gid, uid
from server.schema.results import WRITES, UserError, mutation, perform
from server.schema.spending import pay_for_reading
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork

MAX_SHOWN = 100
_NAME = "1 to 64 printable characters of ASCII, none of them a space at an end."


@strawberry.input(
    description="One entry of a manifest, such as the persisted-documents.json that code generators write."
)
class DocumentRegistration:
    """An id and its text."""

    document_id: str = strawberry.field(
        description="sha256: and the SHA-256 of the text in UTF-8, hexadecimal, small letters."
    )
    text: str = strawberry.field(
        description="One named operation with its fragments, byte for byte as clients hash it; at most 15,000 characters."
    )


@strawberry.input(description="The documents that one version of an app sends.")
class DocumentsRegisterInput:
    """A manifest."""

    app: str = strawberry.field(description=f"The app's name, as it sends it in X-Client-Name. {_NAME}")
    version: str = strawberry.field(description=f"Its version, as it sends it in X-Client-Version. {_NAME}")
    documents: list[DocumentRegistration] = strawberry.field(
        description=f"1 to {MAX_AT_ONCE}; send a longer manifest in several calls."
    )


@strawberry.input(
    description="Documents to serve no more: by their ids, or all of one version of an app. Give one of the two."
)
class DocumentsWithdrawInput:
    """Which documents."""

    ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description=f"1 to {MAX_AT_ONCE} ids of documents."
    )
    app: str | None = strawberry.field(default=None, description="The app's name; with version.")
    version: str | None = strawberry.field(default=None, description="The version; with app.")


@strawberry.type(description="What is registered now, or why nothing was done.")
class DocumentsRegisterPayload:
    """Result of documentsRegister."""

    documents: list[Document] = strawberry.field(
        default_factory=list,
        description="The documents in the order of the input, also those that were known; at most 250.",
    )
    new_count: int | None = strawberry.field(default=None, description="How many the build did not have before.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list,
        description="Everything that is wrong with the manifest; nothing was registered then.",
        directives=USER_ERRORS,
    )


@strawberry.type(description="What is withdrawn now, or why nothing was done.")
class DocumentsWithdrawPayload:
    """Result of documentsWithdraw."""

    documents: list[Document] = strawberry.field(
        default_factory=list, description="The newest 100 of those that were served before.", directives=held(100)
    )
    withdrawn_count: int | None = strawberry.field(default=None, description="How many were served before.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why nothing was done.", directives=USER_ERRORS
    )


@strawberry.type
class DocumentsMutation:
    """Root fields that register and withdraw documents."""

    @mutation(
        Permission.DOCUMENT_MANAGE,
        DocumentsRegisterPayload,
        "Let the organization's clients send these documents by id, and in known mode at all. Repeatable: what the build has "
        "already stays. An organization has at most 5,000. Reading a text for the first time costs a point for every 20 "
        "characters, beyond the price. Needs document:manage on the whole tree.",
        costs=[*WRITES, ListSize(assumed_size=25, sized_fields=["documents"], slicing_arguments=["input.documents"])],
    )
    async def documents_register(
        self, info: Info, input: Annotated[DocumentsRegisterInput, strawberry.argument(description="The manifest.")]
    ) -> DocumentsRegisterPayload | None:
        """Register documents."""
        documents.check_may_manage(info.context.scope)
        if problems := size_problems(len(input.documents), "documents"):
            raise Problems(problems)
        # Read before the transaction begins: a manifest takes the schema a while, and nobody should wait for a lock meanwhile.
        readings, read = readings_of(info.schema), []
        for one in input.documents:
            await pay_for_reading(info.context, readings, one.text)
            read.append(NewDocument(one.document_id, one.text, await readings.read(one.text)))

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            done = await documents.register(uow, ClientBuild(input.app, input.version), read)
            return {"documents": [gid(Kind.DOCUMENT, row.id) for row in done.rows], "new": done.new_count}

        done = await perform(info, input, effect)
        return DocumentsRegisterPayload(documents=await _shown(info, done), new_count=_count(done["new"]))

    @mutation(
        Permission.DOCUMENT_MANAGE,
        DocumentsWithdrawPayload,
        "Serve documents no more, within seconds. A text that another build registered too is served on. Needs document:manage "
        "on the whole tree.",
    )
    async def documents_withdraw(
        self, info: Info, input: Annotated[DocumentsWithdrawInput, strawberry.argument(description="Which documents.")]
    ) -> DocumentsWithdrawPayload | None:
        """Withdraw documents."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            if input.ids is not None and input.app is None and input.version is None:
                ids = [uid(Kind.DOCUMENT, one, "ids", str(place)) for place, one in enumerate(input.ids)]
                gone = await documents.withdraw(uow, ids)
            elif input.ids is None and input.app is not None and input.version is not None:
                gone = await documents.withdraw_build(uow, ClientBuild(input.app, input.version))
            else:
                raise InvalidInput("Give either ids, or app and version.")
            return {"documents": [gid(Kind.DOCUMENT, row.id) for row in gone[:MAX_SHOWN]], "count": len(gone)}

        done = await perform(info, input, effect)
        return DocumentsWithdrawPayload(documents=await _shown(info, done), withdrawn_count=_count(done["count"]))


async def _shown(info: Info, done: Mapping[str, object]) -> list[Document]:
    ids = done["documents"]
    keys = [uid(Kind.DOCUMENT, str(one)) for one in ids] if isinstance(ids, Sequence) else []
    rows = await info.context.loaders.documents.load_many(keys)
    return [Document.of(row) for row in rows if row is not None]


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0
