"""People who are invited, and what is mailed to them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Iterable
from uuid import UUID

from sqlalchemy import select

from server.auth import service as auth
from server.auth.models import DevMailRow
from server.auth.service import GivenRole, NewInvitation
from server.kit.db import Database
from server.kit.errors import DomainError
from server.kit.ids import new_id
from server.tenants.rules import Role
from server.tenants.uow import begin, system_scope
from tests.factories.tenants import APerson
from tests.workshop import Workshop

_LINK = re.compile(r"/invitations/(swb_inv_\S+)")


def an_address() -> str:
    """An e-mail address that nobody has yet."""
    return f"{new_id().hex}@example.test"


async def an_offer(database: Database, inviter: APerson, unit_id: UUID, role: Role, email: str) -> UUID:
    """Offer a role on a unit to an address; the mail is owed."""
    async with begin(database, inviter.scope) as uow:
        row = await auth.create_invitation(uow, NewInvitation(email, "Grace", unit_id, GivenRole(role)))
    return row.id


async def a_link(
    database: Database, workshop: Workshop, inviter: APerson, unit_id: UUID, role: Role, email: str
) -> str:
    """Offer a role on a unit to an address and let the mail be sent; return the secret of its link."""
    await an_offer(database, inviter, unit_id, role, email)
    await workshop.settle(inviter.scope.organization_id)
    return (await links_to(database, email))[-1]


async def mails_to(database: Database, email: str) -> list[str]:
    """Return the texts of what was mailed to an address, oldest first."""
    async with system_scope(database) as session:
        statement = select(DevMailRow.body).where(DevMailRow.recipient == email).order_by(DevMailRow.id)
        return list(await session.scalars(statement))


async def links_to(database: Database, email: str) -> list[str]:
    """Return the secrets of the links that were mailed to an address, oldest first."""
    return [found[1] for text in await mails_to(database, email) for found in [_LINK.search(text)] if found]


async def outcomes(attempts: Iterable[Awaitable[object]]) -> list[str]:
    """Run everything at once; return "done" or the code of the refusal for each, sorted."""
    told = await asyncio.gather(*attempts, return_exceptions=True)
    for one in told:
        if isinstance(one, BaseException) and not isinstance(one, DomainError):
            raise one
    return sorted(one.code if isinstance(one, DomainError) else "done" for one in told)
