"""Traces where they are configured, and what to do where they cannot be had."""

from collections.abc import Callable

from ..errors import ConfigError
from .observer import RequestObserver
from .steps import StepObserver

__all__ = ["open_traces"]


def open_traces(
    *, content: bool = False, told: Callable[[], bool] = lambda: False
) -> tuple[RequestObserver, StepObserver]:
    """The observers that make spans, with prompts and answers in them where `content` is true.

    `told` says whether the running code handles a message for which nobody waits
    (`System.is_told`). Raises ConfigError where the extra [otel] is not installed.
    """
    try:
        from .spans import Spans  # noqa: PLC0415 - an optional extra
        from .step_spans import StepSpans  # noqa: PLC0415 - likewise
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("opentelemetry"):
            raise
        fault = (
            "OpenTelemetry is not installed; run pip install 'trouper[otel]', or set it to false"
        )
        raise ConfigError("telemetry.traces", [fault]) from error
    return Spans(content=content, told=told), StepSpans(content=content, told=told)
