"""One person is erased everywhere; only a keyed hash stays, so that nobody writes to them first again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from server.audit import service as audit
from server.audit.rules import LegalBasis
from server.audit.service import Hold
from server.campaigns import service as campaigns
from server.channels.service import PageRef
from server.comments import service as comments
from server.comments.service import Wanted
from server.config import Settings
from server.consent import service as consent
from server.consent.models import SuppressionReason
from server.contacts import service as contacts
from server.inbox import service as inbox
from server.inbox.service import media
from server.inbox.service.media import Copied
from server.inbox.views import Parts
from server.kit.db import Database
from server.kit.errors import NotFound, PermissionDenied
from server.kit.ids import new_id
from server.kit.pagination import PageArguments
from server.platforms.port import Attachment, CommentChanged, MessageReceived
from server.privacy import service as privacy
from server.privacy.errors import ErasureRunning, UnderLegalHold
from server.sends import service as sends
from server.sends.models import Purpose, SendState
from server.sends.repository.claim import ChannelRules
from server.sends.repository.claim import claim as claim_sends
from server.tenants import service as tenants
from server.tenants.rules import OperationState, Role, UnitKind
from server.tenants.uow import begin, begin_read
from tests.api import Api
from tests.factories.campaigns import a_client, a_crowd, a_running, count_sends
from tests.factories.inbox import a_conversation, conversation_of, messages_of
from tests.factories.sends import a_customer, a_shop, marketing
from tests.factories.tenants import AnOrganization, APerson, a_person
from tests.standin_server import Platform
from tests.workshop import Workshop
from workers.bind import answer

MARK = "Zebulon"


async def ask(database: Database, owner: APerson, contact_id: UUID) -> UUID:
    """Ask for an erasure; return its operation."""
    async with begin(database, owner.scope) as uow:
        return await privacy.ask_to_erase(uow, contact_id, "Request 17.")


async def carry_out(workshop: Workshop, organization: AnOrganization) -> None:
    """Let a worker do what the erasure owes."""
    async with begin_read(workshop.runtime.database, organization.scope) as uow:
        owed = (await uow.session.scalars(text("SELECT id FROM job WHERE kind = 'privacy.erase_contact'"))).all()
    for job_id in owed:
        await answer(workshop.runtime, organization.id, job_id, dict(workshop.actors))


async def a_copied_picture(database: Database, organization: AnOrganization, page: PageRef, contact_id: UUID) -> None:
    """Let a person send a picture, and keep a copy of it."""
    picture = Attachment("image", "https://platform.example.test/picture", None)
    async with begin(database, organization.scope) as uow:
        event = MessageReceived("person", f"m_{new_id().hex}", None, (picture,), await uow.now())
        await inbox.receive_message(uow, page, contact_id, event)
    talk = await conversation_of(database, organization, page, contact_id)
    (message,) = await messages_of(database, organization, talk.id)
    async with begin(database, organization.scope) as uow:
        await media.store_copies(uow, message.id, [Copied(0, b"a picture", "image/png")])


async def sightings(database: Database, organization: AnOrganization, *words: str) -> dict[str, int]:
    """Count the rows, by table, whose text holds one of the words; the trail and files aside."""
    found: dict[str, int] = {}
    async with begin_read(database, organization.scope) as uow:
        names = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
        for name in (await uow.session.scalars(text(names))).all():
            may = await uow.session.scalars(text("SELECT has_table_privilege(:name, 'SELECT')"), {"name": name})
            if may.one() and name not in {"audit_event", "operation", "departure"}:
                statement = text(f"SELECT count(*) FROM {name} AS one WHERE one::text ~ :words")
                count = (await uow.session.execute(statement, {"words": "|".join(words)})).scalar_one()
                found |= {name: count} if count else {}
    return found


async def test_everything_of_a_person_goes_and_the_numbers_of_the_campaign_stay(
    database: Database, settings: Settings, workshop: Workshop
) -> None:
    client = await a_client(database, settings)
    owner = await a_person(database, settings, client.agency, client.agency.root_id, Role.OWNER)
    crowd = await a_crowd(database, client, 3, first_name=MARK)
    row = await a_running(database, client)
    async with begin(database, client.agency.scope) as uow:
        await campaigns.expand(uow, row.id)
    talk = await a_conversation(database, client.agency, client.page, "I am Zebulon", contact_id=crowd[0])
    async with begin(database, client.author.scope) as uow:
        await inbox.add_note(uow, talk.id, "Zebulon asks again.")
        await contacts.label_contact(uow, crowd[0], client.label_id)
    mine = (str(crowd[0]), crowd[0].hex)
    assert len(await sightings(database, client.agency, *mine)) >= 8

    operation_id = await ask(database, owner, crowd[0])
    await carry_out(workshop, client.agency)

    assert await sightings(database, client.agency, *mine) == {}
    assert len(await sightings(database, client.agency, str(crowd[1]))) > 3
    async with begin_read(database, client.agency.scope) as uow:
        operation = (await tenants.operations_by_id(uow, [operation_id]))[operation_id]
        totals = await sends.totals(uow, row.id)
    assert operation.state is OperationState.SUCCEEDED
    assert {name: operation.result[name] for name in ("contact", "message", "note", "send_intent")} == {
        "contact": 1,
        "message": 1,
        "note": 1,
        "send_intent": 1,
    }
    assert await count_sends(database, client, row.id) == 2
    assert sum(totals.by_state.values()) == 3


async def test_what_a_person_said_in_public_or_attached_goes_with_our_answers_copies_and_what_the_platform_told(
    database: Database, settings: Settings, api: Api, platform: Platform, workshop: Workshop
) -> None:
    # Given: somebody commented, was answered below it and in private, and sent a picture that we copied.
    shop = await a_shop(database, platform, f"{api.url}/webhooks/messenger")
    owner = await a_person(database, settings, shop.organization, shop.organization.root_id, Role.OWNER)
    contact_id, psid = await a_customer(database, platform, shop)
    bystander, other = await a_customer(database, platform, shop)
    for person, words in ((psid, f"{MARK} asks"), (other, "Somebody else asks")):
        await platform.control(f"customers/{shop.page.external_id}/{person}/comment", {"message": words})
    await workshop.settle(shop.organization.id, platform)
    async with begin(database, owner.scope) as uow:
        rows = (await comments.list_comments(uow, PageArguments(10), Wanted())).items
        for row in rows:
            await comments.reply(uow, row.id, "Yes.", is_private=False)
            await comments.reply(uow, row.id, f"Hello {row.text}", is_private=True)
    for known in (contact_id, bystander):
        await a_copied_picture(database, shop.organization, shop.page, known)
    mine = (MARK, psid, str(contact_id), contact_id.hex)
    named = {"public_comment", "platform_event", "send_intent", "contact_identity"}
    assert named <= (await sightings(database, shop.organization, *mine)).keys()

    # When: they are erased.
    operation_id = await ask(database, owner, contact_id)
    await carry_out(workshop, shop.organization)

    # Then: nothing of it is left, and what others said and sent is.
    assert await sightings(database, shop.organization, *mine) == {}
    async with begin_read(database, shop.organization.scope) as uow:
        erased = (await tenants.operations_by_id(uow, [operation_id]))[operation_id].result
        left = {
            name: (await uow.session.execute(text(f"SELECT count(*) FROM {name}"))).scalar_one()
            for name in ("public_comment", "comment_reply", "message_media")
        }
    assert {name: erased[name] for name in left} == {"public_comment": 1, "comment_reply": 2, "message_media": 1}
    assert left == {"public_comment": 1, "comment_reply": 2, "message_media": 1}
    assert "platform_event" in await sightings(database, shop.organization, other)


async def test_whom_the_platform_does_not_name_can_be_erased_although_replies_went_to_them(
    database: Database, settings: Settings, platform: Platform, workshop: Workshop
) -> None:
    shop = await a_shop(database, platform)
    owner = await a_person(database, settings, shop.organization, shop.organization.root_id, Role.OWNER)
    async with begin(database, owner.scope) as uow:
        said = CommentChanged("c1", "post_1", None, "add", None, None, False, "Hello", await uow.now())
        await comments.apply_comment(uow, shop.page, None, said)
        (row,) = (await comments.list_comments(uow, PageArguments(1), Wanted())).items
        await comments.reply(uow, row.id, "Hello you", is_private=False)
        (nameless,) = await uow.session.scalars(text("SELECT contact_id FROM send_intent"))

    operation_id = await ask(database, owner, nameless)
    await carry_out(workshop, shop.organization)

    async with begin_read(database, shop.organization.scope) as uow:
        operation = (await tenants.operations_by_id(uow, [operation_id]))[operation_id]
    assert operation.state is OperationState.SUCCEEDED
    assert (operation.result["comment_reply"], operation.result["send_intent"]) == (1, 1)


async def test_who_comes_back_by_writing_is_answered_and_no_campaign_reaches_them(
    database: Database, settings: Settings, platform: Platform, workshop: Workshop
) -> None:
    shop = await a_shop(database, platform)
    owner = await a_person(database, settings, shop.organization, shop.organization.root_id, Role.OWNER)
    contact_id, psid = await a_customer(database, platform, shop, token="t")
    await ask(database, owner, contact_id)
    await carry_out(workshop, shop.organization)

    again, _ = await a_customer(database, platform, shop, psid=psid, token="t2")
    now = datetime.now(UTC)
    async with begin(database, shop.organization.scope) as uow:
        event = MessageReceived(psid, f"m_{new_id().hex}", "It is me again.", (), now)
        await inbox.receive_message(uow, shop.page, again, event)
    batch = new_id()
    await marketing(database, shop, batch, [(again, psid)])
    async with begin(database, shop.organization.scope) as uow:
        taken = await claim_sends(
            uow.session,
            shop.organization.id,
            shop.page.id,
            Purpose.MARKETING,
            worker_id=new_id(),
            size=10,
            rules=ChannelRules(timedelta(days=1)),
        )
        refusal = await consent.may_reply(uow, shop.page, again, human_agent=False)
        held = (await consent.suppressions(uow, [again]))[again]

    assert again != contact_id
    assert [(one.state, one.reason) for one in taken] == [(SendState.SKIPPED, "SUPPRESSED")]
    assert refusal is None
    assert held.reason is SuppressionReason.ERASED_BEFORE


async def test_a_person_takes_them_off_the_list_and_campaigns_reach_them_again(
    database: Database, settings: Settings, platform: Platform, workshop: Workshop
) -> None:
    shop = await a_shop(database, platform)
    owner = await a_person(database, settings, shop.organization, shop.organization.root_id, Role.OWNER)
    contact_id, psid = await a_customer(database, platform, shop, token="t")
    await ask(database, owner, contact_id)
    await carry_out(workshop, shop.organization)
    again, _ = await a_customer(database, platform, shop, psid=psid, token="t2")

    async with begin(database, owner.scope) as uow:
        await consent.lift_suppression(uow, again)

    async with begin_read(database, shop.organization.scope) as uow:
        assert await consent.suppressions(uow, [again]) == {}
        assert (await uow.session.execute(text("SELECT count(*) FROM erased_identity"))).scalar_one() == 0


async def test_a_hold_a_missing_right_and_a_second_call_are_refused(
    database: Database, settings: Settings, platform: Platform
) -> None:
    shop = await a_shop(database, platform)
    organization = shop.organization
    owner = await a_person(database, settings, organization, organization.root_id, Role.OWNER)
    manager = await a_person(database, settings, organization, shop.page.unit_id, Role.MANAGER)
    async with begin(database, organization.scope) as uow:
        unit = await tenants.create_unit(uow, parent_id=organization.root_id, kind=UnitKind.LOCATION, name="location 2")
    sibling = await a_person(database, settings, organization, unit.id, Role.ADMIN)
    contact_id, _ = await a_customer(database, platform, shop)

    with pytest.raises(PermissionDenied):
        await ask(database, manager, contact_id)
    with pytest.raises(NotFound):
        await ask(database, sibling, contact_id)
    async with begin(database, owner.scope) as uow:
        wanted = Hold(shop.page.unit_id, contact_id, LegalBasis.COURT_ORDER, "7 K 13/26", "A dispute.")
        hold = await audit.hold(uow, wanted)
    with pytest.raises(UnderLegalHold):
        await ask(database, owner, contact_id)
    async with begin(database, owner.scope) as uow:
        await audit.lift_hold(uow, hold.id, "Over.")
    await ask(database, owner, contact_id)
    with pytest.raises(ErasureRunning):
        await ask(database, owner, contact_id)


async def test_what_a_person_wrote_in_a_group_goes_and_what_the_others_wrote_stays(
    database: Database, settings: Settings, workshop: Workshop
) -> None:
    client = await a_client(database, settings)
    owner = await a_person(database, settings, client.agency, client.agency.root_id, Role.OWNER)
    async with begin(database, client.agency.scope) as uow:
        group_id, mine, other = [await contacts.identify(uow, client.page, name) for name in ("g_1", "u_1", "u_2")]
        for name, writer_id in (("u_2", other), ("u_1", mine)):
            event = MessageReceived("g_1", f"m_{new_id().hex}", f"{MARK} of {name}", (), await uow.now(), writer=name)
            await inbox.receive_message(uow, client.page, group_id, event, writer_id)

    await ask(database, owner, mine)
    await carry_out(workshop, client.agency)

    talk = await conversation_of(database, client.agency, client.page, group_id)
    left = await messages_of(database, client.agency, talk.id)
    assert [(one.text, one.writer_id) for one in left] == [(f"{MARK} of u_2", other)]
    async with begin_read(database, client.agency.scope) as uow:
        assert [one.contact_id for one in (await inbox.participants(uow, [group_id]))[group_id]] == [other]
    async with begin_read(database, owner.scope) as uow:
        listed = await inbox.list_conversations(uow, PageArguments(first=9), None, Parts.every())
    [shown] = listed.items
    assert shown.last_message is not None
    assert (shown.id, shown.last_message.text) == (talk.id, f"{MARK} of u_2")
