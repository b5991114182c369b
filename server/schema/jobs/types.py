"""GraphQL types of dead letters."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from server.kit.jobs import DeadLetterRow
from server.schema.context import ApiContext
from server.schema.declarations import readable
from server.schema.enums import DeadLetterSource, Permission
from server.schema.nodes import Kind, Node, finder, gid


@readable(Permission.DEAD_LETTER_READ)
@strawberry.type(
    description="Something that could not be carried out or placed, with the reason; it waits for a person. "
    "Needs dead_letter:read on the whole organization."
)
class DeadLetter(Node):
    """A dead letter."""

    source: DeadLetterSource = strawberry.field(description="What it was before.")
    kind: str = strawberry.field(description="The kind of event or job.")
    reason: str = strawberry.field(description='In one word, for example "attempts_exhausted".')
    detail: str = strawberry.field(description="What is known, at most 2,000 characters.")
    created_at: datetime = strawberry.field(description="When it was given up.")

    @classmethod
    def of(cls, row: DeadLetterRow) -> DeadLetter:
        """Show a dead letter."""
        return cls(
            id=gid(Kind.DEAD_LETTER, row.id),
            source=row.source,
            kind=row.kind,
            reason=row.reason,
            detail=row.detail,
            created_at=row.created_at,
        )


@finder(Kind.DEAD_LETTER)
async def _dead_letter(context: ApiContext, value: UUID) -> DeadLetter | None:
    if Permission.DEAD_LETTER_READ not in context.scope.everywhere:
        return None
    row = await context.loaders.dead_letters.load(value)
    return None if row is None else DeadLetter.of(row)
