"""Traces where they are configured, and what to do where they cannot be had."""

from ..errors import ConfigError
from .observer import RequestObserver

__all__ = ["open_traces"]


def open_traces(*, content: bool = False) -> RequestObserver:
    """The observer that makes spans, with prompts and answers in them where `content` is true.

    Raises ConfigError where the extra [otel] is not installed.
    """
    try:
        from .spans import Spans  # noqa: PLC0415 - an optional extra
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("opentelemetry"):
            raise
        fault = (
            "OpenTelemetry is not installed; run pip install 'trouper[otel]', or set it to false"
        )
        raise ConfigError("telemetry.traces", [fault]) from error
    return Spans(content=content)
