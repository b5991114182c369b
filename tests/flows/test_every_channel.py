"""The same walk on every network: a person writes, somebody reads it and answers, and the platform has it exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from server.channels.service import PageRef
from server.config import Settings
from server.kit.db import Database
from server.platforms.port import OutgoingKind
from server.tenants.rules import Role
from server.tenants.uow import begin
from tests.api import Api
from tests.factories.channels import a_page
from tests.factories.tenants import AnOrganization, APerson, a_franchise, a_person
from tests.platforms.contract.conftest import an_id, named
from tests.platforms.contract.rig import Rig
from tests.platforms.contract.rigs import RIGS
from tests.schema.asking import change
from tests.standin_server import Platform
from tests.workshop import Workshop

INBOX = """{ conversations(first: 5) { nodes { id messages(first: 20) { nodes { id text direction state } } } }
  publicComments { nodes { id text isOwn replies { state text } } } }"""


@dataclass(frozen=True, slots=True)
class Desk:
    """An agent in front of one account of one network, and a person on the other side of the wire."""

    rig: Rig
    organization: AnOrganization
    page: PageRef
    agent: APerson
    person: str
    api: Api
    platform: Platform
    workshop: Workshop

    @property
    def is_public(self) -> bool:
        """Whether this network has comments and no messages."""
        return self.rig.message(self._credentials, self.person, "x").kind is OutgoingKind.COMMENT_REPLY

    @property
    def _credentials(self) -> Any:
        return _KNOWN[self.page.id]

    async def hear(self, words: str) -> None:
        """Let the person say something, and carry out what it leads to."""
        await self.rig.says(self.platform, self._credentials, self.person, words)
        await self.workshop.settle(self.organization.id, self.platform)

    async def read(self) -> dict[str, Any]:
        """What the agent sees."""
        return (await self.api.ask(INBOX, token=self.agent.token)).data

    async def answer(self, words: str) -> None:
        """Answer the newest thing that was said, and carry it out."""
        seen = await self.read()
        if self.is_public:
            comment = next(one for one in seen["publicComments"]["nodes"] if not one["isOwn"])
            wish: dict[str, Any] = {"commentId": comment["id"], "text": words}
            payload = await change(self.api, "publicCommentReply", "comment { id }", wish, token=self.agent.token)
        else:
            [conversation] = seen["conversations"]["nodes"]
            newest = conversation["messages"]["nodes"][0]["id"]
            wish = {"conversationId": conversation["id"], "text": words, "lastMessageSeenId": newest}
            payload = await change(self.api, "conversationReply", "message { id }", wish, token=self.agent.token)
        assert payload["userErrors"] == []
        await self.workshop.settle(self.organization.id, self.platform)

    async def said(self) -> list[tuple[str, str]]:
        """Everything between the two, as (who, words), sorted by words."""
        seen = await self.read()
        if self.is_public:
            return sorted(
                ("page" if one["isOwn"] else "person", one["text"]) for one in seen["publicComments"]["nodes"]
            )
        [conversation] = seen["conversations"]["nodes"]
        return sorted(
            ("page" if one["direction"] == "OUTBOUND" else "person", one["text"])
            for one in conversation["messages"]["nodes"]
        )

    async def state_of(self, words: str) -> str:
        """Where the agent sees that an answer stands."""
        seen = await self.read()
        replies = [reply for one in seen["publicComments"]["nodes"] for reply in one["replies"]]
        messages = [one for conversation in seen["conversations"]["nodes"] for one in conversation["messages"]["nodes"]]
        return next(one["state"] for one in [*replies, *messages] if one["text"] == words)

    async def find_out(self, words: str) -> None:
        """Let the time pass in which the platform's own list is asked, until it is known that the words arrived."""
        async with asyncio.timeout(20):
            while await self.state_of(words) not in {"SENT", "DELIVERED", "READ"}:
                await self.workshop.work(self.organization.id, within=timedelta(minutes=1))
                await asyncio.sleep(0.1)
        await self.workshop.settle(self.organization.id, self.platform)

    async def accepted(self, words: str) -> int:
        """How often the platform took these words from the account."""
        return sum(entry["text"] == words for entry in await self.platform.ledger(self.page.external_id))


