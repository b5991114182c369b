"""From draft to approval: the dry run, submit with all problems at once, and the decision on exactly what was frozen."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from server.approvals import service as approvals
from server.approvals.errors import AlreadyDecided
from server.approvals.models import ApprovalRequestRow, ApprovalState, Verdict
from server.audit import service as audit
from server.audit.actions import Action
from server.campaigns.errors import (
    MissingValues,
    NoAudience,
    PageNotReady,
    ScheduleInPast,
    SegmentTooWide,
    TextTooLong,
    UnusedFallback,
    WrongPurpose,
    WrongState,
)
from server.campaigns.jobs import StartCampaign
from server.campaigns.models import CampaignRow, CampaignState
from server.campaigns.repository import audience
from server.campaigns.repository import campaigns as repository
from server.campaigns.repository.campaigns import SenderPage
from server.campaigns.rules import (
    Assessed,
    Content,
    FrozenRecipient,
    Roll,
    Tally,
    Wording,
    assess,
    digest,
)
from server.campaigns.service.drafts import TOPIC, campaign, locked, texts
from server.channels.models import Health
from server.kit.errors import DomainError, NotFound, Problems
from server.platforms.capabilities import catalogue
from server.platforms.capabilities.capability import Capability
from server.platforms.port import Channel
from server.sends import service as sends
from server.templates import service as templates
from server.templates.errors import TemplateArchived
from server.templates.models import ReplyTemplateRow, TemplatePurpose, TemplateVersionRow
from server.tenants import service as tenants
from server.tenants.rules import Permission
from server.tenants.settings import ApprovalPolicy, SettingName
from server.tenants.uow import UnitOfWork

_ABLE = frozenset({Health.HEALTHY, Health.EXPIRING})


@dataclass(frozen=True, slots=True)
class Sample:
    """The text that one person would get."""

    contact_id: UUID
    page_id: UUID
    text: str


@dataclass(frozen=True, slots=True)
class Preview:
    """The dry run: who would get the campaign now, who would not and why, and what still forbids to submit it.

    `eligible` plus all of `skipped` is `audience`. `samples` and `missing` (contact id and variables) list up to 20.
    """

    audience: int
    eligible: int
    skipped: Mapping[str, int]
    samples: Sequence[Sample]
    missing: Sequence[tuple[UUID, tuple[str, ...]]]
    problems: Sequence[DomainError]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a verdict and the digest need besides the people."""

    row: CampaignRow
    template: ReplyTemplateRow
    version: TemplateVersionRow
    pages: Sequence[SenderPage]
    capabilities: Mapping[Channel, Capability]
    now: datetime

    @property
    def wording(self) -> Wording:
        return Wording(self.version.body, texts(self.row.fallbacks), self.capabilities)


async def preview(uow: UnitOfWork, campaign_id: UUID) -> Preview:
    """Count who would get the campaign if it were submitted now, by the same function; writes nothing.

    Needs campaign:write on its unit (drafts name contacts who are not in any snapshot yet).
    """
    row = await campaign(uow, campaign_id)
    uow.scope.require(Permission.CAMPAIGN_WRITE, row.unit_id)
    plan = await _plan(uow, row)
    tally = Tally()
    async for part in _verdicts(uow, plan):
        for one in part:
            tally.add(one)
    return Preview(
        audience=tally.audience,
        eligible=tally.eligible,
        skipped=tally.skipped,
        samples=[Sample(one.person.contact_id, one.person.page_id, one.text or "") for one in tally.samples],
        missing=tally.missing,
        problems=[*_problems(plan), *_audience_problems(tally)],
    )


async def submit(uow: UnitOfWork, campaign_id: UUID) -> CampaignRow:
    """Freeze the audience with a text for each person, bind it all in a digest, and ask for approval.

    Needs campaign:write. Raises WrongState, or Problems with everything that forbids it; then nothing is written.
    """
    row = await locked(uow, campaign_id, Permission.CAMPAIGN_WRITE)
    if row.state not in {CampaignState.DRAFT, CampaignState.REJECTED}:
        raise WrongState("submitted", row.state.value)
    plan = await _plan(uow, row)
    await audience.thaw(uow.session, row.organization_id, row.id)
    tally, roll = Tally(), Roll()
    async for part in _verdicts(uow, plan):
        await audience.freeze(uow.session, row, part)
        for one in part:
            tally.add(one)
            roll.add(_frozen(one))
    problems = [*_problems(plan), *_audience_problems(tally)]
    if problems:
        raise Problems(problems)
    row.state, row.audience_count = CampaignState.IN_REVIEW, tally.audience
    row.content_digest = digest(_content(plan, roll.value()))
    await uow.session.flush()
    await approvals.request(uow, _question(plan, tally, row.content_digest, await quorum_of(uow, plan.pages)))
    await audit.record(uow, Action.CAMPAIGN_SUBMIT, row.id, {"digest": row.content_digest.hex()})
    uow.announce(TOPIC)
    return row


