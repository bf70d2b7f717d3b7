"""The command syntax of bots: `!assistant text`, `!help` and a few more. Pure.

    !default What can you do?     ask the assistant called `default`
    !help                         who there is, and which commands
    !help default                 what this assistant is for, and what it may use
    !new [assistant]              forget the conversation, and begin anew
    !stop                         end the answer that is coming
    !yes, !no                     let a tool be run that somebody has to agree to, or not

The prefix is the bot's to choose. What does not begin with it, and a name behind
it, is no command: people write "!!!" and "!?" among themselves. Names are told
apart by their letters first, then without regard to upper and lower case.
"""

import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import Enum

import attrs

from ..chat import ToolSpec

__all__ = [
    "WORDS",
    "Ask",
    "Command",
    "Help",
    "Ruling",
    "Unknown",
    "Word",
    "help_for",
    "help_of",
    "parse",
]


class Word(Enum):
    """What a command may be besides the name of an assistant."""

    HELP = "help"
    NEW = "new"
    STOP = "stop"
    YES = "yes"
    NO = "no"


WORDS = tuple(word.value for word in Word)
"""An assistant of such a name cannot be asked by a command."""

# The name of an assistant, and what people put behind it when they address somebody.
_NAMED = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?)(?P<end>[,:]?)(?=\s|\Z)"
)
_LONGEST_SHOWN = 64
# Characters of a tool's description in a list: a line of a chat.
_LONGEST_LINE = 160


@attrs.frozen
class Ask:
    """Ask `assistant`; `text` may have several lines, and is not empty."""

    assistant: str
    text: str


@attrs.frozen
class Help:
    """Tell what there is: of all, or of one assistant."""

    assistant: str = ""


@attrs.frozen
class Ruling:
    """Do what `word` says; `assistant` is whom it is about, "" where nobody was named."""

    word: Word
    assistant: str = ""


@attrs.frozen
class Unknown:
    """There is no assistant of that name; `close` is the name that was meant, or ""."""

    name: str
    close: str = ""


Command = Ask | Help | Ruling | Unknown


def parse(line: str, assistants: Collection[str], *, prefix: str = "!") -> Command | None:
    """The command in `line`, or None where it is none. `assistants` are their names.

    Raises ValueError for an empty prefix.
    """
    if not prefix:
        raise ValueError("without a prefix every word that people say would be a command")
    body = line.strip()
    if not body.startswith(prefix):
        return None
    body = body[len(prefix) :]
    named = _NAMED.match(body)
    if named is None:
        return None
    name, text = named["name"], body[named.end() :].strip()
    word = next((word for word in Word if word.value == name.lower()), None)
    if word is None:
        return _for(name, text, assistants)
    if not text:
        return Help() if word is Word.HELP else Ruling(word)
    if word in (Word.STOP, Word.YES, Word.NO):
        return Ruling(word)
    whom = _for(text.removeprefix(prefix).split()[0].rstrip(",:"), "", assistants)
    if word is Word.HELP or isinstance(whom, Unknown):
        return whom
    assert isinstance(whom, Help), "without a text it is nothing else"
    return Ruling(word, whom.assistant)


def _for(name: str, text: str, assistants: Collection[str]) -> Ask | Help | Unknown:
    found = name if name in assistants else None
    if found is None:
        alike = [one for one in assistants if one.lower() == name.lower()]
        if len(alike) != 1:
            return Unknown(name[:_LONGEST_SHOWN], _close(name, assistants))
        found = alike[0]
    return Ask(found, text) if text else Help(found)


def _close(name: str, assistants: Collection[str]) -> str:
    lower = {one.lower(): one for one in (*WORDS, *assistants)}
    close = difflib.get_close_matches(name.lower(), lower, n=1)
    return lower[close[0]] if close else ""


def help_for(assistants: Mapping[str, str], *, prefix: str = "!") -> Iterator[str]:
    """What `!help` says: `assistants` are their descriptions, by their names."""
    yield "You can ask:"
    for name, description in assistants.items():
        yield f"{prefix}{name} TEXT" + (f" - {description}" if description else "")
    yield (
        f"{prefix}help NAME tells what one of them may use, {prefix}new NAME begins a new "
        f"conversation, {prefix}stop ends an answer that is coming."
    )


def help_of(
    name: str, description: str, tools: Sequence[ToolSpec], *, prefix: str = "!"
) -> Iterator[str]:
    """What `!help NAME` says: of one assistant, and of the tools that it may use."""
    yield f"{prefix}{name} TEXT" + (f" - {description}" if description else "")
    if not tools:
        yield f"{name} has no tools."
        return
    yield f"{name} can use:"
    for tool in tools:
        words = " ".join(tool.description.split())
        if len(words) > _LONGEST_LINE:
            words = f"{words[: _LONGEST_LINE - 3]}..."
        yield f"- {tool.name}: {words}"
