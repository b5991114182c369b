"""A client that leaves takes everything along, and nothing of it can be found afterwards (D-25)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from server.audit import service as audit
from server.audit.models import AuditEventRow
from server.audit.rules import LegalBasis
from server.audit.service import Hold
from server.config import Settings
from server.kit.db import Database
from server.kit.errors import NotFound, PermissionDenied, Problems
from server.kit.jobs import JobRow, JobState
from server.kit.pagination import PageArguments
from server.privacy import service as privacy
from server.privacy.models import OffboardingRow
from server.privacy.rules import OffboardingState, Policy, Revocation, StepState
from server.privacy.service import Wish
from server.sends.models import Purpose
from server.sends.repository.claim import ChannelRules
from server.sends.repository.claim import claim as claim_sends
from server.tenants import service as tenants
from server.tenants.rules import Role
from server.tenants.uow import UnitOfWork, begin, begin_read
from tests.factories.sends import a_customer, a_reply, a_shop
from tests.factories.tenants import a_person
from tests.privacy.scenes import PROOFS, AClient, a_client, leave_and_settle, revocations, work
from tests.standin_server import Platform
from tests.tenancy.world import A_PICTURE
from tests.workshop import Workshop
from workers.actors.privacy import ACTORS
from workers.run import Run, carry_out, claim

MONEY = frozenset({"carried_cost.currency"})
"""Money stays in the books, by month and currency."""
ORGANIZATION = frozenset({"known_document", "document_use"})
"""What front ends send belongs to the organization as a whole and to none of its units."""


async def assert_gone(client: AClient) -> None:
    """Insist that nothing of the client is left but the files of the export and the certificate."""
    seen = await client.sightings(but=PROOFS | ORGANIZATION | {"stored_file_part"})
    assert seen.keys() <= MONEY, seen


async def test_after_an_offboarding_no_table_holds_anything_of_the_client(
    database: Database, settings: Settings, platform: Platform, workshop: Workshop
) -> None:
    client = await a_client(database, settings, platform)
    before = await client.sightings(but=PROOFS)
    sibling = await client.sibling.checksums()
    assert len(before) > 80
    assert {"public_comment.text", "message_media.problem", "page_media.platform_media_id"} <= before.keys()

    offboarding_id = await leave_and_settle(client, workshop)

    row, steps = await client.row(offboarding_id)
    assert [one for one in await workshop.dead_jobs(client.agency.id) if one.startswith("privacy.")] == []
    assert row.state is OffboardingState.DONE
    assert {one.state for one in steps} == {StepState.DONE}
    await assert_gone(client)
    assert await client.sibling.checksums() == sibling


async def test_the_certificate_tells_what_was_done_and_its_digest_stands_in_the_chain(
    database: Database, settings: Settings, platform: Platform, workshop: Workshop
) -> None:
    client = await a_client(database, settings, platform)

    offboarding_id = await leave_and_settle(client, workshop)

    row, _ = await client.row(offboarding_id)
    certificate: Any = await client.certificate(offboarding_id)
    by_name = {one["name"]: one for one in certificate["steps"]}
    data = await client.file(row.export_file_id)
    lines = [json.loads(line) for line in data.splitlines()]
    assert by_name["EXPORT"]["files"][0]["sha256"] == hashlib.sha256(data).hexdigest()
    assert by_name["EXPORT"]["files"][0]["rows"] == lines[-1]["rows"]
    assert lines[0]["tables"].index("contact") < lines[0]["tables"].index("message")
    assert sum(1 for line in lines if line["type"] == "message") == lines[-1]["rows"]["message"] > 3
    assert b"token-of-the-platform" not in data
    assert b"_sealed" not in data
    assert by_name["ERASE"]["erased"]["message"] == lines[-1]["rows"]["message"]
    assert by_name["ERASE"]["erased"].keys() >= {"public_comment", "comment_reply", "message_media", "page_media"}
    assert certificate["asked"]["by"] == "Olga"
    assert certificate["asked"]["reason"] == "The contract ended."
    assert {one["table"] for one in certificate["remains"]} >= {"audit_event", "erased_identity", "carried_cost"}
    digest = hashlib.sha256(await client.file(row.certificate_file_id)).hexdigest()
    async with begin_read(database, client.agency.scope) as uow:
        ends = select(AuditEventRow.details).where(
            AuditEventRow.organization_id == client.agency.id, AuditEventRow.action == "client:offboarding:end"
        )
        assert [one["certificate_sha256"] for one in await uow.session.scalars(ends)] == [digest]


async def test_the_export_holds_public_texts_our_answers_and_the_bytes_of_copies(
    database: Database, settings: Settings, platform: Platform, workshop: Workshop
) -> None:
    client = await a_client(database, settings, platform)

    offboarding_id = await leave_and_settle(client, workshop)

    row, _ = await client.row(offboarding_id)
    lines = [json.loads(line) for line in (await client.file(row.export_file_id)).splitlines()]
    rows = {name: [one["row"] for one in lines if one["type"] == name] for name in ("message_media", "comment_reply")}
    copies = {one["id"]: bytes.fromhex(one["content"]) for one in rows["message_media"] if one["content"]}
    told = [json.loads(line) for line in (await client.file(row.manifest_file_id)).splitlines()]
    named = [one["copy_id"] for one in told if one["type"] == "media" and one["copy_id"] is not None]
    assert {one["is_private"] for one in rows["comment_reply"]} == {False, True}
    assert A_PICTURE in [copies[one] for one in named]
    assert sum(1 for one in lines if one["type"] == "public_comment") >= 1


async def test_the_platform_is_told_once_pages_before_the_grant(
    database: Database, settings: Settings, platform: Platform, workshop: Workshop
) -> None:
    client = await a_client(database, settings, platform)

    offboarding_id = await leave_and_settle(client, workshop)

    page, person = client.grant.page, client.grant.person
    told = await revocations(platform, page, person)
    certificate: Any = await client.certificate(offboarding_id)
    assert told == [("subscribed_apps", page), ("permissions", person)]
    assert {one["external_id"]: one["outcome"] for one in certificate["platforms"]} == {page: "DONE", person: "DONE"}


async def test_a_grant_that_serves_somebody_else_is_not_taken_back(
    database: Database, settings: Settings, platform: Platform, workshop: Workshop
) -> None:
    client, other = [await a_client(database, settings, platform) for _ in range(2)]
    async with begin(database, other.agency.scope) as uow:
        await uow.session.execute(
            text("UPDATE connected_account SET external_id = :person WHERE external_id = :own"),
            {"person": client.grant.person, "own": other.grant.person},
        )

    offboarding_id = await leave_and_settle(client, workshop)

    certificate: Any = await client.certificate(offboarding_id)
    assert await revocations(platform, client.grant.page, client.grant.person) == [
        ("subscribed_apps", client.grant.page)
    ]
    assert [one["outcome"] for one in certificate["platforms"] if one["what"] == "GRANT"] == [Revocation.SHARED]


async def test_a_platform_that_stays_away_is_named_in_the_certificate(
    database: Database, settings: Settings, platform: Platform, workshop: Workshop
) -> None:
    client = await a_client(database, settings, platform)
    rules = [{"match": {"path": one}, "action": "error", "status": 500} for one in ("subscribed_apps", "permissions")]
    await platform.control("faults", {"seed": 1, "rules": rules}, method="PUT")
    try:
        offboarding_id = await client.leave()
        for _ in range(8):
            await work(client, workshop, also_later=True)
    finally:
        await platform.control("faults", method="DELETE")

    certificate: Any = await client.certificate(offboarding_id)
    assert [(one["what"], one["outcome"], one["tries"]) for one in certificate["platforms"]] == [
        ("PAGE", "UNREACHABLE", 6),
        ("GRANT", "UNREACHABLE", 6),
    ]
    await assert_gone(client)


class Killed(Exception):
    """The worker died."""


@dataclass(slots=True)
class MortalRun(Run):
    """A run whose worker dies in the transaction that follows so many others."""

    lives: int = field(default=0)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[UnitOfWork]:
        """Open a unit of work, and die at its end if the time has come."""
        async with Run.begin(self) as uow:
            yield uow
            await uow.flush()
            self.lives -= 1
            if self.lives < 0:
                raise Killed


async def test_a_worker_that_is_killed_in_every_transaction_doubles_and_skips_nothing(
    database: Database, settings: Settings, platform: Platform, workshop: Workshop
) -> None:
    client = await a_client(database, settings, platform)
    offboarding_id = await client.leave()
    died, lives = 0, 0

    while (job_id := await _release_job(client)) is not None:
        claimed = await claim(workshop.runtime, client.agency.id, job_id)
        assert claimed is not None
        run = MortalRun(claimed.runtime, claimed.claimed, claimed.worker_id, lives=lives)
        try:
            await carry_out(run, ACTORS)
        except Killed:
            # What was lost is done by the next run, which dies later: also after a call and before it is written down.
            died, lives = died + 1, (lives + 1) % 3
            assert died < 200

    row, steps = await client.row(offboarding_id)
    certificate: Any = await client.certificate(offboarding_id)
    by_name = {one["name"]: one for one in certificate["steps"]}
    exported = by_name["EXPORT"]["files"][0]["rows"]
    assert died > 10
    assert row.state is OffboardingState.DONE
    assert {one.state for one in steps} == {StepState.DONE}
    assert [by_name["ERASE"]["erased"][name] for name in ("message", "contact", "send_intent")] == [
        exported[name] for name in ("message", "contact", "send_intent")
    ]
    assert {one["outcome"] for one in certificate["platforms"]} <= {"DONE", "VOID"}
    await assert_gone(client)
    async with begin_read(database, client.agency.scope) as uow:
        count = select(func.count()).where(
            AuditEventRow.organization_id == client.agency.id, AuditEventRow.action == "client:offboarding:end"
        )
        assert (await uow.session.execute(count)).scalar_one() == 1


async def _release_job(client: AClient) -> Any:
    """Give back what a dead worker held, as the sweep does, and return the owed job."""
    async with begin(client.database, client.agency.scope) as uow:
        statement = (
            update(JobRow)
            .where(JobRow.organization_id == client.agency.id, JobRow.kind == "privacy.offboard")
            .values(state=JobState.QUEUED, due_at=func.clock_timestamp(), attempts=0, claimed_by=None)
            .returning(JobRow.id)
        )
        return (await uow.session.execute(statement)).scalar_one_or_none()


async def test_from_the_call_on_nobody_sees_the_unit_and_nothing_is_claimed_for_it(
    database: Database, settings: Settings, platform: Platform
) -> None:
    shop = await a_shop(database, platform)
    contact_id, psid = await a_customer(database, platform, shop)
    await a_reply(database, shop, contact_id, psid)
    owner = await a_person(database, settings, shop.organization, shop.organization.root_id, Role.OWNER)
    unit_id = shop.page.unit_id

    async with begin(database, owner.scope) as uow:
        await privacy.offboard(uow, Wish(unit_id, Policy.ERASE, None, "location 1", "It closed."))

    again = await a_person(database, settings, shop.organization, shop.organization.root_id, Role.OWNER)
    assert again.scope.all_units
    assert not again.scope.reaches(unit_id)
    async with begin_read(database, again.scope) as uow:
        with pytest.raises(NotFound):
            await tenants.unit(uow, unit_id)
        listed = await tenants.list_units(uow, PageArguments(100))
        assert unit_id not in {one.id for one in listed.items}
        assert (await uow.session.execute(text("SELECT count(*) FROM contact"))).scalar_one() == 0
    async with begin(database, shop.organization.scope) as uow:
        await uow.session.execute(text("UPDATE page SET disconnected_at = NULL, health = 'HEALTHY'"))
        taken = await claim_sends(
            uow.session,
            shop.organization.id,
            shop.page.id,
            Purpose.CONVERSATIONAL,
            worker_id=unit_id,
            size=10,
            rules=ChannelRules(timedelta()),
        )
    assert taken == []


async def test_what_is_asked_for_wrongly_is_refused_and_changes_nothing(
    database: Database, settings: Settings, platform: Platform
) -> None:
    client = await a_client(database, settings, platform)
    manager = client.place.person
    sibling = await a_person(database, settings, client.agency, client.sibling.unit_id, Role.OWNER)
    own = await a_person(database, settings, client.agency, client.unit_id, Role.OWNER)
    before = await client.sightings(but=PROOFS)
    unit, root = client.unit_id, client.agency.root_id

    for scope, wish, refusal in (
        (client.owner.scope, Wish(unit, Policy.ERASE, None, "client 1", "Why."), Problems),
        (client.owner.scope, Wish(root, Policy.ERASE, None, "Agency", "Why."), Problems),
        (manager.scope, Wish(unit, Policy.ERASE, None, "client 1", "Why."), PermissionDenied),
        (sibling.scope, Wish(unit, Policy.ERASE, None, "client 1", "Why."), NotFound),
    ):
        with pytest.raises(refusal):
            async with begin(database, scope) as uow:
                await privacy.offboard(uow, wish)
    async with begin_read(database, client.agency.scope) as uow:
        name = (await tenants.unit(uow, unit)).name
    for scope, wish, refusal in (
        (client.owner.scope, Wish(unit, Policy.RETAIN, None, name, "Why."), Problems),
        (client.owner.scope, Wish(unit, Policy.RETAIN, 4000, name, "Why."), Problems),
        (client.owner.scope, Wish(unit, Policy.ERASE, 3, name, "Why."), Problems),
        (client.owner.scope, Wish(unit, Policy.ERASE, None, name, " "), Problems),
        (own.scope, Wish(unit, Policy.ERASE, None, name, "Nobody above would see the certificate."), PermissionDenied),
    ):
        with pytest.raises(refusal):
            async with begin(database, scope) as uow:
                await privacy.offboard(uow, wish)

    assert await client.sightings(but=PROOFS) == before


async def test_a_second_call_finds_no_such_unit(database: Database, settings: Settings, platform: Platform) -> None:
    client = await a_client(database, settings, platform)
    await client.leave()

    with pytest.raises(NotFound):
        await client.leave()


async def test_a_legal_hold_suspends_the_erasure_until_it_is_lifted(
    database: Database, settings: Settings, platform: Platform, workshop: Workshop
) -> None:
    client = await a_client(database, settings, platform)
    async with begin(database, client.owner.scope) as uow:
        hold = await audit.hold(uow, Hold(client.unit_id, None, LegalBasis.COURT_ORDER, "7 K 12/26", "A dispute."))

    offboarding_id = await client.leave()
    await work(client, workshop)

    row, _ = await client.row(offboarding_id)
    assert row.state is OffboardingState.ON_HOLD
    assert (await client.sightings()).get("message.text", 0) > 0
    owner = await a_person(database, settings, client.agency, client.agency.root_id, Role.OWNER)
    async with begin(database, owner.scope) as uow:
        await audit.lift_hold(uow, hold.id, "The dispute ended.")
    await work(client, workshop, also_later=True)
    row, _ = await client.row(offboarding_id)
    assert row.state is OffboardingState.DONE
    await assert_gone(client)


async def test_retained_data_is_hidden_at_once_and_erased_at_its_date(
    database: Database, settings: Settings, platform: Platform, workshop: Workshop
) -> None:
    client = await a_client(database, settings, platform)

    offboarding_id = await client.leave(Policy.RETAIN, 30)
    await work(client, workshop)

    row, _ = await client.row(offboarding_id)
    retention: Any = await client.certificate(offboarding_id)
    assert row.state is OffboardingState.RETAINED
    assert (retention["is_final"], retention["retained_until"][:10]) == (False, f"{row.retained_until:%Y-%m-%d}")
    assert (await client.sightings()).get("message.text", 0) > 0
    owner = await a_person(database, settings, client.agency, client.agency.root_id, Role.OWNER)
    async with begin_read(database, owner.scope) as uow:
        for table in ("contact", "message", "page", "campaign", "conversation"):
            statement = text(f"SELECT count(*) FROM {table} WHERE unit_id = :unit")
            assert (await uow.session.execute(statement, {"unit": client.unit_id})).scalar_one() == 0
    await work(client, workshop, also_later=True)
    assert (await client.row(offboarding_id))[0].state is OffboardingState.RETAINED

    async with begin(database, client.agency.scope) as uow:
        past = update(OffboardingRow).where(OffboardingRow.id == offboarding_id)
        await uow.session.execute(past.values(retained_until=func.clock_timestamp()))
    await work(client, workshop, also_later=True)

    certificate: Any = await client.certificate(offboarding_id)
    assert (await client.row(offboarding_id))[0].state is OffboardingState.DONE
    assert certificate["is_final"]
    await assert_gone(client)


async def test_the_clients_people_and_tokens_end_and_the_others_stay(
    database: Database, settings: Settings, platform: Platform, workshop: Workshop
) -> None:
    client = await a_client(database, settings, platform)
    both = await a_person(database, settings, client.agency, client.unit_id, Role.MANAGER, "Bo")
    async with begin(database, client.agency.scope) as uow:
        await tenants.grant_role(uow, both.member_id, client.sibling.unit_id, Role.MANAGER)

    await leave_and_settle(client, workshop)

    async with begin_read(database, client.agency.scope) as uow:
        people = await tenants.members_by_id(uow, [both.member_id, client.place.person.member_id])
        live = "SELECT count(*) FROM access_token WHERE member_id = :member AND revoked_at IS NULL"
        tokens = [
            (await uow.session.execute(text(live), {"member": one})).scalar_one()
            for one in (both.member_id, client.place.person.member_id)
        ]
    assert people[both.member_id].deactivated_at is None
    assert people[client.place.person.member_id].deactivated_at is not None
    assert people[client.place.person.member_id].name == "Former member"
    assert tokens == [1, 0]
