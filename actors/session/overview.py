"""What an operator sees of a conversation without reading it."""

import attrs

from ..chat import Usage

__all__ = ["Overview"]


@attrs.frozen(kw_only=True)
class Overview:
    """A conversation in numbers and names. Its title is somebody's own words, and is not here.

    `running` is the turn under way; `asked` counts the tools that wait for
    somebody to permit them, `listeners` who is attached. `cost` is in
    nano-dollars, and `unpriced` counts the answers of which nobody knows it.
    """

    owner: str
    assistant: str
    model: str
    turns: int
    running: int | None
    asked: int
    messages: int
    listeners: int
    usage: Usage
    cost: int
    unpriced: int
