"""A set of tools under names of their own."""

from collections.abc import Iterable, Iterator, Mapping

from ..chat import ToolSpec
from .definition import Tool
from .errors import ToolDefinitionError

__all__ = ["Toolbox"]


class Toolbox(Mapping[str, Tool]):
    """Tools by name, in the order in which a model is told of them; it does not change.

    Raises ToolDefinitionError for two tools of one name.
    """

    __slots__ = ("_tools",)

    def __init__(self, *tools: Tool) -> None:
        self._tools: dict[str, Tool] = {}
        for tool in tools:
            if tool.name in self._tools:
                raise ToolDefinitionError(tool.name, "name", "there are two tools of this name")
            self._tools[tool.name] = tool

    def specs(self) -> tuple[ToolSpec, ...]:
        """All tools as a model is told of them."""
        return tuple(tool.spec for tool in self._tools.values())

    def only(self, names: Iterable[str]) -> "Toolbox":
        """The tools of these names. Raises KeyError for a name that is not here."""
        return Toolbox(*(self._tools[name] for name in names))

    def __getitem__(self, name: str) -> Tool:
        return self._tools[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tools)

    def __len__(self) -> int:
        return len(self._tools)

    def __repr__(self) -> str:
        return f"Toolbox({', '.join(self._tools)})"
