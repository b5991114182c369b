"""The last word of a person counts, in whatever order the words arrive; every word stays in the ledger."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from server.channels.service import PageRef
from server.config import Settings
from server.consent import service as consent
from server.consent.errors import NoEvidence, UnknownTopic
from server.consent.models import ConsentRow, ConsentSource
from server.kit.crypto import SealBroken
from server.kit.db import Database
from server.kit.errors import NotFound, Problems
from server.kit.pagination import PageArguments
from server.tenants.errors import AlreadyExists
from server.tenants.rules import Role
from server.tenants.uow import begin, begin_read
from tests.factories.channels import a_page
from tests.factories.inbox import a_contact
from tests.factories.tenants import AnOrganization, a_franchise, a_person, an_agency

START = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
SALE, EVENTS, EVERYTHING = "sale", "events", None


async def yes(
    database: Database, organization: AnOrganization, page: PageRef, contact_id: UUID, key: str, minute: int
) -> None:
    """The person opts in to a topic at a minute."""
    async with begin(database, organization.scope) as uow:
        await consent.opt_in(
            uow,
            page,
            contact_id,
            key,
            "Get our offers",
            f"token-{minute}",
            None,
            START + timedelta(minutes=minute),
            ConsentSource.PLATFORM_OPT_IN,
            None,
        )


async def no(
    database: Database, organization: AnOrganization, page: PageRef, contact_id: UUID, key: str | None, minute: int
) -> None:
    """The person stops a topic, or all, at a minute."""
    async with begin(database, organization.scope) as uow:
        at = START + timedelta(minutes=minute)
        await consent.opt_out(uow, page, contact_id, key, at, ConsentSource.PLATFORM_STOP, None)


async def state(database: Database, organization: AnOrganization, contact_id: UUID) -> dict[str, bool]:
    """What the person's last words are, by topic key."""
    async with begin_read(database, organization.scope) as uow:
        rows = await consent.consents_of(uow, contact_id)
        topics = await consent.topics_by_id(uow, [row.topic_id for row in rows])
    return {topics[row.topic_id].key: row.is_opted_in for row in rows}


async def a_bakery(database: Database) -> tuple[AnOrganization, PageRef, UUID]:
    """An agency's client with a page, two topics, and a person."""
    agency = await an_agency(database)
    client = agency.units["client 1"]
    page = await a_page(database, agency, client)
    async with begin(database, agency.scope) as uow:
        await consent.create_topic(uow, client, SALE, "Sale")
        await consent.create_topic(uow, client, EVENTS, "Events")
    return agency, page, await a_contact(database, agency, page)


@pytest.mark.parametrize("order", list(itertools.permutations(["yes 1", "no 2", "yes 3", "no 4"])), ids=" ".join)
async def test_the_last_word_wins_in_every_order_of_arrival(database: Database, order: tuple[str, ...]) -> None:
    agency, page, person = await a_bakery(database)

    for word in order:
        said, minute = word.split()
        await (yes if said == "yes" else no)(database, agency, page, person, SALE, int(minute))

    assert await state(database, agency, person) == {SALE: False}
    async with begin_read(database, agency.scope) as uow:
        ledger = await consent.ledger_of(uow, person, PageArguments())
    assert len(ledger.items) == 4


@pytest.mark.parametrize("order", list(itertools.permutations(["yes 1", "stop 2", "yes 3"])), ids=str)
async def test_stop_everything_takes_back_what_was_said_before_it_and_not_after(
    database: Database, order: tuple[str, ...]
) -> None:
    agency, page, person = await a_bakery(database)

    for word in order:
        said, minute = word.split()
        if said == "stop":
            await no(database, agency, page, person, EVERYTHING, 2)
        else:
            await yes(database, agency, page, person, SALE if minute == "1" else EVENTS, int(minute))

    found = await state(database, agency, person)
    assert found.get(SALE, False) is False
    assert found[EVENTS] is True


async def test_of_a_yes_and_a_no_at_the_same_moment_the_no_wins(database: Database) -> None:
    agency, page, person = await a_bakery(database)

    await yes(database, agency, page, person, SALE, 1)
    await no(database, agency, page, person, SALE, 1)
    await no(database, agency, page, person, EVENTS, 1)
    await yes(database, agency, page, person, EVENTS, 1)

    assert await state(database, agency, person) == {SALE: False, EVENTS: False}


