"""What leaving means: policies, steps and their order, and what a request must say. Pure decisions, no I/O."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from server.kit.errors import DomainError, InvalidInput
from server.privacy.errors import NameNotConfirmed, UnitIsHeadquarters
from server.tenants.rules import UnitKind

MAX_REASON = 500
MAX_RETAIN_DAYS = 3_650
EXPORT_KEPT_FOR = timedelta(days=30)
CERTIFICATE_KEPT_FOR = timedelta(days=3_650)
PLATFORM_TRIES = 6
"""How often a platform that cannot be reached is asked to revoke something before the certificate says so."""


class Policy(StrEnum):
    """What happens to the data of a client that leaves, after the export."""

    ERASE = "ERASE"
    RETAIN = "RETAIN"


class OffboardingState(StrEnum):
    """Where an off-boarding stands. ON_HOLD: a legal hold keeps the data. RETAINED: it waits, unseen, for its date."""

    RUNNING = "RUNNING"
    ON_HOLD = "ON_HOLD"
    RETAINED = "RETAINED"
    DONE = "DONE"


class StepName(StrEnum):
    """The steps, in their order."""

    FREEZE = "FREEZE"
    EXPORT = "EXPORT"
    REVOKE = "REVOKE"
    STAFF = "STAFF"
    ERASE = "ERASE"
    CERTIFICATE = "CERTIFICATE"


class StepState(StrEnum):
    """Where a step stands."""

    WAITING = "WAITING"
    RUNNING = "RUNNING"
    DONE = "DONE"


class Target(StrEnum):
    """What is taken back at a platform."""

    PAGE = "PAGE"
    GRANT = "GRANT"


class Revocation(StrEnum):
    """What became of it.

    SHARED: not asked for, because the same person's grant serves others, too. VOID: the platform accepts the token no
    more, because an earlier try succeeded, the person took the grant back, or it ran out; nobody can use it.
    """

    WAITING = "WAITING"
    DONE = "DONE"
    REFUSED = "REFUSED"
    UNREACHABLE = "UNREACHABLE"
    SHARED = "SHARED"
    VOID = "VOID"


def offboarding_problems(
    kind: UnitKind, name: str, *, confirmed: str, policy: Policy, retain_days: int | None, reason: str
) -> list[DomainError]:
    """Return everything that forbids to part with a unit of this kind and name, as it was asked for."""
    problems: list[DomainError] = []
    if kind is UnitKind.HEADQUARTERS:
        problems.append(UnitIsHeadquarters())
    if confirmed != name:
        problems.append(NameNotConfirmed())
    if policy is Policy.RETAIN and not (retain_days is not None and 1 <= retain_days <= MAX_RETAIN_DAYS):
        problems.append(InvalidInput(f"RETAIN needs 1 to {MAX_RETAIN_DAYS} days.", path=("retainDays",)))
    if policy is Policy.ERASE and retain_days is not None:
        problems.append(InvalidInput("ERASE keeps nothing; leave the days out.", path=("retainDays",)))
    return problems + reason_problems(reason)


def reason_problems(reason: str) -> list[DomainError]:
    """Return what is wrong with a written reason."""
    if reason.strip() and len(reason) <= MAX_REASON:
        return []
    return [InvalidInput(f"A reason has 1 to {MAX_REASON} characters.", path=("reason",))]
