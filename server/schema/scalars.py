"""Scalars and small value types that several slices show."""

from __future__ import annotations

from decimal import Decimal
from typing import NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

from server.kit import money
from server.schema.declarations import readable

BigInt = NewType("BigInt", int)

SCALARS: dict[object, ScalarDefinition] = {
    BigInt: strawberry.scalar(
        name="BigInt",
        description="A whole number that may pass 2^53; a string of digits, so that JavaScript keeps it exact.",
        serialize=str,
        parse_value=lambda value: BigInt(int(value)),
    )
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
