"""System prompts with variables: `{name}` is replaced, `{{` and `}}` are braces.

A template is text and names and nothing else: no attribute, no index, no format
and no expression is looked at, so a prompt can read nothing that it was not
given. What a variable's value says is never looked at again either: a user who
is called "{session}" is called that.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping

import attrs

from ...runtime.errors import TrouperError

__all__ = ["BUILT_IN", "PromptError", "Template", "fault_of_name", "faults_of_prompt"]

BUILT_IN: Mapping[str, str] = {
    "assistant": "the name of the assistant",
    "date": "the day on which the turn begins, where the program runs: 2026-11-21",
    "model": "the configured name of the model that is asked",
    "session": "the id of the conversation",
    "tools": "the tools that the assistant may use now, one on a line, or `none`",
    "user": "whose conversation it is; for a bot, whoever talks to it",
    "weekday": "the name of that day: Saturday",
}
"""What every prompt may use without declaring it, and what each one is. There is no time of day:
a prompt that changes each minute is read anew by the provider, at the full price, each minute."""

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,63}")
# A doubled brace, a variable, or a brace that is neither.
_MARK = re.compile(r"\{\{|\}\}|\{([^{}\n]{0,100})\}|[{}]")
_LONGEST_SHOWN = 40


class PromptError(TrouperError, ValueError):
    """A prompt cannot be used as it is: `problem` names the variable or the line."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return self.problem


@attrs.frozen
class _Variable:
    name: str


@attrs.frozen
class Template:
    """A prompt that has been read: pieces of text, and variables between them."""

    pieces: tuple[str | _Variable, ...]

    @classmethod
    def parse(cls, text: str) -> "Template":
        """The template that `text` is. Raises PromptError, which says the line."""
        pieces: list[str | _Variable] = []
        at = 0
        for mark in _MARK.finditer(text):
            pieces.append(text[at : mark.start()])
            at = mark.end()
            match mark[0]:
                case "{{" | "}}":
                    pieces.append(mark[0][0])
                case "{" | "}":
                    raise PromptError(_stray(text, mark))
                case _:
                    pieces.append(_Variable(_name(text, mark)))
        pieces.append(text[at:])
        return cls(tuple(piece for piece in pieces if piece))

    @property
    def names(self) -> tuple[str, ...]:
        """The variables that it uses, each once, in their order."""
        named = (piece.name for piece in self.pieces if isinstance(piece, _Variable))
        return tuple(dict.fromkeys(named))

    def render(self, values: Mapping[str, str]) -> str:
        """The text with `values` in it; more values than are used do no harm.

        Raises PromptError for a variable that has none.
        """
        for name in self.names:
            if name not in values:
                raise PromptError(_unknown(name, values))
        return "".join(
            values[piece.name] if isinstance(piece, _Variable) else piece for piece in self.pieces
        )


def _line(text: str, mark: re.Match[str]) -> str:
    return f"line {text.count(chr(10), 0, mark.start()) + 1}"


def _stray(text: str, mark: re.Match[str]) -> str:
    brace = mark[0]
    return (
        f"{_line(text, mark)}: there is a single {brace}; write {2 * brace} for a brace, and "
        "{name} for a variable"
    )


def _name(text: str, mark: re.Match[str]) -> str:
    name = mark[1]
    if _NAME.fullmatch(name):
        return name
    shown = name if len(name) <= _LONGEST_SHOWN else f"{name[: _LONGEST_SHOWN - 3]}..."
    raise PromptError(
        f"{_line(text, mark)}: {{{shown}}} is no variable, whose name has up to 64 small letters, "
        "digits and underscores; write {{ and }} for braces"
    )


def _unknown(name: str, known: Iterable[str], declare: str = "") -> str:
    words = sorted(known)
    close = difflib.get_close_matches(name, words, n=1)
    hint = f"did you mean {{{close[0]}}}?" if close else f"there are: {', '.join(words)}"
    return f"the variable {{{name}}} has no value; {declare}{hint}"


def fault_of_name(name: str) -> str | None:
    """What is wrong with `name` as that of a variable that an assistant declares, if anything."""
    if name in BUILT_IN:
        return f"is built in ({BUILT_IN[name]}); call yours otherwise"
    if not _NAME.fullmatch(name):
        return "a variable's name has up to 64 small letters, digits and underscores"
    return None


def faults_of_prompt(text: str, declared: Iterable[str]) -> Iterator[str]:
    """What is wrong with a prompt whose declared variables these are, as whole sentences.

    A variable without a value, and a value that the prompt does not use, which
    is mostly one that is misspelt in either place.
    """
    declared = tuple(declared)
    try:
        names = Template.parse(text).names
    except PromptError as error:
        yield f"prompt: {error.problem}"
        return
    known = {*declared, *BUILT_IN}
    for name in names:
        if name not in known:
            yield f"prompt: {_unknown(name, known, f'give it one under variables.{name}, or ')}"
    for name in declared:
        if name not in names and fault_of_name(name) is None:
            yield f"variables.{name}: the prompt does not use {{{name}}}"
