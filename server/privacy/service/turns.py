"""What one slice of an off-boarding tells the actor that asked for it, and the row that it worked on."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from server.channels.service import DepartingAccount, DepartingPage
from server.platforms.port import Channel
from server.privacy.models import OffboardingRow, OffboardingStepRow

ROWS_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class TakeBack:
    """Something that the platform is to be asked for, outside of any transaction."""

    offboarding_id: UUID
    unit_ids: tuple[UUID, ...]
    what: DepartingPage | DepartingAccount = field(repr=False)


@dataclass(frozen=True, slots=True)
class Strays:
    """Pages whose strays are to be deleted; they belong to no organization, so no unit of work reaches them."""

    offboarding_id: UUID
    pages: tuple[tuple[Channel, str], ...]


@dataclass(frozen=True, slots=True)
class More:
    """The step goes on: there is more of the same."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing can be done before `delay` has passed."""

    delay: timedelta


@dataclass(frozen=True, slots=True)
class StepDone:
    """The step ended, and the next one was asked for in the same unit of work."""


@dataclass(frozen=True, slots=True)
class Over:
    """There is nothing to do any more."""


Turn = TakeBack | Strays | More | Wait | StepDone | Over


@dataclass(frozen=True, slots=True)
class At:
    """Where the work stands: the off-boarding, locked, its step, and the unit with everything under it."""

    row: OffboardingRow
    step: OffboardingStepRow
    unit_ids: tuple[UUID, ...]
    tried: frozenset[UUID] = frozenset()
    """What the platform was asked for in this run, without an answer that settles it."""

    def note(self, **facts: object) -> None:
        """Add to what the certificate will say of the step."""
        self.step.facts = {**self.step.facts, **facts}

    def add(self, table: str, count: int) -> None:
        """Add to the number of erased rows of a table."""
        erased = self.step.facts.get("erased")
        counts = dict(erased) if isinstance(erased, dict) else {}
        if count:
            counts[table] = int(counts.get(table, 0)) + count
        self.note(erased=counts)

    def move(self, done: int) -> None:
        """Say that more of the step is done."""
        self.step.done += done
