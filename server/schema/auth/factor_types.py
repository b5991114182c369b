"""GraphQL types of what a person has besides a password."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import strawberry

from server.auth.errors import SessionNeeded
from server.auth.factor_models import UserPasskeyRow
from server.auth.service import factors as service
from server.schema.auth.sign_in_types import person_behind
from server.schema.context import ApiContext, Info
from server.schema.cost import held, loaded
from server.schema.declarations import readable
from server.schema.nodes import Kind, Node, finder, gid


@readable(None)
@strawberry.type(description="A passkey of the caller. It signs in without a password, and counts as two factors.")
class Passkey(Node):
    """A passkey."""

    name: str = strawberry.field(description="What its person calls it.")
    transports: list[str] = strawberry.field(
        description='How browsers reach it, such as "internal", "usb" or "hybrid".', directives=held(10)
    )
    created_at: datetime = strawberry.field(description="When it was added.")
    last_used_at: datetime | None = strawberry.field(description="When it was last used; null for never.")

    @classmethod
    def of(cls, row: UserPasskeyRow) -> Passkey:
        """Show a passkey."""
        return cls(
            id=gid(Kind.PASSKEY, row.id),
            name=row.name,
            transports=list(row.transports),
            created_at=row.created_at,
            last_used_at=row.last_used_at,
        )


@readable(None)
@strawberry.type(description="What the caller has besides a password.")
class Factors:
    """The factors of one person."""

    totp_since: datetime | None = strawberry.field(
        description="Since when a code of an authenticator app is asked for at each sign-in; null while none is set up."
    )
    recovery_codes_left: int = strawberry.field(description="How many of the ten recovery codes were not used yet.")

    @strawberry.field(description="The caller's passkeys, oldest first; at most 20.", directives=loaded(20))
    async def passkeys(self, info: Info) -> list[Passkey]:
        """List the passkeys."""
        return await passkeys_of(info.context)


async def factors_of(context: ApiContext) -> Factors:
    """Return the caller's factors; raise SessionNeeded for every token but that of a sign-in."""
    user_id, _ = await person_behind(context)
    async with context.reads.elsewhere():
        found = await service.factors_of(context.services.database, user_id)
    return Factors(totp_since=found.totp_since, recovery_codes_left=found.codes_left)


async def passkeys_of(context: ApiContext) -> list[Passkey]:
    """Return the caller's passkeys, oldest first; raise SessionNeeded for every token but that of a sign-in."""
    user_id, _ = await person_behind(context)

    async def fetch(of: UUID) -> Sequence[UserPasskeyRow]:
        async with context.reads.elsewhere():
            return await service.list_passkeys(context.services.database, of)

    return [Passkey.of(row) for row in await context.loaders.together("passkeys", fetch).load(user_id)]


@finder(Kind.PASSKEY)
async def _passkey(context: ApiContext, value: UUID) -> Passkey | None:
    try:
        mine = await passkeys_of(context)
    except SessionNeeded:
        return None
    return next((one for one in mine if one.id == gid(Kind.PASSKEY, value)), None)
