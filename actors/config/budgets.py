"""How much money may be spent, on whom, and within what time."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import get_args

import attrs

from ..policy.budget import Budget, BudgetScope, Per
from ..policy.money import nano_dollars
from ..wire.converter import ALLOWED, CHECK, shown
from . import checks
from .chain import Target

__all__ = ["BudgetConfig"]


# What `nano_dollars` may quote: no key that was pasted into the wrong place.
_NUMBER = re.compile(r"\s*\$?[-+]?[0-9.]{1,40}(e-?[0-9]{1,3})?\s*")


def _amount() -> checks.Metadata:
    def check(value: object) -> str | None:
        if not isinstance(value, str | int | float | Decimal) or not _NUMBER.fullmatch(str(value)):
            return f'must be an amount of dollars such as "5.00", not {shown(value)}'
        try:
            amount = nano_dollars(value)
        except ValueError as error:
            return str(error)
        return None if amount else "must be above 0; to spend nothing, configure no provider"

    return {CHECK: check, ALLOWED: "an amount of dollars, with up to 9 decimals"}


@attrs.frozen(kw_only=True)
class BudgetConfig:
    """How much money may be spent, on whom, and within what time.

    Before each call the most that it can cost is set aside, in every budget
    that it falls under, so that calls which come at once cannot exceed one.
    """

    limit_usd: str | float = attrs.field(metadata=_amount())
    """Dollars that may be spent; as text they are exact whatever their decimals."""
    per: Per = attrs.field(metadata=checks.one_of("period", get_args(Per)))
    """How long the amount is for: for good, or a day or month in UTC."""
    # A budget of which nothing more is said is one on the bill.
    scope: BudgetScope = attrs.field(
        default="all", metadata=checks.one_of("scope", get_args(BudgetScope))
    )
    """Whose it is: of all calls together, or of each provider, model, session or user by itself."""
    only: str | None = attrs.field(default=None, metadata=checks.optional(checks.text(512)))
    """The one provider, "provider/model", session or user that it is for; without it each has
    this amount."""
    # Who reads it has a fifth of the time left, if all days are alike.
    alert_at: float = attrs.field(default=0.8, metadata=checks.share())
    """The part of the amount at which somebody is told."""
    # Half an answer is of more use than none.
    clamp: bool = attrs.field(default=True, metadata=checks.switch())
    """Whether answers are shortened near the limit, rather than refused."""

    def __attrs_post_init__(self) -> None:
        checks.refuse_faults(self, self._across)

    def budget(self, name: str) -> Budget:
        """This budget as calls are held against it, under the `name` that the file gives it."""
        return Budget(
            name=name,
            limit=nano_dollars(self.limit_usd),
            per=self.per,
            scope=self.scope,
            only=self.only,
            alert_at=self.alert_at,
            clamp=self.clamp,
        )

    def _across(self) -> Iterator[str]:
        if self.only is None:
            return
        if self.scope == "all":
            yield 'only: a budget of scope "all" is for everybody; set scope, or leave this out'
        elif not self.only:
            yield f"only: is empty; name the {self.scope} that it is for, or leave this out"
        elif self.scope == "model":
            try:
                Target.parse(self.only)
            except ValueError as error:
                yield f"only: {error}"
