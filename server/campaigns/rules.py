"""What a campaign says to whom: one verdict per person, the digest that an approval signs, and sums of results. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

import orjson

from server.consent.models import SuppressionReason
from server.consent.rules import Facts, may_send
from server.platforms.capabilities.capability import Capability, text_length
from server.platforms.port import Channel
from server.templates.errors import MissingValue
from server.templates.errors import TextTooLong as RenderedTooLong
from server.templates.render import render
from server.tenants.attributes import variables

LISTED_RECIPIENTS = 20
COST_READINGS = (
    timedelta(seconds=10),
    timedelta(minutes=1),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=12),
)
"""How long after each reading the next follows once a campaign has ended: late deliveries still cost."""
COST_PAUSE = timedelta(seconds=30)


class SkipReason(StrEnum):
    """Why the audience snapshot leaves a person out, besides what the send gate refuses (consent.rules.Refusal)."""

    MISSING_VARIABLE = "MISSING_VARIABLE"
    TEXT_TOO_LONG = "TEXT_TOO_LONG"


@dataclass(frozen=True, slots=True)
class Person:
    """One person of a segment, with all that a verdict needs."""

    contact_id: UUID
    page_id: UUID
    unit_id: UUID
    channel: Channel
    recipient_external_id: str
    page_name: str
    unit_name: str
    unit_attributes: Mapping[str, object]
    name: str | None
    first_name: str | None
    attributes: Mapping[str, object]
    suppression: SuppressionReason | None
    is_opted_in: bool | None
    consent_expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Wording:
    """The text of a campaign before names are filled in, and what each channel takes."""

    body: str
    fallbacks: Mapping[str, str]
    capabilities: Mapping[Channel, Capability]


@dataclass(frozen=True, slots=True)
class Assessed:
    """The verdict on one person: the text they get, or the one reason why they get none."""

    person: Person
    text: str | None
    skip_reason: str | None
    missing: tuple[str, ...] = ()


def assess(person: Person, wording: Wording, now: datetime) -> Assessed:
    """Decide about one person as the send gate would now, then write their text. The dry run and submit both call this."""
    facts = Facts(
        is_marketing=True,
        is_human_agent=False,
        suppression=person.suppression,
        has_consent=person.is_opted_in is True,
        consent_expires_at=person.consent_expires_at,
        window_closes_at=None,
        human_agent_closes_at=None,
    )
    refusal = may_send(facts, now)
    if refusal is not None:
        return Assessed(person, None, refusal.value)
    try:
        text = render(wording.body, values_of(person), wording.fallbacks)
    except MissingValue as error:
        return Assessed(person, None, SkipReason.MISSING_VARIABLE.value, error.names)
    except RenderedTooLong:
        return Assessed(person, None, SkipReason.TEXT_TOO_LONG.value)
    capability = wording.capabilities.get(person.channel)
    if capability is not None and text_length(capability, text) > capability.text_limit:
        return Assessed(person, None, SkipReason.TEXT_TOO_LONG.value)
    return Assessed(person, text, None)


def values_of(person: Person) -> dict[str, str | None]:
    """Return the values of a template's variables for one person; `custom.*` are the contact's own attributes."""
    values: dict[str, str | None] = {f"unit.{name}": value for name, value in variables(person.unit_attributes).items()}
    values |= {f"custom.{name}": value for name, value in person.attributes.items() if isinstance(value, str)}
    return values | {
        "contact.name": person.name,
        "contact.first_name": person.first_name,
        "page.name": person.page_name,
        "unit.name": person.unit_name,
    }


@dataclass(slots=True)
class Tally:
    """Counts of verdicts, and the first people that somebody has to look at."""

    audience: int = 0
    eligible: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    missing: list[tuple[UUID, tuple[str, ...]]] = field(default_factory=list)
    too_long: list[UUID] = field(default_factory=list)
    samples: list[Assessed] = field(default_factory=list)

    def add(self, assessed: Assessed) -> None:
        """Count one verdict."""
        self.audience += 1
        if assessed.skip_reason is None:
            self.eligible += 1
            if len(self.samples) < LISTED_RECIPIENTS:
                self.samples.append(assessed)
            return
        self.skipped[assessed.skip_reason] = self.skipped.get(assessed.skip_reason, 0) + 1
        if assessed.missing and len(self.missing) < LISTED_RECIPIENTS:
            self.missing.append((assessed.person.contact_id, assessed.missing))
        if assessed.skip_reason == SkipReason.TEXT_TOO_LONG and len(self.too_long) < LISTED_RECIPIENTS:
            self.too_long.append(assessed.person.contact_id)


@dataclass(frozen=True, slots=True)
class FrozenRecipient:
    """One row of the audience snapshot, as the digest binds it."""

    contact_id: UUID
    page_id: UUID
    recipient_external_id: str
    text: str | None
    skip_reason: str | None


class Roll:
    """A running SHA-256 over the audience snapshot; recipients are added in the order of their contact ids."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, recipient: FrozenRecipient) -> None:
        """Take one more recipient in."""
        text = None if recipient.text is None else hashlib.sha256(recipient.text.encode()).hexdigest()
        entry = [
            str(recipient.contact_id),
            str(recipient.page_id),
            recipient.recipient_external_id,
            text,
            recipient.skip_reason,
        ]
        self._hash.update(orjson.dumps(entry) + b"\n")

    def value(self) -> str:
        """Return the digest of everything added."""
        return self._hash.hexdigest()


@dataclass(frozen=True, slots=True)
class Content:
    """Everything that an approval of a campaign signs (D-07)."""

    campaign_id: UUID
    unit_id: UUID
    name: str
    topic_id: UUID
    template_version_id: UUID
    template_digest: bytes
    fallbacks: Mapping[str, str]
    label_ids: Sequence[str]
    everybody_reason: str | None
    scheduled_at: datetime | None
    page_ids: Sequence[UUID]
    recipients: str


def digest(content: Content) -> bytes:
    """Return the SHA-256 of the content as JSON with sorted names, the same on every machine."""
    planned = None if content.scheduled_at is None else content.scheduled_at.astimezone(UTC).isoformat()
    canonical = {
        "campaign": str(content.campaign_id),
        "unit": str(content.unit_id),
        "name": content.name,
        "topic": str(content.topic_id),
        "template_version": str(content.template_version_id),
        "template_digest": content.template_digest.hex(),
        "fallbacks": dict(content.fallbacks),
        "labels": sorted(content.label_ids),
        "everybody_reason": content.everybody_reason,
        "scheduled_at": planned,
        "pages": sorted(str(one) for one in content.page_ids),
        "recipients": content.recipients,
    }
    return hashlib.sha256(orjson.dumps(canonical, option=orjson.OPT_SORT_KEYS)).digest()


def watch_delay(running_for: timedelta) -> timedelta:
    """Return how long to wait before looking at a running campaign again: 1 s at first, a minute after half an hour."""
    return min(max(running_for / 30, timedelta(seconds=1)), timedelta(minutes=1))
