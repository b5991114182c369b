"""Writing a campaign and reading it back. Any edit is a new revision and voids what was approved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from server.approvals import service as approvals
from server.audit import service as audit
from server.audit.actions import Action
from server.campaigns.errors import RevisionChanged, TemplateOverridden, WrongState
from server.campaigns.models import CampaignRow, CampaignState
from server.campaigns.repository import audience
from server.campaigns.repository import campaigns as repository
from server.contacts import service as contacts
from server.kit.errors import DomainError, InvalidInput, NotFound, Problems
from server.kit.ids import new_id
from server.kit.pagination import Keyset, Page, PageArguments, SortKey
from server.sends import service as sends
from server.templates import service as templates
from server.tenants.rules import MAX_NAME, Permission
from server.tenants.uow import UnitOfWork

TOPIC = "campaigns"
MAX_PAGES = 100
MAX_LABELS = 50
MAX_REASON = 2_000
MAX_FALLBACK = 200
_EDITABLE = frozenset({CampaignState.DRAFT, CampaignState.IN_REVIEW, CampaignState.REJECTED, CampaignState.SCHEDULED})


@dataclass(frozen=True, slots=True)
class CampaignDraft:
    """What somebody wants to send, to whom, from which pages and when (None: as soon as it is approved).

    The segment is who wears any of the labels; without labels it is everybody, which needs a reason. `fallbacks` stand in
    for missing variables, by the variable's whole name ("contact.first_name").
    """

    unit_id: UUID
    name: str
    topic_id: UUID
    template_id: UUID
    page_ids: tuple[UUID, ...]
    label_ids: tuple[UUID, ...] = ()
    everybody_reason: str | None = None
    fallbacks: Mapping[str, str] = field(default_factory=dict)
    scheduled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Checked:
    version_id: UUID
    pages: Mapping[UUID, UUID]


async def create_draft(uow: UnitOfWork, draft: CampaignDraft) -> CampaignRow:
    """Create a campaign as a draft. Needs campaign:write on the unit; raises Problems with everything that is wrong.

    The words are those of the template that are in force at the unit now; a later version comes in by an edit.
    """
    uow.scope.require(Permission.CAMPAIGN_WRITE, draft.unit_id)
    checked = await _check(uow, draft)
    row = CampaignRow(
        organization_id=uow.scope.organization_id,
        id=new_id(),
        unit_id=draft.unit_id,
        state=CampaignState.DRAFT,
        author_id=uow.scope.actor.id,
        editor_ids=[],
        revision=1,
    )
    _write(row, draft, checked)
    await repository.insert_campaign(uow.session, row)
    await repository.replace_pages(uow.session, row.organization_id, row.id, checked.pages)
    await audit.record(uow, Action.CAMPAIGN_CREATE, row.id, {"name": row.name})
    uow.announce(TOPIC)
    return row


async def edit(
    uow: UnitOfWork, campaign_id: UUID, draft: CampaignDraft, *, expected_revision: int | None = None
) -> CampaignRow:
    """Replace the content; the campaign is a draft again, and what was asked for or approved is void (D-07).

    Needs campaign:write. Raises WrongState once it runs or is over, RevisionChanged if `expected_revision` is not the
    present one, Problems with everything that is wrong. `draft_of` gives the content to change a part of.
    """
    row = await locked(uow, campaign_id, Permission.CAMPAIGN_WRITE)
    if row.state not in _EDITABLE:
        raise WrongState("edited", row.state.value)
    if expected_revision is not None and expected_revision != row.revision:
        raise RevisionChanged(row.revision)
    if draft.unit_id != row.unit_id:
        raise InvalidInput("A campaign stays at its unit. Create another one there.", path=("unitId",))
    checked = await _check(uow, draft)
    was_scheduled = row.state is CampaignState.SCHEDULED
    _write(row, draft, checked)
    row.revision += 1
    actor = str(uow.scope.actor.id)
    if actor not in row.editor_ids:
        row.editor_ids = [*row.editor_ids, actor]
    await uow.session.flush()
    await repository.replace_pages(uow.session, row.organization_id, row.id, checked.pages)
    await unapprove(uow, row, has_batch=was_scheduled)
    await audit.record(uow, Action.CAMPAIGN_EDIT, row.id, {"revision": row.revision})
    return row


async def unapprove(uow: UnitOfWork, row: CampaignRow, *, has_batch: bool) -> None:
    """Make a locked campaign a draft without snapshot, digest and approval."""
    row.state, row.content_digest, row.audience_count = CampaignState.DRAFT, None, 0
    await uow.session.flush()
    await audience.thaw(uow.session, row.organization_id, row.id)
    if has_batch:
        await sends.approve_batch(uow, row.id, None)
    if await approvals.void(uow, row.id):
        await audit.record(uow, Action.CAMPAIGN_VOID, row.id, {"revision": row.revision})
    uow.announce(TOPIC)


def _write(row: CampaignRow, draft: CampaignDraft, checked: _Checked) -> None:
    row.name = draft.name
    row.topic_id = draft.topic_id
    row.template_version_id = checked.version_id
    row.fallbacks = dict(draft.fallbacks)
    row.label_ids = sorted(str(one) for one in set(draft.label_ids))
    row.everybody_reason = draft.everybody_reason
    row.scheduled_at = draft.scheduled_at


async def _check(uow: UnitOfWork, draft: CampaignDraft) -> _Checked:
    organization_id = uow.scope.organization_id
    problems = _form_problems(draft)
    if not await repository.is_offered_at(uow.session, organization_id, draft.topic_id, draft.unit_id):
        problems.append(NotFound(path=("topicId",)))
    found = await contacts.labels_by_id(uow, draft.label_ids)
    if {one.id for one in found} != set(draft.label_ids):
        problems.append(NotFound(path=("labelIds",)))
    pages = await repository.pages_under(uow.session, organization_id, draft.unit_id, draft.page_ids)
    pages = {one: unit_id for one, unit_id in pages.items() if uow.scope.may(Permission.CHANNEL_READ, unit_id)}
    if pages.keys() != set(draft.page_ids):
        problems.append(NotFound(path=("pageIds",)))
    try:
        words = await templates.effective(uow, draft.unit_id, draft.template_id)
    except DomainError as error:
        error.path = ("templateId",)
        raise Problems([*problems, error]) from error
    if words.is_override:
        problems.append(
            TemplateOverridden(
                "This unit has its own wording of the template. Remove it, or make a template of the unit from it.",
                path=("templateId",),
            )
        )
    if problems:
        raise Problems(problems)
    return _Checked(words.version_id, pages)


def _form_problems(draft: CampaignDraft) -> list[DomainError]:
    problems: list[DomainError] = []
    if not draft.name.strip() or len(draft.name) > MAX_NAME or not draft.name.isprintable():
        problems.append(InvalidInput(f"A name has 1 to {MAX_NAME} printable characters.", path=("name",)))
    if len(draft.page_ids) > MAX_PAGES:
        problems.append(InvalidInput(f"A campaign has at most {MAX_PAGES} sender pages.", path=("pageIds",)))
    if len(draft.label_ids) > MAX_LABELS:
        problems.append(InvalidInput(f"A segment has at most {MAX_LABELS} labels.", path=("labelIds",)))
    if draft.everybody_reason is not None and len(draft.everybody_reason) > MAX_REASON:
        problems.append(InvalidInput(f"A reason has at most {MAX_REASON} characters.", path=("everybodyReason",)))
    if draft.scheduled_at is not None and draft.scheduled_at.tzinfo is None:
        problems.append(InvalidInput("A time needs its offset from UTC.", path=("scheduledAt",)))
    if any(not 1 <= len(text) <= MAX_FALLBACK for text in draft.fallbacks.values()):
        problems.append(InvalidInput(f"A fallback has 1 to {MAX_FALLBACK} characters.", path=("fallbacks",)))
    return problems


async def locked(uow: UnitOfWork, campaign_id: UUID, permission: Permission) -> CampaignRow:
    """Return a campaign locked until the transaction ends; raise NotFound or PermissionDenied."""
    row = await repository.lock(uow.session, uow.scope.organization_id, campaign_id)
    if row is None:
        raise NotFound
    uow.scope.require_on(permission, row.unit_id, read_with=Permission.CAMPAIGN_READ)
    return row


async def campaign(uow: UnitOfWork, campaign_id: UUID) -> CampaignRow:
    """Return one campaign; raise NotFound. Needs campaign:read on its unit."""
    row = await repository.campaign(uow.session, uow.scope.organization_id, campaign_id)
    if row is None:
        raise NotFound
    uow.scope.require_on(Permission.CAMPAIGN_READ, row.unit_id, read_with=Permission.CAMPAIGN_READ)
    return row


async def campaigns_by_id(uow: UnitOfWork, ids: Sequence[UUID]) -> Mapping[UUID, CampaignRow]:
    """Return the campaigns with these ids that the caller may read, by id."""
    rows = await repository.campaigns_by_id(uow.session, uow.scope.organization_id, ids)
    return {row.id: row for row in rows if uow.scope.may(Permission.CAMPAIGN_READ, row.unit_id)}


async def list_campaigns(
    uow: UnitOfWork, arguments: PageArguments, *, unit_id: UUID | None = None, state: CampaignState | None = None
) -> Page[CampaignRow]:
    """List the campaigns of units where the caller has campaign:read, newest first."""
    uow.scope.require_anywhere(Permission.CAMPAIGN_READ)
    keyset = Keyset((SortKey(CampaignRow.id, UUID, descending=True),), ["campaigns", unit_id, state])
    rows = await repository.list_campaigns(uow.session, uow.scope, keyset, arguments, unit_id, state)
    return keyset.page(rows, arguments, lambda row: (row.id,))


async def pages_of(uow: UnitOfWork, campaign_ids: Sequence[UUID]) -> Mapping[UUID, list[UUID]]:
    """Return the sender pages of each campaign, by campaign."""
    pages: dict[UUID, list[UUID]] = {one: [] for one in campaign_ids}
    for campaign_id, page_id in await repository.page_ids_of(uow.session, uow.scope.organization_id, campaign_ids):
        pages[campaign_id].append(page_id)
    return pages


async def draft_of(uow: UnitOfWork, campaign_id: UUID) -> CampaignDraft:
    """Return the present content, to change a part of it with `dataclasses.replace` and `edit`. Needs campaign:read."""
    row = await campaign(uow, campaign_id)
    pages = await pages_of(uow, [campaign_id])
    versions = await templates.versions_by_id(uow, [row.template_version_id])
    if not versions:  # whoever may not read the template cannot keep it in a new draft either
        raise NotFound(path=("templateId",))
    return CampaignDraft(
        unit_id=row.unit_id,
        name=row.name,
        topic_id=row.topic_id,
        template_id=versions[0].template_id,
        page_ids=tuple(pages[campaign_id]),
        label_ids=tuple(UUID(one) for one in row.label_ids),
        everybody_reason=row.everybody_reason,
        fallbacks=texts(row.fallbacks),
        scheduled_at=row.scheduled_at,
    )


def texts(values: Mapping[str, object]) -> dict[str, str]:
    """Return a JSON object of texts as such."""
    return {name: str(value) for name, value in values.items()}
