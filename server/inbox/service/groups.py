"""Conversations of several people (S4-01): who is in them, and whether the channel takes so many (S1-04, S1-05)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from server.channels.service import PageRef
from server.inbox import errors
from server.inbox.models import ConversationKind, ConversationRow, ParticipantRow
from server.inbox.repository import groups as repository
from server.inbox.repository import inbound
from server.platforms.capabilities.capability import Capability
from server.platforms.port import ParticipantsChanged
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork


async def apply_participants(
    uow: UnitOfWork, page: PageRef, group_id: UUID, contact_ids: Sequence[UUID], event: ParticipantsChanged
) -> None:
    """Note who came into a group or left it; the same result for every order and repetition of the news.

    `group_id` is the contact that stands for the group; nobody needs to have written in it yet.
    """
    organization_id = uow.scope.organization_id
    conversation_id = await inbound.lock(uow.session, organization_id, page.id, group_id)
    moment = {"seen_at" if event.is_joined else "left_at": event.occurred_at}
    await repository.note(uow.session, organization_id, page.unit_id, group_id, contact_ids, **moment)
    if conversation_id is not None:
        await inbound.touch(uow.session, organization_id, [conversation_id])
        uow.announce("inbox")


async def participants(uow: UnitOfWork, group_ids: Sequence[UUID]) -> Mapping[UUID, Sequence[ParticipantRow]]:
    """Return the people of each group that the scope may read, by its contact; those who left are among them."""
    units = uow.scope.units_with(Permission.INBOX_READ)
    found: dict[UUID, list[ParticipantRow]] = {}
    for row in await repository.participants(uow.session, uow.scope.organization_id, group_ids, units):
        found.setdefault(row.group_id, []).append(row)
    return found


async def check_size(uow: UnitOfWork, conversation: ConversationRow, capability: Capability) -> None:
    """Raise GroupTooLarge where more people would get the message than the channel allows."""
    if conversation.kind is not ConversationKind.GROUP:
        return
    size = await repository.count_present(uow.session, conversation.organization_id, conversation.contact_id)
    if size > capability.group_size:
        raise errors.GroupTooLarge(size, capability.group_size)