async def test_a_word_from_a_clock_that_runs_ahead_does_not_silence_a_later_no(database: Database) -> None:
    agency, page, person = await a_bakery(database)

    await yes(database, agency, page, person, SALE, 60 * 24 * 365)
    async with begin(database, agency.scope) as uow:
        now = await uow.now()
        await consent.opt_out(uow, page, person, SALE, now, ConsentSource.PLATFORM_STOP, None)

    assert await state(database, agency, person) == {SALE: False}


async def test_one_topic_stopped_leaves_the_others(database: Database) -> None:
    agency, page, person = await a_bakery(database)
    await yes(database, agency, page, person, SALE, 1)
    await yes(database, agency, page, person, EVENTS, 1)

    await no(database, agency, page, person, SALE, 2)

    assert await state(database, agency, person) == {SALE: False, EVENTS: True}


async def test_the_token_opens_only_in_its_own_row_and_goes_with_the_consent(database: Database) -> None:
    agency, page, person = await a_bakery(database)
    other = await a_contact(database, agency, page)
    await yes(database, agency, page, person, SALE, 1)

    async with begin_read(database, agency.scope) as uow:
        (row,) = await consent.consents_of(uow, person)
        assert consent.open_token(uow, row) == "token-1"
        copied = ConsentRow(
            organization_id=row.organization_id,
            page_id=row.page_id,
            contact_id=other,
            topic_id=row.topic_id,
            token_sealed=row.token_sealed,
        )
        with pytest.raises(SealBroken):
            consent.open_token(uow, copied)
    await no(database, agency, page, person, SALE, 2)
    async with begin_read(database, agency.scope) as uow:
        (row,) = await consent.consents_of(uow, person)
        assert consent.open_token(uow, row) is None


async def test_a_location_uses_its_own_topic_before_the_one_of_headquarters(database: Database) -> None:
    franchise = await a_franchise(database)
    own, other = (franchise.units[name] for name in ("location 1", "location 2"))
    async with begin(database, franchise.scope) as uow:
        above = await consent.create_topic(uow, franchise.root_id, SALE, "Sale everywhere")
        local = await consent.create_topic(uow, own, SALE, "Sale here")

    used = {}
    for unit in (own, other):
        page = await a_page(database, franchise, unit)
        person = await a_contact(database, franchise, page)
        await yes(database, franchise, page, person, SALE, 1)
        async with begin_read(database, franchise.scope) as uow:
            (row,) = await consent.consents_of(uow, person)
        used[unit] = row.topic_id

    assert used == {own: local.id, other: above.id}


async def test_a_topic_of_a_sibling_is_unknown_and_nothing_is_recorded(database: Database) -> None:
    agency, _, _ = await a_bakery(database)
    page = await a_page(database, agency, agency.units["client 2"])
    person = await a_contact(database, agency, page)

    with pytest.raises(UnknownTopic):
        await yes(database, agency, page, person, SALE, 1)

    async with begin_read(database, agency.scope) as uow:
        assert not (await consent.ledger_of(uow, person, PageArguments())).items


async def test_an_agent_cannot_say_yes_for_somebody(database: Database) -> None:
    agency, page, person = await a_bakery(database)

    with pytest.raises(NoEvidence):
        async with begin(database, agency.scope) as uow:
            await consent.opt_in(uow, page, person, SALE, None, None, None, START, ConsentSource.AGENT, None)


async def test_a_topic_key_is_unique_at_its_unit_and_checked(database: Database, settings: Settings) -> None:
    agency, _, _ = await a_bakery(database)
    stranger = await a_person(database, settings, agency, agency.units["client 2"], Role.MANAGER)

    with pytest.raises(AlreadyExists):
        async with begin(database, agency.scope) as uow:
            await consent.create_topic(uow, agency.units["client 1"], SALE, "Sale")
    with pytest.raises(Problems):
        async with begin(database, agency.scope) as uow:
            await consent.create_topic(uow, agency.units["client 1"], " x", "")
    with pytest.raises(NotFound):
        async with begin(database, stranger.scope) as uow:
            await consent.create_topic(uow, agency.units["client 1"], "spring", "Spring")
