"""Mutations of campaigns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from server.campaigns import service
from server.campaigns.models import CampaignRow
from server.campaigns.service import CampaignDraft
from server.kit.errors import InvalidInput
from server.schema.campaigns.refusals import telling
from server.schema.campaigns.types import Campaign
from server.schema.context import Info
from server.schema.cost import USER_ERRORS
from server.schema.enums import Verdict
from server.schema.nodes import Kind, found, gid, uid, uids
from server.schema.results import UserError, mutation, perform
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork


@strawberry.input(description="What stands in for one missing variable.")
class FallbackInput:
    """A variable and its fallback."""

    name: str = strawberry.field(description='The whole name, for example "contact.first_name".')
    value: str = strawberry.field(description="1 to 200 characters.")


@strawberry.input(description="A new campaign, as a draft.")
class CampaignCreateInput:
    """What a campaign needs."""

    unit_id: strawberry.ID = strawberry.field(description="The unit that it belongs to, for good.")
    name: str = strawberry.field(description="1 to 200 printable characters.")
    topic_id: strawberry.ID = strawberry.field(description="What people have to have said yes to.")
    template_id: strawberry.ID = strawberry.field(
        description="A MARKETING template; what the unit says of it now is taken."
    )
    page_ids: list[strawberry.ID] = strawberry.field(description="The pages to send from, at most 100.")
    label_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="The segment: people who wear any of these labels, at most 50."
    )
    everybody_reason: str | None = strawberry.field(
        default=None, description="Why it goes to everybody; needed without labels. At most 2,000 characters."
    )
    fallbacks: list[FallbackInput] = strawberry.field(
        default_factory=list, description="What stands in for missing variables."
    )
    scheduled_at: datetime | None = strawberry.field(
        default=None, description="Its start, with offset; null for as soon as it is approved."
    )


@strawberry.input(description="A change of a campaign. What is not given stays; the words are taken anew.")
class CampaignEditInput:
    """What may change."""

    campaign_id: strawberry.ID = strawberry.field(description="The campaign.")
    expected_revision: int | None = strawberry.field(
        default=None, description="The revision that was shown; an edit made since then refuses this one."
    )
    name: str | None = strawberry.field(default=None, description="1 to 200 printable characters; null keeps it.")
    topic_id: strawberry.ID | None = strawberry.field(default=None, description="The topic; null keeps it.")
    template_id: strawberry.ID | None = strawberry.field(default=None, description="The template; null keeps it.")
    page_ids: list[strawberry.ID] | None = strawberry.field(default=None, description="All pages; null keeps them.")
    label_ids: list[strawberry.ID] | None = strawberry.field(default=None, description="All labels; null keeps them.")
    everybody_reason: str | None = strawberry.field(
        default=strawberry.UNSET, description="Why it goes to everybody; null takes it out."
    )
    fallbacks: list[FallbackInput] | None = strawberry.field(
        default=None, description="All fallbacks; null keeps them."
    )
    scheduled_at: datetime | None = strawberry.field(
        default=strawberry.UNSET, description="Its start, with offset; null for as soon as it is approved."
    )


@strawberry.input(description="One campaign.")
class CampaignInput:
    """Which campaign."""

    campaign_id: strawberry.ID = strawberry.field(description="The campaign.")


@strawberry.input(description="A verdict on exactly what was shown.")
class CampaignDecideInput:
    """What a decision needs."""

    campaign_id: strawberry.ID = strawberry.field(description="The campaign.")
    verdict: Verdict = strawberry.field(description="What the caller says.")
    comment: str | None = strawberry.field(default=None, description="Why; at most 2,000 characters.")
    content_digest: str = strawberry.field(
        description="The digest of the request that was shown; other content is refused."
    )


@strawberry.type(description="The campaign, or why nothing was done.")
class CampaignPayload:
    """Result of every mutation of a campaign."""

    campaign: Campaign | None = strawberry.field(default=None, description="The campaign as it is now.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list,
        description="Everything that is wrong with the input; nothing was done then.",
        directives=USER_ERRORS,
    )


Which = Annotated[CampaignInput, strawberry.argument(description="Which campaign.")]


@strawberry.type
class CampaignsMutation:
    """Root fields that change campaigns."""

    @mutation(
        Permission.CAMPAIGN_WRITE,
        CampaignPayload,
        "Create a campaign as a draft. Needs campaign:write on the unit. All problems are told at once.",
    )
    async def campaign_create(
        self, info: Info, input: Annotated[CampaignCreateInput, strawberry.argument(description="The campaign.")]
    ) -> CampaignPayload | None:
        """Create a campaign."""
        return await _do(info, input, lambda uow: service.create_draft(uow, _draft(input)))

    @mutation(
        Permission.CAMPAIGN_WRITE,
        CampaignPayload,
        "Change a campaign that has not begun; it is a draft again and approvals are void. Needs campaign:write.",
    )
    async def campaign_edit(
        self, info: Info, input: Annotated[CampaignEditInput, strawberry.argument(description="The change.")]
    ) -> CampaignPayload | None:
        """Edit a campaign."""

        async def change(uow: UnitOfWork) -> CampaignRow:
            campaign_id = uid(Kind.CAMPAIGN, input.campaign_id, "campaignId")
            present = await service.campaign(uow, campaign_id)
            seen = present.revision if input.expected_revision is None else input.expected_revision
            draft = _changed(await service.draft_of(uow, campaign_id), input)
            return await service.edit(uow, campaign_id, draft, expected_revision=seen)

        return await _do(info, input, change)

    @mutation(
        Permission.CAMPAIGN_WRITE,
        CampaignPayload,
        "Freeze the audience and the texts and ask for approval. Needs campaign:write. All problems are told at once.",
        needs_key=True,
    )
    async def campaign_submit(self, info: Info, input: Which) -> CampaignPayload | None:
        """Submit a campaign."""
        return await _do(info, input, lambda uow: service.submit(uow, _id(input)))

    @mutation(
        Permission.CAMPAIGN_APPROVE,
        CampaignPayload,
        "Approve or reject exactly the content of the digest; an approved campaign is scheduled at once. Needs "
        "campaign:approve; nobody decides on what they wrote, and no app does.",
        needs_key=True,
    )
    async def campaign_decide(
        self, info: Info, input: Annotated[CampaignDecideInput, strawberry.argument(description="The verdict.")]
    ) -> CampaignPayload | None:
        """Decide on a campaign."""

        async def decide(uow: UnitOfWork) -> CampaignRow:
            campaign_id = uid(Kind.CAMPAIGN, input.campaign_id, "campaignId")
            digest = _digest(input.content_digest)
            return await service.decide(uow, campaign_id, input.verdict, input.comment, digest)

        return await _do(info, input, decide)

    @mutation(
        Permission.CAMPAIGN_STOP,
        CampaignPayload,
        "Hold a scheduled or running campaign; what is queued waits. Needs campaign:stop.",
    )
    async def campaign_pause(self, info: Info, input: Which) -> CampaignPayload | None:
        """Pause a campaign."""
        return await _do(info, input, lambda uow: service.pause(uow, _id(input)))

    @mutation(
        Permission.CAMPAIGN_STOP,
        CampaignPayload,
        "Let a paused campaign go on where it was. Needs campaign:stop.",
        needs_key=True,
    )
    async def campaign_resume(self, info: Info, input: Which) -> CampaignPayload | None:
        """Resume a campaign."""
        return await _do(info, input, lambda uow: service.resume(uow, _id(input)))

    @mutation(
        Permission.CAMPAIGN_STOP,
        CampaignPayload,
        "End a campaign for good; what is queued is not sent any more. Needs campaign:stop.",
    )
    async def campaign_cancel(self, info: Info, input: Which) -> CampaignPayload | None:
        """Cancel a campaign."""
        return await _do(info, input, lambda uow: service.cancel(uow, _id(input)))


async def _do(info: Info, input: object, act: Callable[[UnitOfWork], Awaitable[CampaignRow]]) -> CampaignPayload:
    async def effect(uow: UnitOfWork) -> Mapping[str, object]:
        with telling():
            row = await act(uow)
        return {"campaign": gid(Kind.CAMPAIGN, row.id)}

    done = await perform(info, input, effect)
    return CampaignPayload(campaign=await found(info.context, done["campaign"], Campaign))


def _id(input: CampaignInput) -> UUID:
    return uid(Kind.CAMPAIGN, input.campaign_id, "campaignId")


def _draft(input: CampaignCreateInput) -> CampaignDraft:
    return CampaignDraft(
        unit_id=uid(Kind.UNIT, input.unit_id, "unitId"),
        name=input.name,
        topic_id=uid(Kind.TOPIC, input.topic_id, "topicId"),
        template_id=uid(Kind.TEMPLATE, input.template_id, "templateId"),
        page_ids=tuple(uids(Kind.PAGE, input.page_ids, "pageIds")),
        label_ids=tuple(uids(Kind.LABEL, input.label_ids, "labelIds")),
        everybody_reason=input.everybody_reason,
        fallbacks=_fallbacks(input.fallbacks),
        scheduled_at=input.scheduled_at,
    )


def _changed(draft: CampaignDraft, input: CampaignEditInput) -> CampaignDraft:
    changes: dict[str, object] = {}
    if input.name is not None:
        changes["name"] = input.name
    if input.topic_id is not None:
        changes["topic_id"] = uid(Kind.TOPIC, input.topic_id, "topicId")
    if input.template_id is not None:
        changes["template_id"] = uid(Kind.TEMPLATE, input.template_id, "templateId")
    if input.page_ids is not None:
        changes["page_ids"] = tuple(uids(Kind.PAGE, input.page_ids, "pageIds"))
    if input.label_ids is not None:
        changes["label_ids"] = tuple(uids(Kind.LABEL, input.label_ids, "labelIds"))
    if input.fallbacks is not None:
        changes["fallbacks"] = _fallbacks(input.fallbacks)
    if input.everybody_reason is not strawberry.UNSET:
        changes["everybody_reason"] = input.everybody_reason
    if input.scheduled_at is not strawberry.UNSET:
        changes["scheduled_at"] = input.scheduled_at
    return replace(draft, **changes)  # type: ignore[arg-type]  # each name is given a value of its field's type above


def _fallbacks(given: list[FallbackInput]) -> dict[str, str]:
    return {one.name: one.value for one in given}


def _digest(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise InvalidInput("A digest is hexadecimal digits.", path=("contentDigest",)) from error
