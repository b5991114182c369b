"""Root fields of second factors: the authenticator app, its recovery codes, and passkeys."""

from __future__ import annotations

from typing import Annotated

import strawberry

from server.auth.service import factors as service
from server.auth.service.factors import FactorProof, Person
from server.schema.auth.factor_types import Factors, Passkey, factors_of, passkeys_of
from server.schema.auth.sign_in_types import person_behind
from server.schema.context import ApiContext, Info
from server.schema.cost import LOADED, USER_ERRORS, held, loaded
from server.schema.nodes import Kind, gid, uid
from server.schema.permissions import query
from server.schema.results import UserError, mutation

_ONLY = "Only with the token of a sign-in."
_PROOF = "The present password; it may be left out within ten minutes of the sign-in. Attempts are counted."


@strawberry.input(description="The setup of an authenticator app.")
class TotpEnrollInput:
    """The proof."""

    current_password: str | None = strawberry.field(default=None, description=_PROOF)


@strawberry.input(description="The first code of the app.")
class TotpConfirmInput:
    """The code."""

    code: str = strawberry.field(description="Six digits, as the app shows them now.")


@strawberry.input(description="The end of the app; give one of both.")
class TotpDisableInput:
    """A code of either kind."""

    code: str | None = strawberry.field(default=None, description="Six digits, as the app shows them now.")
    recovery_code: str | None = strawberry.field(default=None, description="A recovery code that was not used yet.")


@strawberry.input(description="Ten new recovery codes.")
class RecoveryCodesRegenerateInput:
    """The proof."""

    current_password: str | None = strawberry.field(default=None, description=_PROOF)


@strawberry.input(description="Another name for a passkey.")
class PasskeyRenameInput:
    """Which passkey, and its name."""

    passkey_id: strawberry.ID = strawberry.field(description="One of the caller's own passkeys.")
    name: str = strawberry.field(description="1 to 200 printable characters.")


@strawberry.input(description="The end of a passkey.")
class PasskeyDeleteInput:
    """Which passkey."""

    passkey_id: strawberry.ID = strawberry.field(description="One of the caller's own passkeys.")
    current_password: str | None = strawberry.field(default=None, description=_PROOF)


@strawberry.type(description="What the app needs, or why there is nothing.")
class TotpEnrollPayload:
    """Result of totpEnroll."""

    secret: str | None = strawberry.field(
        default=None, description="The shared secret in base 32, for typing into the app. Shown only now."
    )
    uri: str | None = strawberry.field(
        default=None, description="The same as an otpauth address, to be shown as a QR code. Shown only now."
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why there is nothing.", directives=USER_ERRORS
    )


@strawberry.type(description="The recovery codes of the app that is on now, or why it is not.")
class TotpConfirmPayload:
    """Result of totpConfirm."""

    factors: Factors | None = strawberry.field(default=None, description="What the caller has now.")
    recovery_codes: list[str] = strawberry.field(
        default_factory=list,
        description="Ten codes; each stands in for the app once. Shown only now.",
        directives=held(20),
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why it is not on.", directives=USER_ERRORS
    )


@strawberry.type(description="What the caller has now, or why nothing was done.")
class TotpDisablePayload:
    """Result of totpDisable."""

    factors: Factors | None = strawberry.field(default=None, description="What the caller has now.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why nothing was done.", directives=USER_ERRORS
    )


@strawberry.type(description="The new recovery codes, or why there are none.")
class RecoveryCodesRegeneratePayload:
    """Result of recoveryCodesRegenerate."""

    recovery_codes: list[str] = strawberry.field(
        default_factory=list, description="Ten codes; those before are void. Shown only now.", directives=held(20)
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why there are none.", directives=USER_ERRORS
    )


@strawberry.type(description="The passkey as it is now, or why nothing was done.")
class PasskeyRenamePayload:
    """Result of passkeyRename."""

    passkey: Passkey | None = strawberry.field(default=None, description="The passkey.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why nothing was done.", directives=USER_ERRORS
    )


@strawberry.type(description="The passkey that is gone, or why it is not.")
class PasskeyDeletePayload:
    """Result of passkeyDelete."""

    passkey_id: strawberry.ID | None = strawberry.field(default=None, description="The passkey that is gone.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why it is not.", directives=USER_ERRORS
    )


async def _person(context: ApiContext) -> Person:
    user_id, session_id = await person_behind(context)
    return Person(user_id, session_id, context.sender.network)


