"""What networks allow, over HTTP: now, at a moment in the past, and never by a clock without a zone."""

from __future__ import annotations

from typing import Any

from server.config import Settings
from server.kit.db import Database
from server.platforms.capabilities import catalogue
from server.tenants.rules import Role
from tests.api import Answer, Api
from tests.factories.tenants import a_person, an_agency

SHOWN = """query($at: DateTime) { channelCapabilities(at: $at) { channel validFrom validUntil source textLimit textUnit
  windowSeconds quickReplies buttons { count titleLimit textLimit } media { kind mimeTypes maxBytes maxCount }
  receipts unsendByPage quotas { act scope limit windowSeconds } publicTextKeptSeconds } }"""
TAGS_RETIRED = "2026-04-27T00:00:00Z"
A_MICROSECOND_BEFORE = "2026-04-26T23:59:59.999999Z"


async def asked(api: Api, database: Database, settings: Settings, at: str | None) -> Answer:
    """Ask as somebody who may do nothing but look at numbers."""
    agency = await an_agency(database)
    analyst = await a_person(database, settings, agency, agency.root_id, Role.ANALYST)
    return await api.ask(SHOWN, {"at": at}, token=analyst.token)


async def by_channel(api: Api, database: Database, settings: Settings, at: str | None) -> dict[str, dict[str, Any]]:
    """The rules by network."""
    answer = await asked(api, database, settings, at)
    return {one["channel"]: one for one in answer.data["channelCapabilities"]}


async def test_the_rules_of_today_are_those_that_check_every_message(
    api: Api, database: Database, settings: Settings
) -> None:
    shown = await by_channel(api, database, settings, None)

    assert shown.keys() == {"MESSENGER", "INSTAGRAM", "X", "LINKEDIN", "TIKTOK"}
    for channel, periods in catalogue.CATALOGUE.items():
        told, rules = shown[channel.value], periods[-1]
        assert (told["textLimit"], told["textUnit"]) == (rules.text_limit, rules.text_unit.value)
        assert [one["maxBytes"] for one in told["media"]] == [rule.max_bytes for rule in rules.media]
        assert [one["limit"] for one in told["quotas"]] == [quota.limit for quota in rules.quotas]
    assert shown["INSTAGRAM"]["textUnit"] == "BYTES"
    assert shown["LINKEDIN"]["publicTextKeptSeconds"] == 48 * 3_600
    assert shown["X"]["buttons"] is None


async def test_before_messengers_tags_were_retired_the_rules_of_that_period_are_shown_to_its_last_moment(
    api: Api, database: Database, settings: Settings
) -> None:
    before = (await by_channel(api, database, settings, A_MICROSECOND_BEFORE))["MESSENGER"]
    after = (await by_channel(api, database, settings, TAGS_RETIRED))["MESSENGER"]
    elsewhere = (await by_channel(api, database, settings, "2026-04-27T01:59:59+02:00"))["MESSENGER"]

    assert (before["validUntil"], after["validFrom"], after["validUntil"]) == (
        "2026-04-27T00:00:00+00:00",
        "2026-04-27T00:00:00+00:00",
        None,
    )
    assert "before the retirement of three message tags" in before["source"]
    assert elsewhere == before != after


async def test_networks_of_which_nothing_is_known_at_a_moment_are_left_out(
    api: Api, database: Database, settings: Settings
) -> None:
    assert (await by_channel(api, database, settings, "2022-01-01T00:00:00Z")).keys() == {"MESSENGER"}
    assert await by_channel(api, database, settings, "2019-01-01T00:00:00Z") == {}


async def test_a_moment_without_a_zone_or_beyond_the_calendar_is_refused_and_nobody_asks_without_a_token(
    api: Api, database: Database, settings: Settings
) -> None:
    zoneless = await asked(api, database, settings, "2026-04-26T23:59:59")
    garbage = [await asked(api, database, settings, one) for one in ("yesterday", "2026-13-01T00:00:00Z")]
    nobody = await api.ask(SHOWN, token=None)

    assert zoneless.codes == ["BAD_REQUEST"]
    assert [one.codes for one in garbage] == [["VALIDATION_FAILED"]] * 2
    assert nobody.codes == ["UNAUTHENTICATED"]
