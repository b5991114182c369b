"""Approvals, sends and consent, and what else needs a stage: each change leaves exactly one event, in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from server.config import Settings
from server.consent import service as consent
from server.consent.models import ConsentSource, SuppressionReason
from server.contacts import service as contacts
from server.kit.db import Database
from server.kit.ids import encode, new_id
from server.templates import service as templates
from server.templates.models import TemplatePurpose
from server.tenants.rules import Role
from server.tenants.scope import Scope
from server.tenants.uow import begin, begin_read
from tests.api import Api
from tests.factories.campaigns import AClient, a_client, a_crowd
from tests.factories.inbox import a_contact, a_conversation, a_page, messages_of
from tests.factories.tenants import AnOrganization, a_person, an_agency
from tests.schema.asking import a_campaign_input, campaign_id, change

CAMPAIGN = "campaign { id state contentDigest }"


async def _end(database: Database, scope: Scope) -> int:
    async with begin_read(database, scope) as uow:
        return int((await uow.session.execute(text("SELECT coalesce(max(seq), 0) FROM audit_event"))).scalar_one())


async def _acts_after(database: Database, scope: Scope, seq: int) -> list[tuple[str, int]]:
    """Return the actions of later events with the transactions that wrote them."""
    async with begin_read(database, scope) as uow:
        statement = text("SELECT action, xmin::text::bigint FROM audit_event WHERE seq > :seq ORDER BY seq")
        return [(row[0], row[1]) for row in await uow.session.execute(statement, {"seq": seq})]


async def _writer(database: Database, scope: Scope, table: str, row_id: UUID) -> int:
    """Return the transaction that wrote the row as it is."""
    async with begin_read(database, scope) as uow:
        statement = text(f"SELECT xmin::text::bigint FROM {table} WHERE id = :id")
        return int((await uow.session.execute(statement, {"id": row_id})).scalar_one())


async def _campaign_step(
    api: Api, database: Database, client: AClient, field: str, input: Mapping[str, Any], token: str
) -> tuple[dict[str, Any], list[str]]:
    """Take one step of a campaign; return it and its acts, which the transaction of the campaign's change wrote."""
    scope = client.agency.scope
    before = await _end(database, scope)
    shown = (await change(api, field, CAMPAIGN, dict(input), token=token))["campaign"]
    acts = await _acts_after(database, scope, before)
    async with begin_read(database, scope) as uow:
        written = (await uow.session.execute(text("SELECT xmin::text::bigint FROM campaign"))).scalar_one()
    assert {xid for _, xid in acts} == {written}
    return shown, [action for action, _ in acts]


async def test_every_step_of_an_approval_is_one_event_of_its_transaction(
    api: Api, database: Database, settings: Settings
) -> None:
    client = await a_client(database, settings)
    await a_crowd(database, client, 1)
    author, approver = client.author.token, client.approver.token
    made, acts = await _campaign_step(api, database, client, "campaignCreate", a_campaign_input(client), author)
    assert acts == ["campaign:self:create"]
    one = {"campaignId": made["id"]}

    submitted, acts = await _campaign_step(api, database, client, "campaignSubmit", one, author)
    assert acts == ["campaign:approval:request"]
    verdict = one | {"verdict": "APPROVE", "contentDigest": submitted["contentDigest"], "comment": "Go."}
    decided, acts = await _campaign_step(api, database, client, "campaignDecide", verdict, approver)
    assert (decided["state"], acts) == ("SCHEDULED", ["campaign:approval:grant"])
    for field, act in (
        ("campaignPause", "campaign:run:pause"),
        ("campaignResume", "campaign:run:resume"),
        ("campaignCancel", "campaign:run:cancel"),
    ):
        assert (await _campaign_step(api, database, client, field, one, author))[1] == [act]


async def test_a_refused_decision_is_one_event_and_one_that_does_not_count_is_none(
    api: Api, database: Database, settings: Settings
) -> None:
    client = await a_client(database, settings)
    await a_crowd(database, client, 1)
    made = (await change(api, "campaignCreate", CAMPAIGN, a_campaign_input(client), token=client.author.token))[
        "campaign"
    ]
    one = {"campaignId": made["id"]}
    shown = (await change(api, "campaignSubmit", CAMPAIGN, one, token=client.author.token))["campaign"]
    before = await _end(database, client.agency.scope)
    wrong = one | {"verdict": "APPROVE", "contentDigest": "00" * 32, "comment": ""}
    own = one | {"verdict": "APPROVE", "contentDigest": shown["contentDigest"], "comment": ""}

    assert (await change(api, "campaignDecide", CAMPAIGN, wrong, token=client.approver.token))["userErrors"] != []
    assert (await change(api, "campaignDecide", CAMPAIGN, own, token=client.author.token))["userErrors"] != []
    assert (await change(api, "campaignPause", CAMPAIGN, campaign_id(new_id()), token=client.author.token))[
        "userErrors"
    ]
    assert await _acts_after(database, client.agency.scope, before) == []
    rejected = own | {"verdict": "REJECT"}
    _, acts = await _campaign_step(api, database, client, "campaignDecide", rejected, client.approver.token)
    assert acts == ["campaign:approval:refuse"]


