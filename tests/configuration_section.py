"""A table of the configuration, as its reference has it."""

from typing import Any

import attrs

__all__ = ["Section"]


@attrs.frozen(kw_only=True)
class Section:
    """A table of the configuration: `title` is its heading, `cls` has its keys."""

    title: str
    cls: type[Any]
    text: str
    example: str = ""
    level: int = 2
