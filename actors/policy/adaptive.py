"""How a turn is asked by what it is about: parameters for kinds of tasks. Pure decisions.

Nothing is guessed by a model and nothing is built in. Whoever configures an
assistant says by which words, and by what length, a kind of task is known, and
what is asked for it; the first kind that fits decides. Where none is configured,
or none fits, a turn is asked as any other.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

import attrs

__all__ = ["TaskKind", "kind_of"]


@attrs.frozen(kw_only=True)
class TaskKind:
    """A kind of task, its `name`, and what is asked for it: `temperature`, `max_output_tokens` and
    `reasoning_effort`, as of a ChatRequest; None leaves a parameter as it is.

    A prompt is of this kind where it has one of `words` (without regard to upper
    and lower case; a word is found whole, so "code" is not in "decode") and is
    longer than `longer_than` words. What is not given is not asked for.
    """

    name: str
    words: tuple[str, ...] = ()
    longer_than: int | None = None
    temperature: float | None = None
    max_output_tokens: int | None = None
    reasoning_effort: str | None = None

    def fits(self, text: str) -> bool:
        """Whether a prompt is of this kind."""
        if self.longer_than is not None and not _is_longer(text, self.longer_than):
            return False
        return not self.words or _pattern(self.words).search(text) is not None


def kind_of(text: str, kinds: Iterable[TaskKind]) -> TaskKind | None:
    """The first of `kinds` that a prompt is of, or None."""
    return next((kind for kind in kinds if kind.fits(text)), None)


def _is_longer(text: str, words: int) -> bool:
    # No more than is needed: a prompt may be a book.
    return len(text.split(maxsplit=words)) > words


# A pattern for each kind of each assistant.
@lru_cache(maxsize=1_000)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(_whole(word) for word in words), re.IGNORECASE)


def _whole(word: str) -> str:
    # What begins or ends with no letter, as ```, has no border there.
    before = r"(?<!\w)" if re.match(r"\w", word) else ""
    after = r"(?!\w)" if re.search(r"\w\Z", word) else ""
    return f"{before}{re.escape(word)}{after}"