async def test_replies_labels_readings_and_overrides_are_one_event_each(
    api: Api, database: Database, settings: Settings
) -> None:
    agency = await an_agency(database)
    unit_id = agency.units["client 1"]
    manager = await a_person(database, settings, agency, unit_id, Role.MANAGER)
    page = await a_page(database, agency, unit_id)
    talk = await a_conversation(database, agency, page, "Are you open?")
    last = (await messages_of(database, agency, talk.id))[-1]
    label_id, template_id = await _a_label_and_a_released_template(database, agency, unit_id)
    conversation = {"conversationId": encode("cnv", talk.id)}
    label = conversation | {"labelId": encode("lbl", label_id)}
    override = {"unitId": encode("unit", unit_id), "templateId": encode("tpl", template_id), "body": "Ours."}
    reply = conversation | {"lastMessageSeenId": encode("msg", last.id), "text": "We are."}
    steps: list[tuple[str, str, dict[str, Any], str]] = [
        ("conversationMarkRead", "conversation { id }", conversation, "inbox:conversation:read"),
        ("conversationLabel", "conversation { id }", label, "inbox:conversation:label"),
        ("conversationUnlabel", "conversation { id }", label, "inbox:conversation:unlabel"),
        ("conversationReply", "conversation { id }", reply, "inbox:message:reply"),
        ("templateOverride", "effectiveTemplate { __typename }", override, "template:override:set"),
    ]

    for field, selection, input, act in steps:
        before = await _end(database, agency.scope)
        payload = await change(api, field, selection, input, token=manager.token)
        assert payload["userErrors"] == [], payload
        assert [action for action, _ in await _acts_after(database, agency.scope, before)] == [act]
        if field in {"conversationMarkRead", "conversationLabel", "conversationUnlabel"}:
            again = await _end(database, agency.scope)
            await change(api, field, selection, input, token=manager.token)
            assert await _acts_after(database, agency.scope, again) == [], f"{field} changed nothing the second time"


async def _a_label_and_a_released_template(
    database: Database, agency: AnOrganization, unit_id: UUID
) -> tuple[UUID, UUID]:
    async with begin(database, agency.scope) as uow:
        label = await contacts.create_label(uow, unit_id, "regulars", "#ffcc00")
        template = await templates.create_template(
            uow, unit_id=unit_id, name="Thanks", purpose=TemplatePurpose.REPLY, body="Thank you."
        )
        release = await templates.release(uow, template.id, None, unit_id)
        await uow.flush()
        await templates.place_page(uow, release.id)
    return label.id, template.id


async def test_every_word_about_consent_is_one_event_of_its_transaction(database: Database) -> None:
    agency = await an_agency(database)
    unit_id = agency.units["client 1"]
    page = await a_page(database, agency, unit_id)
    contact_id = await a_contact(database, agency, page)
    async with begin(database, agency.scope) as uow:
        topic = await consent.create_topic(uow, unit_id, "offers", "Offers")
    before = await _end(database, agency.scope)

    async with begin(database, agency.scope) as uow:
        await consent.opt_in(
            uow,
            page,
            contact_id,
            topic_key=topic.key,
            title="Offers",
            token="of the platform",
            expires_at=None,
            at=datetime.now(UTC),
            source=ConsentSource.PLATFORM_OPT_IN,
            event_id=None,
        )
    said_yes = await _acts_after(database, agency.scope, before)
    async with begin(database, agency.scope) as uow:
        await consent.suppress(uow, contact_id, SuppressionReason.MANUAL)
    async with begin(database, agency.scope) as uow:
        await consent.lift_suppression(uow, contact_id)

    acts = await _acts_after(database, agency.scope, before)
    assert [action for action, _ in acts] == [
        "consent:topic:change",
        "consent:suppression:set",
        "consent:suppression:lift",
    ]
    assert len({xid for _, xid in acts}) == 3
    async with begin_read(database, agency.scope) as uow:
        written = (await uow.session.execute(text("SELECT xmin::text::bigint FROM consent"))).scalar_one()
    assert said_yes == [("consent:topic:change", written)]
