"""GraphQL types of access tokens. The secret of one is in the payload that made it and nowhere else."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from server.auth.models import AccessTokenRow
from server.schema.auth.app_types import App
from server.schema.auth.credential_types import Credential, credential
from server.schema.context import ApiContext, Info
from server.schema.cost import LOADED, held, loaded
from server.schema.declarations import readable
from server.schema.enums import CredentialKind, Permission
from server.schema.nodes import Kind, Node, finder, gid
from server.schema.tenants.types import Member, Unit


@readable(None)
@strawberry.type(description="A bearer token. Its secret was shown once and is not stored.")
class Token(Node):
    """A token."""

    name: str = strawberry.field(description="What it is for.")
    kind: CredentialKind = strawberry.field(description="What it is for and whom it acts as.")
    permissions: list[Permission] | None = strawberry.field(
        description="What it may do at most; null for all that its member may do.", directives=held(60)
    )
    created_at: datetime = strawberry.field(description="When it was made.")
    expires_at: datetime | None = strawberry.field(description="When it stops by itself; null for never.")
    last_used_at: datetime | None = strawberry.field(description="When it was last used, as far as it is known.")
    revoked_at: datetime | None = strawberry.field(description="Since when it is revoked; null while it is not.")
    key: strawberry.Private[UUID]
    member_key: strawberry.Private[UUID | None]
    unit_keys: strawberry.Private[list[UUID] | None]
    app_key: strawberry.Private[UUID | None]

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
            key=row.id,
            member_key=row.member_id,
            unit_keys=row.unit_ids,
            app_key=row.app_id,
        )

    @strawberry.field(
        description="Its place among tokens, apps and grants: who made it, what it hangs on, what hangs on it.",
        directives=LOADED,
    )
    async def credential(self, info: Info) -> Credential | None:
        """Resolve the credential."""
        return await credential(info, self.key)

    @strawberry.field(
        description="The app that holds an OAUTH token; null for other kinds, and without app:manage.",
        directives=LOADED,
    )
    async def app(self, info: Info) -> App | None:
        """Resolve the app."""
        row = None if self.app_key is None else await info.context.loaders.apps.load(self.app_key)
        return None if row is None else App.of(row)

    @strawberry.field(description="The member that it acts as; null for an app that acts as itself.", directives=LOADED)
    async def member(self, info: Info) -> Member | None:
        """Resolve the member."""
        row = None if self.member_key is None else await info.context.loaders.members.load(self.member_key)
        return None if row is None else Member.of(row)

    @strawberry.field(
        description="The unit that an app's token reaches, with everything under it; null for several.",
        deprecation_reason="A token may reach several units: use units. Removal on 2027-06-01.",
        directives=LOADED,
    )
    async def unit(self, info: Info) -> Unit | None:
        """Resolve the only unit."""
        found = await _units(info, self.unit_keys or [])
        return found[0] if len(found) == 1 else None

    @strawberry.field(
        description="The units that it reaches at most, each with everything under it; null for all that its member reaches.",
        directives=loaded(25),
    )
    async def units(self, info: Info) -> list[Unit] | None:
        """Resolve those of the units that the caller sees."""
        return None if self.unit_keys is None else await _units(info, self.unit_keys)


async def _units(info: Info, keys: list[UUID]) -> list[Unit]:
    rows = await info.context.loaders.units.load_many(keys)
    return [Unit.of(row) for row in rows if row is not None]


@finder(Kind.TOKEN)
async def _token(context: ApiContext, value: UUID) -> Token | None:
    row = await context.loaders.tokens.load(value)
    return None if row is None else Token.of(row)
