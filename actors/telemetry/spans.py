"""Spans of OpenTelemetry: one a request, and one a try below it. Needs the extra [otel].

Names and attributes are those of the conventions for generative AI (2026-05);
ours begin with `trouper.`. The API is all that is needed here: whoever runs the
program sets up an SDK, and without one spans cost a microsecond and go nowhere.
"""

from importlib.metadata import version
from urllib.parse import urlsplit

import trio
from opentelemetry import trace
from opentelemetry.util.types import AttributeValue

from ..chat import ChatRequest
from ..redaction import redact_text
from .labels import error_type, outcome, provider_name
from .names import CHAT
from .observer import AttemptBegan, AttemptEnded, RequestBegan, RequestEnded
from .origin import Told, never, origin
from .span_content import input_messages, output_messages, system_instructions

__all__ = ["Attributes", "Spans", "tracer"]

_NANO = 1_000_000_000

Attributes = dict[str, AttributeValue]


def tracer(provider: trace.TracerProvider | None) -> trace.Tracer:
    """Ours, of that provider; None: OpenTelemetry's global one."""
    return trace.get_tracer("trouper", version("trouper"), provider)


class Spans:
    """Makes spans of what requests tell. A RequestObserver.

    With `content`, prompts and answers are in them. `provider` is OpenTelemetry's
    global one where none is given. A request's span stands below the one that is
    current where it began; `told` says whether that belongs to who has only told
    the running actor something (origin.py).
    """

    def __init__(
        self,
        provider: trace.TracerProvider | None = None,
        content: bool = False,
        told: Told = never,
    ) -> None:
        self.content = content
        self._told = told
        self._tracer = tracer(provider)

    def began(self, began: RequestBegan) -> "_Asked":
        """Open the span of a request."""
        attributes: Attributes = {
            "trouper.request.id": began.request_id,
            "gen_ai.request.stream": began.stream,
        }
        for name, value in (
            ("trouper.model", began.model),
            ("gen_ai.conversation.id", began.session),
            ("user.id", began.user),
        ):
            if value:
                attributes[name] = value
        model = began.model or began.request.model
        above, links = origin(self._told)
        span = self._tracer.start_span(
            f"request {model}".rstrip(), above, attributes=attributes, links=links
        )
        return _Asked(self._tracer, span, began, self.content)


class _Asked:
    __slots__ = ("_attempts", "_began", "_content", "_context", "_span", "_tracer")

    def __init__(
        self, tracer: trace.Tracer, span: trace.Span, began: RequestBegan, content: bool
    ) -> None:
        self._tracer = tracer
        self._span = span
        self._began = began
        self._content = content
        self._context = trace.set_span_in_context(span)
        self._attempts = 0

    def attempted(self, began: AttemptBegan) -> "_Tried":
        self._attempts += 1
        asked = self._began
        span = self._tracer.start_span(
            f"{CHAT} {began.model}",
            self._context,
            trace.SpanKind.CLIENT,
            {**_asked(asked), **_target(began)},
        )
        if self._content and span.is_recording():
            messages = asked.request.messages
            span.set_attribute("gen_ai.input.messages", input_messages(messages))
            if instructions := system_instructions(messages):
                span.set_attribute("gen_ai.system_instructions", instructions)
        return _Tried(span, self._content)

    def ended(self, ended: RequestEnded) -> None:
        span = self._span
        span.set_attribute("trouper.outcome", outcome(ended))
        span.set_attribute("trouper.attempts", self._attempts)
        if ended.result == "failed":
            _failed(span, ended.error)
        span.end()


class _Tried:
    __slots__ = ("_content", "_sent", "_span")

    def __init__(self, span: trace.Span, content: bool) -> None:
        self._span = span
        self._content = content
        self._sent: float | None = None

    def sent(self, waited: float = 0.0) -> None:
        self._sent = trio.current_time()
        self._span.set_attribute("trouper.limiter.wait", waited)

    def first_token(self) -> None:
        if self._sent is not None:
            seconds = trio.current_time() - self._sent
            self._span.set_attribute("gen_ai.response.time_to_first_chunk", seconds)

    def ended(self, ended: AttemptEnded) -> None:
        span = self._span
        if span.is_recording():
            span.set_attributes(_answered(ended))
            if self._content and ended.answer is not None:
                said = output_messages(ended.answer, ended.finish)
                span.set_attribute("gen_ai.output.messages", said)
            if ended.result == "failed":
                _failed(span, ended.error)
        span.end()


def _failed(span: trace.Span, error: BaseException | None) -> None:
    """Mark a span as failed, by the class of the error: its words may quote what was asked."""
    kind = error_type(error)
    span.set_attribute("error.type", kind)
    span.set_status(trace.StatusCode.ERROR, kind)


def _asked(began: RequestBegan) -> Attributes:
    request: ChatRequest = began.request
    sampling = request.sampling
    attributes: Attributes = {
        "gen_ai.operation.name": CHAT,
        "gen_ai.request.stream": began.stream,
    }
    for name, value in (
        ("gen_ai.conversation.id", began.session or None),
        ("gen_ai.request.max_tokens", request.max_output_tokens),
        ("gen_ai.request.temperature", sampling.temperature),
        ("gen_ai.request.top_p", sampling.top_p),
        ("gen_ai.request.seed", sampling.seed),
        ("gen_ai.request.frequency_penalty", sampling.frequency_penalty),
        ("gen_ai.request.presence_penalty", sampling.presence_penalty),
    ):
        if value is not None:
            attributes[name] = value
    return attributes


def _target(began: AttemptBegan) -> Attributes:
    attributes: Attributes = {
        "gen_ai.provider.name": provider_name(began.kind, began.base_url),
        "gen_ai.request.model": began.model,
        "trouper.provider": began.provider,
        "trouper.attempt": began.number,
    }
    url = urlsplit(began.base_url)
    if url.hostname:
        attributes["server.address"] = url.hostname
        attributes["server.port"] = url.port or (80 if url.scheme == "http" else 443)
    return attributes


def _answered(ended: AttemptEnded) -> Attributes:
    attributes: Attributes = {}
    if ended.model:
        attributes["gen_ai.response.model"] = redact_text(ended.model)
    if ended.response_id:
        attributes["gen_ai.response.id"] = redact_text(ended.response_id)
    if ended.finish is not None:
        attributes["gen_ai.response.finish_reasons"] = (ended.finish.value,)
    if ended.key_id:
        attributes["trouper.key"] = ended.key_id
    if ended.cost is not None:
        attributes["trouper.cost_usd"] = ended.cost / _NANO
    if ended.status is not None:
        attributes["http.response.status_code"] = ended.status
    if (usage := ended.usage) is not None and not usage.estimated:
        attributes["gen_ai.usage.input_tokens"] = usage.input
        attributes["gen_ai.usage.output_tokens"] = usage.output
        attributes["gen_ai.usage.cache_read.input_tokens"] = usage.cache_read
        attributes["gen_ai.usage.cache_creation.input_tokens"] = usage.cache_write
        attributes["gen_ai.usage.reasoning.output_tokens"] = usage.reasoning
    return attributes
