"""The gate in SQL and the gate in Python are one rule: they agree on every set of facts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from server.consent import gate
from server.consent.models import SuppressionReason
from server.consent.rules import Facts, may_send
from server.kit.db import Database
from server.kit.ids import new_id
from server.platforms.port import OutgoingKind
from server.tenants.uow import begin, begin_read
from tests.factories.sends import AShop, a_customer, a_shop
from tests.standin_server import Platform

NOW = datetime.now(UTC)
PERIOD = timedelta(days=7)
MOMENTS = st.sampled_from([None, NOW - timedelta(days=2), NOW + timedelta(days=2)])
FACTS = st.builds(
    Facts,
    is_marketing=st.booleans(),
    is_human_agent=st.booleans(),
    suppression=st.sampled_from([None, *SuppressionReason]),
    has_consent=st.booleans(),
    consent_expires_at=MOMENTS,
    window_closes_at=MOMENTS,
    human_agent_closes_at=MOMENTS,
    kind=st.sampled_from(OutgoingKind),
    private_reply_ends_at=MOMENTS,
)

INSERTS = {
    "return": "UPDATE contact SET was_erased = true WHERE organization_id = :org AND id = :contact",
    "suppression": "INSERT INTO suppression (organization_id, contact_id, unit_id, reason)"
    " VALUES (:org, :contact, :unit, :suppression)",
    "consent": "INSERT INTO consent (organization_id, page_id, contact_id, topic_id, unit_id, is_opted_in, occurred_at,"
    " expires_at, event_id) VALUES (:org, :page, :contact, :topic, :unit, :opted, now(), :expires, :org)",
    "window": "INSERT INTO messaging_window (organization_id, page_id, contact_id, unit_id, last_action_at, closes_at,"
    " human_agent_closes_at) VALUES (:org, :page, :contact, :unit, now(), :closes, :human)",
}
SELECT = f"""
SELECT {gate.REFUSAL} FROM (SELECT cast(:org AS uuid) AS organization_id, cast(:page AS uuid) AS page_id,
  cast(:contact AS uuid) AS contact_id, cast(:topic AS uuid) AS topic_id, cast(:purpose AS text) AS purpose,
  cast(:agent AS boolean) AS human_agent, cast(:kind AS text) AS kind, cast(:commented AS timestamptz) AS commented_at) s
  {gate.JOINS}
"""


class RolledBack(Exception):
    """Leaves nothing of one example."""


async def sql_says(database: Database, shop: AShop, contact_id: object, facts: Facts) -> str | None:
    """Ask the gate's SQL in a transaction that is thrown away."""
    values = {
        "org": shop.organization.id,
        "page": shop.page.id,
        "unit": shop.page.unit_id,
        "contact": contact_id,
        "topic": shop.topic_id,
        "purpose": "MARKETING" if facts.is_marketing else "CONVERSATIONAL",
        "agent": facts.is_human_agent,
        "kind": facts.kind.value,
        "commented": facts.private_reply_ends_at and facts.private_reply_ends_at - PERIOD,
        "private_reply_window": PERIOD,
        "suppression": facts.suppression and facts.suppression.value,
        "opted": facts.has_consent,
        "expires": facts.consent_expires_at,
        "closes": facts.window_closes_at or NOW - timedelta(days=9),
        "human": facts.human_agent_closes_at or NOW - timedelta(days=9),
    }
    said: list[str | None] = []
    try:
        async with begin(database, shop.organization.scope) as uow:
            if facts.suppression is SuppressionReason.ERASED_BEFORE:
                await uow.session.execute(text(INSERTS["return"]), values)
            elif facts.suppression is not None:
                await uow.session.execute(text(INSERTS["suppression"]), values)
            if facts.has_consent or facts.consent_expires_at is not None:
                await uow.session.execute(text(INSERTS["consent"]), values)
            if facts.window_closes_at is not None or facts.human_agent_closes_at is not None:
                await uow.session.execute(text(INSERTS["window"]), values)
            said.append((await uow.session.execute(text(SELECT), values)).scalar_one())
            raise RolledBack
    except RolledBack:
        return said[0]


async def test_the_claims_gate_and_the_rule_agree_on_every_set_of_facts(database: Database, platform: Platform) -> None:
    shop = await a_shop(database, platform)
    contact_id = new_id()
    async with begin(database, shop.organization.scope) as uow:
        await uow.session.execute(
            text("INSERT INTO contact (organization_id, id, unit_id) VALUES (:org, :id, :unit)"),
            {"org": shop.organization.id, "id": contact_id, "unit": shop.page.unit_id},
        )
    disagreements: list[tuple[Facts, str | None]] = []
    seen: list[Facts] = []

    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(FACTS)
    def collect(facts: Facts) -> None:
        seen.append(facts)

    collect()
    for facts in dict.fromkeys(seen):
        found = await sql_says(database, shop, contact_id, facts)
        if found != may_send(facts, NOW):
            disagreements.append((facts, found))

    assert disagreements == []
    assert len(set(seen)) > 100
    assert {facts.kind for facts in seen} == set(OutgoingKind)


async def test_a_withdrawal_before_the_claim_always_wins(database: Database, platform: Platform) -> None:
    shop = await a_shop(database, platform)
    contact_id, _ = await a_customer(database, platform, shop, token="t")
    facts = Facts(True, False, None, True, None, None, None)
    assert may_send(facts, NOW) is None

    async with begin(database, shop.organization.scope) as uow:
        await uow.session.execute(
            text("UPDATE consent SET is_opted_in = false WHERE contact_id = :contact"), {"contact": contact_id}
        )
    async with begin_read(database, shop.organization.scope) as uow:
        said = await uow.session.execute(
            text(SELECT),
            {
                "org": shop.organization.id,
                "page": shop.page.id,
                "contact": contact_id,
                "topic": shop.topic_id,
                "purpose": "MARKETING",
                "agent": False,
                "kind": "MARKETING",
                "commented": None,
                "private_reply_window": None,
            },
        )
        assert said.scalar_one() == "NO_CONSENT"
