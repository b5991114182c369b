"""GraphQL of long work and of files: what somebody asked for, how far it is, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from server.audit import service as audit
from server.audit.actions import Action
from server.kit.errors import DomainError
from server.kit.pagination import PageArguments
from server.schema.context import ApiContext, Info
from server.schema.cost import LOADED, PAGED, USER_ERRORS, held
from server.schema.declarations import readable
from server.schema.enums import OperationKind, OperationState, SheetFormat
from server.schema.nodes import Kind, Node, finder, found, gid, uid
from server.schema.pages import After, Before, Connection, First, Last, connection
from server.schema.permissions import query
from server.schema.results import UserError, UserErrorCode, enum_name, mutation, perform
from server.schema.scalars import BigInt
from server.tenants import service
from server.tenants.models import OperationProblemRow, OperationRow, StoredFileRow
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork


@readable(None)
@strawberry.type(
    description="A file that came in for an import or that an export made. Seen by its maker, and by those who hold the "
    "permission that it asks for on its unit (unit:manage, unless it is an export of something else)."
)
class File(Node):
    """A file."""

    name: str = strawberry.field(description="1 to 200 characters.")
    media_type: str = strawberry.field(description='For example "text/csv".')
    size: BigInt = strawberry.field(description="Its length in bytes.")
    sha256: str | None = strawberry.field(description="The digest of its bytes, in hexadecimal.")
    url: str = strawberry.field(
        description="Where GET with the bearer token of this API answers its bytes; a path on this server."
    )
    created_at: datetime = strawberry.field(description="When it was stored.")
    expires_at: datetime = strawberry.field(description="When it is deleted.")

    @classmethod
    def of(cls, row: StoredFileRow) -> File:
        """Show a file."""
        return cls(
            id=gid(Kind.FILE, row.id),
            name=row.name,
            media_type=row.media_type,
            size=BigInt(row.size),
            sha256=None if row.sha256 is None else bytes(row.sha256).hex(),
            url=f"/files/{gid(Kind.FILE, row.id)}",
            created_at=row.created_at,
            expires_at=row.expires_at,
        )


@readable(None)
@strawberry.type(description="One thing that is wrong with one line of an operation's input.")
class OperationProblem:
    """A problem."""

    id: strawberry.ID = strawberry.field(description="Tells it from all others; it cannot be asked for by it.")
    line: int = strawberry.field(description="The line of the file, from 1; 0 for the file as a whole.")
    code: UserErrorCode = strawberry.field(description="The stable reason.")  # type: ignore[valid-type]
    message: str = strawberry.field(description="A sentence for people that says what to do.")
    path: list[str] = strawberry.field(description="The column; empty for the whole line.", directives=held(10))

    @classmethod
    def of(cls, row: OperationProblemRow) -> OperationProblem:
        """Show a problem."""
        key = strawberry.ID(f"{gid(Kind.OPERATION, row.operation_id)}.{row.line}.{row.seq}")
        return cls(id=key, line=row.line, code=_code(row.code), message=row.message, path=list(row.path))


@readable(None)
@strawberry.type(description="Why an operation failed.")
class OperationFailure:
    """A reason."""

    code: UserErrorCode = strawberry.field(description="The stable reason.")  # type: ignore[valid-type]
    message: str = strawberry.field(description="A sentence for people that says what to do.")


@readable(None)
@strawberry.type(description="One number of what an operation came to.")
class OperationCount:
    """A number with its name."""

    name: str = strawberry.field(description='What was counted, for example "created".')
    value: int = strawberry.field(description="How many.")


@readable(None)
@strawberry.type(
    description="Long work that somebody asked for. Seen by whoever asked, and at units in reach by those who hold "
    "unit:manage (UNIT_IMPORT), audit:read (AUDIT_EXPORT), unit:offboard (CLIENT_OFFBOARDING) or contact:erase "
    "(CONTACT_ERASURE)."
)
class Operation(Node):
    """An operation."""

    kind: OperationKind = strawberry.field(description="What it is about.")
    state: OperationState = strawberry.field(description="Where it stands; SUCCEEDED and FAILED are final.")
    is_dry_run: bool = strawberry.field(description="Whether it only tells what it would do.")
    asked_by: str = strawberry.field(description="Who asked for it.")
    total: int | None = strawberry.field(description="How many steps there are; null until they are counted.")
    done: int = strawberry.field(description="How many steps are done.")
    failed: int = strawberry.field(description="How many of the steps found something wrong.")
    counts: list[OperationCount] = strawberry.field(
        description="What came of it in numbers, by name; empty until it ended. An import tells created, updated and "
        "unchanged: of a dry run, what would be.",
        directives=held(20),
    )
    failure: OperationFailure | None = strawberry.field(description="Why it FAILED; null otherwise.")
    created_at: datetime = strawberry.field(description="When it was asked for.")
    started_at: datetime | None = strawberry.field(description="When work on it began.")
    finished_at: datetime | None = strawberry.field(description="When it ended.")
    key: strawberry.Private[UUID]
    file_key: strawberry.Private[UUID | None]

    @classmethod
    def of(cls, row: OperationRow) -> Operation:
        """Show an operation."""
        return cls(
            id=gid(Kind.OPERATION, row.id),
            kind=row.kind,
            state=row.state,
            is_dry_run=row.is_dry_run,
            asked_by=row.actor_name,
            total=row.total,
            done=row.done,
            failed=row.failed,
            counts=_counts(row.result),
            failure=_failure(row),
            created_at=row.created_at,
            started_at=row.started_at,
            finished_at=row.finished_at,
            key=row.id,
            file_key=_file_of(row),
        )

    @strawberry.field(description="What was wrong with the lines of its input, in their order.", directives=PAGED)
    async def problems(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[OperationProblem]:
        """Resolve a page of problems."""
        wanted = (self.key, PageArguments(first, after, last, before))
        return connection(await info.context.loaders.problems_of_operations.load(wanted), OperationProblem.of)

    @strawberry.field(
        description="The file that it reads (an import) or that it made (an export); null while there is none in reach.",
        directives=LOADED,
    )
    async def file(self, info: Info) -> File | None:
        """Resolve the file."""
        return None if self.file_key is None else await _readable(info.context, self.file_key)


def _counts(result: Mapping[str, object]) -> list[OperationCount]:
    return [OperationCount(name=name, value=value) for name, value in sorted(result.items()) if type(value) is int]


def _failure(row: OperationRow) -> OperationFailure | None:
    if row.state is not OperationState.FAILED:
        return None
    told = row.result
    return OperationFailure(code=_code(told.get("code")), message=str(told.get("message", "It did not end.")))


def _code(stored: object) -> object:
    """Return a stored code as the enum has it; one that an older or newer deployment wrote is a plain INVALID."""
    return UserErrorCode.__members__.get(enum_name(str(stored)), UserErrorCode[enum_name(DomainError.code)])


def _file_of(row: OperationRow) -> UUID | None:
    """Return what an import reads, and for all others what the result names under "file_id"."""
    if row.kind is OperationKind.UNIT_IMPORT:
        return row.subject_id
    made = row.result.get("file_id")
    return UUID(str(made)) if made else None


@strawberry.input(description="Which operations are wanted; what is left out is no condition.")
class OperationFilter:
    """Conditions on operations."""

    kind: OperationKind | None = strawberry.field(default=None, description="Only those about this.")
    state: OperationState | None = strawberry.field(default=None, description="Only those that stand there.")


@strawberry.type
class OperationsQuery:
    """Root fields about long work."""

    @query(None, "One operation by its id; null if there is none that the caller may see.", costs=LOADED)
    async def operation(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The operation.")]
    ) -> Operation | None:
        """Show one operation."""
        return await found(info.context, id, Operation)

    @query(None, "Long work that the caller asked for or may see, newest first.", costs=PAGED)
    async def operations(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[OperationFilter | None, strawberry.argument(description="Which ones.")] = None,
    ) -> Connection[Operation]:
        """List operations."""
        wanted = filter or OperationFilter()
        async with info.context.read() as uow:
            page = await service.list_operations(
                uow, PageArguments(first, after, last, before), kind=wanted.kind, state=wanted.state
            )
        return connection(page, Operation.of)


@strawberry.input(
    description="A file of units to make or change. Its form is described in the documentation of imports."
)
class UnitImportInput:
    """What an import needs."""

    file_id: strawberry.ID = strawberry.field(description="A file that was sent to POST /files.")
    format: SheetFormat = strawberry.field(description="How the file is written.")
    parent_id: strawberry.ID = strawberry.field(description="The unit that all of it stands under.")
    is_dry_run: bool = strawberry.field(description="Whether to tell only what would be made and changed.")


@strawberry.type(description="The work that was begun, or why there is none.")
class UnitImportPayload:
    """Result of unitImport."""

    operation: Operation | None = strawberry.field(default=None, description="Ask for it again to see how far it is.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why there is none.", directives=USER_ERRORS
    )


@strawberry.type
class OperationsMutation:
    """Root fields that begin long work on the tree."""

    @mutation(
        Permission.UNIT_MANAGE,
        UnitImportPayload,
        "Make and change units from a CSV or JSON lines file of at most 50,000 rows: all of them or, if anything is wrong "
        "with one line, none. The same file twice changes nothing. Needs unit:manage on the parent.",
        needs_key=True,
    )
    async def unit_import(
        self, info: Info, input: Annotated[UnitImportInput, strawberry.argument(description="The file.")]
    ) -> UnitImportPayload | None:
        """Begin an import."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            file_id, parent_id = uid(Kind.FILE, input.file_id, "fileId"), uid(Kind.UNIT, input.parent_id, "parentId")
            row = await service.start_import(uow, file_id, input.format, parent_id, is_dry_run=input.is_dry_run)
            details = {"file": str(file_id), "parent": str(parent_id), "isDryRun": input.is_dry_run}
            await audit.record(uow, Action.UNIT_IMPORT, row.id, details)
            return {"operation": gid(Kind.OPERATION, row.id)}

        done = await perform(info, input, effect)
        return UnitImportPayload(operation=await found(info.context, done["operation"], Operation))


@finder(Kind.OPERATION)
async def _operation(context: ApiContext, value: UUID) -> Operation | None:
    row = await context.loaders.operations.load(value)
    return None if row is None else Operation.of(row)


@finder(Kind.FILE)
async def _file(context: ApiContext, value: UUID) -> File | None:
    return await _readable(context, value)


async def _readable(context: ApiContext, value: UUID) -> File | None:
    row = await context.loaders.files.load(value)
    return File.of(row) if row is not None and service.may_read(context.scope, row) else None
