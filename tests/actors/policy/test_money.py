"""Money is exact, however it was written."""

from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from trouper.actors.policy.money import dollars, nano_dollars, short_dollars

AMOUNTS = st.integers(0, 10**18)


@pytest.mark.parametrize(
    ("written", "nano"),
    [
        ("5.00", 5_000_000_000),
        ("$5", 5_000_000_000),
        (5, 5_000_000_000),
        (0.1, 100_000_000),
        (1e-9, 1),
        ("0.000000001", 1),
        (Decimal("12.5"), 12_500_000_000),
        ("1e3", 1_000_000_000_000),
        ("123456789.123456789", 123_456_789_123_456_789),
        (0, 0),
    ],
)
def test_an_amount_is_what_was_written(written: str | float | Decimal, nano: int) -> None:
    assert nano_dollars(written) == nano


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("five", "must be an amount of dollars such as \"5.00\", not 'five'"),
        (True, 'must be an amount of dollars such as "5.00", not True'),
        ("-1", "must be from 0 to 1000000000 dollars, not -1"),
        ("nan", "must be from 0 to 1000000000 dollars, not nan"),
        (float("inf"), "must be from 0 to 1000000000 dollars, not inf"),
        ("1000000000.01", "must be from 0 to 1000000000 dollars, not 1000000000.01"),
        ("0.0000000001", "must have at most 9 decimals, not 0.0000000001"),
    ],
)
def test_what_is_no_amount_is_refused_with_the_reason(written: str | float, fault: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - its whole text is compared
        nano_dollars(written)

    assert str(raised.value) == fault


@given(AMOUNTS)
def test_an_amount_survives_being_written_and_read(nano: int) -> None:
    assert nano_dollars(dollars(nano)) == nano


@given(st.decimals(0, 10**9, places=9))
def test_a_float_of_few_digits_is_the_decimal_that_was_written(amount: Decimal) -> None:
    short = round(amount, 5)

    assert nano_dollars(float(short)) == nano_dollars(short)


@pytest.mark.parametrize(
    ("nano", "exact", "short"),
    [
        (0, "0.00", "$0.00"),
        (1, "0.000000001", "$0.000000001"),
        (250_000_000, "0.25", "$0.25"),
        (5_000_000_000, "5.00", "$5.00"),
        (1_239_999_999, "1.239999999", "$1.23"),
        (-1_500_000_000, "-1.50", "-$1.50"),
        (-500_000, "-0.0005", "-$0.0005"),
    ],
)
def test_an_amount_is_shown_exactly_or_for_a_sentence(nano: int, exact: str, short: str) -> None:
    assert dollars(nano) == exact
    assert short_dollars(nano) == short
