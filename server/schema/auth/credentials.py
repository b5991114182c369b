"""The list of credentials, and handing them over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

import strawberry

from server.auth import service
from server.auth.service import Choice, CredentialFilter
from server.kit.pagination import PageArguments
from server.schema.auth.credential_types import Credential, credentials_of
from server.schema.context import Info
from server.schema.cost import PAGED, USER_ERRORS, held
from server.schema.enums import CredentialFate, CredentialForm
from server.schema.nodes import Kind, uid, uid_or_none, uids
from server.schema.pages import After, Before, Connection, First, Last, connection
from server.schema.permissions import query
from server.schema.results import UserError, mutation, perform
from server.tenants.uow import UnitOfWork


@strawberry.input(name="CredentialFilter", description="What the list of credentials is cut to.")
class CredentialFilterInput:
    """What is asked for."""

    kind: CredentialForm | None = strawberry.field(default=None, description="Tokens, apps or grants alone.")
    maker_id: strawberry.ID | None = strawberry.field(default=None, description="What this member made.")
    owner_id: strawberry.ID | None = strawberry.field(default=None, description="What this member answers for.")
    is_orphaned: bool | None = strawberry.field(
        default=None,
        description="True for ACTIVE service tokens and apps that nobody answers for: their maker is unknown, or the owner "
        "is deactivated. They go on until they are handed over or ended. False for all others.",
    )
    is_active: bool | None = strawberry.field(default=None, description="True for what is ACTIVE, false for the rest.")

    def read(self) -> CredentialFilter:
        """Return what the service is asked."""
        return CredentialFilter(
            form=self.kind,
            maker_id=uid_or_none(Kind.MEMBER, self.maker_id, "filter", "makerId"),
            owner_id=uid_or_none(Kind.MEMBER, self.owner_id, "filter", "ownerId"),
            is_orphaned=self.is_orphaned,
            is_active=self.is_active,
        )


@strawberry.input(description="Somebody who answers for credentials from now on.")
class CredentialHandOverInput:
    """What, and to whom."""

    token_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="Service tokens. Give 1 to 100 tokens and apps in all."
    )
    app_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="Apps of the organization, such as one that acts by client credentials."
    )
    to_member_id: strawberry.ID = strawberry.field(
        description="An active member who holds everything that each of them may, on all its units."
    )


@strawberry.type(description="The credentials with their new owner, or why nothing was done.")
class CredentialHandOverPayload:
    """Result of credentialHandOver."""

    credentials: list[Credential] | None = strawberry.field(
        default=None, description="The credentials as they are now.", directives=held(10)
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why nothing was done.", directives=USER_ERRORS
    )


@strawberry.type
class CredentialsQuery:
    """The root field that lists credentials."""

    @query(
        None,
        "Tokens, apps and grants in one list, newest first: what the caller made, has or answers for, what it manages, and "
        "with token:manage on the whole tree everybody's. Sessions and the hourly tokens of apps are left out.",
        costs=PAGED,
    )
    async def credentials(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[
            CredentialFilterInput | None, strawberry.argument(description="Which of them; all without it.")
        ] = None,
    ) -> Connection[Credential]:
        """List credentials."""
        wanted = CredentialFilter() if filter is None else filter.read()
        async with info.context.read() as uow:
            page = await service.list_credentials(uow, PageArguments(first, after, last, before), wanted)
        return connection(page, Credential.of)


@strawberry.type
class CredentialsMutation:
    """The root field that hands credentials over."""

    @mutation(
        None,
        CredentialHandOverPayload,
        "Let a member answer for service tokens and apps. They no longer hang on what they were made through; when they "
        "expire stays. Needs a sign-in, and to answer for each or token:manage or app:manage on all its units.",
    )
    async def credential_hand_over(
        self, info: Info, input: Annotated[CredentialHandOverInput, strawberry.argument(description="What, to whom.")]
    ) -> CredentialHandOverPayload | None:
        """Hand credentials over."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            ids = [*uids(Kind.TOKEN, input.token_ids, "tokenIds"), *uids(Kind.APP, input.app_ids, "appIds")]
            await service.hand_over(uow, ids, uid(Kind.MEMBER, input.to_member_id, "toMemberId"))
            return {"credentials": [str(one) for one in ids]}

        done = await perform(info, input, effect)
        return CredentialHandOverPayload(credentials=await hung(info, done))


def choice_of(fate: CredentialFate | None, to_member_id: str | None) -> Choice:
    """Return what a caller decided about what hangs; whether it fits together is checked by the service."""
    return Choice(fate, uid_or_none(Kind.MEMBER, to_member_id, "handOverToId"))


async def hung(info: Info, done: Mapping[str, object]) -> list[Credential]:
    """Return what a mutation's result names as credentials, as they are now."""
    named = done["credentials"]
    return await credentials_of(info, [UUID(str(one)) for one in named] if isinstance(named, list) else [])