async def decide(
    uow: UnitOfWork, campaign_id: UUID, verdict: Verdict, comment: str | None, expected_digest: bytes
) -> CampaignRow:
    """Approve or reject exactly the content of `expected_digest`; an approved campaign is scheduled at once.

    Needs campaign:approve on its unit. Raises what approvals.decide raises, and WrongState for one never submitted.
    """
    row = await locked(uow, campaign_id, Permission.CAMPAIGN_APPROVE)
    waiting = await approvals.current(uow, row.id)
    if waiting is None:
        raise WrongState("decided on", row.state.value)
    decided = await approvals.decide(uow, waiting.id, verdict, comment, expected_digest)
    if row.state is not CampaignState.IN_REVIEW or row.content_digest is None:
        raise AlreadyDecided(row.state.value)
    if decided.state is ApprovalState.APPROVED:
        await _schedule(uow, row, row.content_digest)
    elif decided.state is ApprovalState.REJECTED:
        row.state = CampaignState.REJECTED
    await uow.session.flush()
    act = Action.CAMPAIGN_APPROVE if verdict is Verdict.APPROVE else Action.CAMPAIGN_REJECT
    await audit.record(uow, act, row.id, {"digest": expected_digest.hex(), "request": str(decided.id)})
    uow.announce(TOPIC)
    return row


async def _schedule(uow: UnitOfWork, row: CampaignRow, approved: bytes) -> None:
    row.state = CampaignState.SCHEDULED
    await sends.open_batch(uow, row.id, row.unit_id)
    await sends.approve_batch(uow, row.id, approved)
    uow.defer(StartCampaign(row.id), key=str(row.id), delay=await until_start(uow, row))


async def until_start(uow: UnitOfWork, row: CampaignRow) -> timedelta:
    """Return how long the campaign's start is away; zero when its time has come."""
    if row.scheduled_at is None:
        return timedelta()
    return max(row.scheduled_at - await uow.now(), timedelta())


async def quorum_of(uow: UnitOfWork, pages: Sequence[SenderPage]) -> int:
    """Return how many people have to approve what goes out from these pages now: the most that any of their units asks."""
    name = SettingName.APPROVAL_POLICY
    found = await tenants.effective_many(uow, {page.unit_id for page in pages}, [name])
    asked = [one[name].value for one in found.values()]
    return max((one.quorum for one in asked if isinstance(one, ApprovalPolicy)), default=1)


async def current_digest(uow: UnitOfWork, row: CampaignRow) -> bytes:
    """Derive the digest again from what the tables hold now, to compare it with what was approved (D-07)."""
    roll = Roll()
    async for one in audience.snapshot(uow.session, row.organization_id, row.id):
        roll.add(one)
    return digest(_content(await _plan(uow, row), roll.value()))


async def _plan(uow: UnitOfWork, row: CampaignRow) -> _Plan:
    versions = await templates.versions_by_id(uow, [row.template_version_id])
    owners = await templates.templates_by_id(uow, [one.template_id for one in versions])
    if not versions or not owners:
        raise NotFound(path=("templateId",))
    pages = await repository.sender_pages(uow.session, row.organization_id, row.id)
    now = await uow.now()
    capabilities = {channel: catalogue.at(channel, now) for channel in {page.channel for page in pages}}
    return _Plan(row, owners[0], versions[0], pages, capabilities, now)


async def _verdicts(uow: UnitOfWork, plan: _Plan) -> AsyncIterator[list[Assessed]]:
    wording = plan.wording
    async for people in audience.segment(uow.session, plan.row):
        yield [assess(person, wording, plan.now) for person in people]


def _frozen(one: Assessed) -> FrozenRecipient:
    person = one.person
    return FrozenRecipient(person.contact_id, person.page_id, person.recipient_external_id, one.text, one.skip_reason)


def _content(plan: _Plan, recipients: str) -> Content:
    row = plan.row
    return Content(
        campaign_id=row.id,
        unit_id=row.unit_id,
        name=row.name,
        topic_id=row.topic_id,
        template_version_id=row.template_version_id,
        template_digest=bytes(plan.version.digest),
        fallbacks=texts(row.fallbacks),
        label_ids=row.label_ids,
        everybody_reason=row.everybody_reason,
        scheduled_at=row.scheduled_at,
        page_ids=[page.id for page in plan.pages],
        recipients=recipients,
    )


