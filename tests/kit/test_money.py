"""Money: whole micro-units of one currency."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.kit.money import Micros, Money, micros_from_decimal


@given(units=st.integers(-(10**12), 10**12), fraction=st.integers(0, 999_999))
def test_a_decimal_amount_is_read_to_the_last_micro(units: int, fraction: int) -> None:
    sign = -1 if units < 0 else 1

    assert micros_from_decimal(f"{units}.{fraction:06}") == units * 1_000_000 + sign * fraction


def test_an_amount_that_no_float_can_hold_is_exact() -> None:
    assert micros_from_decimal("0.1") + micros_from_decimal("0.2") == micros_from_decimal("0.3")
    assert micros_from_decimal("38.87") == 38_870_000
    assert micros_from_decimal("9007199254.740993") == 9_007_199_254_740_993


@pytest.mark.parametrize(
    "text", ["", "abc", "1,5", "NaN", "sNaN", "Infinity", "-Infinity", "1e400", "9e999999", "1e-9999999x", "12 EUR"]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="amount"):
        micros_from_decimal(text)


@pytest.mark.parametrize("currency", ["", "eur", "EU", "EURO", "E1R", "€", "EUR\n", " EUR"])
def test_a_currency_is_three_capital_letters(currency: str) -> None:
    with pytest.raises(ValueError, match="ISO 4217"):
        Money(Micros(1), currency)


def test_amounts_of_two_currencies_are_never_added() -> None:
    assert Money(Micros(1), "EUR") + Money(Micros(2), "EUR") == Money(Micros(3), "EUR")
    with pytest.raises(ValueError, match="two currencies"):
        Money(Micros(1), "EUR") + Money(Micros(1), "USD")


@pytest.mark.parametrize(
    ("micros", "count", "each"), [(10, 4, 2), (30, 4, 8), (7, 2, 4), (5, 2, 2), (-7, 2, -4), (9, 3, 3)]
)
def test_a_quotient_is_rounded_half_to_even(micros: int, count: int, each: int) -> None:
    assert Money(Micros(micros), "EUR").per(count) == Money(Micros(each), "EUR")


@given(micros=st.integers(-(2**62), 2**62), count=st.integers(1, 10**6))
def test_a_quotient_is_off_by_half_a_micro_at_most(micros: int, count: int) -> None:
    each = Money(Micros(micros), "EUR").per(count)

    assert each is not None
    assert abs(Decimal(each.micros) * count - micros) * 2 <= count


def test_the_cost_of_nothing_is_not_defined() -> None:
    assert Money(Micros(5), "EUR").per(0) is None
