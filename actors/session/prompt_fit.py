"""Whether a text fits into one prompt of an assistant, and into how many parts it is cut if not."""

import math
from collections.abc import Iterable

import attrs

from ..catalog.facts import ModelRef
from ..chat import ChatRequest, Message, TextPart, ToolSpec
from ..policy.context import USUAL_ANSWER, prompt_limit, surely_fits
from ..policy.long_text import cut_text
from ..provider.route import facts_of
from ..provider.target import Target
from .assistant import Assistant

__all__ = ["PromptFit", "prompt_fit_of"]

# Of the room that there is, a part has this much: some texts have more tokens in
# one half than in the other, and around it stands what is asked.
_PART = 0.6

# What our words around a part take.
_FRAME = 100


@attrs.frozen
class PromptFit:
    """A text of about `tokens`, of `limit` that it may have, by our estimate."""

    tokens: int
    limit: int

    @property
    def fits(self) -> bool:
        """Whether it can be read at once."""
        return self.tokens <= self.limit

    def parts(self, text: str) -> tuple[str, ...]:
        """The text in parts that fit; empty where not even a few words would."""
        usable = self.limit * _PART - _FRAME
        if usable < _FRAME:
            return ()
        return cut_text(text, max(1, math.floor(len(text) / self.tokens * usable)))


async def prompt_fit_of(
    text: str,
    assistant: Assistant,
    *,
    tools: Iterable[ToolSpec] = (),
    session: str = "",
    user: str = "",
) -> PromptFit | None:
    """How much of `text` the largest of the assistant's models can read at once; None where
    nobody knows their windows."""
    windows = {
        facts_of(target).max_input_tokens or 0: target
        for target in assistant.route.targets.values()
    }
    window = max(windows)
    if not window:
        return None
    target, tools = windows[window], tuple(tools)
    system = assistant.prompt.messages(
        session=session, user=user, model=assistant.model, tools=tools
    )
    said = Message("user", (TextPart(text),))
    if not tools and surely_fits((*system, said), window):
        return PromptFit(0, window)
    return await _measured(said, system, target, window, assistant, tools)


async def _measured(
    said: Message,
    system: tuple[Message, ...],
    target: Target,
    window: int,
    assistant: Assistant,
    tools: tuple[ToolSpec, ...],
) -> PromptFit:
    knowledge = target.knowledge
    ref = ModelRef(target.provider, target.model, target.family)
    correction = knowledge.correction(ref)
    [tokens] = await knowledge.tokens.count_each([said], target.model)
    bare = ChatRequest(model=target.model, messages=system, tools=tools)
    fixed = await knowledge.tokens.count_request_async(bare, target.model)
    usual = max(USUAL_ANSWER, knowledge.likely_output(ref, None))
    most = prompt_limit(window, assistant.max_output_tokens, usual)
    return PromptFit(correction.apply(tokens), most - correction.apply(fixed))
