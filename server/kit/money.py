"""Money: whole micro-units of a currency; a float never touches it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation, Overflow
from typing import NewType

Micros = NewType("Micros", int)
_CURRENCY = re.compile(r"[A-Z]{3}")
_MICROS_PER_UNIT = 1_000_000
_MICROS_LIMIT = 2**63  # what a bigint column holds


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in millionths of one unit of an ISO 4217 currency."""

    micros: Micros
    currency: str

    def __post_init__(self) -> None:
        if not _CURRENCY.fullmatch(self.currency):
            raise ValueError("a currency is three capital letters (ISO 4217)")

    def __add__(self, other: Money) -> Money:
        if other.currency != self.currency:
            raise ValueError("amounts of two currencies cannot be added")
        return Money(Micros(self.micros + other.micros), self.currency)

    def per(self, count: int) -> Money | None:
        """Divide by a count, rounded half to even; None for a count of 0, because the quotient is undefined (S0-08)."""
        if count == 0:
            return None
        return Money(Micros(round(Decimal(self.micros) / count)), self.currency)


def micros_from_decimal(text: str) -> Micros:
    """Read a decimal amount such as "38.87" without rounding through a float; raise ValueError for anything else."""
    try:
        value = Decimal(text) * _MICROS_PER_UNIT
    except (InvalidOperation, Overflow) as error:
        raise ValueError("not a decimal amount") from error
    if not value.is_finite() or abs(value) >= _MICROS_LIMIT:
        raise ValueError("not an amount that money can have")
    return Micros(int(value.to_integral_value()))
