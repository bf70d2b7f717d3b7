"""Kinds of tasks that an assistant is asked differently for."""

from collections.abc import Iterable, Iterator

import attrs

from ..policy.adaptive import TaskKind
from ..wire.converter import shown
from . import checks
from .models import EFFORTS

__all__ = ["KindConfig"]

_LONGEST_WORD = 64


def _words(values: Iterable[str]) -> tuple[str, ...]:
    return checks.items("KindConfig", "words", values)


@attrs.frozen(kw_only=True)
class KindConfig:
    """A kind of task: by what a prompt is known to be of it, and what is asked for it."""

    words: tuple[str, ...] = attrs.field(
        default=(), converter=_words, metadata=checks.told("a list of words")
    )
    """Words of which a prompt has one, whole, in upper or lower case; without any, `longer_than`
    alone decides."""
    longer_than: int | None = attrs.field(
        default=None, metadata=checks.optional(checks.whole(1, 1_000_000))
    )
    """How many words a prompt has more than; without it, `words` alone decide."""
    temperature: float | None = attrs.field(
        default=None, metadata=checks.optional(checks.within(0, 2))
    )
    """How freely words are chosen; without it as for any prompt."""
    max_output_tokens: int | None = attrs.field(
        default=None, metadata=checks.optional(checks.whole(1, 10_000_000))
    )
    """The longest answer, its reasoning included; without it as for any prompt."""
    reasoning_effort: str | None = attrs.field(
        default=None, metadata=checks.optional(checks.one_of("reasoning effort", EFFORTS))
    )
    """How long the model thinks before it answers; without it as for any prompt."""

    def __attrs_post_init__(self) -> None:
        checks.refuse_faults(self, self._across)

    def kind(self, name: str) -> TaskKind:
        """This kind as turns are held against it, under the `name` that the file gives it."""
        return TaskKind(
            name=name,
            words=self.words,
            longer_than=self.longer_than,
            temperature=self.temperature,
            max_output_tokens=self.max_output_tokens,
            reasoning_effort=self.reasoning_effort,
        )

    def _across(self) -> Iterator[str]:
        if not self.words and self.longer_than is None:
            yield "words: by these or by longer_than a prompt is known to be of this kind"
        for index, word in enumerate(self.words):
            if not isinstance(word, str) or not word.strip() or len(word) > _LONGEST_WORD:  # pyright: ignore[reportUnnecessaryIsInstance]
                yield f"words[{index}]: must be a word of up to 64 characters, not {shown(word)}"
        if (self.temperature, self.max_output_tokens, self.reasoning_effort) == (None, None, None):
            yield "temperature: nothing is asked for this kind; say one parameter at least"
