"""A client with everything that a campaign needs, and crowds of people who said yes."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, insert, select, update

from server.approvals.models import Verdict
from server.campaigns import service as campaigns
from server.campaigns.models import CampaignRecipientRow, CampaignRow
from server.campaigns.service import CampaignDraft
from server.channels.service import PageRef
from server.config import Settings
from server.consent import service as consent
from server.consent.models import ConsentRow
from server.contacts import service as contacts
from server.contacts.models import ContactIdentityRow, ContactLabelRow, ContactRow
from server.kit.db import Database
from server.kit.ids import new_id
from server.kit.jobs import JobRow, kind_of
from server.sends.models import Delivery, SendIntentRow, SendState
from server.templates import service as templates
from server.templates.models import TemplatePurpose
from server.tenants.rules import Role
from server.tenants.uow import begin, begin_read
from tests.factories.channels import a_page, an_external_id
from tests.factories.tenants import AnOrganization, APerson, a_person, an_agency
from workers.actors.campaigns import ACTORS
from workers.run import Runtime, carry_out, claim

WORDS = "Hi {{ contact.first_name }}, bread is half price at {{ page.name }} today."


@dataclass(frozen=True, slots=True)
class AClient:
    """A client of an agency: a page that can be paid for, a topic, a marketing template, a label, and two people."""

    agency: AnOrganization
    unit_id: UUID
    page: PageRef
    topic_id: UUID
    template_id: UUID
    label_id: UUID
    author: APerson
    approver: APerson

    @property
    def draft(self) -> CampaignDraft:
        """A draft to everybody who wears the label."""
        return CampaignDraft(
            unit_id=self.unit_id,
            name="Half price",
            topic_id=self.topic_id,
            template_id=self.template_id,
            page_ids=(self.page.id,),
            label_ids=(self.label_id,),
        )


async def a_client(database: Database, settings: Settings, words: str = WORDS) -> AClient:
    """An agency whose manager writes for client 1, and the client's own approver."""
    agency = await an_agency(database)
    unit_id = agency.units["client 1"]
    page = await a_page(database, agency, unit_id)
    async with begin(database, agency.scope) as uow:
        topic = await consent.create_topic(uow, unit_id, "offers", "Offers")
        label = await contacts.create_label(uow, unit_id, "regulars", "#ffcc00")
        template = await templates.create_template(
            uow, unit_id=unit_id, name="Half price", purpose=TemplatePurpose.MARKETING, body=words
        )
    author = await a_person(database, settings, agency, agency.root_id, Role.MANAGER, "Ada")
    approver = await a_person(database, settings, agency, unit_id, Role.APPROVER, "Clara")
    return AClient(agency, unit_id, page, topic.id, template.id, label.id, author, approver)


async def a_crowd(
    database: Database,
    client: AClient,
    size: int,
    *,
    page: PageRef | None = None,
    first_name: str | None = "Grace",
    says_yes: bool | None = True,
) -> list[UUID]:
    """People of the label at a page. `says_yes`: True opted in, False opted out, None never asked."""
    at = page or client.page
    organization_id, unit_id = client.agency.id, at.unit_id
    ids = [new_id() for _ in range(size)]
    own = {"organization_id": organization_id, "unit_id": unit_id}
    async with begin(database, client.agency.scope) as uow:
        people = [own | {"id": one, "first_name": first_name, "name": first_name} for one in ids]
        named = [own | {"id": new_id(), "contact_id": one, "page_id": at.id, "external_id": one.hex} for one in ids]
        worn = [own | {"contact_id": one, "label_id": client.label_id} for one in ids]
        await uow.session.execute(insert(ContactRow), people)
        await uow.session.execute(insert(ContactIdentityRow), named)
        await uow.session.execute(insert(ContactLabelRow), worn)
    if says_yes is not None:
        await say(database, client, ids, page=at, says_yes=says_yes)
    return ids


