"""Where the actors of an application stand (tree.py), for tests that let them crash.

Each gives a path for `Crash` and `Crashes.now`; "*" is all of that kind, which only
`Crash` takes.
"""

from ..store.store import Store
from ..tree import connection_path

__all__ = ["provider_path", "session_path", "store_path", "tool_path"]


def provider_path(name: str = "*") -> str:
    """The connection of a provider, by its name in the configuration: its requests under way."""
    return connection_path(name)


def store_path() -> str:
    """Who writes down what is kept: turns of conversations, attempts, what they have cost."""
    return Store.writer_path()


def session_path(id: str = "*") -> str:
    """A conversation. An application that keeps none of them (`path = ":memory:"`) loses it."""
    return f"sessions/{id}"


def tool_path(name: str = "*") -> str:
    """Who runs the calls of a tool, by the tool's name."""
    return f"tools/{name}"
