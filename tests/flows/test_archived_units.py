"""An archived unit: its connections and its history stay, and nothing goes out, is released or is connected there."""

from __future__ import annotations

import pytest

from server.campaigns import service as campaigns
from server.channels import service as channels
from server.config import Settings
from server.inbox import service as inbox
from server.kit.db import Database
from server.kit.errors import Problems
from server.kit.ids import new_id
from server.platforms import registry
from server.platforms.port import Channel
from server.sends.models import SendState
from server.templates import service as templates
from server.templates.errors import UnknownVariable
from server.templates.models import TemplatePurpose
from server.tenants import service as tenants
from server.tenants.errors import UnitArchived
from server.tenants.rules import UnitKind
from server.tenants.service import UnitChange
from server.tenants.uow import begin, begin_read
from tests.factories.campaigns import a_client
from tests.factories.inbox import a_conversation, a_page, messages_of
from tests.factories.sends import a_customer, a_reply, a_shop, marketing, the_send
from tests.factories.tenants import AnOrganization, an_agency
from tests.standin_server import Platform
from tests.workshop import Workshop


async def _archive(database: Database, made: AnOrganization, unit_id: object) -> None:
    async with begin(database, made.scope) as uow:
        await tenants.archive_unit(uow, unit_id)  # type: ignore[arg-type]


async def test_what_waits_to_be_sent_is_skipped_with_its_reason(
    database: Database, platform: Platform, workshop: Workshop
) -> None:
    shop = await a_shop(database, platform)
    contact_id, psid = await a_customer(database, platform, shop)
    send_id = await a_reply(database, shop, contact_id, psid)

    await _archive(database, shop.organization, shop.page.unit_id)
    await workshop.settle(shop.organization.id, platform)

    send = await the_send(database, shop, send_id)
    assert (send.state, send.reason) == (SendState.SKIPPED, "UNIT_ARCHIVED")
    async with begin_read(database, shop.organization.scope) as uow:
        (page,) = await channels.pages_by_id(uow, [shop.page.id])
    assert page.disconnected_at is None


async def test_what_was_approved_for_one_client_does_not_leave_from_a_page_that_another_one_has_now(
    database: Database, platform: Platform, workshop: Workshop
) -> None:
    shop = await a_shop(database, platform)
    person = await a_customer(database, platform, shop, token="token")
    async with begin(database, shop.organization.scope) as uow:
        before = await tenants.create_unit(
            uow, parent_id=shop.organization.root_id, kind=UnitKind.CLIENT, name="the former client"
        )
    (send_id,) = await marketing(database, shop, new_id(), [person], at=before.id)

    await workshop.settle(shop.organization.id, platform)

    send = await the_send(database, shop, send_id)
    assert (send.state, send.reason) == (SendState.SKIPPED, "UNIT_MOVED")


async def test_a_reply_is_refused_and_possible_again_after_restoring(database: Database) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    talk = await a_conversation(database, agency, page, "Hello?")
    seen = (await messages_of(database, agency, talk.id))[-1].id
    await _archive(database, agency, agency.units["client 1"])

    with pytest.raises(UnitArchived):
        async with begin(database, agency.scope) as uow:
            await inbox.reply(uow, talk.id, inbox.Reply(seen, text="Yes"))
    async with begin(database, agency.scope) as uow:
        await tenants.restore_unit(uow, agency.units["client 1"])
    async with begin(database, agency.scope) as uow:
        assert (await inbox.reply(uow, talk.id, inbox.Reply(seen, text="Yes"))).text == "Yes"


async def test_no_page_is_connected_and_no_template_released_there(database: Database, settings: Settings) -> None:
    agency = await an_agency(database)
    unit_id = agency.units["client 1"]
    async with begin(database, agency.scope) as uow:
        template = await templates.create_template(
            uow, unit_id=unit_id, name="Hours", purpose=TemplatePurpose.REPLY, body="Hello"
        )
    await _archive(database, agency, unit_id)
    connector = registry.build(settings).of(Channel.MESSENGER)

    with pytest.raises(UnitArchived):
        async with begin(database, agency.scope) as uow:
            await channels.begin_connection(uow, connector, Channel.MESSENGER, unit_id, "http://127.0.0.1/x", None)
    with pytest.raises(UnitArchived):
        async with begin(database, agency.scope) as uow:
            await templates.release(uow, template.id, None, unit_id)


async def test_a_campaign_of_an_archived_unit_is_not_submitted(database: Database, settings: Settings) -> None:
    client = await a_client(database, settings)
    async with begin(database, client.author.scope) as uow:
        draft = await campaigns.create_draft(uow, client.draft)
    await _archive(database, client.agency, client.unit_id)

    with pytest.raises(Problems) as refused:
        async with begin(database, client.author.scope) as uow:
            await campaigns.submit(uow, draft.id)

    assert any("archived" in one.message for one in refused.value.problems)


async def test_templates_write_what_is_known_of_the_unit(database: Database) -> None:
    agency = await an_agency(database)
    unit_id = agency.units["client 1"]
    page = await a_page(database, agency, unit_id)
    talk = await a_conversation(database, agency, page, "Are you open?")
    body = "{{ unit.address }}, {{ unit.phone }}: {{ unit.opening_hours }} (today {{ unit.opening_hours_today }})"
    attributes = {
        "address_line_1": "Hauptplatz 1",
        "city": "Linz",
        "phone": "+43732123456",
        "locale": "de-AT",
        "time_zone": "Europe/Vienna",
        "opening_hours": "Mon-Sun 09:00-17:00",
    }
    async with begin(database, agency.scope) as uow:
        await tenants.update_unit(uow, unit_id, UnitChange(attributes=attributes))
        template = await templates.create_template(
            uow, unit_id=unit_id, name="Hours", purpose=TemplatePurpose.REPLY, body=body
        )
    seen = (await messages_of(database, agency, talk.id))[-1].id

    async with begin(database, agency.scope) as uow:
        row = await inbox.reply(uow, talk.id, inbox.Reply(seen, template_id=template.id))
    with pytest.raises(Problems) as refused:
        async with begin(database, agency.scope) as uow:
            await templates.create_template(
                uow, unit_id=unit_id, name="Sale", purpose=TemplatePurpose.MARKETING, body=body
            )

    assert row.text == "Hauptplatz 1, Linz, +43732123456: Mo–So 09:00–17:00 (today 09:00–17:00)"
    assert [type(one) for one in refused.value.problems] == [UnknownVariable]
