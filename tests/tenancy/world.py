"""A unit in full swing: something of every kind that the API can show, made by the services."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import update

from server.approvals.models import Verdict
from server.audit import service as audit
from server.audit.rules import LegalBasis
from server.audit.service import AccessRequest, Hold
from server.auth import service as auth
from server.auth.oauth_rules import AppGrantType, AppKind
from server.auth.service import GivenRole, NewInvitation, oauth
from server.auth.service.oauth import NewApp
from server.auth.service.oauth.consent import give
from server.campaigns import service as campaigns
from server.campaigns.service import CampaignDraft
from server.channels import service as channels
from server.channels.service import PageRef
from server.comments import service as comments
from server.comments.service import Wanted
from server.config import Settings
from server.consent import service as consent
from server.consent.models import ConsentSource, SuppressionReason
from server.contacts import service as contacts
from server.documents.counting import UseCounter
from server.documents.rules import digest_of
from server.inbox import service as inbox
from server.inbox.service import Reply, media
from server.inbox.service.media import Copied
from server.kit.db import Database
from server.kit.errors import InvalidInput
from server.kit.ids import new_id
from server.kit.jobs import DeadLetterRow, DeadLetterSource
from server.kit.pagination import PageArguments
from server.metering import service as metering
from server.metering.models import Origin
from server.platforms import registry
from server.platforms.port import Attachment, Channel, CommentChanged, MessageEchoed, MessageReceived
from server.privacy import service as privacy
from server.privacy.rules import Policy
from server.privacy.service import Wish
from server.sends.models import SendIntentRow, SendState
from server.templates import service as templates
from server.templates.models import TemplatePurpose
from server.tenants import service as tenants
from server.tenants.rules import OperationKind, Permission, Role, UnitKind
from server.tenants.scope import Scope
from server.tenants.service import LineProblem, NewFile
from server.tenants.uow import begin
from tests.factories.channels import an_external_id
from tests.factories.documents import WEB_1, a_text, registered
from tests.factories.inbox import a_contact, a_conversation, a_page, messages_of
from tests.factories.people import an_address
from tests.factories.tenants import AnOrganization, APerson, a_person

A_PICTURE = b"\x89PNG\r\n\x1a\n of a cake"
_BY_DEVICE = frozenset({AppGrantType.DEVICE_CODE})


@dataclass(frozen=True, slots=True)
class Place:
    """Where the world is made: a unit of an organization, seen by a person of it."""

    database: Database
    settings: Settings
    organization: AnOrganization
    unit_id: UUID
    person: APerson

    @property
    def scope(self) -> Scope:
        """Return the scope that may do everything in the organization."""
        return self.organization.scope


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation of a page with a person."""

    page: PageRef
    contact_id: UUID
    conversation_id: UUID


async def a_world(place: Place) -> Talk:
    """Fill a unit; return a conversation in which more can be said."""
    author = await a_person(place.database, place.settings, place.organization, place.unit_id, Role.MANAGER, "Ada")
    page = await a_page(place.database, place.organization, place.unit_id)
    person = await a_contact(place.database, place.organization, page)
    talk = await a_conversation(
        place.database, place.organization, page, "Hello?", "Are you open?", "Hm.", contact_id=person
    )
    at = Talk(page, person, talk.id)
    label_id = await _worked_on(place, at, author)
    topic_id = await _consented(place, at)
    template_id = await _worded(place)
    await _illustrated(place, at)
    await _in_public(place, at, author)
    await _answered(place, at, author)
    await _said_by_hand(place, at)
    await _campaigned(place, page, author, (topic_id, template_id, label_id))
    await _kept_books(place, at)
    await _staffed(place, author)
    await _went_to_court(place, at)
    await _imported(place)
    await _grouped(place)
    await _sent_by_front_ends(place)
    return at


async def a_parting(place: Place) -> None:
    """Begin to part with a shop under the unit. Not a part of every world: it must not be begun where all of it leaves."""
    async with begin(place.database, place.scope) as uow:
        name = f"closed {new_id().hex}"
        shop = await tenants.create_unit(uow, parent_id=place.unit_id, kind=UnitKind.LOCATION, name=name)
        await privacy.offboard(uow, Wish(shop.id, Policy.RETAIN, 30, name, "Closed."))


async def _sent_by_front_ends(place: Place) -> None:
    text = a_text(f"Walk{new_id().hex}")
    await registered(place.database, place.scope, WEB_1, [text, a_text(f"Walk{new_id().hex}")])
    counter = UseCounter(place.database)
    counter.note(place.organization.id, digest_of(text), "Walk", WEB_1)
    await counter.flush()


