"""How long a prompt was, and how long it may be, by the sentence that refuses it.

Nobody has a field for these numbers, but many say them, and what they say is
exact where we had only an estimate, or knew nothing. A sentence that is not
known says nothing; one that is changed some day costs no more than that.
"""

import re

import attrs

__all__ = ["WindowRefusal", "refusal_in"]

# In the words of OpenAI and vLLM, Anthropic, llama.cpp, Mistral, Gemini and xAI, in this order.
_WINDOW = re.compile(
    r"(?:context length is(?: only)?|tokens >|max_tokens` exceed context limit: [0-9]+ \+ [0-9]+ >"
    r"|context size \(|for model with|tokens allowed \(|maximum prompt length is) ?([0-9][0-9,]{0,14})"
)
_PROMPT = re.compile(
    r"(?:messages resulted in|requested [0-9]+ tokens \(|request has|You passed|prompt is too long:"
    r"|exceed context limit:|request \(|Prompt contains|token count \(|request contains) ?([0-9][0-9,]{0,14})"
)

# Fewer are a version or a place, and more than any window are an id.
_LEAST, _MOST = 16, 100_000_000


@attrs.frozen
class WindowRefusal:
    """Tokens of the `prompt` that was refused, and of the `window`; None where that is not said."""

    prompt: int | None = None
    window: int | None = None


def refusal_in(message: str) -> WindowRefusal:
    """What a provider's message says of a prompt that is too long."""
    return WindowRefusal(_number(_PROMPT, message), _number(_WINDOW, message))


def _number(pattern: re.Pattern[str], message: str) -> int | None:
    found = pattern.search(message)
    number = int(found[1].replace(",", "")) if found else 0
    return number if _LEAST <= number <= _MOST else None
