"""A page's own public comment as the witness of a reply of ours whose outcome nobody knew."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from server.platforms.port import OutgoingKind
from server.sends.repository import witness as repository
from server.sends.repository.intents import SettledSend
from server.sends.rules import CLOCK_SKEW, normalise
from server.tenants.uow import UnitOfWork


@dataclass(frozen=True, slots=True)
class OwnComment:
    """What the page wrote in public: below which comments it may stand, in which words, and when."""

    platform_id: str
    below: tuple[str, ...]
    text: str
    occurred_at: datetime


async def settle_comment_reply(uow: UnitOfWork, page_id: UUID, own: OwnComment) -> SettledSend | None:
    """Mark the oldest unknown reply in these words below one of these comments as sent; None if there is none.

    A comment that some send carries already proves nothing about another one.
    """
    organization_id = uow.scope.organization_id
    if await repository.is_attributed(uow.session, organization_id, page_id, own.platform_id):
        return None
    unknown = await repository.unknown_replies(
        uow.session, organization_id, page_id, OutgoingKind.COMMENT_REPLY, own.below, own.occurred_at + CLOCK_SKEW
    )
    for row in unknown:
        if normalise(row.text) == normalise(own.text):
            return await repository.settle(uow.session, organization_id, row.id, own.platform_id, own.occurred_at)
    return None