async def _imported(place: Place) -> None:
    async def lines() -> AsyncIterator[bytes]:
        yield b"external_code,name\n"

    async with begin(place.database, place.person.scope) as uow:
        new = NewFile(place.unit_id, "shops.csv", "text/csv", timedelta(days=1))
        file = await tenants.store_file(uow, new, lines())
        operation = await tenants.start_operation(uow, OperationKind.UNIT_IMPORT, place.unit_id, file.id)
        await tenants.note_problems(uow, operation, [LineProblem(1, InvalidInput("No lines."))])


async def _grouped(place: Place) -> None:
    async with begin(place.database, place.scope) as uow:
        group = await tenants.create_group(uow, place.unit_id, f"Stations {new_id().hex}")
        if (await tenants.unit(uow, place.unit_id)).kind is not UnitKind.LOCATION:
            member = await tenants.create_unit(
                uow, parent_id=place.unit_id, kind=UnitKind.LOCATION, name=f"at the station {new_id().hex}"
            )
            await tenants.change_members(uow, group.id, add=[member.id])


async def _worked_on(place: Place, at: Talk, author: APerson) -> UUID:
    async with begin(place.database, author.scope) as uow:
        label = await contacts.create_label(uow, place.unit_id, f"regulars {new_id().hex}", "#ffcc00")
        await contacts.label_contact(uow, at.contact_id, label.id)
        await inbox.label(uow, at.conversation_id, label.id)
        await inbox.assign(uow, at.conversation_id, author.member_id)
        await inbox.add_note(uow, at.conversation_id, "Ask her about the cake.")
    return label.id


async def _consented(place: Place, at: Talk) -> UUID:
    now = datetime.now(UTC)
    other = await a_contact(place.database, place.organization, at.page, "Ida Rhodes")
    async with begin(place.database, place.scope) as uow:
        topic = await consent.create_topic(uow, place.unit_id, f"offers {new_id().hex}", "Offers")
        await consent.opt_in(
            uow,
            at.page,
            at.contact_id,
            topic_key=topic.key,
            title="Offers",
            token="token-of-the-platform",
            expires_at=now + timedelta(days=30),
            at=now,
            source=ConsentSource.PLATFORM_OPT_IN,
            event_id=None,
        )
        await consent.suppress(uow, other, SuppressionReason.MANUAL)
    return topic.id


async def _worded(place: Place) -> UUID:
    name = new_id().hex
    async with begin(place.database, place.scope) as uow:
        reply = await templates.create_template(
            uow, unit_id=place.unit_id, name=f"Thanks {name}", purpose=TemplatePurpose.REPLY, body="Thank you."
        )
        marketing = await templates.create_template(
            uow, unit_id=place.unit_id, name=f"Sale {name}", purpose=TemplatePurpose.MARKETING, body="Half price."
        )
        release = await templates.release(uow, reply.id, None, place.unit_id)
        await uow.flush()
        await templates.place_page(uow, release.id)
        if (await tenants.unit(uow, place.unit_id)).kind is not UnitKind.HEADQUARTERS:  # it has clients that answer
            await templates.override(uow, place.unit_id, reply.id, "Thank you so much.")
    return marketing.id


async def _illustrated(place: Place, at: Talk) -> None:
    picture = Attachment("image", "https://platform.example.test/picture?signed=1", "The cake")
    async with begin(place.database, place.scope) as uow:
        event = MessageReceived("person", f"m_{new_id().hex}", "Like this?", (picture,), await uow.now())
        await inbox.receive_message(uow, at.page, at.contact_id, event)
    last = (await messages_of(place.database, place.organization, at.conversation_id))[-1]
    async with begin(place.database, place.scope) as uow:
        await media.store_copies(uow, last.id, [Copied(0, A_PICTURE, "image/png")])


async def _in_public(place: Place, at: Talk, author: APerson) -> None:
    async with begin(place.database, place.scope) as uow:
        for words in ("Is it vegan?", "Nobody has answered this."):
            name, now = f"c_{new_id().hex}", await uow.now()
            said = CommentChanged(name, "post_1", None, "add", None, "Grace Hopper", False, words, now)
            await comments.apply_comment(uow, at.page, at.contact_id, said)
    async with begin(place.database, author.scope) as uow:
        found = (await comments.list_comments(uow, PageArguments(2), Wanted(page_id=at.page.id))).items
        await comments.reply(uow, found[-1].id, "It is.", is_private=False)
        await comments.reply(uow, found[-1].id, "Write to us here.", is_private=True)


async def _said_by_hand(place: Place, at: Talk) -> None:
    async with begin(place.database, place.scope) as uow:
        echo = MessageEchoed("person", f"m_{new_id().hex}", "From the telephone.", (), await uow.now())
        await inbox.record_echo(uow, at.page, at.contact_id, echo, None)


async def _answered(place: Place, at: Talk, author: APerson) -> None:
    last = (await messages_of(place.database, place.organization, at.conversation_id))[-1]
    async with begin(place.database, author.scope) as uow:
        await inbox.reply(uow, at.conversation_id, Reply(last.id, "We are."))
    async with begin(place.database, place.scope) as uow:
        await uow.session.execute(
            update(SendIntentRow)
            .where(SendIntentRow.organization_id == place.organization.id, SendIntentRow.unit_id == place.unit_id)
            .values(state=SendState.NEEDS_HUMAN, detail="no receipt")
        )


