"""Dollars as people write them, and as they are kept: in whole nano-dollars.

No float is ever added up. One that comes out of a TOML file stands for the
decimal number that was written there.
"""

from decimal import Decimal, InvalidOperation

__all__ = ["dollars", "nano_dollars", "short_dollars"]

_NANO = 1_000_000_000

# A billion dollars, in nano-dollars: sums of it stay within the 64 bits of a database.
_MOST = 1_000_000_000 * _NANO


def nano_dollars(amount: str | int | float | Decimal) -> int:
    """The amount in nano-dollars, exactly. Raises ValueError, as half a sentence.

    That is for what is no number, is below zero or above a billion dollars, or
    is finer than a nano-dollar.
    """
    try:
        # By way of its text, a float is the number that somebody wrote.
        exact = Decimal(str(amount).strip().removeprefix("$"))
    except InvalidOperation:
        raise ValueError(f'must be an amount of dollars such as "5.00", not {amount!r}') from None
    if not exact.is_finite() or exact < 0 or exact * _NANO > _MOST:
        raise ValueError(f"must be from 0 to 1000000000 dollars, not {amount}")
    nano = exact.scaleb(9)
    if nano != int(nano):
        raise ValueError(f"must have at most 9 decimals, not {amount}")
    return int(nano)


def dollars(nano: int) -> str:
    """The amount exactly, without a sign of currency: cents at least, nine decimals at most."""
    sign = "-" if nano < 0 else ""
    whole, rest = divmod(abs(nano), _NANO)
    decimals = f"{rest:09}".rstrip("0").ljust(2, "0")
    return f"{sign}{whole}.{decimals}"


def short_dollars(nano: int) -> str:
    """The amount for a sentence, "$0.25": what is above a dollar to the cent, rounded down."""
    if abs(nano) < _NANO:
        return f"-${dollars(-nano)}" if nano < 0 else f"${dollars(nano)}"
    sign = "-" if nano < 0 else ""
    whole, rest = divmod(abs(nano), _NANO)
    return f"{sign}${whole}.{rest // 10_000_000:02}"
