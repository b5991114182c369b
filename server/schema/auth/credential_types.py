"""GraphQL type of the list in which tokens, apps and grants stand side by side, with what hangs on each."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from server.auth import oauth_rules as rules
from server.auth import service
from server.auth.service import CredentialView
from server.schema.context import Info
from server.schema.cost import LOADED, held, loaded
from server.schema.declarations import readable
from server.schema.enums import CredentialForm, CredentialKind, CredentialState, Permission
from server.schema.tenants.types import Member, Unit


@readable(None)
@strawberry.type(description="A token, an app or a grant, and its place in the family: who made it, what it hangs on.")
class Credential:
    """One credential."""

    id: strawberry.ID = strawberry.field(description="The id of the Token, App or AppGrant itself.")
    kind: CredentialForm = strawberry.field(description="Which of the three it is.")
    token_kind: CredentialKind | None = strawberry.field(description="The kind of a token; null for the others.")
    name: str = strawberry.field(description="What it is for, or the name of the app.")
    state: CredentialState = strawberry.field(description="Whether it is of use, and if not, why not.")
    permissions: list[Permission] | None = strawberry.field(
        description="What it may do at most; null for all that its member may do.", directives=held(60)
    )
    created_at: datetime = strawberry.field(description="When it was made.")
    expires_at: datetime | None = strawberry.field(description="When it stops by itself; null for never.")
    last_used_at: datetime | None = strawberry.field(
        description="When it, or a token of the app or the grant, was last used; null if never, to the minute."
    )
    ended_at: datetime | None = strawberry.field(description="Since when it is revoked or archived.")
    cut_at: datetime | None = strawberry.field(
        description="When its end was moved to that of what it hangs on, because it would have outlived it; else null."
    )
    is_transferable: bool = strawberry.field(
        description="Whether somebody else can answer for it: a SERVICE token or an app. The others act as their person."
    )
    key: strawberry.Private[UUID]
    maker_key: strawberry.Private[UUID | None]
    owner_key: strawberry.Private[UUID | None]
    parent_key: strawberry.Private[UUID | None]
    unit_keys: strawberry.Private[list[UUID] | None]

    @classmethod
    def of(cls, view: CredentialView) -> Credential:
        """Show a credential."""
        return cls(
            id=strawberry.ID(service.credential_id(view)),
            kind=view.form,
            token_kind=view.token_kind,
            name=view.name,
            state=view.state,
            permissions=None if view.permissions is None else sorted(rules.known(view.permissions)),
            created_at=view.created_at,
            expires_at=view.expires_at,
            last_used_at=view.last_used_at,
            ended_at=view.ended_at,
            cut_at=view.cut_at,
            is_transferable=view.is_transferable,
            key=view.id,
            maker_key=view.maker_id,
            owner_key=view.owner_id,
            parent_key=view.parent_id,
            unit_keys=None if view.unit_ids is None else list(view.unit_ids),
        )

    @strawberry.field(
        description="Who made it, or who answered for the app that did; null where nobody knows, and for people out of reach.",
        directives=LOADED,
    )
    async def maker(self, info: Info) -> Member | None:
        """Resolve the maker."""
        return await _member(info, self.maker_key)

    @strawberry.field(
        description="Who answers for it now: whom it acts as, else its maker until it is handed over. Null as for maker.",
        directives=LOADED,
    )
    async def owner(self, info: Info) -> Member | None:
        """Resolve the owner."""
        return await _member(info, self.owner_key)

    @strawberry.field(
        description="What it hangs on and ends with: the token it was made through, the app of a grant. Null where its owner "
        "stands in that place, and out of reach.",
        directives=LOADED,
    )
    async def parent(self, info: Info) -> Annotated[Credential, strawberry.lazy(__name__)] | None:
        """Resolve the parent."""
        return None if self.parent_key is None else await credential(info, self.parent_key)

    @strawberry.field(
        description="What hangs right on it and is ACTIVE, as far as the caller sees it; the oldest 100.",
        directives=loaded(10),
    )
    async def dependents(self, info: Info) -> list[Annotated[Credential, strawberry.lazy(__name__)]]:
        """Resolve what hangs on it."""
        views = await info.context.loaders.dependents.load(self.key)
        return [Credential.of(one) for one in views or ()]

    @strawberry.field(
        description="Those of its units, each with everything under it, that the caller sees; null for all that its member "
        "reaches.",
        directives=loaded(25),
    )
    async def units(self, info: Info) -> list[Unit] | None:
        """Resolve the units."""
        if self.unit_keys is None:
            return None
        rows = await info.context.loaders.units.load_many(self.unit_keys)
        return [Unit.of(row) for row in rows if row is not None]


async def _member(info: Info, key: UUID | None) -> Member | None:
    row = None if key is None else await info.context.loaders.members.load(key)
    return None if row is None else Member.of(row)


async def credential(info: Info, key: UUID) -> Credential | None:
    """Return one credential that the caller sees."""
    view = await info.context.loaders.credentials.load(key)
    return None if view is None else Credential.of(view)


async def credentials_of(info: Info, keys: list[UUID]) -> list[Credential]:
    """Return those of the credentials that the caller sees, in the order of their keys."""
    views = await info.context.loaders.credentials.load_many(keys)
    return [Credential.of(one) for one in views if one is not None]
