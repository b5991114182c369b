"""From draft to approval: everything wrong at once, one verdict per person, and an approval of exactly that (D-07, D-09)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from server.approvals import service as approvals
from server.approvals.errors import ContentChanged
from server.approvals.models import ApprovalState, Verdict
from server.campaigns import service as campaigns
from server.campaigns.models import CampaignState
from server.campaigns.service import CampaignDraft
from server.channels.models import Health, PageRow
from server.config import Settings
from server.consent import service as consent
from server.consent.models import SuppressionReason
from server.contacts import service as contacts
from server.kit.db import Database
from server.kit.errors import Problems
from server.sends.models import SendBatchRow
from server.templates import service as templates
from server.templates.models import TemplatePurpose
from server.tenants.uow import begin, begin_read
from tests.factories.campaigns import (
    AClient,
    a_client,
    a_crowd,
    a_submitted,
    an_approved,
    known_at,
    say,
    snapshot_of,
)
from tests.factories.channels import a_page


async def test_the_dry_run_and_submit_give_the_same_verdicts_and_they_sum_to_the_audience(
    database: Database, settings: Settings
) -> None:
    client = await a_client(database, settings)
    await a_crowd(database, client, 3)
    await a_crowd(database, client, 2, says_yes=False)
    await a_crowd(database, client, 1, says_yes=None)
    (silenced,) = await a_crowd(database, client, 1)
    async with begin(database, client.agency.scope) as uow:
        await consent.suppress(uow, silenced, SuppressionReason.MANUAL)
    async with begin(database, client.author.scope) as uow:
        row = await campaigns.create_draft(uow, client.draft)

    async with begin_read(database, client.author.scope) as uow:
        dry = await campaigns.preview(uow, row.id)
    async with begin(database, client.author.scope) as uow:
        await campaigns.submit(uow, row.id)
    async with begin_read(database, client.author.scope) as uow:
        frozen = await campaigns.results(uow, row.id)

    assert (dry.audience, dry.eligible, dry.skipped) == (7, 3, {"NO_CONSENT": 3, "SUPPRESSED": 1})
    assert dry.eligible + sum(dry.skipped.values()) == dry.audience
    assert (frozen.audience, frozen.queued, frozen.skipped) == (dry.audience, dry.eligible, dry.skipped)
    assert {one.text for one in dry.samples} == {"Hi Grace, bread is half price at Bakery today."}
    assert dry.problems == []


async def test_a_person_on_two_pages_is_asked_once_from_the_page_they_said_yes_to(
    database: Database, settings: Settings
) -> None:
    client = await a_client(database, settings)
    second = await a_page(database, client.agency, client.unit_id, name="Second bakery")
    (here,) = await a_crowd(database, client, 1)
    (there,) = await a_crowd(database, client, 1, says_yes=False)
    (both,) = await a_crowd(database, client, 1)
    for person in (here, there, both):
        await known_at(database, client, person, second)
    await say(database, client, [there, both], page=second)

    row = await a_submitted(database, client, replace(client.draft, page_ids=(second.id, client.page.id)))

    chosen = {one.contact_id: one.page_id for one in await snapshot_of(database, client, row.id)}
    assert chosen == {here: client.page.id, there: second.id, both: min(client.page.id, second.id)}


async def test_submit_tells_all_problems_at_once_and_writes_nothing(database: Database, settings: Settings) -> None:
    client = await a_client(database, settings)
    poor = await a_page(database, client.agency, client.unit_id, ad_account_id=None)
    await _make_unhealthy(database, client)
    async with begin(database, client.agency.scope) as uow:
        reply = await templates.create_template(
            uow, unit_id=client.unit_id, name="A reply", purpose=TemplatePurpose.REPLY, body="Hello"
        )
    draft = replace(
        client.draft,
        template_id=reply.id,
        page_ids=(client.page.id, poor.id),
        label_ids=(),
        fallbacks={"contact.name": "you"},
        scheduled_at=datetime.now(UTC) - timedelta(minutes=1),
    )
    async with begin(database, client.author.scope) as uow:
        row = await campaigns.create_draft(uow, draft)

    with pytest.raises(Problems) as refused:
        async with begin(database, client.author.scope) as uow:
            await campaigns.submit(uow, row.id)

    assert sorted(problem.code for problem in refused.value.problems) == [
        "campaign.no_audience",
        "campaign.page_not_ready",
        "campaign.page_not_ready",
        "campaign.schedule_in_past",
        "campaign.segment_too_wide",
        "campaign.unused_fallback",
        "campaign.wrong_purpose",
    ]
    flawed = [one.data["pageIds"] for one in refused.value.problems if one.code == "campaign.page_not_ready"]
    assert flawed == [[str(poor.id)], [str(client.page.id)]]
    async with begin_read(database, client.author.scope) as uow:
        assert (await campaigns.campaign(uow, row.id)).state is CampaignState.DRAFT
        assert await approvals.current(uow, row.id) is None


async def _make_unhealthy(database: Database, client: AClient) -> None:
    async with begin(database, client.agency.scope) as uow:
        await uow.session.execute(
            update(PageRow)
            .where(PageRow.organization_id == client.agency.id, PageRow.id == client.page.id)
            .values(health=Health.RECONNECT_NEEDED)
        )


async def test_recipients_without_a_value_are_listed_until_there_is_a_fallback(
    database: Database, settings: Settings
) -> None:
    client = await a_client(database, settings)
    await a_crowd(database, client, 1)
    nameless = await a_crowd(database, client, 25, first_name=None)
    async with begin(database, client.author.scope) as uow:
        row = await campaigns.create_draft(uow, client.draft)

    with pytest.raises(Problems) as refused:
        async with begin(database, client.author.scope) as uow:
            await campaigns.submit(uow, row.id)
    (problem,) = refused.value.problems
    async with begin(database, client.author.scope) as uow:
        draft = await campaigns.draft_of(uow, row.id)
        await campaigns.edit(uow, row.id, replace(draft, fallbacks={"contact.first_name": "neighbour"}))
        await campaigns.submit(uow, row.id)

    assert problem.code == "campaign.missing_values"
    assert problem.data["variables"] == ["contact.first_name"]
    listed = [one["contactId"] for one in problem.data["recipients"]]  # type: ignore[attr-defined]
    assert listed == [str(one) for one in nameless[:20]]
    texts = [one.text for one in await snapshot_of(database, client, row.id)]
    assert sum("Hi neighbour," in (text or "") for text in texts) == 25


async def test_everybody_needs_a_reason_and_then_reaches_people_without_labels(
    database: Database, settings: Settings
) -> None:
    client = await a_client(database, settings)
    (person,) = await a_crowd(database, client, 1)
    async with begin(database, client.agency.scope) as uow:
        await contacts.unlabel_contact(uow, person, client.label_id)

    row = await a_submitted(
        database, client, replace(client.draft, label_ids=(), everybody_reason="The shop closes for good.")
    )

    assert [one.contact_id for one in await snapshot_of(database, client, row.id)] == [person]


_LATER = datetime.now(UTC) + timedelta(days=2)


@pytest.mark.parametrize(
    ("_case", "change"),
    [
        ("name", lambda draft, _: replace(draft, name="Another name")),
        ("fallbacks", lambda draft, _: replace(draft, fallbacks={"contact.first_name": "you"})),
        ("schedule", lambda draft, _: replace(draft, scheduled_at=_LATER)),
        ("segment", lambda draft, _: replace(draft, label_ids=(), everybody_reason="All of them")),
        ("pages", lambda draft, other: replace(draft, page_ids=(*draft.page_ids, other.page_id))),
        ("topic", lambda draft, other: replace(draft, topic_id=other.topic_id)),
        ("template", lambda draft, other: replace(draft, template_id=other.template_id)),
    ],
)
async def test_an_edit_of_any_one_field_voids_the_approval_and_gives_another_digest(
    database: Database,
    settings: Settings,
    _case: str,
    change: Callable[[CampaignDraft, object], CampaignDraft],
) -> None:
    client = await a_client(database, settings)
    people = await a_crowd(database, client, 2)
    other = await _others(database, client)
    await say(database, replace(client, topic_id=other.topic_id), people)
    row = await an_approved(database, client)
    approved = row.content_digest

    async with begin(database, client.author.scope) as uow:
        draft = await campaigns.draft_of(uow, row.id)
        edited = await campaigns.edit(uow, row.id, change(draft, other))
        assert (edited.state, edited.content_digest, edited.revision) == (CampaignState.DRAFT, None, 2)
    async with begin_read(database, client.agency.scope) as uow:
        voided = await approvals.current(uow, row.id)
        batch = await uow.session.scalar(select(SendBatchRow).where(SendBatchRow.id == row.id))
    async with begin(database, client.author.scope) as uow:
        again = await campaigns.submit(uow, row.id)

    assert voided is not None
    assert voided.state is ApprovalState.VOIDED
    assert batch is not None
    assert batch.approved_digest is None
    assert again.content_digest is not None
    assert again.content_digest != approved
    with pytest.raises(ContentChanged):
        async with begin(database, client.approver.scope) as uow:
            await campaigns.decide(uow, row.id, Verdict.APPROVE, None, approved or b"")


class _Others:
    def __init__(self, **ids: object) -> None:
        self.__dict__.update(ids)


async def _others(database: Database, client: AClient) -> _Others:
    page = await a_page(database, client.agency, client.unit_id)
    async with begin(database, client.agency.scope) as uow:
        topic = await consent.create_topic(uow, client.unit_id, "news", "News")
        template = await templates.create_template(
            uow,
            unit_id=client.unit_id,
            name="Other words",
            purpose=TemplatePurpose.MARKETING,
            body="Hello {{ contact.first_name }}",
        )
    return _Others(page_id=page.id, topic_id=topic.id, template_id=template.id)


async def test_submitting_the_same_content_twice_gives_the_same_digest(database: Database, settings: Settings) -> None:
    client = await a_client(database, settings)
    await a_crowd(database, client, 3)
    row = await a_submitted(database, client)
    async with begin(database, client.author.scope) as uow:
        await campaigns.edit(uow, row.id, await campaigns.draft_of(uow, row.id))
        again = await campaigns.submit(uow, row.id)

    assert again.content_digest == row.content_digest
