"""A text that is longer than a model's window, in parts that fit. Pure decisions.

Each part is put to the model with what is asked of the whole, and the answers
are put to it once more to become one. What is asked is the beginning of the
text, where that is a line of its own, or ends with a colon: "Summarize this:".
"""

import math
import re
from collections.abc import Sequence
from typing import Final

__all__ = ["cut_text", "groups", "joining", "reading", "request_in"]

# Where a text is cut, the best place first: between paragraphs, lines, sentences, words.
_PLACES: Final = (
    re.compile(r"\n[ \t]*\n\s*"),
    re.compile(r"\n\s*"),
    re.compile(r"[.!?\u3002\uff01\uff1f][\"')\]]*\s+|[\u3002\uff01\uff1f]"),
    re.compile(r"\s+"),
)
# A part is at least this much of what it may be, or there would be a dozen for a window.
_LEAST: Final = 0.5

# Characters of the request at the beginning of a text: what people write before they paste.
_LONGEST_REQUEST: Final = 400

# Some answers are longer than others.
_CAREFUL: Final = 0.7
_PAIR: Final = 2

_WITHOUT_REQUEST: Final = "Tell what is in this text."

_READING: Final = """\
{request}

The text is too long to be read at once. This is part {number} of {total}; do for it what is \
asked above, and the answers for all parts are put together later.

{part}"""

_JOINING: Final = """\
{request}

The text was too long to be read at once, so it was read in {total} parts. Here is the answer for \
each of them. Put them together to one answer, without telling of parts.

{answers}"""


def cut_text(text: str, most: int) -> tuple[str, ...]:
    """`text` in parts of at most `most` characters, which are all of it when joined again.

    A part ends behind a paragraph where there is an end of one in its second
    half, else behind a line, a sentence or a word.
    """
    if most < 1:
        raise ValueError(f"a part has 1 character or more, not {most}")
    parts: list[str] = []
    at = 0
    while len(text) - at > most:
        end = _end(text, at, at + most)
        parts.append(text[at:end])
        at = end
    return (*parts, text[at:]) if at < len(text) else tuple(parts)


def _end(text: str, start: int, stop: int) -> int:
    """Where a part ends that begins at `start`, and has to by `stop`."""
    least = start + max(1, int((stop - start) * _LEAST))
    for place in _PLACES:
        ends = [found.end() for found in place.finditer(text, least, stop)]
        if ends:
            return ends[-1]
    return stop


def request_in(text: str) -> tuple[str, str]:
    """What is asked at the beginning of `text`, and the rest that it is asked of.

    Where nothing there looks like a request, it is to tell what is in the text.
    """
    line, broken, rest = text.partition("\n")
    if broken and line.strip() and len(line) <= _LONGEST_REQUEST and rest.strip():
        return line.strip(), rest.strip()
    words, colon, rest = text[: _LONGEST_REQUEST + 1].partition(": ")
    if colon and "." not in words and words.strip():
        return f"{words.strip()}:", text[len(words) + len(colon) :].strip()
    return _WITHOUT_REQUEST, text.strip()


def reading(request: str, parts: Sequence[str]) -> tuple[str, ...]:
    """What a model is asked for each part."""
    total = len(parts)
    return tuple(
        _READING.format(request=request, number=number, total=total, part=part.strip())
        for number, part in enumerate(parts, 1)
    )


def groups(answers: Sequence[str], share: float) -> tuple[tuple[str, ...], ...]:
    """`answers` in groups, of which each is to become one answer first; each by itself where no
    two of them fit. `share` is how much of all of them together fits into one prompt, about.
    """
    size = math.floor(len(answers) * share * _CAREFUL)
    if size < _PAIR:
        return tuple((answer,) for answer in answers)
    size = min(size, math.ceil(len(answers) / 2))
    return tuple(tuple(answers[at : at + size]) for at in range(0, len(answers), size))


def joining(request: str, answers: Sequence[str]) -> str:
    """What a model is asked at last, with the answers that it has given for the parts."""
    told = "\n\n".join(
        f"[Part {number}]\n{answer.strip()}" for number, answer in enumerate(answers, 1)
    )
    return _JOINING.format(request=request, total=len(answers), answers=told)
