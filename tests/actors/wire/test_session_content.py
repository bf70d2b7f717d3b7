"""Parts of a conversation as a client is shown them, in blocks that its schema accepts."""

import json
from typing import Any

import pytest
from acp import schema
from pydantic import TypeAdapter

from trouper.actors.chat import (
    AudioPart,
    FilePart,
    ImagePart,
    Message,
    OpaquePart,
    Part,
    TextPart,
)
from trouper.actors.wire.session_content import blocks_of, read_blocks

CHUNK: TypeAdapter[Any] = TypeAdapter(schema.ContentChunk)


def shown(*parts: Part) -> list[dict[str, Any]]:
    blocks = [json.loads(block) for block in blocks_of(Message("user", parts))]
    for block in blocks:
        CHUNK.validate_python({"content": block})
    return blocks


def test_text_is_shown_in_pieces_that_fit_and_nothing_as_nothing() -> None:
    text = "0123456789" * 10_000
    blocks = shown(TextPart(text), TextPart(""))

    assert "".join(block["text"] for block in blocks) == text
    assert max(len(block["text"]) for block in blocks) <= 32 * 1024


def test_a_picture_is_shown_as_it_was_or_as_a_link() -> None:
    data = ImagePart("data:image/png;base64,aGk=", media_type="image/png")

    assert shown(data) == [{"type": "image", "mimeType": "image/png", "data": "aGk="}]
    assert shown(ImagePart("https://x/y.png")) == [
        {"type": "resource_link", "name": "https://x/y.png", "uri": "https://x/y.png"}
    ]
    assert read_blocks(shown(data)) == (data,)


def test_a_file_is_named_and_what_only_providers_read_is_left_out() -> None:
    blocks = shown(
        FilePart(file_id="f-1", name="notes.pdf"),
        OpaquePart("x", {}),
        AudioPart("aGk=", "wav"),
    )

    assert blocks == [{"type": "text", "text": "[file notes.pdf]"}]


@pytest.mark.parametrize(
    ("data", "why"), [("!!", "is not base64"), ("aGk", "is not base64"), ("", "is empty")]
)
def test_a_picture_that_nobody_can_read_is_refused_before_it_is_in_the_conversation(
    data: str, why: str
) -> None:
    """It would be sent to the provider with each turn from then on."""
    with pytest.raises(ValueError, match=rf"\[0\]: data: .*{why}"):
        read_blocks([{"type": "image", "mimeType": "image/png", "data": data}])