async def say(
    database: Database, client: AClient, ids: list[UUID], *, page: PageRef | None = None, says_yes: bool = True
) -> None:
    """Let known people say yes or no to the client's topic at a page, without a ledger."""
    at = page or client.page
    async with begin(database, client.agency.scope) as uow:
        now = await uow.now()
        rows = [
            {
                "organization_id": client.agency.id,
                "page_id": at.id,
                "contact_id": one,
                "topic_id": client.topic_id,
                "unit_id": at.unit_id,
                "is_opted_in": says_yes,
                "occurred_at": now,
                "event_id": new_id(),
            }
            for one in ids
        ]
        await uow.session.execute(insert(ConsentRow), rows)


async def known_at(database: Database, client: AClient, contact_id: UUID, page: PageRef) -> None:
    """Let one person have an identity on one more page."""
    async with begin(database, client.agency.scope) as uow:
        uow.session.add(
            ContactIdentityRow(
                organization_id=client.agency.id,
                id=new_id(),
                unit_id=page.unit_id,
                contact_id=contact_id,
                page_id=page.id,
                external_id=an_external_id(),
            )
        )


async def a_submitted(database: Database, client: AClient, draft: CampaignDraft | None = None) -> CampaignRow:
    """A campaign that waits for its approval."""
    async with begin(database, client.author.scope) as uow:
        row = await campaigns.create_draft(uow, draft or client.draft)
    async with begin(database, client.author.scope) as uow:
        return await campaigns.submit(uow, row.id)


async def an_approved(database: Database, client: AClient, draft: CampaignDraft | None = None) -> CampaignRow:
    """A campaign that the client's approver approved."""
    row = await a_submitted(database, client, draft)
    assert row.content_digest is not None
    async with begin(database, client.approver.scope) as uow:
        return await campaigns.decide(uow, row.id, Verdict.APPROVE, None, row.content_digest)


async def a_running(database: Database, client: AClient) -> CampaignRow:
    """An approved campaign that was opened at its platform and begun, not yet expanded."""
    row = await an_approved(database, client)
    async with begin(database, client.agency.scope) as uow:
        await campaigns.record_opened(uow, row.id, client.page.id, "platform-campaign-1")
        assert await campaigns.begin_run(uow, row.id)
    return row


async def snapshot_of(database: Database, client: AClient, campaign_id: UUID) -> list[CampaignRecipientRow]:
    """The frozen audience, by contact."""
    async with begin_read(database, client.agency.scope) as uow:
        statement = (
            select(CampaignRecipientRow)
            .where(
                CampaignRecipientRow.organization_id == client.agency.id,
                CampaignRecipientRow.campaign_id == campaign_id,
            )
            .order_by(CampaignRecipientRow.contact_id)
        )
        return list(await uow.session.scalars(statement))


async def count_sends(database: Database, client: AClient, campaign_id: UUID) -> int:
    """How many sends the campaign has."""
    async with begin_read(database, client.agency.scope) as uow:
        statement = select(func.count()).where(
            SendIntentRow.organization_id == client.agency.id, SendIntentRow.batch_id == campaign_id
        )
        return (await uow.session.execute(statement)).scalar_one()


async def settle_sends(
    database: Database,
    client: AClient,
    contact_ids: list[UUID],
    state: SendState,
    delivery: Delivery = Delivery.NONE,
    reason: str | None = None,
) -> None:
    """Let the sends to these people have ended like this."""
    async with begin(database, client.agency.scope) as uow:
        await uow.session.execute(
            update(SendIntentRow)
            .where(SendIntentRow.organization_id == client.agency.id, SendIntentRow.contact_id.in_(contact_ids))
            .values(state=state, delivery=delivery, reason=reason)
        )


async def carry(runtime: Runtime, organization: AnOrganization, kind: type) -> None:
    """Carry out the owed job of this kind as a worker would, also before its time."""
    async with begin(runtime.database, organization.scope) as uow:
        statement = (
            update(JobRow)
            .where(JobRow.organization_id == organization.id, JobRow.kind == kind_of(kind).name)
            .values(due_at=func.clock_timestamp())
            .returning(JobRow.id)
        )
        job_id = (await uow.session.execute(statement)).scalar_one()
    run = await claim(runtime, organization.id, job_id)
    assert run is not None
    await carry_out(run, ACTORS)
