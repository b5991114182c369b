"""Mutations of access tokens."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated
from uuid import UUID

import strawberry

from server.auth import service
from server.kit.errors import DomainError, InvalidInput, Problems
from server.schema.auth.credential_types import Credential
from server.schema.auth.credentials import choice_of, hung
from server.schema.auth.types import Token
from server.schema.context import Info
from server.schema.cost import USER_ERRORS, held
from server.schema.enums import CredentialFate, CredentialKind, Permission
from server.schema.nodes import Kind, found, gid, uid, uids
from server.schema.results import UserError, mutation, perform
from server.tenants.rules import MAX_NAME
from server.tenants.uow import UnitOfWork

MAX_DAYS = 366


@strawberry.input(
    description="A new token: PERSONAL, which acts as its maker, or SERVICE, which acts as an app on its units."
)
class TokenCreateInput:
    """What a token needs."""

    name: str = strawberry.field(description="What it is for: 1 to 200 printable characters.")
    permissions: list[Permission] = strawberry.field(
        description="What it may do at most; the caller must hold each of them, a SERVICE token's on each of the units."
    )
    kind: CredentialKind | None = strawberry.field(
        default=None, description="PERSONAL or SERVICE; without it PERSONAL, or SERVICE if unitId is given."
    )
    unit_ids: list[strawberry.ID] | None = strawberry.field(
        default=None,
        description="The units, 1 to 100 in the caller's reach, each with everything under it, that the token reaches at "
        "most. Without it a PERSONAL token reaches what its maker's token does; a SERVICE token needs it.",
    )
    unit_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="One unit of a SERVICE token.",
        deprecation_reason="Use kind: SERVICE with unitIds. Removal on 2027-06-01.",
    )
    expires_in_days: int = strawberry.field(
        default=90, description="After how many days it stops: 1 to 366, but no later than what makes it."
    )


@strawberry.input(description="The end of a token.")
class TokenRevokeInput:
    """Which token."""

    token_id: strawberry.ID = strawberry.field(description="The token.")
    credentials: CredentialFate | None = strawberry.field(
        default=None,
        description="What becomes of the tokens and apps that were made through it; needed where there are any.",
    )
    hand_over_to_id: strawberry.ID | None = strawberry.field(
        default=None, description="With HAND_OVER: an active member who holds all that they may, on all their units."
    )


@strawberry.type(description="The new token with its secret, or why there is none.")
class TokenCreatePayload:
    """Result of tokenCreate."""

    token: Token | None = strawberry.field(default=None, description="The new token.")
    secret: str | None = strawberry.field(
        default=None,
        description="What to send as a bearer token. Shown only now: null when the request is repeated with its key.",
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why there is none.", directives=USER_ERRORS
    )


@strawberry.type(description="The revoked token, or why nothing was done.")
class TokenRevokePayload:
    """Result of tokenRevoke."""

    token: Token | None = strawberry.field(default=None, description="The token as it is now.")
    credentials: list[Credential] = strawberry.field(
        default_factory=list,
        description="The tokens and apps that were made through it, as they are now.",
        directives=held(10),
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why nothing was done.", directives=USER_ERRORS
    )


@strawberry.type
class AuthMutation:
    """Root fields that make and revoke tokens."""

    @mutation(
        None,
        TokenCreatePayload,
        "Make a token of one's own, or a SERVICE token, which needs token:manage on its units. No token can make one that "
        "may do more, reaches further or lives longer than itself, and none that an app got from a person can make any.",
    )
    async def token_create(
        self, info: Info, input: Annotated[TokenCreateInput, strawberry.argument(description="The token.")]
    ) -> TokenCreatePayload | None:
        """Make a token."""
        secrets: list[str] = []

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            token_id, secret = await _issue(uow, info, input)
            secrets.append(secret)  # only here: the result below is what a repetition gets, and it is stored
            return {"token": token_id}

        done = await perform(info, input, effect)
        return TokenCreatePayload(
            token=await found(info.context, done["token"], Token), secret=secrets[0] if secrets else None
        )

    @mutation(
        None,
        TokenRevokePayload,
        "Revoke a token at once. People revoke their own and what they answer for; others need token:manage. Refused with "
        "CREDENTIAL_HAS_DEPENDENTS while tokens or apps that were made through it live and nothing is said about these.",
    )
    async def token_revoke(
        self, info: Info, input: Annotated[TokenRevokeInput, strawberry.argument(description="Which token.")]
    ) -> TokenRevokePayload | None:
        """Revoke a token."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            token_id = uid(Kind.TOKEN, input.token_id, "tokenId")
            choice = choice_of(input.credentials, input.hand_over_to_id)
            hanging = await service.revoke_token(uow, token_id, choice)
            return {"token": gid(Kind.TOKEN, token_id), "credentials": [str(one) for one in hanging]}

        done = await perform(info, input, effect)
        return TokenRevokePayload(
            token=await found(info.context, done["token"], Token), credentials=await hung(info, done)
        )


async def _issue(uow: UnitOfWork, info: Info, input: TokenCreateInput) -> tuple[strawberry.ID, str]:
    _check_form(input)
    security, expires_in = info.context.services.settings.security, timedelta(days=input.expires_in_days)
    unit_ids = _units(input)
    if input.kind is CredentialKind.SERVICE or input.unit_id is not None:
        row, secret = await service.issue_service_token(
            uow,
            security,
            name=input.name,
            unit_ids=unit_ids or (),
            permissions=input.permissions,
            expires_in=expires_in,
        )
    else:
        for permission in input.permissions:  # a token that was cut must not make a wider one
            uow.scope.require_anywhere(permission)
        row, secret = await service.issue_personal_token(
            uow,
            security,
            member_id=uow.scope.actor.id,
            name=input.name,
            unit_ids=unit_ids,
            permissions=input.permissions,
            expires_in=expires_in,
        )
    return gid(Kind.TOKEN, row.id), secret


def _units(input: TokenCreateInput) -> list[UUID] | None:
    if input.unit_id is not None:
        return [uid(Kind.UNIT, input.unit_id, "unitId")]
    return None if input.unit_ids is None else uids(Kind.UNIT, input.unit_ids, "unitIds")


def _check_form(input: TokenCreateInput) -> None:
    problems: list[DomainError] = []
    if not input.name.strip() or len(input.name) > MAX_NAME or not input.name.isprintable():
        problems.append(InvalidInput(f"A name has 1 to {MAX_NAME} printable characters.", path=("name",)))
    if not 1 <= input.expires_in_days <= MAX_DAYS:
        problems.append(InvalidInput(f"A token lives 1 to {MAX_DAYS} days.", path=("expiresInDays",)))
    if not input.permissions:
        problems.append(InvalidInput("Name at least one permission.", path=("permissions",)))
    if input.kind not in {None, CredentialKind.PERSONAL, CredentialKind.SERVICE}:
        problems.append(InvalidInput("Only PERSONAL and SERVICE tokens are made here.", path=("kind",)))
    if input.unit_id is not None and (input.unit_ids is not None or input.kind is CredentialKind.PERSONAL):
        problems.append(InvalidInput("Give unitIds alone; unitId means one unit of a SERVICE token.", path=("unitId",)))
    if problems:
        raise Problems(problems)
