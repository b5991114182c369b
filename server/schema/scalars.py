"""Scalars and small value types that several slices show."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NewType

import strawberry
from strawberry.exceptions import StrawberryInputCoercionError
from strawberry.types.scalar import ScalarDefinition

from server.kit import money
from server.schema.declarations import readable

BigInt = NewType("BigInt", int)

FIRST_YEAR, LAST_YEAR = 1970, 2199
"""Of every time and date that a caller gives; what computes with it stays within what Python and PostgreSQL can hold."""


def _moment(value: object) -> datetime:
    """Read a time in ISO 8601; one without offset or out of the years is refused by `storable`, which names its place."""
    try:
        if not isinstance(value, str):
            raise ValueError("not a text")
        return datetime.fromisoformat(value)
    except ValueError as error:
        raise StrawberryInputCoercionError(
            "Give a time in ISO 8601 with its offset from UTC, such as 2026-12-01T09:00:00Z."
        ) from error


SCALARS: dict[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="A time in ISO 8601 with its offset from UTC, such as 2026-12-01T09:00:00Z. Given ones lie in the "
        f"years {FIRST_YEAR} to {LAST_YEAR} (UTC).",
        serialize=datetime.isoformat,
        parse_value=_moment,
    ),
    BigInt: strawberry.scalar(
        name="BigInt",
        description="A whole number that may pass 2^53; a string of digits, so that JavaScript keeps it exact.",
        serialize=str,
        parse_value=lambda value: BigInt(int(value)),
    ),
}


@readable(None)
@strawberry.type(description="An amount of money.")
class Money:
    """An amount of one currency."""

    micros: BigInt = strawberry.field(description="The amount in millionths of one unit of the currency.")
    amount: str = strawberry.field(description='The same as a decimal, for example "0.0141".')
    currency: str = strawberry.field(description="ISO 4217 code.")

    @classmethod
    def of(cls, value: money.Money) -> Money:
        """Show an amount."""
        decimal = (Decimal(value.micros) / 1_000_000).normalize()
        return cls(micros=BigInt(value.micros), amount=f"{decimal:f}", currency=value.currency)
