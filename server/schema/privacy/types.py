"""GraphQL types of privacy: clients that leave."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from server.privacy.models import OffboardingRow, OffboardingStepRow
from server.schema.context import ApiContext, Info
from server.schema.cost import LOADED, loaded
from server.schema.declarations import readable
from server.schema.enums import OffboardingPolicy, OffboardingState, StepName, StepState
from server.schema.nodes import Kind, Node, finder, found, gid
from server.schema.tenants.operations import File, Operation
from server.tenants.rules import Permission


@readable(Permission.UNIT_OFFBOARD)
@strawberry.type(description="One step of an off-boarding.")
class OffboardingStep:
    """A step."""

    name: StepName = strawberry.field(description="What is done.")
    state: StepState = strawberry.field(description="Where it stands.")
    done: int = strawberry.field(
        description="How many of its things are done: sends cancelled, rows exported, platforms told, roles removed, rows erased."
    )
    total: int | None = strawberry.field(description="How many there are; null where nobody counts them first.")
    started_at: datetime | None = strawberry.field(description="When it began.")
    ended_at: datetime | None = strawberry.field(description="When it ended.")

    @classmethod
    def of(cls, row: OffboardingStepRow) -> OffboardingStep:
        """Show a step."""
        return cls(
            name=row.name,
            state=row.state,
            done=row.done,
            total=row.total,
            started_at=row.started_at,
            ended_at=row.ended_at,
        )


@readable(Permission.UNIT_OFFBOARD)
@strawberry.type(
    description="A client that leaves, with everything under it. Seen with unit:offboard on the unit above it; the unit "
    "itself is out of everybody's reach from the first moment."
)
class Offboarding(Node):
    """An off-boarding."""

    left_unit_id: strawberry.ID = strawberry.field(
        description="The id that the unit had; nothing is found under it any more, but the trail names it."
    )
    policy: OffboardingPolicy = strawberry.field(description="What becomes of the data.")
    state: OffboardingState = strawberry.field(description="Where it stands.")
    retained_until: datetime | None = strawberry.field(description="When RETAIN erases; null for ERASE.")
    asked_by: str = strawberry.field(description="Who asked for it.")
    created_at: datetime = strawberry.field(description="When it was asked for.")
    ended_at: datetime | None = strawberry.field(description="When the last step ended.")
    row: strawberry.Private[OffboardingRow]

    @strawberry.field(description="The six steps, in their order.", directives=loaded(20))
    async def steps(self, info: Info) -> list[OffboardingStep]:
        """Resolve the steps."""
        rows = await info.context.loaders.offboarding_steps.load(self.row.id)
        return [OffboardingStep.of(row) for row in rows or ()]

    @strawberry.field(description="The long work behind it.", directives=LOADED)
    async def operation(self, info: Info) -> Operation | None:
        """Resolve the operation."""
        return await found(info.context, gid(Kind.OPERATION, self.row.operation_id), Operation)

    @strawberry.field(
        description="The export: lines of JSON, a header, then the rows of each table, parents first. Kept for 30 days.",
        directives=LOADED,
    )
    async def export(self, info: Info) -> File | None:
        """Resolve the export."""
        return await _file(info, self.row.export_file_id)

    @strawberry.field(
        description="The media that messages had attached, with the platform's addresses, which expire. Kept for 30 days.",
        directives=LOADED,
    )
    async def media_manifest(self, info: Info) -> File | None:
        """Resolve the manifest."""
        return await _file(info, self.row.manifest_file_id)

    @strawberry.field(
        description="The certificate: what was exported, taken back and erased, what remains and why. Its SHA-256 stands in "
        "the audit event client:offboarding:end. While RETAINED, one of the retention. Kept for ten years.",
        directives=LOADED,
    )
    async def certificate(self, info: Info) -> File | None:
        """Resolve the certificate."""
        return await _file(info, self.row.certificate_file_id)

    @classmethod
    def of(cls, row: OffboardingRow) -> Offboarding:
        """Show an off-boarding."""
        return cls(
            id=gid(Kind.OFFBOARDING, row.id),
            left_unit_id=gid(Kind.UNIT, row.left_unit_id),
            policy=row.policy,
            state=row.state,
            retained_until=row.retained_until,
            asked_by=row.actor_name,
            created_at=row.created_at,
            ended_at=row.ended_at,
            row=row,
        )


async def _file(info: Info, file_id: UUID | None) -> File | None:
    return None if file_id is None else await found(info.context, gid(Kind.FILE, file_id), File)


@finder(Kind.OFFBOARDING)
async def _offboarding(context: ApiContext, value: UUID) -> Offboarding | None:
    row = await context.loaders.offboardings.load(value)
    return None if row is None else Offboarding.of(row)