_KNOWN: dict[Any, Any] = {}


@pytest.fixture(params=RIGS, ids=[f"{rig.channel.value.lower()}-{rig.login.value.lower()}" for rig in RIGS])
async def desk(
    request: pytest.FixtureRequest,
    database: Database,
    settings: Settings,
    api: Api,
    platform: Platform,
    workshop: Workshop,
) -> AsyncIterator[Desk]:
    """An agent of a location whose account of this network is connected."""
    rig: Rig = request.param
    account, person = named(rig, "account", an_id()), named(rig, "person", an_id())
    callback = f"{api.url}/webhooks/{rig.channel.value.lower()}"
    credentials = await rig.an_account(platform, account, callback=callback)
    franchise = await a_franchise(database, locations=1)
    unit_id = franchise.units["location 1"]
    page = await a_page(
        database,
        franchise,
        unit_id,
        external_id=credentials.page_external_id,
        channel=rig.channel,
        token=credentials.page_token,
        account_token=credentials.account_token or credentials.page_token,
    )
    async with begin(database, franchise.scope) as uow:
        told = {"login": rig.login.value, "parent": credentials.parent_external_id, "page": page.id}
        told["person"] = credentials.account_external_id
        await uow.session.execute(text("UPDATE page SET parent_external_id = :parent WHERE id = :page"), told)
        await uow.session.execute(
            text(
                "UPDATE connected_account SET login = :login, external_id = coalesce(:person, external_id)"
                " WHERE id = (SELECT account_id FROM page WHERE id = :page)"
            ),
            told,
        )
    _KNOWN[page.id] = credentials
    agent = await a_person(database, settings, franchise, unit_id, Role.OPERATOR)
    await rig.a_person(platform, credentials, person)
    yield Desk(rig, franchise, page, agent, person, api, platform, workshop)
    await platform.control("faults", method="DELETE")


async def test_what_a_person_says_is_read_and_answered_once(desk: Desk) -> None:
    await desk.hear("Do you open on Sunday? 🥐")

    await desk.answer("Yes, from eight.")

    assert sorted(await desk.said()) == [("page", "Yes, from eight."), ("person", "Do you open on Sunday? 🥐")]
    assert await desk.state_of("Yes, from eight.") in {"SENT", "DELIVERED", "READ"}
    assert await desk.accepted("Yes, from eight.") == 1
    assert await desk.workshop.dead_jobs(desk.organization.id) == []


async def test_webhooks_twice_in_any_order_and_an_echo_before_the_answer_change_nothing(desk: Desk) -> None:
    webhooks = {"duplicate_probability": 1.0, "reorder": True, "reorder_ms": 50, "echo_before_answer": True}
    await desk.platform.control("faults", {"seed": 7, "webhooks": webhooks}, method="PUT")

    await desk.hear("Is it still there?")
    await desk.answer("It is.")

    assert sorted(await desk.said()) == [("page", "It is."), ("person", "Is it still there?")]
    assert await desk.accepted("It is.") == 1


async def test_an_answer_whose_outcome_was_lost_is_never_sent_twice(desk: Desk) -> None:
    await desk.hear("May I have one?")
    rule = {"match": {"op": "comment" if desk.is_public else "send"}, "action": "drop_after_accept", "times": 1}
    await desk.platform.control("faults", {"seed": 7, "rules": [rule]}, method="PUT")

    await desk.answer("Of course.")
    await desk.find_out("Of course.")

    assert await desk.accepted("Of course.") == 1
    assert sorted(await desk.said()) == [("page", "Of course."), ("person", "May I have one?")]
