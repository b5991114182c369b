"""What a subscription tells is paid by its token, change by change."""

from __future__ import annotations

from copy import copy

import httpx

from server.app import create_app
from server.config import Settings
from server.kit.db import Database
from server.tenants.rules import Role
from tests.api import Api, serving
from tests.factories.inbox import a_conversation, a_page
from tests.factories.tenants import a_person, an_agency
from tests.schema.live import a_socket, cursor_of

REPLAYED = 12


async def test_a_token_that_was_told_more_than_its_budget_is_told_when_to_come_back_and_others_go_on(
    settings: Settings, database: Database
) -> None:
    agency = await an_agency(database)
    page = await a_page(database, agency, agency.root_id)
    thirsty, other = [await a_person(database, settings, agency, agency.root_id, Role.OWNER) for _ in range(2)]
    configured = copy(settings)
    configured.budgets = settings.budgets.model_copy(update={"token": 1_500, "token_per_s": 0.01})
    async with serving(create_app(configured)) as url, httpx.AsyncClient(trust_env=False) as http:
        api = Api(url, http)
        after = await cursor_of(api, thirsty.token)
        for number in range(REPLAYED):
            await a_conversation(database, agency, page, f"Hello {number}")
        async with a_socket(api, thirsty.token) as first, a_socket(api, other.token) as second:
            await first.subscribe(after)
            told = [await first.change() for _ in range(REPLAYED)]
            now = told[-1]["cursor"]
            await second.subscribe(now)
            await a_conversation(database, agency, page, "One more")
            heard = await second.change()
            ended = await first.end()

    assert heard["conversation"]["lastMessage"]["text"] == "One more"
    assert (ended["code"], ended["retryAfterSeconds"] > 5) == ("RATE_LIMITED", True)
