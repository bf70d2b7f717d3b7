"""What callers add to a request, on every wire: never what the request itself says."""

import pytest

from trouper.actors.chat import ChatRequest, Message, TextPart
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.wire.anthropic import AnthropicCodec
from trouper.actors.wire.codec import Codec
from trouper.actors.wire.ollama import OllamaCodec
from trouper.actors.wire.openai import OpenAICodec
from trouper.actors.wire.responses import ResponsesCodec

SAYS: dict[str, tuple[Codec, tuple[str, ...]]] = {
    "anthropic": (
        AnthropicCodec(max_tokens_default=1),
        ("messages", "model", "stream", "system"),
    ),
    "ollama": (OllamaCodec(), ("messages", "model", "stream")),
    "openai": (OpenAICodec(), ("messages", "model", "stream")),
    "openai-responses": (ResponsesCodec(), ("input", "instructions", "model", "stream")),
}
HELLO = (Message("user", (TextPart("hello"),)),)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, (_, names) in SAYS.items() for name in names]
)
def test_no_wire_lets_extra_replace_what_is_asked_of_whom_and_how_it_is_read(
    kind: str, name: str, stream: bool
) -> None:
    """On the model hangs what a call costs, and on the messages what a window takes."""
    codec, _ = SAYS[kind]
    request = ChatRequest(model="m", messages=HELLO, extra={name: "dear", "user": "ann"})

    with pytest.raises(ProviderError, match=f"extra holds {name}, which the request") as caught:
        codec.encode(request, stream=stream)

    assert caught.value.kind is ErrorKind.INVALID_REQUEST


@pytest.mark.parametrize("kind", SAYS)
def test_what_only_a_provider_knows_goes_into_the_body(kind: str) -> None:
    codec, _ = SAYS[kind]
    request = ChatRequest(model="m", messages=HELLO, extra={"of_tomorrow": True})

    assert b'"of_tomorrow":true' in codec.encode(request, stream=False).body
