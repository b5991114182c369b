"""Walk A as a stranger sees it: a customer writes on the phone, and somebody reads it in the inbox."""

from __future__ import annotations

from server.config import Settings
from server.kit.db import Database
from server.tenants.rules import Role
from tests.api import Api
from tests.factories.sends import a_shop
from tests.factories.tenants import a_person
from tests.standin_server import Platform
from tests.workshop import Workshop

INBOX = """{ conversations(first: 10) { nodes { unreadCount contact { name firstName } page { name }
  lastMessage { text direction state } messages(first: 10) { nodes { text } } } } }"""


async def test_a_message_from_the_phone_stands_in_the_inbox_once_with_the_persons_name(
    database: Database, settings: Settings, api: Api, platform: Platform, workshop: Workshop
) -> None:
    shop = await a_shop(database, platform, f"{api.url}/webhooks/messenger")
    person = await a_person(database, settings, shop.organization, shop.page.unit_id, Role.OPERATOR)
    page, psid = shop.page.external_id, "700000000000001"
    await platform.control("customers", [{"page": page, "psid": psid, "first_name": "Grace", "last_name": "Hopper"}])
    await platform.control("faults", {"seed": 3, "webhooks": {"duplicate_probability": 1.0}}, method="PUT")

    await platform.control(f"customers/{page}/{psid}/message", {"text": "Grüezi 👋"})
    await workshop.settle(shop.organization.id, platform)
    await platform.control("faults", method="DELETE")

    answer = await api.ask(INBOX, token=person.token)
    assert answer.data["conversations"]["nodes"] == [
        {
            "unreadCount": 1,
            "contact": {"name": "Grace Hopper", "firstName": "Grace"},
            "page": {"name": "Bakery"},
            "lastMessage": {"text": "Grüezi 👋", "direction": "INBOUND", "state": "RECEIVED"},
            "messages": {"nodes": [{"text": "Grüezi 👋"}]},
        }
    ]
    assert await workshop.dead_jobs(shop.organization.id) == []
