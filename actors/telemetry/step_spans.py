"""Spans of turns (`invoke_agent`) and tools (`execute_tool`). Needs the extra [otel].

Each is the current span while it lasts, so that requests stand below their
turn, and what a tool does in its own actor below the call. Log lines that are
written in it have its `trace_id` and `span_id`.
"""

from collections.abc import Callable

from opentelemetry import context, trace
from structlog.contextvars import bind_contextvars, reset_contextvars

from ..redaction import redact_text
from .names import EXECUTE_TOOL, INVOKE_AGENT
from .origin import Told, never, origin
from .spans import Attributes, tracer
from .steps import Outcome, StepBegan, TurnBegan

__all__ = ["StepSpans"]

# Characters of what a tool was given and gave, where that is shown.
_MOST_TEXT = 8 * 1024


class StepSpans:
    """Makes spans of turns and tools. A StepObserver.

    With `content`, a tool's arguments and results are in them. `told` says
    whether the running code handles a message that was told (origin.py).
    """

    def __init__(
        self,
        provider: trace.TracerProvider | None = None,
        content: bool = False,
        told: Told = never,
    ) -> None:
        self._content = content
        self._told = told
        self._tracer = tracer(provider)

    def step(self, began: StepBegan) -> Callable[[Outcome], None]:
        """Open its span, and make it the current one."""
        name, attributes = _described(began)
        above, links = origin(self._told)
        span = self._tracer.start_span(name, above, attributes=attributes, links=links)
        content = self._content and span.is_recording() and not isinstance(began, TurnBegan)
        if content and not isinstance(began, TurnBegan):
            span.set_attribute("gen_ai.tool.call.arguments", _text(began.arguments))
        token = context.attach(trace.set_span_in_context(span))
        logged = bind_contextvars(**_ids(span.get_span_context()))

        def end(outcome: Outcome) -> None:
            reset_contextvars(**logged)
            context.detach(token)
            if content and outcome.result:
                span.set_attribute("gen_ai.tool.call.result", _text(outcome.result))
            if outcome.error:
                span.set_attribute("error.type", outcome.error)
                if outcome.error != "cancelled":
                    span.set_status(trace.StatusCode.ERROR, outcome.error)
            span.end()

        return end


def _described(began: StepBegan) -> tuple[str, Attributes]:
    attributes: Attributes = {"gen_ai.conversation.id": began.session}
    if isinstance(began, TurnBegan):
        attributes["gen_ai.operation.name"] = INVOKE_AGENT
        attributes["gen_ai.agent.name"] = began.assistant
        attributes["trouper.turn"] = began.turn
        for name, value in (("trouper.model", began.model), ("user.id", began.user)):
            if value:
                attributes[name] = value
        return f"{INVOKE_AGENT} {began.assistant}", attributes
    attributes["gen_ai.operation.name"] = EXECUTE_TOOL
    attributes["gen_ai.tool.name"] = began.name
    attributes["gen_ai.tool.type"] = "function"
    # Models and their servers make it up.
    attributes["gen_ai.tool.call.id"] = redact_text(began.call_id[:256])
    return f"{EXECUTE_TOOL} {began.name}", attributes


def _ids(span: trace.SpanContext) -> dict[str, str]:
    """What a log line says of the span that it was written in; nothing without an SDK."""
    if not span.is_valid:
        return {}
    return {
        "trace_id": trace.format_trace_id(span.trace_id),
        "span_id": trace.format_span_id(span.span_id),
    }


def _text(text: str) -> str:
    # Cut twice: of a secret that the first cut leaves half of, nothing is left by the second.
    return redact_text(text[: 2 * _MOST_TEXT]).encode(errors="replace").decode()[:_MOST_TEXT]
