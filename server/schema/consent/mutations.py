"""Mutations of consent: topics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import strawberry

from server.consent import service
from server.schema.consent.types import Topic
from server.schema.context import Info
from server.schema.cost import USER_ERRORS
from server.schema.nodes import Kind, found, gid, uid
from server.schema.results import UserError, mutation, perform
from server.tenants import service as tenants
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork


@strawberry.input(description="A new topic.")
class TopicCreateInput:
    """What a topic needs."""

    unit_id: strawberry.ID = strawberry.field(description="The unit that offers it, to itself and everything under it.")
    key: str = strawberry.field(
        description="1 to 120 printable characters, unique at the unit: the payload of the platform's opt-in request."
    )
    name: str = strawberry.field(description="1 to 200 characters.")


@strawberry.type(description="The new topic, or why there is none.")
class TopicCreatePayload:
    """Result of topicCreate."""

    topic: Topic | None = strawberry.field(default=None, description="The new topic.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why there is none.", directives=USER_ERRORS
    )


@strawberry.type
class ConsentMutation:
    """Root fields that change topics."""

    @mutation(Permission.CONSENT_WRITE, TopicCreatePayload, "Offer a topic at a unit. Needs consent:write there.")
    async def topic_create(
        self, info: Info, input: Annotated[TopicCreateInput, strawberry.argument(description="The topic.")]
    ) -> TopicCreatePayload | None:
        """Create a topic."""

        async def effect(uow: UnitOfWork) -> Mapping[str, object]:
            unit = await tenants.unit(uow, uid(Kind.UNIT, input.unit_id, "unitId"))
            row = await service.create_topic(uow, unit.id, input.key, input.name)
            return {"topic": gid(Kind.TOPIC, row.id)}

        done = await perform(info, input, effect)
        return TopicCreatePayload(topic=await found(info.context, done["topic"], Topic))
