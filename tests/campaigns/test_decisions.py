"""Approvals: who may decide, on exactly what, and what an edit or a race does to it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from server.approvals import service as approvals
from server.approvals.errors import AlreadyDecided, ContentChanged, SelfApproval
from server.approvals.models import ApprovalState, Verdict
from server.audit import service as audit
from server.campaigns import service as campaigns
from server.campaigns.errors import RevisionChanged, WrongState
from server.campaigns.models import CampaignRecipientRow, CampaignState
from server.config import Settings
from server.kit.db import Database
from server.kit.errors import NotFound, PermissionDenied, Problems
from server.kit.ids import new_id
from server.kit.jobs import JobRow
from server.kit.pagination import PageArguments
from server.sends.models import SendBatchRow
from server.tenants.rules import Role
from server.tenants.scope import Scope
from server.tenants.uow import begin, begin_read
from tests.factories.campaigns import (
    a_client,
    a_crowd,
    a_submitted,
    an_approved,
)
from tests.factories.channels import a_page
from tests.factories.tenants import a_person

_LATER = datetime.now(UTC) + timedelta(days=2)


async def test_neither_the_author_nor_an_editor_can_approve(database: Database, settings: Settings) -> None:
    client = await a_client(database, settings)
    await a_crowd(database, client, 1)
    owner, editor = [
        await a_person(database, settings, client.agency, client.agency.root_id, Role.OWNER) for _ in range(2)
    ]
    row = await a_submitted(database, replace(client, author=owner))
    async with begin(database, editor.scope) as uow:
        await campaigns.edit(uow, row.id, replace(await campaigns.draft_of(uow, row.id), name="Edited"))
        row = await campaigns.submit(uow, row.id)
    assert row.content_digest is not None

    for person in (owner, editor):
        with pytest.raises(SelfApproval):
            async with begin(database, person.scope) as uow:
                await campaigns.decide(uow, row.id, Verdict.APPROVE, None, row.content_digest)


async def test_the_clients_approver_approves_and_the_start_is_owed_in_the_same_transaction(
    database: Database, settings: Settings
) -> None:
    client = await a_client(database, settings)
    await a_crowd(database, client, 1)

    row = await an_approved(database, client, replace(client.draft, scheduled_at=_LATER))

    assert row.state is CampaignState.SCHEDULED
    async with begin_read(database, client.agency.scope) as uow:
        batch = await uow.session.scalar(select(SendBatchRow).where(SendBatchRow.id == row.id))
        (job,) = await uow.session.scalars(
            select(JobRow).where(JobRow.organization_id == client.agency.id, JobRow.kind == "campaigns.start")
        )
        assert await audit.verify(uow) is None
    assert batch is not None
    assert batch.approved_digest == row.content_digest
    assert abs(job.due_at - _LATER) < timedelta(minutes=1)


async def test_a_second_approval_is_refused(database: Database, settings: Settings) -> None:
    client = await a_client(database, settings)
    await a_crowd(database, client, 1)
    row = await an_approved(database, client)
    second = await a_person(database, settings, client.agency, client.unit_id, Role.APPROVER)

    for person in (client.approver, second):
        with pytest.raises(AlreadyDecided):
            async with begin(database, person.scope) as uow:
                await campaigns.decide(uow, row.id, Verdict.APPROVE, None, row.content_digest or b"")


async def test_approvals_and_edits_at_once_never_leave_unapproved_content_scheduled(
    database: Database, settings: Settings
) -> None:
    client = await a_client(database, settings)
    await a_crowd(database, client, 1)
    approvers = [await a_person(database, settings, client.agency, client.unit_id, Role.APPROVER) for _ in range(6)]
    row = await a_submitted(database, client)

    async def approve(scope: Scope) -> str:
        try:
            async with begin(database, scope) as uow:
                return (
                    await campaigns.decide(uow, row.id, Verdict.APPROVE, None, row.content_digest or b"")
                ).state.value
        except (AlreadyDecided, ContentChanged) as error:
            return error.code

    async def edit(number: int) -> str:
        async with begin(database, client.author.scope) as uow:
            draft = replace(client.draft, name=f"Edit {number}")
            return (await campaigns.edit(uow, row.id, draft)).state.value

    outcomes = await asyncio.gather(*(approve(one.scope) for one in approvers), *(edit(n) for n in range(3)))

    assert outcomes.count("SCHEDULED") <= 1
    async with begin_read(database, client.agency.scope) as uow:
        final = await campaigns.campaign(uow, row.id)
        approval = await approvals.current(uow, row.id)
        batch = await uow.session.scalar(select(SendBatchRow).where(SendBatchRow.id == row.id))
    assert (final.state, final.content_digest, final.revision) == (CampaignState.DRAFT, None, 4)
    assert approval is not None
    assert approval.state is ApprovalState.VOIDED
    assert batch is None or batch.approved_digest is None


async def test_a_rejected_campaign_can_be_edited_and_asked_for_again(database: Database, settings: Settings) -> None:
    client = await a_client(database, settings)
    await a_crowd(database, client, 1)
    row = await a_submitted(database, client)
    async with begin(database, client.approver.scope) as uow:
        rejected = await campaigns.decide(uow, row.id, Verdict.REJECT, "too loud", row.content_digest or b"")
    assert rejected.state is CampaignState.REJECTED

    async with begin(database, client.author.scope) as uow:
        await campaigns.edit(uow, row.id, replace(await campaigns.draft_of(uow, row.id), name="Quieter"))
        again = await campaigns.submit(uow, row.id)
    async with begin(database, client.approver.scope) as uow:
        approved = await campaigns.decide(uow, row.id, Verdict.APPROVE, None, again.content_digest or b"")

    assert approved.state is CampaignState.SCHEDULED


async def test_writing_needs_the_permission_and_another_client_sees_nothing(
    database: Database, settings: Settings
) -> None:
    client = await a_client(database, settings)
    await a_crowd(database, client, 1)
    row = await a_submitted(database, client)
    other = client.agency.units["client 2"]
    stranger = await a_person(database, settings, client.agency, other, Role.MANAGER)

    with pytest.raises(PermissionDenied):
        async with begin(database, client.approver.scope) as uow:
            await campaigns.submit(uow, row.id)
    with pytest.raises(PermissionDenied):
        async with begin(database, client.author.scope) as uow:
            await campaigns.decide(uow, row.id, Verdict.APPROVE, None, row.content_digest or b"")
    for read in (campaigns.campaign, campaigns.results, campaigns.preview, campaigns.draft_of):
        with pytest.raises(NotFound):
            async with begin_read(database, stranger.scope) as uow:
                await read(uow, row.id)
    async with begin_read(database, stranger.scope) as uow:
        assert not (await campaigns.list_campaigns(uow, PageArguments())).items
    async with begin_read(database, client.approver.scope) as uow:
        assert [one.id for one in (await campaigns.list_campaigns(uow, PageArguments())).items] == [row.id]


async def test_a_draft_names_everything_that_is_not_there(database: Database, settings: Settings) -> None:
    client = await a_client(database, settings)
    elsewhere = await a_page(database, client.agency, client.agency.units["client 2"])
    draft = replace(
        client.draft, name=" ", topic_id=new_id(), page_ids=(elsewhere.id,), label_ids=(new_id(),), template_id=new_id()
    )

    with pytest.raises(Problems) as refused:
        async with begin(database, client.author.scope) as uow:
            await campaigns.create_draft(uow, draft)

    found = {problem.path[0] for problem in refused.value.problems}
    assert found == {"name", "topicId", "labelIds", "pageIds", "templateId"}


async def test_a_stale_editor_is_told_and_a_campaign_in_review_cannot_be_submitted_again(
    database: Database, settings: Settings
) -> None:
    client = await a_client(database, settings)
    await a_crowd(database, client, 1)
    row = await a_submitted(database, client)

    with pytest.raises(WrongState):
        async with begin(database, client.author.scope) as uow:
            await campaigns.submit(uow, row.id)
    async with begin(database, client.author.scope) as uow:
        await campaigns.edit(uow, row.id, client.draft, expected_revision=1)
    with pytest.raises(RevisionChanged):
        async with begin(database, client.author.scope) as uow:
            await campaigns.edit(uow, row.id, client.draft, expected_revision=1)


@pytest.mark.parametrize("column", ["text", "recipient_external_id", "skip_reason"])
async def test_a_snapshot_that_was_changed_behind_the_approval_never_runs(
    database: Database, settings: Settings, column: str
) -> None:
    client = await a_client(database, settings)
    people = await a_crowd(database, client, 2)
    row = await an_approved(database, client)
    async with begin(database, client.agency.scope) as uow:
        await uow.session.execute(
            update(CampaignRecipientRow)
            .where(
                CampaignRecipientRow.organization_id == client.agency.id,
                CampaignRecipientRow.contact_id == people[0],
            )
            .values({column: "changed"})
        )

    async with begin(database, client.agency.scope) as uow:
        assert not await campaigns.begin_run(uow, row.id)

    async with begin_read(database, client.agency.scope) as uow:
        found = await campaigns.campaign(uow, row.id)
        approval = await approvals.current(uow, row.id)
    assert found.state is CampaignState.DRAFT
    assert approval is not None
    assert approval.state is ApprovalState.VOIDED
