"""A conversation of several people, as an agent sees it: who wrote what, who is there, and an answer to all of them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from server.channels.jobs import SyncPage
from server.channels.service import PageRef
from server.config import Settings
from server.contacts import service as contacts
from server.inbox import service as inbox
from server.kit.db import Database
from server.platforms.port import Channel, MessageReceived, ParticipantsChanged
from server.tenants.rules import Role
from server.tenants.uow import begin
from tests.api import Api
from tests.factories.channels import a_page
from tests.factories.tenants import AnOrganization, APerson, a_franchise, a_person
from tests.platforms.contract.conftest import an_id
from tests.platforms.contract.x import XRig
from tests.schema.asking import change
from tests.standin_server import Platform
from tests.workshop import Workshop

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
INBOX = """{ conversations(first: 5) { nodes { id kind contact { id }
  participants { since leftAt contact { id name } }
  messages(first: 20) { nodes { id text direction state writer { id } } } } } }"""


@dataclass(frozen=True, slots=True)
class Club:
    """An account of X in a group with people, and an agent."""

    organization: AnOrganization
    page: PageRef
    agent: APerson
    people: tuple[str, str, str]
    api: Api

    async def seen(self) -> dict[str, Any]:
        """The one conversation that the agent sees."""
        [node] = (await self.api.ask(INBOX, token=self.agent.token)).data["conversations"]["nodes"]
        return node


@pytest.fixture
async def club(database: Database, settings: Settings, api: Api, platform: Platform) -> Club:
    """A group of X: an account of a location, and three people."""
    rig, account = XRig("activity"), an_id()
    credentials = await rig.an_account(platform, account, callback=f"{api.url}/webhooks/x")
    people = (an_id(), an_id(), an_id())
    for person in people:
        await rig.a_person(platform, credentials, person)
    franchise = await a_franchise(database, locations=1)
    unit_id = franchise.units["location 1"]
    page = await a_page(
        database,
        franchise,
        unit_id,
        external_id=account,
        channel=Channel.X,
        token=credentials.page_token,
        account_token=credentials.page_token,
    )
    agent = await a_person(database, settings, franchise, unit_id, Role.OPERATOR)
    return Club(franchise, page, agent, people, api)


async def test_a_group_shows_who_wrote_what_and_one_answer_goes_to_all_of_it_once(
    club: Club, platform: Platform, workshop: Workshop
) -> None:
    first, second, third = club.people
    where = f"x/customers/{club.page.external_id}"
    made = await platform.control(f"{where}/{first}/message", {"text": "Who is in?", "group": [second, third]})
    more = {"text": "I am", "group": [first, third], "conversation": made["conversation"]}
    await platform.control(f"{where}/{second}/message", more)
    await workshop.settle(club.organization.id, platform)
    before = await club.seen()

    wish = {
        "conversationId": before["id"],
        "text": "Great!",
        "lastMessageSeenId": before["messages"]["nodes"][-1]["id"],
    }
    payload = await change(club.api, "conversationReply", "message { id writer { id } }", wish, token=club.agent.token)
    await workshop.settle(club.organization.id, platform)
    after = await club.seen()

    assert before["kind"] == after["kind"] == "GROUP"
    writers = {one["text"]: one["writer"]["id"] for one in before["messages"]["nodes"]}
    there = [one["contact"]["id"] for one in before["participants"]]
    assert list(writers) == ["Who is in?", "I am"]
    assert there == list(writers.values())
    assert before["contact"]["id"] not in there
    assert payload["message"]["writer"] is None
    assert (after["messages"]["nodes"][-1]["text"], after["messages"]["nodes"][-1]["state"]) == ("Great!", "SENT")
    [entry] = await platform.ledger(club.page.external_id)
    assert (entry["text"], entry["person"]) == ("Great!", made["conversation"])


async def test_a_conversation_of_two_has_no_participants_and_its_messages_need_no_writer(
    club: Club, platform: Platform, workshop: Workshop
) -> None:
    await platform.control(f"x/customers/{club.page.external_id}/{club.people[0]}/message", {"text": "Hi"})
    await workshop.settle(club.organization.id, platform)

    seen = await club.seen()

    assert (seen["kind"], seen["participants"], seen["messages"]["nodes"][0]["writer"]) == ("DIRECT", [], None)


async def test_who_joins_and_leaves_without_a_word_is_known_from_the_networks_list(
    club: Club, database: Database, platform: Platform, workshop: Workshop
) -> None:
    first, second, third = club.people
    where = f"x/customers/{club.page.external_id}"
    made = await platform.control(f"{where}/{first}/message", {"text": "Hello", "group": [second]})
    await platform.control(f"{where}/{third}/move", {"conversation": made["conversation"]})
    await platform.control(f"{where}/{second}/move", {"conversation": made["conversation"], "left": True})
    async with begin(database, club.organization.scope) as uow:
        await uow.session.execute(
            text(
                "UPDATE page SET subscribed_at = now() - interval '1 hour', subscription_checked_at = now() WHERE id = :page"
            ),
            {"page": club.page.id},
        )
        uow.defer(SyncPage(club.page.id), key=str(club.page.id))
    await workshop.settle(club.organization.id, platform)

    seen = await club.seen()

    there = [one["leftAt"] is None for one in seen["participants"]]
    assert sorted(there) == [False, True, True]
    assert len({one["contact"]["id"] for one in seen["participants"]}) == 3


async def test_news_of_a_group_in_any_order_and_twice_end_alike(club: Club, database: Database) -> None:
    async def ended(order: tuple[int, ...], number: int) -> list[tuple[object, ...]]:
        group = f"9{number:05d}"
        news = (
            ParticipantsChanged(group, ("7", "8"), True, NOON),
            MessageReceived(group, f"m{number}", "Hi", (), NOON + timedelta(minutes=1), writer="7"),
            ParticipantsChanged(group, ("7",), False, NOON + timedelta(minutes=2)),
            ParticipantsChanged(group, ("7",), True, NOON + timedelta(minutes=3)),
            ParticipantsChanged(group, ("8",), False, NOON + timedelta(minutes=4)),
        )
        async with begin(database, club.organization.scope) as uow:
            group_id = await contacts.identify(uow, club.page, group)
            for one in order:
                event = news[one]
                if isinstance(event, MessageReceived):
                    writer_id = await contacts.identify(uow, club.page, event.writer or "")
                    await inbox.receive_message(uow, club.page, group_id, event, writer_id)
                else:
                    people = [await contacts.identify(uow, club.page, who) for who in event.participants]
                    await inbox.apply_participants(uow, club.page, group_id, people, event)
            found = (await inbox.participants(uow, [group_id]))[group_id]
            return sorted((row.contact_id, row.since, row.seen_at, row.left_at) for row in found)

    straight = await ended((0, 1, 2, 3, 4), 0)
    for number, order in enumerate(itertools.permutations(range(5)), 1):
        assert await ended((*order, order[0]), number) == straight


async def test_a_group_of_more_people_than_the_channel_takes_is_not_written_to(
    club: Club, database: Database, platform: Platform, workshop: Workshop
) -> None:
    first, second, _ = club.people
    made = await platform.control(
        f"x/customers/{club.page.external_id}/{first}/message", {"text": "All of us", "group": [second]}
    )
    await workshop.settle(club.organization.id, platform)
    async with begin(database, club.organization.scope) as uow:
        group_id = await contacts.identify(uow, club.page, made["conversation"])
        crowd = [await contacts.identify(uow, club.page, f"55{number}") for number in range(49)]
        event = ParticipantsChanged(made["conversation"], (), True, NOON)
        await inbox.apply_participants(uow, club.page, group_id, crowd, event)
    seen = await club.seen()

    wish = {"conversationId": seen["id"], "text": "Hello", "lastMessageSeenId": seen["messages"]["nodes"][-1]["id"]}
    payload = await change(club.api, "conversationReply", "message { id }", wish, token=club.agent.token)

    assert [one["code"] for one in payload["userErrors"]] == ["INBOX_GROUP_TOO_LARGE"]
    assert "50 people" in payload["userErrors"][0]["message"]
