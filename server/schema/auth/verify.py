"""The second step of a sign-in: a code, with the ticket of the first step."""

from __future__ import annotations

from typing import Annotated

import strawberry

from server.auth import service as auth
from server.auth.service.factors import FactorProof
from server.auth.service.verify import hold_proof, prove_factor
from server.schema.auth.sign_in_types import Affiliation
from server.schema.context import Info
from server.schema.cost import USER_ERRORS, held
from server.schema.nodes import Kind, gid, uid_or_none
from server.schema.results import UserError, anonymous_mutation


@strawberry.input(
    description="A second factor. Give one of both codes; none with a ticket that this very field returned."
)
class SessionVerifyInput:
    """The ticket and a code."""

    ticket: str = strawberry.field(description="What sessionCreate returned; five minutes and five attempts.")
    code: str | None = strawberry.field(
        default=None, description="Six digits, as the authenticator app shows them now."
    )
    recovery_code: str | None = strawberry.field(default=None, description="A recovery code that was not used yet.")
    organization_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="Whom to act for. It is never guessed: without it nothing begins and the payload lists what there is.",
    )


@strawberry.type(description="A token, or what is still missing for one, or why there is none.")
class SessionVerifyPayload:
    """Result of sessionVerify."""

    token: str | None = strawberry.field(
        default=None, description="The bearer token, for the named organization only. Shown only now."
    )
    session_id: strawberry.ID | None = strawberry.field(default=None, description="The session that began.")
    affiliations: list[Affiliation] = strawberry.field(
        default_factory=list, description="If no organization was named: those to choose from.", directives=held(25)
    )
    ticket: str | None = strawberry.field(
        default=None,
        description="If no organization was named: what to send next, with one and without a code, within five minutes.",
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why there is none.", directives=USER_ERRORS
    )


@strawberry.type
class VerifyMutation:
    """The root field that finishes a sign-in."""

    @anonymous_mutation(
        SessionVerifyPayload,
        "Finish a sign-in that owes a second factor. Every attempt is counted first, by person, by network and by ticket; "
        "beyond the limit it is refused with retryAfter. Each code is accepted once.",
    )
    async def session_verify(
        self, info: Info, input: Annotated[SessionVerifyInput, strawberry.argument(description="Ticket and code.")]
    ) -> SessionVerifyPayload | None:
        """Check the second factor and begin a session."""
        database, settings, caller = info.context.services.database, info.context.services.settings, info.context.sender
        organization_id = uid_or_none(Kind.ORGANIZATION, input.organization_id, "organizationId")
        proof = FactorProof(input.code, input.recovery_code)
        proved = await prove_factor(database, settings, caller, input.ticket, proof)
        if organization_id is None:
            found = await auth.affiliations(database, proved.user_id)
            held = await hold_proof(database, settings, proved)
            return SessionVerifyPayload(affiliations=[Affiliation.of(one) for one in found], ticket=held.ticket)
        entered = await auth.enter(database, settings, caller, proved, organization_id)
        return SessionVerifyPayload(token=entered.token, session_id=gid(Kind.SESSION, entered.session_id))
