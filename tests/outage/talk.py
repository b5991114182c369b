"""A customer who waits for an answer, known here and at the platform, and the person who answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from uuid import UUID

import httpx
from sqlalchemy import func, select

from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode
from server.kit.jobs import JobRow, JobState
from server.sends.models import SendIntentRow
from server.tenants.rules import Role
from server.tenants.uow import begin_read
from tests.factories.channels import a_body, a_text
from tests.factories.inbox import a_conversation, messages_of
from tests.factories.sends import AShop, a_customer, a_shop
from tests.factories.tenants import APerson, a_person
from tests.outage.system import System
from tests.standin_server import Platform

REPLY = """mutation($input: ConversationReplyInput!) { conversationReply(input: $input) {
  message { id text state } userErrors { code message } } }"""


@dataclass(frozen=True, slots=True)
class Talk:
    """One conversation at a shop."""

    database: Database
    platform: Platform
    shop: AShop
    agent: APerson
    contact_id: UUID
    psid: str
    conversation_id: UUID

    async def reply(self, system: System, text: str, key: str) -> httpx.Response:
        """Answer over the API, having seen the message that came last."""
        found = await messages_of(self.database, self.shop.organization, self.conversation_id)
        newest = max(found, key=lambda message: message.seq)
        return await self.reply_having_seen(system, newest.id, text, key)

    async def reply_having_seen(self, system: System, last_id: UUID, text: str, key: str) -> httpx.Response:
        """Answer over the API."""
        ids = {"conversationId": encode("cnv", self.conversation_id), "lastMessageSeenId": encode("msg", last_id)}
        return await system.ask(REPLY, {"input": ids | {"text": text}}, token=self.agent.token, key=key)

    def a_webhook(self, mid: str, text: str) -> bytes:
        """Return what the platform posts when the customer writes."""
        return a_body(a_text(self.shop.page.external_id, self.psid, mid=mid, text=text))

    async def messages(self) -> Counter[str]:
        """Count the messages of the conversation by their text."""
        found = await messages_of(self.database, self.shop.organization, self.conversation_id)
        return Counter(one.text or "" for one in found)

    async def accepted(self) -> Counter[str]:
        """Count what the platform accepted, by its text."""
        return Counter(str(one["text"]) for one in await self.platform.ledger(self.shop.page.external_id))

    async def waiting_jobs(self) -> int:
        """Count the jobs that nobody has taken yet."""
        async with begin_read(self.database, self.shop.organization.scope) as uow:
            statement = select(func.count()).where(
                JobRow.organization_id == self.shop.organization.id, JobRow.state == JobState.QUEUED
            )
            return (await uow.session.execute(statement)).scalar_one()

    async def states(self) -> Counter[str]:
        """Count the sends by where they stand."""
        async with begin_read(self.database, self.shop.organization.scope) as uow:
            statement = select(SendIntentRow.state).where(SendIntentRow.organization_id == self.shop.organization.id)
            return Counter(one.value for one in await uow.session.scalars(statement))


async def a_talk(database: Database, settings: Settings, platform: Platform) -> Talk:
    """Somebody wrote to a shop and waits."""
    shop = await a_shop(database, platform)
    contact_id, psid = await a_customer(database, platform, shop)
    row = await a_conversation(database, shop.organization, shop.page, "Are you open?", contact_id=contact_id)
    agent = await a_person(database, settings, shop.organization, shop.organization.root_id, Role.OWNER)
    return Talk(database, platform, shop, agent, contact_id, psid, row.id)
