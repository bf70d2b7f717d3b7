"""Structlog's one configuration, for Trouper's lines and for those of a program that has set up none.

A logger is Trouper's by its name, "trouper." and more, which all in this package have.
Every other is the program's, and does what it did before.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from structlog.typing import BindableLogger, EventDict, Processor

__all__ = ["SharedLogging"]


class SharedLogging:
    """What to give structlog: `factory`, `wrapper` and `process`, the only processor.

    Trouper's own loggers write to `lines`, by `wrapper_class` and `processors`;
    all others have `theirs`, which structlog.get_config gave.
    """

    def __init__(
        self,
        lines: object,
        wrapper_class: Callable[..., BindableLogger],
        processors: Sequence[Processor],
        theirs: Mapping[str, Any],
    ) -> None:
        self._lines = lines
        self._wrapper_class = wrapper_class
        self._processors = processors
        self._theirs = theirs

    def factory(self, *names: object) -> object:
        """What a logger of such a name writes to."""
        if names and str(names[0]).startswith("trouper."):
            return self._lines
        return self._theirs["logger_factory"](*names)

    def wrapper(self, logger: object, **options: Any) -> BindableLogger:
        """The logger around what `factory` gave."""
        cls = self._wrapper_class if logger is self._lines else self._theirs["wrapper_class"]
        wrapped: BindableLogger = cls(logger, **options)
        return wrapped

    def process(self, logger: object, method: str, event_dict: EventDict) -> Any:
        """Make one line.

        One processor for all, so that whoever replaces it has all lines, as
        structlog.testing.capture_logs does.
        """
        ours = logger is self._lines
        made: Any = event_dict
        for processor in self._processors if ours else self._theirs["processors"]:
            made = processor(logger, method, made)
        return made
