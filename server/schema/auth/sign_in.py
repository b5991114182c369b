"""Signing in and out: a token for exactly one organization, and the sessions behind such tokens."""

from __future__ import annotations

from typing import Annotated

import strawberry

from server.auth import service as auth
from server.auth.errors import SessionEnded
from server.kit.errors import NotFound
from server.schema.auth.sign_in_types import Affiliation, Session, person_behind, sessions_of
from server.schema.context import Info
from server.schema.cost import USER_ERRORS, held, loaded
from server.schema.nodes import Kind, gid, uid, uid_or_none
from server.schema.permissions import query
from server.schema.results import UserError, anonymous_mutation, mutation

FIT = "12 to 256 characters, none that is easy to guess, and without the person's own name or address."


@strawberry.input(description="A sign-in.")
class SessionCreateInput:
    """Who signs in, and for which organization they act."""

    email: str = strawberry.field(description="The e-mail address of the account; upper and lower case are the same.")
    password: str = strawberry.field(description="The password.")
    organization_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="Whom to act for. It is never guessed: without it nothing begins and the payload lists what there is.",
    )


@strawberry.input(description="The end of the session of this token.")
class SessionEndInput:
    """How much ends."""

    everywhere: bool = strawberry.field(default=False, description="Whether all sessions of the person end with it.")


@strawberry.input(description="The end of one session.")
class SessionRevokeInput:
    """Which session."""

    session_id: strawberry.ID = strawberry.field(description="One of the caller's own sessions.")


@strawberry.input(description="Another organization to act for.")
class SessionTokenCreateInput:
    """Which organization."""

    organization_id: strawberry.ID = strawberry.field(description="One of the caller's affiliations.")


@strawberry.type(description="A token, or what is still missing for one, or why there is none.")
class SessionCreatePayload:
    """Result of sessionCreate."""

    token: str | None = strawberry.field(
        default=None, description="The bearer token, for the named organization only. Shown only now."
    )
    session_id: strawberry.ID | None = strawberry.field(default=None, description="The session that began.")
    affiliations: list[Affiliation] = strawberry.field(
        default_factory=list,
        description="If no organization was named: those to choose from. Sign in again with one.",
        directives=held(25),
    )
    second_factor_ticket: str | None = strawberry.field(
        default=None,
        description="If a second factor is owed: what to send with it, once and within five minutes. No session has begun.",
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why there is none.", directives=USER_ERRORS
    )


@strawberry.type(description="What ended, or why nothing did.")
class SessionEndPayload:
    """Result of sessionEnd."""

    ended_count: int | None = strawberry.field(default=None, description="How many sessions ended.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why none ended.", directives=USER_ERRORS
    )


@strawberry.type(description="The session that ended, or why none did.")
class SessionRevokePayload:
    """Result of sessionRevoke."""

    session_id: strawberry.ID | None = strawberry.field(default=None, description="The session that ended.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why none ended.", directives=USER_ERRORS
    )


@strawberry.type(description="A token of the same session for another organization, or why there is none.")
class SessionTokenCreatePayload:
    """Result of sessionTokenCreate."""

    token: str | None = strawberry.field(default=None, description="The bearer token. Shown only now.")
    affiliation: Affiliation | None = strawberry.field(default=None, description="Whom it acts for.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why there is none.", directives=USER_ERRORS
    )


@strawberry.type
class SignInQuery:
    """Root fields about the caller's own sign-ins."""

    @query(
        None,
        "The caller's own sessions, newest first, at most 100. Only with the token of a sign-in.",
        costs=loaded(100),
    )
    async def sessions(self, info: Info) -> list[Session]:
        """List sessions."""
        return await sessions_of(info.context)

    @query(
        None,
        "The organizations that the caller may act for, by name. Only with the token of a sign-in.",
        costs=loaded(25),
    )
    async def affiliations(self, info: Info) -> list[Affiliation]:
        """List affiliations."""
        user_id, _ = await person_behind(info.context)
        async with info.context.reads.elsewhere():
            found = await auth.affiliations(info.context.services.database, user_id)
        return [Affiliation.of(one) for one in found]


@strawberry.type
class SignInMutation:
    """Root fields that begin and end sessions."""

    @anonymous_mutation(
        SessionCreatePayload,
        "Sign in with a password. Every attempt is counted first, by address, by network and by both; beyond the limit it "
        "is refused with retryAfter. Wrong and unknown are told alike. Not idempotent: each success is a session.",
    )
    async def session_create(
        self, info: Info, input: Annotated[SessionCreateInput, strawberry.argument(description="Who.")]
    ) -> SessionCreatePayload | None:
        """Begin a session."""
        database, settings, caller = info.context.services.database, info.context.services.settings, info.context.sender
        proved = await auth.prove_password(database, settings, caller, email=input.email, password=input.password)
        if isinstance(proved, auth.FactorOwed):
            return SessionCreatePayload(second_factor_ticket=proved.ticket)
        organization_id = uid_or_none(Kind.ORGANIZATION, input.organization_id, "organizationId")
        if organization_id is None:
            found = await auth.affiliations(database, proved.user_id)
            return SessionCreatePayload(affiliations=[Affiliation.of(one) for one in found])
        entered = await auth.enter(database, settings, caller, proved, organization_id)
        return SessionCreatePayload(token=entered.token, session_id=gid(Kind.SESSION, entered.session_id))

    @mutation(
        None,
        SessionEndPayload,
        "Sign out: end the session of this token, or all of the person's. Their tokens stop at the next request, in every "
        "organization. Only with the token of a sign-in.",
    )
    async def session_end(
        self, info: Info, input: Annotated[SessionEndInput, strawberry.argument(description="How much.")]
    ) -> SessionEndPayload | None:
        """End the session at hand."""
        user_id, session_id = await person_behind(info.context)
        database = info.context.services.database
        if input.everywhere:
            return SessionEndPayload(ended_count=await auth.end_all_sessions(database, user_id))
        return SessionEndPayload(ended_count=int(await auth.end_session(database, user_id, session_id)))

    @mutation(
        None,
        SessionRevokePayload,
        "End one of the caller's own sessions at once, for instance that of a lost device. Only with the token of a sign-in.",
    )
    async def session_revoke(
        self, info: Info, input: Annotated[SessionRevokeInput, strawberry.argument(description="Which one.")]
    ) -> SessionRevokePayload | None:
        """End a session."""
        user_id, _ = await person_behind(info.context)
        session_id = uid(Kind.SESSION, input.session_id, "sessionId")
        if not await auth.end_session(info.context.services.database, user_id, session_id):
            raise NotFound(path=("sessionId",))
        return SessionRevokePayload(session_id=gid(Kind.SESSION, session_id))

    @mutation(
        None,
        SessionTokenCreatePayload,
        "Act for another organization: a further token of the same session. The one at hand goes on acting for its own. "
        "Only with the token of a sign-in.",
    )
    async def session_token_create(
        self, info: Info, input: Annotated[SessionTokenCreateInput, strawberry.argument(description="For whom.")]
    ) -> SessionTokenCreatePayload | None:
        """Make a token for another organization."""
        user_id, session_id = await person_behind(info.context)
        services = info.context.services
        wanted = uid(Kind.ORGANIZATION, input.organization_id, "organizationId")
        token = await auth.act_within(services.database, services.settings, session_id, wanted)
        found = [one for one in await auth.affiliations(services.database, user_id) if one.organization_id == wanted]
        if not found:
            raise SessionEnded
        return SessionTokenCreatePayload(token=token, affiliation=Affiliation.of(found[0]))
