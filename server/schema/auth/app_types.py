"""GraphQL types of apps and of what people granted them. The secret of an app is in the payload that made it, nowhere else."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import strawberry

from server.auth import oauth_rules as rules
from server.auth.oauth_models import OAuthAppRow, OAuthGrantRow
from server.schema.auth.credential_types import Credential, credential
from server.schema.context import ApiContext, Info
from server.schema.cost import LOADED, held, loaded
from server.schema.declarations import readable
from server.schema.enums import AppGrantType, AppKind, Permission
from server.schema.nodes import Kind, Node, finder, gid
from server.schema.tenants.types import Member, Unit


def _permissions(names: Iterable[str]) -> list[Permission]:
    return sorted(rules.known(names))


async def _units(info: Info, ids: list[UUID]) -> list[Unit]:
    rows = await info.context.loaders.units.load_many(ids)
    return [Unit.of(row) for row in rows if row is not None]


@readable(None)
@strawberry.type(
    description="An application that may ask people for access, or act by itself. Seen with app:manage on its units."
)
class App(Node):
    """A registered app."""

    name: str = strawberry.field(description="What people are shown.")
    kind: AppKind = strawberry.field(description="Whether it can keep a secret. Never changes.")
    client_id: str = strawberry.field(description="How it names itself at the OAuth endpoints; public.")
    permissions: list[Permission] = strawberry.field(description="What its tokens may do at most.", directives=held(60))
    redirect_uris: list[str] = strawberry.field(
        description="Where people may be sent back to, letter by letter.", directives=held(20)
    )
    grant_types: list[AppGrantType] = strawberry.field(description="How it may get tokens.", directives=held(10))
    created_at: datetime = strawberry.field(description="When it was registered.")
    archived_at: datetime | None = strawberry.field(
        description="Since when none of its tokens is taken; null while active."
    )
    former_secret_until: datetime | None = strawberry.field(
        description="Until when the secret before the newest works; null if there is none."
    )
    expires_at: datetime | None = strawberry.field(
        description="When it stops by itself, with the token it was registered through; null for never."
    )
    key: strawberry.Private[UUID]
    unit_keys: strawberry.Private[list[UUID]]
    member_key: strawberry.Private[UUID | None]

    @classmethod
    def of(cls, row: OAuthAppRow) -> App:
        """Show an app."""
        return cls(
            id=gid(Kind.APP, row.id),
            name=row.name,
            kind=row.kind,
            client_id=rules.client_id(row.organization_id, row.id),
            permissions=_permissions(row.permissions),
            redirect_uris=list(row.redirect_uris),
            grant_types=[one for one in AppGrantType if one.value in row.grant_types],
            created_at=row.created_at,
            archived_at=row.archived_at,
            former_secret_until=row.former_secret_until,
            expires_at=row.expires_at,
            key=row.id,
            unit_keys=row.unit_ids,
            member_key=row.member_id,
        )

    @strawberry.field(
        description="Its place among tokens, apps and grants: who made it, what it hangs on, what hangs on it.",
        directives=LOADED,
    )
    async def credential(self, info: Info) -> Credential | None:
        """Resolve the credential."""
        return await credential(info, self.key)

    @strawberry.field(
        description="The units, each with everything under it, on which its tokens act at most.", directives=loaded(25)
    )
    async def units(self, info: Info) -> list[Unit]:
        """Resolve those of the units that the caller sees."""
        return await _units(info, self.unit_keys)

    @strawberry.field(
        description="Who registered it, or who answered for the app that did; null for people out of reach.",
        directives=LOADED,
    )
    async def registered_by(self, info: Info) -> Member | None:
        """Resolve the member."""
        row = None if self.member_key is None else await info.context.loaders.members.load(self.member_key)
        return None if row is None else Member.of(row)


@readable(None)
@strawberry.type(description="What one person let one app do. Its tokens end with it.")
class AppGrant(Node):
    """A person's consent."""

    app_name: str = strawberry.field(description="The app's name, as it was shown to the person.")
    permissions: list[Permission] = strawberry.field(
        description="What was granted; what the person may do cuts it further.", directives=held(60)
    )
    created_at: datetime = strawberry.field(description="When the person agreed.")
    revoked_at: datetime | None = strawberry.field(description="Since when it is ended; null while it is not.")
    key: strawberry.Private[UUID]
    app_key: strawberry.Private[UUID]
    unit_keys: strawberry.Private[list[UUID]]
    member_key: strawberry.Private[UUID]

    @classmethod
    def of(cls, row: OAuthGrantRow) -> AppGrant:
        """Show a grant."""
        return cls(
            id=gid(Kind.APP_GRANT, row.id),
            app_name=row.app_name,
            permissions=_permissions(row.permissions),
            created_at=row.created_at,
            revoked_at=row.revoked_at,
            key=row.id,
            app_key=row.app_id,
            unit_keys=row.unit_ids,
            member_key=row.member_id,
        )

    @strawberry.field(
        description="Its place among tokens, apps and grants: who made it, what it hangs on, what hangs on it.",
        directives=LOADED,
    )
    async def credential(self, info: Info) -> Credential | None:
        """Resolve the credential."""
        return await credential(info, self.key)

    @strawberry.field(description="The app; null without app:manage on its units.", directives=LOADED)
    async def app(self, info: Info) -> App | None:
        """Resolve the app."""
        row = await info.context.loaders.apps.load(self.app_key)
        return None if row is None else App.of(row)

    @strawberry.field(description="The person.", directives=LOADED)
    async def member(self, info: Info) -> Member | None:
        """Resolve the member."""
        row = await info.context.loaders.members.load(self.member_key)
        return None if row is None else Member.of(row)

    @strawberry.field(description="The units that were chosen, each with everything under it.", directives=loaded(25))
    async def units(self, info: Info) -> list[Unit]:
        """Resolve those of the units that the caller sees."""
        return await _units(info, self.unit_keys)


@finder(Kind.APP)
async def _app(context: ApiContext, value: UUID) -> App | None:
    row = await context.loaders.apps.load(value)
    return None if row is None else App.of(row)


@finder(Kind.APP_GRANT)
async def _grant(context: ApiContext, value: UUID) -> AppGrant | None:
    row = await context.loaders.app_grants.load(value)
    return None if row is None else AppGrant.of(row)
