"""Through what a token or an app is made, and who makes it. What is made so never lives longer.

A sign-in ends all the time, and what somebody makes while signed in is meant to outlive it: there the member is the parent.
What is made through a PERSONAL or SERVICE token hangs on that token, down any number of steps.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from server.auth.repository import tokens as repository
from server.kit.errors import NotFound
from server.tenants.scope import ActorKind, CredentialKind
from server.tenants.uow import UnitOfWork


@dataclass(frozen=True, slots=True)
class Parent:
    """What stands above something new. `token_id` None: its maker does; `unit_ids` None: all that the maker reaches."""

    token_id: UUID | None = None
    maker_id: UUID | None = None
    expires_at: datetime | None = None
    unit_ids: Collection[UUID] | None = None

    def cut(self, until: datetime | None) -> datetime | None:
        """Return an end that does not lie beyond the parent's; None for never."""
        ends = [one for one in (until, self.expires_at) if one is not None]
        return min(ends, default=None)


async def parent_of(uow: UnitOfWork) -> Parent:
    """Return what the caller makes things through. Where an app makes them, the person who answers for it is the maker."""
    actor, credential = uow.scope.actor, uow.scope.credential
    member_id = actor.id if actor.kind is ActorKind.MEMBER else None
    if credential is None:
        return Parent(maker_id=member_id)
    row = await repository.token(uow.session, uow.scope.organization_id, credential.token_id)
    if row is None:  # deleted since the request began
        raise NotFound
    if credential.kind is CredentialKind.SESSION:
        return Parent(maker_id=member_id, unit_ids=row.unit_ids)
    return Parent(row.id, member_id or row.owner_id or row.maker_id, row.expires_at, row.unit_ids)
