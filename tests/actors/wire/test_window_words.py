"""What servers say when a prompt is too long for them, in their own words."""

import pytest
from hypothesis import given, strategies as st

from trouper.actors.wire.window_words import WindowRefusal, refusal_in


@pytest.mark.parametrize(
    ("message", "refusal"),
    [
        pytest.param(
            "This model's maximum context length is 8192 tokens. However, your messages resulted "
            "in 9011 tokens. Please reduce the length of the messages.",
            WindowRefusal(9_011, 8_192),
            id="openai",
        ),
        pytest.param(
            "This model's maximum context length is 4097 tokens. However, you requested 4500 "
            "tokens (3500 in the messages, 1000 in the completion).",
            WindowRefusal(3_500, 4_097),
            id="openai, with the answer",
        ),
        pytest.param(
            "Your input exceeds the context window of this model. Please adjust your input.",
            WindowRefusal(),
            id="openai, responses",
        ),
        pytest.param(
            "prompt is too long: 208310 tokens > 200000 maximum",
            WindowRefusal(208_310, 200_000),
            id="anthropic",
        ),
        pytest.param(
            "input length and `max_tokens` exceed context limit: 197202 + 21333 > 200000, "
            "decrease input length or `max_tokens` and try again",
            WindowRefusal(197_202, 200_000),
            id="anthropic, with the answer",
        ),
        pytest.param(
            "This model's maximum context length is 4096 tokens. However, your request has 4200 "
            "input tokens. Please reduce the length of the input messages.",
            WindowRefusal(4_200, 4_096),
            id="vllm",
        ),
        pytest.param(
            "You passed 4097 input tokens and requested 1024 output tokens. However, the model's "
            "context length is only 4096 tokens",
            WindowRefusal(4_097, 4_096),
            id="vllm, with the answer",
        ),
        pytest.param(
            "request (9011 tokens) exceeds the available context size (8192 tokens), try "
            "increasing it",
            WindowRefusal(9_011, 8_192),
            id="llama.cpp",
        ),
        pytest.param(
            "the request exceeds the available context size. try increasing the context size",
            WindowRefusal(),
            id="llama.cpp, earlier",
        ),
        pytest.param(
            "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 "
            "maximum context length",
            WindowRefusal(40_000, 32_768),
            id="mistral",
        ),
        pytest.param(
            "The input token count (1048790) exceeds the maximum number of tokens allowed "
            "(1048575).",
            WindowRefusal(1_048_790, 1_048_575),
            id="gemini",
        ),
        pytest.param(
            "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
            WindowRefusal(537_812, 131_072),
            id="xai",
        ),
        pytest.param(
            "maximum context length is 128,000 tokens", WindowRefusal(None, 128_000), id="commas"
        ),
        pytest.param("maximum context length is , tokens", WindowRefusal(), id="no number"),
        pytest.param("maximum context length is 3.5 pages", WindowRefusal(), id="too small"),
        pytest.param("request (" + "9" * 9_000, WindowRefusal(), id="too large"),
    ],
)
def test_it_is_read_as_it_is_said(message: str, refusal: WindowRefusal) -> None:
    assert refusal_in(message) == refusal


@given(st.text())
def test_whatever_is_said_nothing_fails(message: str) -> None:
    refusal_in(message)
    refusal_in(f"maximum context length is {message}")
