"""How long a page may write freely, and who must be left alone."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from server.config import Settings
from server.consent import service as consent
from server.consent.models import SuppressionReason
from server.consent.rules import Refusal
from server.kit.db import Database
from server.kit.errors import NotFound
from server.tenants.rules import Role
from server.tenants.uow import begin, begin_read
from tests.factories.channels import a_page
from tests.factories.inbox import a_contact
from tests.factories.tenants import a_person, an_agency

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.mark.parametrize("order", list(itertools.permutations([1, 5, 30])), ids=str)
async def test_the_window_ends_a_day_after_the_last_action_in_whatever_order_actions_arrive(
    database: Database, order: tuple[int, ...]
) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    person = await a_contact(database, agency, page)

    for hours in order:
        async with begin(database, agency.scope) as uow:
            await consent.note_action(uow, page, person, NOW - timedelta(hours=hours))

    async with begin_read(database, agency.scope) as uow:
        opened = await consent.window(uow, page.id, person)
    assert opened is not None
    last = NOW - timedelta(hours=1)
    assert (opened.last_action_at, opened.closes_at, opened.human_agent_closes_at) == (
        last,
        last + timedelta(hours=24),
        last + timedelta(days=7),
    )


async def test_an_action_in_the_future_opens_the_window_from_now_only(database: Database) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    person = await a_contact(database, agency, page)

    async with begin(database, agency.scope) as uow:
        await consent.note_action(uow, page, person, NOW + timedelta(days=30))
        now = await uow.now()

    async with begin_read(database, agency.scope) as uow:
        opened = await consent.window(uow, page.id, person)
    assert opened is not None
    assert opened.closes_at == now + timedelta(hours=24)


async def test_a_reply_is_refused_with_its_reason_before_it_is_queued(database: Database) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    never, late, fresh = [await a_contact(database, agency, page) for _ in range(3)]
    async with begin(database, agency.scope) as uow:
        await consent.note_action(uow, page, late, NOW - timedelta(hours=30))
        await consent.note_action(uow, page, fresh, NOW)

    async with begin(database, agency.scope) as uow:
        refused = await consent.may_reply(uow, page, never, False)
        assert refused is not None
        assert (refused.code, refused.closes_at) == (Refusal.WINDOW_CLOSED, None)
        refused = await consent.may_reply(uow, page, late, False)
        assert refused is not None
        assert refused.closes_at == NOW - timedelta(hours=6)
        assert await consent.may_reply(uow, page, late, True) is None
        assert await consent.may_reply(uow, page, fresh, False) is None
        await consent.suppress(uow, fresh, SuppressionReason.MANUAL)
        refused = await consent.may_reply(uow, page, fresh, False)
        assert refused is not None
        assert refused.code is Refusal.SUPPRESSED


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (SuppressionReason.MANUAL, SuppressionReason.ASKED_TO_STOP, SuppressionReason.ASKED_TO_STOP),
        (SuppressionReason.ASKED_TO_STOP, SuppressionReason.MANUAL, SuppressionReason.ASKED_TO_STOP),
        (SuppressionReason.BLOCKED_BY_CONTACT, SuppressionReason.UNREACHABLE, SuppressionReason.BLOCKED_BY_CONTACT),
        (SuppressionReason.UNREACHABLE, SuppressionReason.MANUAL, SuppressionReason.UNREACHABLE),
    ],
)
async def test_what_the_person_asked_for_outweighs_what_we_decided(
    database: Database, first: SuppressionReason, second: SuppressionReason, kept: SuppressionReason
) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    person = await a_contact(database, agency, page)

    for reason in (first, second):
        async with begin(database, agency.scope) as uow:
            await consent.suppress(uow, person, reason)

    async with begin(database, agency.scope) as uow:
        assert (await consent.suppressions(uow, [person]))[person].reason is kept
        await consent.lift_suppression(uow, person)
        await consent.lift_suppression(uow, person)
        assert await consent.suppressions(uow, [person]) == {}


async def test_nobody_suppresses_the_contact_of_another_client(database: Database, settings: Settings) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.units["client 1"])
    person = await a_contact(database, agency, page)
    stranger = await a_person(database, settings, agency, agency.units["client 2"], Role.MANAGER)

    with pytest.raises(NotFound):
        async with begin(database, stranger.scope) as uow:
            await consent.suppress(uow, person, SuppressionReason.MANUAL)
