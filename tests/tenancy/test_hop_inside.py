"""The walk from inside: somebody stands in the unit, or beside it, and lacks the permission of what they ask for (G20, G22)."""

from __future__ import annotations

import pytest

from server.config import Settings
from server.kit.db import Database
from server.tenants.rules import Permission, Role
from tests.api import Api
from tests.tenancy.insiders import Insider, an_insider

ALONE = ([Permission.COST_READ], None)
WIDE_BESIDE = ([Permission.COST_READ], Role.ADMIN)


@pytest.fixture(scope="module", params=[ALONE, WIDE_BESIDE], ids=["nothing else", "nearly all at the sibling"])
async def insider(
    request: pytest.FixtureRequest, walk_api: Api, walk_database: Database, walk_settings: Settings
) -> Insider:
    """Somebody with one permission that reads nothing of the walk, alone and with a wide role at a sibling."""
    held, beside = request.param
    return await an_insider(walk_api, walk_database, walk_settings, held, beside)


async def test_who_lacks_the_permission_is_told_of_a_real_id_what_a_random_one_is_told(insider: Insider) -> None:
    # Given: things of the unit, of headquarters above it and of a sibling beside it, none of which the person may see.
    foreign = insider.hop.foreign
    assert {"ApprovalRequest", "Campaign", "Contact", "Conversation", "Template", "Unit"} <= foreign.ids.keys()

    # When: the person puts their ids, and then random ones, wherever the schema wants an id.
    await insider.hop.ask_by_id("query")
    await insider.hop.ask_by_id("mutation")

    # Then: the two answers are the same.
    assert insider.hop.differences == []


async def test_no_list_shows_what_is_at_a_unit_where_the_permission_to_read_it_is_not_held(insider: Insider) -> None:
    assert insider.here_only.ids.keys() >= {"ApprovalRequest", "Campaign", "Contact", "Conversation", "Template"}
    assert insider.shown_without_permission() == {}


async def test_no_id_leads_to_what_its_own_list_is_refused_for(insider: Insider) -> None:
    assert {"CustomRole", "Member", "Campaign", "Label"} <= insider.listed_with().keys()
    assert await insider.found_by_id_but_not_listed() == []
