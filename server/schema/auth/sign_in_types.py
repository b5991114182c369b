"""GraphQL types of sign-in: sessions of the caller, and the organizations that the caller may act for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from uuid import UUID

import strawberry

from server.auth import service as auth
from server.auth.errors import SessionNeeded
from server.auth.models import UserSessionRow
from server.schema.context import ApiContext
from server.schema.cost import held
from server.schema.declarations import readable
from server.schema.enums import SignInMethod
from server.schema.nodes import Kind, Node, finder, gid
from server.tenants.scope import CredentialKind


@readable(None)
@strawberry.type(
    description="One sign-in of the caller on one device. It acts for one organization at a time, by tokens."
)
class Session(Node):
    """A session."""

    client: str = strawberry.field(description="What the browser or program called itself; at most 120 characters.")
    methods: list[SignInMethod] = strawberry.field(
        description="How the person proved who they are.", directives=held(10)
    )
    created_at: datetime = strawberry.field(description="When it began.")
    last_seen_at: datetime = strawberry.field(description="When it was last used; noted at most once a minute.")
    expires_at: datetime = strawberry.field(description="When it ends at the latest; idleness ends it sooner.")
    is_current: bool = strawberry.field(description="Whether the token of this request belongs to it.")

    @classmethod
    def of(cls, row: UserSessionRow, current: UUID | None) -> Session:
        """Show a session."""
        return cls(
            id=gid(Kind.SESSION, row.id),
            client=row.client,
            methods=[SignInMethod(one) for one in row.methods],
            created_at=row.created_at,
            last_seen_at=row.last_seen_at,
            expires_at=row.expires_at,
            is_current=row.id == current,
        )


@readable(None)
@strawberry.type(description="One organization that the person may act for, and the member that the person is there.")
class Affiliation:
    """An affiliation."""

    organization_id: strawberry.ID = strawberry.field(description="The organization; name it when signing in.")
    organization_name: str = strawberry.field(description="Its name.")
    member_id: strawberry.ID = strawberry.field(description="The member that the person is in it.")

    @classmethod
    def of(cls, one: auth.Affiliation) -> Affiliation:
        """Show an affiliation."""
        return cls(
            organization_id=gid(Kind.ORGANIZATION, one.organization_id),
            organization_name=one.organization_name,
            member_id=gid(Kind.MEMBER, one.member_id),
        )


async def person_behind(context: ApiContext) -> tuple[UUID, UUID]:
    """Return the account and the session of the caller; raise SessionNeeded for every token but that of a sign-in.

    Tokens made for programs must never change, or show, how their person signs in.
    """
    credential = context.scope.credential
    if credential is None or credential.kind is not CredentialKind.SESSION or credential.user_id is None:
        raise SessionNeeded
    session_id = await context.loaders.together("session behind", _session_behind(context)).load(credential.token_id)
    if session_id is None:
        raise SessionNeeded
    return credential.user_id, session_id


def _session_behind(context: ApiContext) -> Callable[[UUID], Awaitable[UUID | None]]:
    async def fetch(_token_id: UUID) -> UUID | None:
        async with context.read() as uow:
            return await auth.session_behind(uow)

    return fetch


async def sessions_of(context: ApiContext) -> list[Session]:
    """Return the caller's live sessions, newest first."""
    user_id, current = await person_behind(context)

    async def fetch(of: UUID) -> Sequence[UserSessionRow]:
        async with context.reads.elsewhere():
            return await auth.list_sessions(context.services.database, context.services.settings, of)

    rows = await context.loaders.together("sessions", fetch).load(user_id)
    return [Session.of(row, current) for row in rows]


@finder(Kind.SESSION)
async def _session(context: ApiContext, value: UUID) -> Session | None:
    try:
        mine = await sessions_of(context)
    except SessionNeeded:
        return None
    return next((one for one in mine if one.id == gid(Kind.SESSION, value)), None)