async def _campaigned(place: Place, page: PageRef, author: APerson, parts: tuple[UUID, UUID, UUID]) -> None:
    approver = await a_person(place.database, place.settings, place.organization, place.unit_id, Role.APPROVER)
    topic_id, template_id, label_id = parts
    draft = CampaignDraft(place.unit_id, "Half price", topic_id, template_id, (page.id,), (label_id,))
    made = []
    for _ in range(3):
        async with begin(place.database, author.scope) as uow:
            made.append(await campaigns.create_draft(uow, draft))
    for row in made[:2]:
        async with begin(place.database, author.scope) as uow:
            submitted = await campaigns.submit(uow, row.id)
    assert submitted.content_digest is not None
    async with begin(place.database, approver.scope) as uow:
        await campaigns.decide(uow, submitted.id, Verdict.APPROVE, "Go.", submitted.content_digest)


async def _kept_books(place: Place, at: Talk) -> None:
    connectors = registry.build(place.settings)
    callback = "http://127.0.0.1/oauth"
    async with begin(place.database, place.person.scope) as uow:
        connector = connectors.of(Channel.MESSENGER)
        await channels.begin_connection(uow, connector, Channel.MESSENGER, place.unit_id, callback, None)
    await connectors.aclose()
    async with begin(place.database, place.scope) as uow:
        await auth.issue_service_token(
            uow, place.settings.security, name="app", unit_ids=[place.unit_id], permissions=[Permission.INBOX_READ]
        )
        wanted = NewApp(
            "front end",
            AppKind.CONFIDENTIAL,
            frozenset({Permission.INBOX_READ}),
            [],
            _BY_DEVICE,
            frozenset({place.unit_id}),
        )
        app, _ = await oauth.register_app(uow, place.settings.security, wanted)
        member = (await tenants.members_by_id(uow, [place.person.member_id]))[place.person.member_id]
        assert await give(uow, app, member, frozenset({Permission.INBOX_READ}), frozenset({place.unit_id})) is not None
        reading = metering.Reading(
            place.unit_id, at.page.id, Origin.CAMPAIGN, new_id(), an_external_id(), 14_100, 1, "EUR", await uow.now()
        )
        await metering.record_reading(uow, reading)
        dead = {"source": DeadLetterSource.JOB, "subject_id": new_id(), "kind": "sends.drain_page", "reason": "gone"}
        uow.session.add(
            DeadLetterRow(organization_id=place.organization.id, id=new_id(), detail="tried 8 times", **dead)
        )


async def _staffed(place: Place, member: APerson) -> None:
    """Make what people are given and offered, and a wall between two units that are nobody's concern otherwise."""
    head = await a_person(place.database, place.settings, place.organization, place.organization.root_id, Role.ADMIN)
    async with begin(place.database, head.scope) as uow:
        role = await auth.create_role(uow, f"night shift {new_id().hex}", [Permission.INBOX_READ])
        for given in (GivenRole(Role.ANALYST), GivenRole(custom_role_id=role.id)):
            await auth.create_invitation(uow, NewInvitation(an_address(), "Grace", place.unit_id, given))
        rivals = [
            await tenants.create_unit(
                uow, parent_id=place.organization.root_id, kind=UnitKind.CLIENT, name=f"rival {new_id().hex}"
            )
            for _ in range(2)
        ]
        pair = (rivals[0].id, rivals[1].id)
        await auth.flag_conflict(uow, *pair, "Both sell bread.")
        exception = await auth.request_exception(uow, member.member_id, *pair, "A holiday.")
        await auth.grant_exception(uow, exception.id)


async def _went_to_court(place: Place, at: Talk) -> None:
    asks = place.person
    if not asks.scope.may(Permission.LEGAL_REQUEST):
        asks = await a_person(place.database, place.settings, place.organization, place.unit_id, Role.OWNER, "Counsel")
    decides = await a_person(place.database, place.settings, place.organization, place.organization.root_id, Role.OWNER)
    basis, reference, reason = LegalBasis.COURT_ORDER, "7 O 12/26", "The court asks."
    async with begin(place.database, asks.scope) as uow:
        row = await audit.request_access(
            uow, AccessRequest(place.unit_id, None, at.conversation_id, basis, reference, reason, hours=72)
        )
        await audit.hold(uow, Hold(place.unit_id, at.contact_id, basis, reference, reason))
    async with begin(place.database, decides.scope) as uow:
        await audit.decide_access(uow, row.id, is_granted=True, comment="By order.")
        exported = await audit.start_export(uow, None, None)
    async with begin(place.database, place.scope) as uow:
        await audit.write_export(uow, exported.id, None, None)