@strawberry.type
class FactorsQuery:
    """Root fields about what the caller has besides a password."""

    @query(None, f"What the caller has besides a password. {_ONLY}", costs=LOADED)
    async def factors(self, info: Info) -> Factors:
        """Show the factors."""
        return await factors_of(info.context)

    @query(None, f"The caller's passkeys, oldest first; at most 20. {_ONLY}", costs=loaded(20))
    async def passkeys(self, info: Info) -> list[Passkey]:
        """List the passkeys."""
        return await passkeys_of(info.context)


@strawberry.type
class FactorsMutation:
    """Root fields that change what the caller has besides a password."""

    @mutation(
        None,
        TotpEnrollPayload,
        "Begin the setup of an authenticator app. Nothing is asked for at a sign-in until totpConfirm, which must follow "
        f"within fifteen minutes. {_ONLY}",
    )
    async def totp_enroll(
        self, info: Info, input: Annotated[TotpEnrollInput, strawberry.argument(description="The proof.")]
    ) -> TotpEnrollPayload | None:
        """Begin the setup."""
        person, services = await _person(info.context), info.context.services
        begun = await service.enroll_totp(services.database, services.settings, person, input.current_password)
        return TotpEnrollPayload(secret=begun.secret, uri=begun.uri)

    @mutation(
        None,
        TotpConfirmPayload,
        "Turn the authenticator app on with its first code. From then on a code is asked for at each sign-in, each code is "
        f"accepted once, and attempts are counted. {_ONLY}",
    )
    async def totp_confirm(
        self, info: Info, input: Annotated[TotpConfirmInput, strawberry.argument(description="The code.")]
    ) -> TotpConfirmPayload | None:
        """Turn the app on."""
        person, services = await _person(info.context), info.context.services
        made = await service.confirm_totp(services.database, services.settings, person, input.code)
        return TotpConfirmPayload(factors=await factors_of(info.context), recovery_codes=list(made))

    @mutation(
        None,
        TotpDisablePayload,
        f"Remove the authenticator app and its recovery codes, with a code of either. Attempts are counted. {_ONLY}",
    )
    async def totp_disable(
        self, info: Info, input: Annotated[TotpDisableInput, strawberry.argument(description="The code.")]
    ) -> TotpDisablePayload | None:
        """Turn the app off."""
        person, services = await _person(info.context), info.context.services
        proof = FactorProof(input.code, input.recovery_code)
        await service.disable_totp(services.database, services.settings, person, proof)
        return TotpDisablePayload(factors=await factors_of(info.context))

    @mutation(
        None,
        RecoveryCodesRegeneratePayload,
        f"Make ten new recovery codes; all old ones are void. {_ONLY}",
    )
    async def recovery_codes_regenerate(
        self, info: Info, input: Annotated[RecoveryCodesRegenerateInput, strawberry.argument(description="The proof.")]
    ) -> RecoveryCodesRegeneratePayload | None:
        """Make new codes."""
        person, services = await _person(info.context), info.context.services
        made = await service.regenerate_codes(services.database, services.settings, person, input.current_password)
        return RecoveryCodesRegeneratePayload(recovery_codes=list(made))

    @mutation(None, PasskeyRenamePayload, f"Give one of the caller's passkeys another name. {_ONLY}")
    async def passkey_rename(
        self, info: Info, input: Annotated[PasskeyRenameInput, strawberry.argument(description="Which, and how.")]
    ) -> PasskeyRenamePayload | None:
        """Rename a passkey."""
        person = await _person(info.context)
        passkey_id = uid(Kind.PASSKEY, input.passkey_id, "passkeyId")
        row = await service.rename_passkey(info.context.services.database, person.user_id, passkey_id, input.name)
        return PasskeyRenamePayload(passkey=Passkey.of(row))

    @mutation(
        None,
        PasskeyDeletePayload,
        f"Delete one of the caller's passkeys; it signs nobody in any more. Sessions that it began go on. {_ONLY}",
    )
    async def passkey_delete(
        self, info: Info, input: Annotated[PasskeyDeleteInput, strawberry.argument(description="Which one.")]
    ) -> PasskeyDeletePayload | None:
        """Delete a passkey."""
        person, services = await _person(info.context), info.context.services
        passkey_id = uid(Kind.PASSKEY, input.passkey_id, "passkeyId")
        await service.delete_passkey(services.database, services.settings, person, passkey_id, input.current_password)
        return PasskeyDeletePayload(passkey_id=gid(Kind.PASSKEY, passkey_id))
