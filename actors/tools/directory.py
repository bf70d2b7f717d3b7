"""Which tools there are now, and who runs them.

Filled by the actors that run tools, read by sessions at each turn; a plain value
that all of them hold, since a look-up must not wait for anybody. What an actor
has offered stays while it is restarted: a call meanwhile waits for its next life.
"""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

import attrs

from ...runtime import Ref, Request
from ..chat import ToolCallPart, ToolResultPart, ToolSpec
from .context import ToolContext
from .definition import Tool

__all__ = ["Offer", "Run", "ToolDirectory", "ToolView"]


@attrs.frozen
class Run(Request[ToolResultPart]):
    """Run `call`, and let the tool know `context`. `approved`: a person has agreed to just this one.

    Answered always, within `Tool.longest`: what goes wrong with the tool is a
    result with `is_error`.
    """

    call: ToolCallPart
    context: ToolContext
    approved: bool = False


@attrs.frozen
class Offer:
    """A `tool`, and the `ref` of the actor that runs it."""

    tool: Tool
    ref: Ref[Run]


class ToolDirectory:
    """All tools of a program, by name."""

    def __init__(self) -> None:
        self._offers: dict[str, Offer] = {}
        self._owners: dict[str, str] = {}

    def offer(self, owner: str, tools: Iterable[Tool], ref: Ref[Run]) -> tuple[str, ...]:
        """From now on `owner` runs exactly these tools.

        Returns the names that it does not get, because another owner has them.
        """
        mine = {tool.name: Offer(tool, ref) for tool in tools}
        for name in [name for name, has in self._owners.items() if has == owner]:
            if name not in mine:
                del self._offers[name], self._owners[name]
        taken = tuple(name for name in mine if self._owners.get(name, owner) != owner)
        for name, offer in mine.items():
            if name not in taken:
                self._offers[name] = offer
                self._owners[name] = owner
        return taken

    def view(self, *patterns: str) -> "ToolView":
        """The tools whose names these patterns match, as `clock` or `github__*`."""
        return ToolView(self, patterns)

    def get(self, name: str) -> Offer | None:
        """The tool of that name, and who runs it; None where there is none now."""
        return self._offers.get(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._offers)


@attrs.frozen
class ToolView:
    """What of a `directory` one assistant may use; it follows what comes and goes.

    `patterns` say it, as `clock` or `github__*`. Made by `ToolDirectory.view`.
    """

    directory: ToolDirectory
    patterns: tuple[str, ...]

    def get(self, name: str) -> Offer | None:
        """The tool of that name, if it is there and may be used; else None."""
        return self.directory.get(name) if self._shows(name) else None

    def names(self) -> tuple[str, ...]:
        """The names of all tools that may be used, those that were there first first."""
        return tuple(name for name in self.directory if self._shows(name))

    def specs(self) -> tuple[ToolSpec, ...]:
        """All tools that may be used, as a model is told of them."""
        offers = map(self.directory.get, self.names())
        return tuple(offer.tool.spec for offer in offers if offer is not None)

    def _shows(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.patterns)
