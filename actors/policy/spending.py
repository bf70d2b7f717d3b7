"""What is to be spent, and what bounds it: an attempt before it is made, and a limit on money.

A limit is for a scope and a window, and an attempt falls under five scopes in
three windows. Whoever decides speaks of these, and so does the ledger, which
keeps the sums.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from functools import lru_cache

import attrs

__all__ = ["MOST_NANO", "Limit", "Opening", "scopes_of", "windows_of"]

MOST_NANO = 2**53
"""The most that one amount may be: nine million dollars, so that sums of many fit in 64 bits."""

_DAY = 86_400
_FIRST_DAY = date(1970, 1, 1)


@attrs.frozen
class Limit:
    """Of `scope` no more than `most` nano-dollars may be spent within `window`.

    `scope` is "all" or a kind and a name ("user:alice", "model:openai/gpt-x"; no
    name is a name, too), `window` is "total" or the day or month in UTC
    ("2026-11-21", "2026-11"). `Opening.scopes` and `Opening.windows` are those
    that an attempt falls under.
    """

    scope: str
    window: str
    most: int


def _is_amount(_opening: object, attribute: "attrs.Attribute[int]", amount: int) -> None:
    if not 0 <= amount <= MOST_NANO:
        raise ValueError(f"'{attribute.name}' must be from 0 to {MOST_NANO}: {amount}")


@attrs.frozen(kw_only=True)
class Opening:
    """An attempt that is about to be made.

    `op_id` is new with every attempt and `request_id` the same for all of one
    request, whose `attempt` this is, from 1; `at` is in seconds since 1970.
    `provider`, `model` and `key_id` are whom it asks, `session` and `user` for whom.
    `reserved` is the most that it can cost, in nano-dollars, as far as its price is
    known; `price_id` names that.
    """

    op_id: str
    request_id: str
    attempt: int
    at: float
    provider: str
    model: str
    reserved: int = attrs.field(validator=_is_amount)
    price_id: str = ""
    key_id: str = ""
    session: str = ""
    user: str = ""

    @property
    def scopes(self) -> tuple[str, str, str, str, str]:
        """Whose money it spends: of all together, its provider, model, session and user."""
        return scopes_of(self.provider, self.model, self.session, self.user)

    @property
    def windows(self) -> tuple[str, str, str]:
        """When it spends it: ever, and the day and month of `at`."""
        return windows_of(self.at)

    def check(self, limits: Sequence[Limit]) -> None:
        """Raise ValueError for a limit that it does not fall under: nothing would keep it."""
        if limits:
            scopes, windows = self.scopes, self.windows
            for limit in limits:
                if limit.scope not in scopes or limit.window not in windows:
                    raise ValueError(
                        f"{limit} is none of attempt {self.op_id}, which falls under the scopes "
                        f"{', '.join(scopes)} in the windows {', '.join(windows)}"
                    )


def scopes_of(provider: str, model: str, session: str, user: str) -> tuple[str, str, str, str, str]:
    """The scopes that a call falls under; see `Limit`."""
    return (
        "all",
        f"provider:{provider}",
        f"model:{provider}/{model}",
        f"session:{session}",
        f"user:{user}",
    )


def windows_of(at: float) -> tuple[str, str, str]:
    """The windows that a moment lies in, in seconds since 1970; see `Limit`."""
    return _windows_of(int(at // _DAY))


# Of the days that calls begin on: today, and at midnight two of them.
@lru_cache(maxsize=64)
def _windows_of(days: int) -> tuple[str, str, str]:
    day = (_FIRST_DAY + timedelta(days=days)).isoformat()
    return "total", day, day[:7]