def _question(plan: _Plan, tally: Tally, content_digest: bytes, quorum: int) -> approvals.ApprovalQuestion:
    row = plan.row
    return approvals.ApprovalQuestion(
        subject_kind="CAMPAIGN",
        subject_id=row.id,
        unit_id=row.unit_id,
        digest=content_digest,
        summary={
            "name": row.name,
            "wording": plan.version.body,
            "pages": [page.name for page in plan.pages],
            "audience": tally.audience,
            "eligible": tally.eligible,
            "skipped": tally.skipped,
            "everybodyReason": row.everybody_reason,
            "scheduledAt": None if row.scheduled_at is None else row.scheduled_at.isoformat(),
            "revision": row.revision,
        },
        author_ids=frozenset({row.author_id, *(UUID(one) for one in row.editor_ids)}),
        quorum=quorum,
    )


def _problems(plan: _Plan) -> list[DomainError]:
    problems: list[DomainError] = []
    row = plan.row
    if plan.template.purpose is not TemplatePurpose.MARKETING:
        problems.append(WrongPurpose("A campaign needs a template for marketing.", path=("templateId",)))
    if plan.template.archived_at is not None:
        problems.append(TemplateArchived("This template was archived. Use another one.", path=("templateId",)))
    unused = sorted(row.fallbacks.keys() - set(plan.version.variables))
    if unused:
        problems.append(UnusedFallback(f"The template has no variable {', '.join(unused)}.", path=("fallbacks",)))
    if not row.label_ids and not (row.everybody_reason or "").strip():
        problems.append(SegmentTooWide("Choose labels, or write why everybody gets this.", path=("everybodyReason",)))
    if row.scheduled_at is not None and row.scheduled_at < plan.now:
        problems.append(ScheduleInPast("The planned start has passed. Choose a later one.", path=("scheduledAt",)))
    return [*problems, *_page_problems(plan)]


def _page_problems(plan: _Plan) -> list[DomainError]:
    if not plan.pages:
        return [PageNotReady("A campaign needs at least one sender page.", path=("pageIds",))]
    flaws = {
        "cannot be paid for: connect an ad account": [page.id for page in plan.pages if page.ad_account_id is None],
        "are not healthy: connect them again": [
            page.id
            for page in plan.pages
            if not page.is_connected or page.page_health not in _ABLE or page.account_health not in _ABLE
        ],
        "belong to an archived unit: restore it": [page.id for page in plan.pages if not page.is_at_work],
        "are on a channel without paid marketing messages": [
            page.id for page in plan.pages if not plan.capabilities[page.channel].offers_marketing
        ],
    }
    return [
        PageNotReady(f"Some sender pages {flaw}.", path=("pageIds",), data={"pageIds": [str(one) for one in pages]})
        for flaw, pages in flaws.items()
        if pages
    ]


def _audience_problems(tally: Tally) -> list[DomainError]:
    problems: list[DomainError] = []
    if tally.missing:
        listed = [{"contactId": str(one), "variables": list(names)} for one, names in tally.missing]
        problems.append(
            MissingValues(
                "Some recipients have no value for a variable. Give a fallback for it.",
                path=("fallbacks",),
                data={
                    "recipients": listed,
                    "variables": sorted({name for _, names in tally.missing for name in names}),
                },
            )
        )
    if tally.too_long:
        problems.append(
            TextTooLong(
                "For some recipients the text is longer than the channel takes. Shorten the template.",
                path=("templateId",),
                data={"recipients": [{"contactId": str(one)} for one in tally.too_long]},
            )
        )
    if tally.eligible == 0 and not problems:
        problems.append(
            NoAudience(
                "Nobody would get this campaign. Widen the segment, or wait for people who say yes to the topic.",
                path=("labelIds",),
                data={"audience": tally.audience, "skipped": dict(tally.skipped)},
            )
        )
    return problems


async def approval_of(uow: UnitOfWork, row: CampaignRow) -> ApprovalRequestRow | None:
    """Return the approval under which a campaign may run; None if there is none for exactly its digest."""
    found = await approvals.current(uow, row.id)
    if found is None or found.state is not ApprovalState.APPROVED or row.content_digest is None:
        return None
    return found if bytes(found.content_digest) == bytes(row.content_digest) else None
