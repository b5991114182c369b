"""GraphQL types of access tokens. The secret of one is in the payload that made it and nowhere else."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from server.auth.models import AccessTokenRow
from server.schema.context import ApiContext, Info
from server.schema.enums import Permission, TokenKind
from server.schema.nodes import Kind, Node, finder, gid
from server.schema.tenants.types import Member, Unit


@strawberry.type(description="A bearer token. Its secret was shown once and is not stored.")
class Token(Node):
    """A token."""

    name: str = strawberry.field(description="What it is for.")
    kind: TokenKind = strawberry.field(description="Whether it acts as a member or as an app.")
    permissions: list[Permission] | None = strawberry.field(
        description="What it may do at most; null for all that its member may do."
    )
    created_at: datetime = strawberry.field(description="When it was made.")
    expires_at: datetime | None = strawberry.field(description="When it stops by itself; null for never.")
    last_used_at: datetime | None = strawberry.field(description="When it was last used, as far as it is known.")
    revoked_at: datetime | None = strawberry.field(description="Since when it is revoked; null while it is not.")
    member_key: strawberry.Private[UUID | None]
    unit_key: strawberry.Private[UUID | None]

    @classmethod
    def of(cls, row: AccessTokenRow) -> Token:
        """Show a token."""
        return cls(
            id=gid(Kind.TOKEN, row.id),
            name=row.name,
            kind=row.kind,
            permissions=None if row.permissions is None else [Permission(one) for one in row.permissions],
            created_at=row.created_at,
            expires_at=row.expires_at,
            last_used_at=row.last_used_at,
            revoked_at=row.revoked_at,
            member_key=row.member_id,
            unit_key=row.unit_id,
        )

    @strawberry.field(description="The member that a PERSONAL token acts as.")
    async def member(self, info: Info) -> Member | None:
        """Resolve the member."""
        row = None if self.member_key is None else await info.context.loaders.members.load(self.member_key)
        return None if row is None else Member.of(row)

    @strawberry.field(description="The unit that a SERVICE token reaches, with everything under it.")
    async def unit(self, info: Info) -> Unit | None:
        """Resolve the unit."""
        row = None if self.unit_key is None else await info.context.loaders.units.load(self.unit_key)
        return None if row is None else Unit.of(row)


@finder(Kind.TOKEN)
async def _token(context: ApiContext, value: UUID) -> Token | None:
    row = await context.loaders.tokens.load(value)
    return None if row is None else Token.of(row)
