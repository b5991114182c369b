"""The digest binds every part of the content; verdicts follow the send gate."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from server.campaigns.rules import (
    Content,
    FrozenRecipient,
    Person,
    Roll,
    Wording,
    assess,
    digest,
    watch_delay,
)
from server.consent.models import SuppressionReason
from server.kit.ids import new_id
from server.platforms.capabilities import catalogue
from server.platforms.port import Channel

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
CONTENT = Content(
    campaign_id=new_id(),
    unit_id=new_id(),
    name="Half price",
    topic_id=new_id(),
    template_version_id=new_id(),
    template_digest=b"t" * 32,
    fallbacks={"contact.first_name": "you"},
    label_ids=["a", "b"],
    everybody_reason=None,
    scheduled_at=NOW,
    page_ids=[new_id(), new_id()],
    recipients="r",
)
OTHER = {
    "campaign_id": new_id(),
    "unit_id": new_id(),
    "name": "Full price",
    "topic_id": new_id(),
    "template_version_id": new_id(),
    "template_digest": b"u" * 32,
    "fallbacks": {},
    "label_ids": ["a"],
    "everybody_reason": "all",
    "scheduled_at": NOW + timedelta(microseconds=1),
    "page_ids": CONTENT.page_ids[:1],
    "recipients": "s",
}


@pytest.mark.parametrize("name", [one.name for one in fields(Content)])
def test_another_value_of_any_part_gives_another_digest(name: str) -> None:
    assert digest(replace(CONTENT, **{name: OTHER[name]})) != digest(CONTENT)


def test_the_digest_does_not_depend_on_order_or_time_zone() -> None:
    same = replace(
        CONTENT,
        label_ids=["b", "a"],
        page_ids=list(reversed(CONTENT.page_ids)),
        scheduled_at=NOW.astimezone(timezone(timedelta(hours=5))),
    )

    assert digest(same) == digest(CONTENT)


FROZEN = FrozenRecipient(new_id(), new_id(), "9001", "Hi Grace", None)


@pytest.mark.parametrize(
    "changed",
    [
        replace(FROZEN, contact_id=new_id()),
        replace(FROZEN, page_id=new_id()),
        replace(FROZEN, recipient_external_id="9002"),
        replace(FROZEN, text="Hi grace"),
        replace(FROZEN, text=None),
        replace(FROZEN, skip_reason="NO_CONSENT"),
    ],
)
def test_the_roll_binds_every_part_of_every_recipient(changed: FrozenRecipient) -> None:
    first, second, shorter = Roll(), Roll(), Roll()
    first.add(FROZEN)
    second.add(changed)
    shorter.add(FROZEN)
    shorter.add(FROZEN)

    assert len({first.value(), second.value(), shorter.value()}) == 3


PERSON = Person(
    contact_id=new_id(),
    page_id=new_id(),
    unit_id=new_id(),
    channel=Channel.MESSENGER,
    recipient_external_id="9001",
    page_name="Bakery",
    unit_name="Old Town",
    unit_attributes={"city": "Ghent", "rooms": 3},
    name="Grace Hopper",
    first_name="Grace",
    attributes={"bread": "rye"},
    suppression=None,
    is_opted_in=True,
    consent_expires_at=None,
)
WORDING = Wording(
    "{{ contact.first_name }}, {{ custom.bread }} at {{ page.name }}, {{ unit.city }}",
    {"custom.bread": "bread"},
    {Channel.MESSENGER: catalogue.at(Channel.MESSENGER, NOW)},
)


@pytest.mark.parametrize(
    ("_case", "person", "text", "reason"),
    [
        ("all values", PERSON, "Grace, rye at Bakery, Ghent", None),
        ("fallback", replace(PERSON, attributes={}), "Grace, bread at Bakery, Ghent", None),
        ("no name", replace(PERSON, first_name=None), None, "MISSING_VARIABLE"),
        ("an address for a name", replace(PERSON, first_name="evil.com/x"), None, "MISSING_VARIABLE"),
        ("never asked", replace(PERSON, is_opted_in=None), None, "NO_CONSENT"),
        ("said no", replace(PERSON, is_opted_in=False), None, "NO_CONSENT"),
        ("expired now", replace(PERSON, consent_expires_at=NOW), None, "CONSENT_EXPIRED"),
        (
            "suppressed before all",
            replace(PERSON, suppression=SuppressionReason.MANUAL, first_name=None),
            None,
            "SUPPRESSED",
        ),
        ("too long", replace(PERSON, page_name="B" * 2_000), None, "TEXT_TOO_LONG"),
    ],
)
def test_each_person_has_one_verdict(_case: str, person: Person, text: str | None, reason: str | None) -> None:
    verdict = assess(person, WORDING, NOW)

    assert (verdict.text, verdict.skip_reason) == (text, reason)


def test_a_long_run_is_looked_at_less_often() -> None:
    assert watch_delay(timedelta()) == timedelta(seconds=1)
    assert watch_delay(timedelta(minutes=5)) == timedelta(seconds=10)
    assert watch_delay(timedelta(days=3)) == timedelta(minutes=1)
