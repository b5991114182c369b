"""Mutations of apps and grants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import strawberry

from server.auth.service import oauth
from server.auth.service.oauth import AppChange, NewApp
from server.schema.auth.app_types import App, AppGrant
from server.schema.auth.credential_types import Credential
from server.schema.auth.credentials import hung
from server.schema.context import Info
from server.schema.cost import USER_ERRORS, held
from server.schema.enums import AppGrantType, AppKind, Permission
from server.schema.nodes import Kind, found, gid, uid, uids
from server.schema.results import UserError, mutation, perform
from server.tenants.uow import UnitOfWork

_REDIRECT_URIS = (
    "At most 20 addresses, compared letter by letter: https://; for a PUBLIC app also http://127.0.0.1 or http://[::1], "
    "whose port may differ, or a scheme such as com.example.app:/."
)


@strawberry.input(description="A new app.")
class AppRegisterInput:
    """What an app needs."""

    name: str = strawberry.field(description="What people are shown: 1 to 200 printable characters.")
    kind: AppKind = strawberry.field(description="PUBLIC for what runs on people's machines, else CONFIDENTIAL.")
    permissions: list[Permission] = strawberry.field(
        description="What its tokens may do at most; the caller must hold each of them on each of the units."
    )
    grant_types: list[AppGrantType] = strawberry.field(description="How it may get tokens.")
    redirect_uris: list[str] = strawberry.field(default_factory=list, description=_REDIRECT_URIS)
    unit_ids: list[strawberry.ID] | None = strawberry.field(
        default=None,
        description="The units, at most 100, each with everything under it, on which its tokens act at most; without them "
        "the whole organization. Never changes.",
    )


@strawberry.input(description="A change of an app. What is left out stays.")
class AppUpdateInput:
    """What changes."""

    app_id: strawberry.ID = strawberry.field(description="The app.")
    name: str | None = strawberry.field(default=None, description="1 to 200 printable characters.")
    permissions: list[Permission] | None = strawberry.field(
        default=None, description="Binds tokens that exist too. The caller must hold each that is added."
    )
    grant_types: list[AppGrantType] | None = strawberry.field(default=None, description="How it may get tokens.")
    redirect_uris: list[str] | None = strawberry.field(default=None, description=_REDIRECT_URIS)


@strawberry.input(description="A new secret for an app.")
class AppSecretRotateInput:
    """Which app."""

    app_id: strawberry.ID = strawberry.field(description="The app; it is CONFIDENTIAL.")
    ends_former: bool = strawberry.field(
        default=False,
        description="Ends the present secret at once, as after a leak; else it works for another 24 hours.",
    )


@strawberry.input(description="The end of an app.")
class AppArchiveInput:
    """Which app."""

    app_id: strawberry.ID = strawberry.field(description="The app.")


@strawberry.input(description="The end of a grant.")
class AppGrantRevokeInput:
    """Which grant."""

    grant_id: strawberry.ID = strawberry.field(description="The grant.")


@strawberry.type(description="The new app with its secret, or why there is none.")
class AppRegisterPayload:
    """Result of appRegister."""

    app: App | None = strawberry.field(default=None, description="The new app.")
    secret: str | None = strawberry.field(
        default=None, description="Shown only now, not to a repetition; null for a PUBLIC app."
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why there is none.", directives=USER_ERRORS
    )


@strawberry.type(description="The changed app, or why nothing was done.")
class AppUpdatePayload:
    """Result of appUpdate."""

    app: App | None = strawberry.field(default=None, description="The app as it is now.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why nothing was done.", directives=USER_ERRORS
    )


@strawberry.type(description="The app with its new secret, or why nothing was done.")
class AppSecretRotatePayload:
    """Result of appSecretRotate."""

    app: App | None = strawberry.field(default=None, description="The app as it is now.")
    secret: str | None = strawberry.field(default=None, description="Shown only now, not to a repetition.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why nothing was done.", directives=USER_ERRORS
    )


@strawberry.type(description="The archived app, or why nothing was done.")
class AppArchivePayload:
    """Result of appArchive."""

    app: App | None = strawberry.field(default=None, description="The app as it is now.")
    credentials: list[Credential] = strawberry.field(
        default_factory=list,
        description="The grants and its own tokens that ended with it, as far as the caller sees them.",
        directives=held(10),
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why nothing was done.", directives=USER_ERRORS
    )


@strawberry.type(description="The ended grant, or why nothing was done.")
class AppGrantRevokePayload:
    """Result of appGrantRevoke."""

    grant: AppGrant | None = strawberry.field(default=None, description="The grant as it is now.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why nothing was done.", directives=USER_ERRORS
    )


@strawberry.type
class AppsMutation:
    """Root fields that register, change and end apps."""

    @mutation(
        Permission.APP_MANAGE,
        AppRegisterPayload,
        "Register an app. Needs app:manage and all of its permissions on its units; no app may do it for a person.",
    )
    async def app_register(
        self, info: Info, input: Annotated[AppRegisterInput, strawberry.argument(description="The app.")]
    ) -> AppRegisterPayload | None:
        """Register an app."""
        secrets: list[str | None] = []

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            row, secret = await oauth.register_app(uow, info.context.services.settings.security, _wanted(input))
            secrets.append(secret)  # only here: the result below is what a repetition gets, and it is stored
            return {"app": gid(Kind.APP, row.id)}

        done = await perform(info, input, effect)
        app = await found(info.context, done["app"], App)
        return AppRegisterPayload(app=app, secret=secrets[0] if secrets else None)

    @mutation(Permission.APP_MANAGE, AppUpdatePayload, "Change an app. Needs app:manage on its units.")
    async def app_update(
        self, info: Info, input: Annotated[AppUpdateInput, strawberry.argument(description="The change.")]
    ) -> AppUpdatePayload | None:
        """Change an app."""
        change = AppChange(
            name=input.name,
            permissions=None if input.permissions is None else frozenset(input.permissions),
            redirect_uris=input.redirect_uris,
            grant_types=None if input.grant_types is None else frozenset(input.grant_types),
        )

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            row = await oauth.update_app(uow, uid(Kind.APP, input.app_id, "appId"), change)
            return {"app": gid(Kind.APP, row.id)}

        done = await perform(info, input, effect)
        return AppUpdatePayload(app=await found(info.context, done["app"], App))

    @mutation(
        Permission.APP_MANAGE,
        AppSecretRotatePayload,
        "Give an app a new secret. Needs app:manage on its units, and all its permissions there if it acts by itself.",
    )
    async def app_secret_rotate(
        self, info: Info, input: Annotated[AppSecretRotateInput, strawberry.argument(description="Which app.")]
    ) -> AppSecretRotatePayload | None:
        """Rotate a secret."""
        secrets: list[str] = []

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            app_id, security = uid(Kind.APP, input.app_id, "appId"), info.context.services.settings.security
            row, secret = await oauth.rotate_secret(uow, security, app_id, ends_former=input.ends_former)
            secrets.append(secret)  # only here, as above
            return {"app": gid(Kind.APP, row.id)}

        done = await perform(info, input, effect)
        app = await found(info.context, done["app"], App)
        return AppSecretRotatePayload(app=app, secret=secrets[0] if secrets else None)

    @mutation(
        Permission.APP_MANAGE,
        AppArchivePayload,
        "End an app for good; none of its tokens is taken any more. Needs app:manage on its units.",
    )
    async def app_archive(
        self, info: Info, input: Annotated[AppArchiveInput, strawberry.argument(description="Which app.")]
    ) -> AppArchivePayload | None:
        """Archive an app."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            app_id = uid(Kind.APP, input.app_id, "appId")
            ended = await oauth.archive_app(uow, app_id)
            return {"app": gid(Kind.APP, app_id), "credentials": [str(one) for one in ended]}

        done = await perform(info, input, effect)
        return AppArchivePayload(app=await found(info.context, done["app"], App), credentials=await hung(info, done))

    @mutation(
        None,
        AppGrantRevokePayload,
        "End what a person granted to an app, with all its tokens. People end their own; others need app:manage on the "
        "whole tree.",
    )
    async def app_grant_revoke(
        self, info: Info, input: Annotated[AppGrantRevokeInput, strawberry.argument(description="Which grant.")]
    ) -> AppGrantRevokePayload | None:
        """End a grant."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            grant_id = uid(Kind.APP_GRANT, input.grant_id, "grantId")
            await oauth.revoke_app_grant(uow, grant_id)
            return {"grant": gid(Kind.APP_GRANT, grant_id)}

        done = await perform(info, input, effect)
        return AppGrantRevokePayload(grant=await found(info.context, done["grant"], AppGrant))


def _wanted(input: AppRegisterInput) -> NewApp:
    return NewApp(
        name=input.name,
        kind=input.kind,
        permissions=frozenset(input.permissions),
        redirect_uris=input.redirect_uris,
        grant_types=frozenset(input.grant_types),
        unit_ids=None if input.unit_ids is None else frozenset(uids(Kind.UNIT, input.unit_ids, "unitIds")),
    )
