"""Mutations of sends: a person's word on what nobody else knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import strawberry

from server.inbox import service as inbox
from server.schema.context import Info
from server.schema.cost import USER_ERRORS
from server.schema.nodes import Kind, found, gid, uid
from server.schema.results import UserError, mutation, perform
from server.schema.sends.types import OpenSend
from server.sends import service
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork


@strawberry.input(description="A person's word on a send.")
class SendSettleInput:
    """What settling needs."""

    id: strawberry.ID = strawberry.field(description="A send whose state is NEEDS_HUMAN.")
    arrived: bool = strawberry.field(description="true: the person has the message. false: it is sent again.")


@strawberry.type(description="The settled send, or why it was not.")
class SendSettlePayload:
    """Result of sendSettle."""

    send: OpenSend | None = strawberry.field(default=None, description="The send: SENT, or QUEUED to go out again.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why nothing was changed.", directives=USER_ERRORS
    )


@strawberry.type
class SendsMutation:
    """Root fields that settle sends."""

    @mutation(
        Permission.INBOX_REPLY,
        SendSettlePayload,
        "Say whether a message arrived that nobody else knows about; if not, it is sent again. Needs inbox:reply on its unit.",
        needs_key=True,
    )
    async def send_settle(
        self, info: Info, input: Annotated[SendSettleInput, strawberry.argument(description="The word.")]
    ) -> SendSettlePayload | None:
        """Settle a send."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            send_id = uid(Kind.SEND, input.id, "id")
            settled = await service.settle_by_hand(uow, send_id, has_arrived=input.arrived)
            await inbox.reflect(uow, [settled])
            return {"send": gid(Kind.SEND, settled.send_id)}

        done = await perform(info, input, effect)
        return SendSettlePayload(send=await found(info.context, done["send"], OpenSend))
