"""Traces of reading: what people wrote is private, so whoever reads it by a right from above leaves a trace (S1-01)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from server.audit.actions import Action
from server.audit.repository import reads as repository
from server.audit.service.trail import record_many
from server.tenants.rules import Permission
from server.tenants.scope import ActorKind, Scope
from server.tenants.uow import UnitOfWork

TRACED_EVERY = timedelta(hours=1)


def is_privileged(scope: Scope, unit_id: UUID) -> bool:
    """Say whether the scope reads conversations of the unit by a grant on a unit above it, or as an app."""
    return scope.actor.kind is not ActorKind.WORKER and not scope.is_by_name(Permission.INBOX_READ, unit_id)


async def trace_reads(uow: UnitOfWork, conversations: Mapping[UUID, UUID]) -> None:
    """Write into the trail that the caller reads these conversations (with their units), each at most once an hour.

    One statement when all were traced within the hour, six otherwise, for any number of conversations. Commit it before
    anything of them is shown.
    """
    scope = uow.scope
    new = await repository.note_reads(
        uow.session, scope.organization_id, scope.actor.id, list(conversations), TRACED_EVERY
    )
    if new:
        acts = [(one, {"unit": str(conversations[one]), "byRightFromAbove": True}) for one in sorted(new)]
        await record_many(uow, Action.CONVERSATION_READ, acts)


async def forget_traces(uow: UnitOfWork) -> None:
    """Delete the notes of this organization that say nothing any more."""
    await repository.delete_traces(uow.session, uow.scope.organization_id, TRACED_EVERY)
