"""GraphQL types of campaigns: what is planned, what a dry run says, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import strawberry

from server.campaigns import service
from server.campaigns.models import CampaignRow
from server.schema.approvals.types import ApprovalRequest
from server.schema.audit.types import NamedValue
from server.schema.campaigns.refusals import told
from server.schema.channels.types import Page
from server.schema.consent.types import Topic
from server.schema.contacts.types import Label
from server.schema.context import ApiContext, Info
from server.schema.cost import LOADED, held, loaded
from server.schema.declarations import Requires, readable
from server.schema.enums import CampaignState, Permission
from server.schema.nodes import Kind, Node, finder, gid
from server.schema.results import UserError, shown
from server.schema.scalars import Money
from server.schema.templates.types import TemplateVersion
from server.schema.tenants.types import Member, Unit


@readable(Permission.CAMPAIGN_READ)
@strawberry.type(description="How many people share one reason.")
class ReasonCount:
    """A reason and a count."""

    reason: str = strawberry.field(description='A stable code such as "NO_CONSENT".')
    count: int = strawberry.field(description="How many people.")

    @classmethod
    def all_of(cls, counts: Mapping[str, int]) -> list[ReasonCount]:
        """Show counts by reason, the most frequent first."""
        ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
        return [cls(reason=reason, count=count) for reason, count in ordered]


@readable(Permission.CAMPAIGN_READ)
@strawberry.type(
    description="What became of a campaign. queued, sent, unknown, all of failed and all of skipped add up to audience."
)
class CampaignResults:
    """Sums of a campaign."""

    audience: int = strawberry.field(description="How many people the segment had when it was submitted.")
    queued: int = strawberry.field(description="How many still wait for their message.")
    sent: int = strawberry.field(description="How many messages the platform took.")
    delivered: int = strawberry.field(description="How many of the sent ones reached a device.")
    read: int = strawberry.field(description="How many of the delivered ones were read.")
    failed: list[ReasonCount] = strawberry.field(
        description="How many the platform refused, by its reason.", directives=held(20)
    )
    skipped: list[ReasonCount] = strawberry.field(
        description="How many were left out on our side, by reason.", directives=held(20)
    )
    unknown: int = strawberry.field(description="How many may or may not have been sent; they are never sent again.")
    spend: list[Money] | None = strawberry.field(
        directives=[*held(10), Requires(permission=Permission.COST_READ.value)],
        description="What the platforms charged so far, one amount per currency. Needs cost:read on the unit, else null.",
    )
    cost_per_delivered: Money | None = strawberry.field(
        directives=[Requires(permission=Permission.COST_READ.value)],
        description="Null without cost:read, when nothing was delivered, or when the costs are in several currencies.",
    )

    @classmethod
    def of(cls, found: service.CampaignResults) -> CampaignResults:
        """Show results."""
        cost = found.cost_per_delivered
        return cls(
            audience=found.audience,
            queued=found.queued,
            sent=found.sent,
            delivered=found.delivered,
            read=found.read,
            failed=ReasonCount.all_of(found.failed),
            skipped=ReasonCount.all_of(found.skipped),
            unknown=found.unknown,
            spend=None if found.spend is None else [Money.of(one) for one in found.spend],
            cost_per_delivered=None if cost is None else Money.of(cost),
        )


@readable(Permission.CAMPAIGN_READ)
@strawberry.type(description="The text that one person would get.")
class CampaignSample:
    """A rendered text."""

    contact_id: strawberry.ID = strawberry.field(description="The person.")
    text: str = strawberry.field(description="The text with the person's values filled in.")


@readable(Permission.CAMPAIGN_READ)
@strawberry.type(description="A person for whom variables have no value and no fallback.")
class MissingRecipient:
    """A person with gaps."""

    contact_id: strawberry.ID = strawberry.field(description="The person.")
    variables: list[str] = strawberry.field(description="The variables without a value.", directives=held(50))


@readable(Permission.CAMPAIGN_READ)
@strawberry.type(description="A dry run: what submitting the campaign now would do. Nothing is stored or sent.")
class CampaignPreview:
    """A dry run."""

    audience: int = strawberry.field(description="How many people the segment has now.")
    eligible: int = strawberry.field(description="How many of them would get the campaign.")
    skipped: list[ReasonCount] = strawberry.field(description="How many would not, by reason.", directives=held(20))
    missing_variables: list[str] = strawberry.field(
        description="Variables that the people listed below lack.", directives=held(50)
    )
    missing_recipients: list[MissingRecipient] = strawberry.field(
        description="The first 20 people who lack one.", directives=held(25)
    )
    samples: list[CampaignSample] = strawberry.field(
        description="The texts of the first 20 who would get it.", directives=held(20)
    )
    problems: list[UserError] = strawberry.field(
        description="Everything that forbids to submit it now.", directives=held(100)
    )

    @classmethod
    def of(cls, found: service.Preview) -> CampaignPreview:
        """Show a dry run."""
        return cls(
            audience=found.audience,
            eligible=found.eligible,
            skipped=ReasonCount.all_of(found.skipped),
            missing_variables=sorted({name for _, names in found.missing for name in names}),
            missing_recipients=[
                MissingRecipient(contact_id=gid(Kind.CONTACT, one), variables=list(names))
                for one, names in found.missing
            ],
            samples=[
                CampaignSample(contact_id=gid(Kind.CONTACT, one.contact_id), text=one.text) for one in found.samples
            ],
            problems=[shown(told(one)) for one in found.problems],
        )


@readable(Permission.CAMPAIGN_READ)
@strawberry.type(
    description="A planned marketing send. An edit after submit makes it a draft again and voids approvals."
)
class Campaign(Node):
    """A campaign."""

    name: str = strawberry.field(description="What people call it.")
    state: CampaignState = strawberry.field(description="Where it stands.")
    fallbacks: list[NamedValue] = strawberry.field(
        description="What stands in for missing variables.", directives=held(20)
    )
    everybody_reason: str | None = strawberry.field(description="Why it goes to everybody, if it has no labels.")
    scheduled_at: datetime | None = strawberry.field(description="Its start; null for as soon as it is approved.")
    audience_count: int = strawberry.field(description="How many people the segment had at submit; 0 for a draft.")
    content_digest: str | None = strawberry.field(
        description="SHA-256 of all that an approval signs, in hexadecimal digits; null for a draft."
    )
    revision: int = strawberry.field(description="Raised by every edit.")
    created_at: datetime = strawberry.field(description="When it was created.")
    started_at: datetime | None = strawberry.field(description="When it began to send.")
    finished_at: datetime | None = strawberry.field(description="When it was done or cancelled.")
    row: strawberry.Private[CampaignRow]

    @classmethod
    def of(cls, row: CampaignRow) -> Campaign:
        """Show a campaign."""
        return cls(
            id=gid(Kind.CAMPAIGN, row.id),
            name=row.name,
            state=row.state,
            fallbacks=NamedValue.all_of(row.fallbacks),
            everybody_reason=row.everybody_reason,
            scheduled_at=row.scheduled_at,
            audience_count=row.audience_count,
            content_digest=None if row.content_digest is None else bytes(row.content_digest).hex(),
            revision=row.revision,
            created_at=row.created_at,
            started_at=row.started_at,
            finished_at=row.finished_at,
            row=row,
        )

    @strawberry.field(description="The unit that it belongs to.", directives=LOADED)
    async def unit(self, info: Info) -> Unit | None:
        """Resolve the unit."""
        row = await info.context.loaders.units.load(self.row.unit_id)
        return None if row is None else Unit.of(row)

    @strawberry.field(description="Who wrote it first; null when an app did.", directives=LOADED)
    async def author(self, info: Info) -> Member | None:
        """Resolve the author."""
        row = await info.context.loaders.members.load(self.row.author_id)
        return None if row is None else Member.of(row)

    @strawberry.field(description="What people have to have said yes to.", directives=LOADED)
    async def topic(self, info: Info) -> Topic | None:
        """Resolve the topic."""
        row = await info.context.loaders.topics.load(self.row.topic_id)
        return None if row is None else Topic.of(row)

    @strawberry.field(description="The words. Needs template:read.", directives=LOADED)
    async def template_version(self, info: Info) -> TemplateVersion | None:
        """Resolve the words."""
        row = await info.context.loaders.template_versions.load(self.row.template_version_id)
        return None if row is None else TemplateVersion.of(row)

    @strawberry.field(
        description="The pages that it is sent from, as far as the caller has channel:read there.",
        directives=loaded(25),
    )
    async def pages(self, info: Info) -> list[Page]:
        """List sender pages."""
        loaders, scope = info.context.loaders, info.context.scope
        rows = await loaders.pages.load_many(await loaders.pages_of_campaigns.load(self.row.id) or [])
        return [Page.of(row) for row in rows if row is not None and scope.may(Permission.CHANNEL_READ, row.unit_id)]

    @strawberry.field(
        description="The segment: people who wear any of these labels; empty for everybody.", directives=loaded(10)
    )
    async def labels(self, info: Info) -> list[Label]:
        """List the segment's labels."""
        rows = await info.context.loaders.labels.load_many([UUID(one) for one in self.row.label_ids])
        return [Label.of(row) for row in rows if row is not None]

    @strawberry.field(
        description="The newest request for approval; null if none was ever asked for.", directives=LOADED
    )
    async def approval(self, info: Info) -> ApprovalRequest | None:
        """Resolve the approval."""
        row = await info.context.loaders.approvals_of_subjects.load(self.row.id)
        return None if row is None else ApprovalRequest.of(row)

    @strawberry.field(description="What became of it so far, counted now.", directives=LOADED)
    async def results(self, info: Info) -> CampaignResults | None:
        """Sum it up."""
        return CampaignResults.of(await info.context.loaders.results_of_campaigns.load(self.row.id))

    @strawberry.field(
        description="A dry run over its whole segment, for at most 3 campaigns of a request. Needs campaign:write, else "
        "null.",
        directives=LOADED,
    )
    async def preview(self, info: Info) -> CampaignPreview | None:
        """Try it."""
        if not info.context.scope.may(Permission.CAMPAIGN_WRITE, self.row.unit_id):
            return None
        return CampaignPreview.of(await info.context.loaders.previews.load(self.row.id))


@finder(Kind.CAMPAIGN)
async def _campaign(context: ApiContext, value: UUID) -> Campaign | None:
    row = await context.loaders.campaigns.load(value)
    return None if row is None else Campaign.of(row)
