"""A crash that a test orders, and what is told of those that came: values only."""

import random
from fnmatch import fnmatchcase
from typing import Any, Literal

import attrs
from attrs.validators import ge, gt, in_, le, optional

__all__ = ["Crash", "Crashed", "Moment", "Passed"]

Moment = Literal["begin", "wait", "end"]
"""begin: the message is in hand, and nothing is done. wait: what its handler first waited for
has happened, and what it makes of it has not. end: all is done, and the answer is not given."""

_MOMENTS: dict[str, str] = {
    "begin": "before its handler had begun",
    "wait": "after its handler had first waited",
    "end": "after its handler had ended, before its answer",
    "now": "at once, wherever it was",
}


@attrs.frozen
class Crash:
    """Let the actor at `path` crash with its `at`-th message in hand.

    `path` may be a pattern for several, as "sessions/*"; each counts its own
    messages, over all its lives, from when the order is given. Only messages of type
    `message` are counted. `times` is how often it happens in all: with the messages
    that follow, too. With a `chance`, from 0 to 1, each message from the `at`-th on
    crashes with that chance, by the seed of `Crashes`.

    A handler that never waits does not crash at the `moment` "wait".
    """

    path: str
    at: int = attrs.field(default=1, kw_only=True, validator=ge(1))
    message: type[Any] = attrs.field(default=object, kw_only=True)
    moment: Moment = attrs.field(
        default="begin", kw_only=True, validator=in_(("begin", "wait", "end"))
    )
    chance: float | None = attrs.field(
        default=None, kw_only=True, validator=optional([gt(0), le(1)])
    )
    times: int = attrs.field(default=1, kw_only=True, validator=ge(1))

    def means(self, path: str) -> bool:
        """Whether the actor at that path is to crash."""
        return fnmatchcase(path, self.path)

    def strikes(self, path: str, number: int, seed: int) -> bool:
        """Whether it does so with its message of that `number`, leaving `times` aside.

        `seed` is the number that a `chance` is drawn by. Of nothing but these: who else
        runs in between, in which order, is chance.
        """
        if number < self.at:
            return False
        return self.chance is None or self._draw(path, number, seed) < self.chance

    def _draw(self, path: str, number: int, seed: int) -> float:
        return random.Random(f"{seed} {self} {path} {number}").random()

    def __str__(self) -> str:
        words = [repr(self.path)]
        for field in attrs.fields(Crash)[1:]:
            value = getattr(self, field.name)
            if value != field.default:
                shown = value.__qualname__ if isinstance(value, type) else repr(value)
                words.append(f"{field.name}={shown}")
        return f"Crash({', '.join(words)})"


@attrs.frozen
class Passed:
    """A message that the actor at `path` took in hand, its `number`-th: a place where it could crash."""

    path: str
    number: int
    message: type[Any]

    def crash(self, moment: Moment = "begin") -> Crash:
        """The order to crash just there, at that `moment`, in a run that is the same up to then."""
        return Crash(self.path, at=self.number, moment=moment)


@attrs.frozen
class Crashed:
    """An actor that was let crash: where it stands (`path`), in which of its lives (`life`, from
    1), and at which `moment` of its handler.

    `at` is in seconds since the orders were given, by trio's clock. `number` and
    `message` say which message was in hand; 0 and "" where it crashed at once.
    """

    path: str
    life: int
    at: float
    number: int
    message: str
    moment: str

    def __str__(self) -> str:
        which = f" with message {self.number} ({self.message})," if self.number else ""
        return f"{self.at:.3f} s: {self.path}, life {self.life},{which} {_MOMENTS[self.moment]}"
