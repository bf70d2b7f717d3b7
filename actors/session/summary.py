"""A summary is written: one plain call to the small model, or to the target whose window is full."""

import attrs
import structlog
import trio

from ..catalog.fitting import fitted
from ..chat import ChatRequest, Message, TextPart
from ..errors import ProviderError
from ..policy.context import prompt_limit
from ..policy.routing import Candidate, Link
from ..policy.summary import Summary, clipped, summary_request
from ..provider import request as provider_request
from ..provider.call import Call
from ..provider.route import Route, facts_of
from ..provider.target import Target

__all__ = ["for_a_note", "write_summary"]

_log = structlog.get_logger("trouper.session")

# Seconds that a turn waits for it: 1,024 tokens at a slow model's 20 a second.
# Then the turn goes on without it.
_PATIENCE = 60.0

# Tokens for the instruction, and of what a model that reasons may think on top.
_INSTRUCTION = 256
_THINKING = 2_048

# Estimates of a text that is cut are as wrong as others.
_CAREFUL = 0.9


async def write_summary(
    route: Route,
    call: Call,
    target: Target,
    *,
    small: Route | None = None,
    earlier: Summary | None,
    left_out: tuple[Message, ...],
    until: int,
    tokens: int,
    most: int,
    limit: float,
) -> Summary | None:
    """What `earlier` and the messages that are left out have told; None where it cannot be had,
    which the log says.

    It has `most` tokens at most. `tokens` are those of all that it is made of,
    and `limit` those of a prompt. It is asked of `target`, as any other call of
    the session: through its gates, within its budgets; or, where there is one,
    of the `small` model.
    """
    # Who answers the turn writes it: its window is the one that was measured.
    chain = (Link((Candidate(target.name),)),)
    asked = attrs.evolve(route, chain=chain, hedge=False, on_midstream="raise")
    if small is not None:
        asked, target = small, next(iter(small.targets.values()))
        windows = [_window(one, limit) for one in small.targets.values()]
        limit = min(limit, prompt_limit(min(windows), most, most))
    room = limit - most - _INSTRUCTION
    part = 1.0 if tokens <= room else max(0.0, room / tokens * _CAREFUL)
    model = target.model if small is None else ""
    request = for_a_note(summary_request(model, earlier, left_out, most, part), target)
    # A request of its own, which is not shortened again.
    call = attrs.evolve(
        call,
        request_id="",
        seen=None,
        fitter=None,
        deadline=min(call.deadline, trio.current_time() + _PATIENCE),
    )
    try:
        completion = await provider_request.complete(asked, request, call)
    except ProviderError as error:
        _unwritten(call, target, str(error))
        return None
    text = completion.text.strip()
    if not text:
        _unwritten(call, target, f"nothing was written ({completion.finish.value})")
        return None
    [count] = await target.knowledge.tokens.count_each([_said(text)], target.model)
    return Summary(clipped(text, most / max(1, count)), until)


def _window(target: Target, usual: float) -> int:
    """The size of its window, as far as it matters."""
    return facts_of(target).max_input_tokens or int(usual)


def for_a_note(request: ChatRequest, target: Target) -> ChatRequest:
    """A request whose answer is short, as `target` can be asked: with room to think, if it does."""
    facts = facts_of(target)
    if facts.reasoning and request.max_output_tokens is not None:
        limit = request.max_output_tokens + _THINKING
        request = attrs.evolve(request, max_output_tokens=limit, reasoning_effort="low")
    return fitted(request, facts)[0]


def _said(text: str) -> Message:
    return Message("user", (TextPart(text),))


def _unwritten(call: Call, target: Target, why: str) -> None:
    _log.warning(
        "no summary was written; the oldest turns are left out without one",
        session=call.session,
        target=target.name,
        error=why,
    )
