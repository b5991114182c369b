"""Passwords: asking for a link, choosing another password with it, and changing the present one."""

from __future__ import annotations

from typing import Annotated

import strawberry

from server.auth import service as auth
from server.auth.service import PasswordChange
from server.schema.auth.sign_in import FIT
from server.schema.auth.sign_in_types import person_behind
from server.schema.context import Info
from server.schema.cost import USER_ERRORS
from server.schema.results import UserError, anonymous_mutation, mutation


@strawberry.input(description="The wish for a link.")
class PasswordResetRequestInput:
    """Whose password."""

    email: str = strawberry.field(description="The e-mail address of the account.")


@strawberry.input(description="Another password, chosen with the link of a mail.")
class PasswordResetInput:
    """The link's token and the password."""

    token: str = strawberry.field(description="What stands in the link; it works once, within 30 minutes.")
    new_password: str = strawberry.field(description=f"The new password: {FIT}")


@strawberry.input(description="Another password instead of the present one.")
class PasswordChangeInput:
    """Both passwords."""

    current_password: str = strawberry.field(description="The present password.")
    new_password: str = strawberry.field(description=f"The new password: {FIT}")


@strawberry.type(description="That the wish was taken down; nothing is told about the address.")
class PasswordResetRequestPayload:
    """Result of passwordResetRequest."""

    is_accepted: bool = strawberry.field(default=False, description="Whether it was taken down.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why not.", directives=USER_ERRORS
    )


@strawberry.type(description="Whether the password was changed, or why not.")
class PasswordResetPayload:
    """Result of passwordReset."""

    is_changed: bool = strawberry.field(default=False, description="Whether it was changed; all sessions ended then.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why not.", directives=USER_ERRORS
    )


@strawberry.type(description="Whether the password was changed, or why not.")
class PasswordChangePayload:
    """Result of passwordChange."""

    is_changed: bool = strawberry.field(default=False, description="Whether it was changed; other sessions ended then.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why not.", directives=USER_ERRORS
    )


@strawberry.type
class PasswordMutation:
    """Root fields that change passwords."""

    @anonymous_mutation(
        PasswordResetRequestPayload,
        "Ask for a link to choose another password, by mail. The answer is the same for every address. An address is sent "
        "three mails at once and then one in twenty minutes; beyond that the wish is refused with retryAfter.",
    )
    async def password_reset_request(
        self, info: Info, input: Annotated[PasswordResetRequestInput, strawberry.argument(description="Whose.")]
    ) -> PasswordResetRequestPayload | None:
        """Owe a mail."""
        services = info.context.services
        await auth.ask_for_reset(services.database, services.settings, info.context.sender, input.email)
        return PasswordResetRequestPayload(is_accepted=True)

    @anonymous_mutation(
        PasswordResetPayload,
        "Choose another password with the link of a mail. Ends all sessions of the person. Nobody is signed in by it.",
    )
    async def password_reset(
        self, info: Info, input: Annotated[PasswordResetInput, strawberry.argument(description="Link and password.")]
    ) -> PasswordResetPayload | None:
        """Choose another password."""
        services = info.context.services
        await auth.reset_password(
            services.database, services.settings, info.context.sender, input.token, input.new_password
        )
        return PasswordResetPayload(is_changed=True)

    @mutation(
        None,
        PasswordChangePayload,
        "Change the caller's password, knowing the present one. Ends the person's other sessions. Only with the token of a "
        "sign-in; attempts are counted.",
    )
    async def password_change(
        self, info: Info, input: Annotated[PasswordChangeInput, strawberry.argument(description="Both passwords.")]
    ) -> PasswordChangePayload | None:
        """Change the password."""
        user_id, session_id = await person_behind(info.context)
        services = info.context.services
        change = PasswordChange(user_id, session_id, input.current_password, input.new_password)
        await auth.change_password(services.database, services.settings, info.context.sender, change)
        return PasswordChangePayload(is_changed=True)
