"""A request held against what is known of the model, before it is sent.

`validate` finds what the provider would refuse, and says what is allowed.
Sampling parameters are another matter: a model that takes none is no reason to
fail, least of all when it stands in for another that does, so
`without_refused_sampling` takes them out and says so.
"""

import re
from collections.abc import Iterator

import attrs

from ..chat import MOST_TOKENS, ChatRequest, ImagePart, Sampling
from .facts import ModelFacts, SamplingRule

__all__ = ["validate", "without_refused_sampling"]

# OpenAI's and Anthropic's references alike.
_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")

_HINT = "leave it out, or ask another model"


def validate(request: ChatRequest, facts: ModelFacts) -> tuple[str, ...]:
    """What is wrong with this request for this model: sentences that begin with the field.

    None where nothing is known to be wrong. What `extra` puts into the body is
    not looked at: it is there to say what we do not know.
    """
    return tuple(_faults(request, facts))


def _faults(request: ChatRequest, facts: ModelFacts) -> Iterator[str]:
    yield from _numbers(request.sampling, facts)
    yield from _limits(request, facts)
    yield from _tools(request, facts)
    yield from _content(request, facts)


def _numbers(sampling: Sampling, facts: ModelFacts) -> Iterator[str]:
    ranges = (
        ("temperature", sampling.temperature, 0.0, facts.max_temperature),
        ("top_p", sampling.top_p, 0.0, 1.0),
        ("frequency_penalty", sampling.frequency_penalty, -2.0, 2.0),
        ("presence_penalty", sampling.presence_penalty, -2.0, 2.0),
    )
    for name, value, low, high in ranges:
        # Written so that a NaN, which is in no range, is a fault.
        if value is not None and not low <= value <= high:
            yield f"{name}: {value:g} is out of range; {facts.name} takes {low:g} to {high:g}"


def _limits(request: ChatRequest, facts: ModelFacts) -> Iterator[str]:
    wanted, most = request.max_output_tokens, facts.max_output_tokens
    most = MOST_TOKENS if most is None else most
    if wanted is not None and not 1 <= wanted <= most:
        # Where nobody knows what the model can do, a bound of our own is no news.
        allowed = f"1 to {most}" if most != MOST_TOKENS or wanted > most else "1 or more"
        yield f"max_output_tokens: {wanted} is out of range; {facts.name} takes {allowed}"
    stops = facts.max_stop_sequences
    if stops is not None and len(request.stop) > stops:
        allowed = f"0 to {stops}" if stops else "none"
        yield f"stop: {len(request.stop)} sequences; {facts.name} takes {allowed}"
    effort = request.reasoning_effort
    if effort is None:
        return
    if facts.efforts:
        if effort not in facts.efforts:
            words = ", ".join(facts.efforts)
            yield f"reasoning_effort: {effort!r} is not known; {facts.name} takes {words}"
    elif facts.reasoning is False:
        yield f"reasoning_effort: {facts.name} does not reason; {_HINT}"


def _tools(request: ChatRequest, facts: ModelFacts) -> Iterator[str]:
    for tool in request.tools:
        if not _TOOL_NAME.fullmatch(tool.name):
            yield (
                f"tools: the name {tool.name[:80]!r} will be refused; "
                "1 to 64 letters, digits, underscores and hyphens are taken"
            )
    if not request.tools:
        return
    if facts.tools is False:
        yield f"tools: {facts.name} takes none; {_HINT}"
    names = {tool.name for tool in request.tools}
    if request.tool_choice not in {"auto", "none", "required"} | names:
        yield f"tool_choice: no tool {request.tool_choice!r}; auto, none, required or {', '.join(sorted(names))}"
    elif request.tool_choice not in ("auto", "none") and facts.forced_tools is False:
        yield f"tool_choice: {facts.name} cannot be made to use a tool; auto or none"
    if request.parallel_tools is not None and facts.parallel_tools is False:
        yield f"parallel_tools: {facts.name} knows no such parameter; {_HINT}"


def _content(request: ChatRequest, facts: ModelFacts) -> Iterator[str]:
    if facts.images is False and any(
        isinstance(part, ImagePart) for message in request.messages for part in message.parts
    ):
        yield f"messages: {facts.name} takes no images; {_HINT}"
    if request.response_schema is not None and facts.response_schema is False:
        yield f"response_schema: {facts.name} takes none; {_HINT}"
    if facts.prefill is False and request.messages and request.messages[-1].role == "assistant":
        yield (
            f"messages: the last one is the assistant's, and {facts.name} does not go on "
            "from an answer that was begun for it; end with a message of the user or a tool"
        )


def without_refused_sampling(
    request: ChatRequest, facts: ModelFacts
) -> tuple[ChatRequest, tuple[str, ...]]:
    """The request without the sampling parameters that this model refuses at any value,
    and their names; the same request where there are none."""
    refused: list[str] = []
    if facts.sampling is SamplingRule.NEVER or (
        facts.sampling is SamplingRule.WITHOUT_REASONING
        # Left out, it is the model's own default, of which we know nothing.
        and request.reasoning_effort not in (None, "none")
    ):
        refused += ["temperature", "top_p", "frequency_penalty", "presence_penalty"]
    elif not facts.penalties:
        refused += ["frequency_penalty", "presence_penalty"]
    dropped = tuple(name for name in refused if getattr(request.sampling, name) is not None)
    if not dropped:
        return request, ()
    sampling = attrs.evolve(request.sampling, **dict.fromkeys(dropped))
    return attrs.evolve(request, sampling=sampling), dropped
