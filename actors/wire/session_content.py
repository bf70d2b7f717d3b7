"""Content blocks of the Agent Client Protocol: what a client says, as parts, and parts shown to it.

Sans-IO. Shapes: agentclientprotocol.com, protocol v1, "Content".
"""

import binascii
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, cast

from ..chat import FilePart, ImagePart, Message, OpaquePart, Part, TextPart
from .jsonrpc import dump_text

__all__ = ["blocks_of", "read_blocks", "shown_text"]

_TAKEN: Final = "text, resource_link, resource with text, and image"

# Pictures that every provider with eyes takes.
_PICTURES: Final = ("image/png", "image/jpeg", "image/gif", "image/webp")


def read_blocks(value: Any) -> tuple[Part, ...]:
    """A prompt's content blocks as parts.

    Raises TypeError and ValueError, whose text begins with the place of the
    block that is wrong.
    """
    if not isinstance(value, list) or not value:
        raise TypeError("expected a list of at least one content block")
    blocks: list[Any] = value
    parts: list[Part] = []
    for number, block in enumerate(blocks):
        try:
            parts.append(_part(block))
        except (TypeError, ValueError) as error:
            raise type(error)(f"[{number}]: {error}") from None
    if not any(isinstance(part, ImagePart) or getattr(part, "text", "") for part in parts):
        raise ValueError("there is no text in it")
    return tuple(parts)


def _part(value: Any) -> Part:
    if not isinstance(value, dict):
        raise TypeError("expected a content block")
    block = cast("dict[str, Any]", value)
    kind = block.get("type")
    if kind == "text":
        return TextPart(_string(block, "text"))
    if kind == "resource_link":
        uri = _string(block, "uri")
        return TextPart(f"[{_string(block, 'name') if 'name' in block else uri}]({uri})")
    if kind == "resource":
        return _resource(block.get("resource"))
    if kind == "image":
        return _image(block)
    raise ValueError(f"content of type {str(kind)[:40]!r} is not taken; supported are {_TAKEN}")


def _resource(value: Any) -> TextPart:
    """A file's text, with its name before it: what a model of text can be told of it."""
    if not isinstance(value, dict):
        raise TypeError("resource: expected an object")
    resource = cast("dict[str, Any]", value)
    uri = _string(resource, "uri")
    if "text" not in resource:
        raise ValueError(f"the resource {uri[:80]!r} is not text; supported are {_TAKEN}")
    return TextPart(f"{uri}:\n\n{_string(resource, 'text')}")


def _image(block: Mapping[str, Any]) -> ImagePart:
    media = _string(block, "mimeType")
    if media not in _PICTURES:
        raise ValueError(
            f"an image of type {media[:40]!r} is not taken; supported are {', '.join(_PICTURES)}"
        )
    data = _string(block, "data")
    # A picture is shown again with each turn, so what no provider can read would
    # fail the conversation from then on.
    try:
        picture = binascii.a2b_base64(data, strict_mode=True)
    except ValueError as error:
        raise ValueError(f"data: is not base64 ({error})") from None
    if not picture:
        raise ValueError("data: the image is empty")
    return ImagePart(f"data:{media};base64,{data}", media_type=media)


def _string(block: Mapping[str, Any], name: str) -> str:
    value = block.get(name)
    if not isinstance(value, str):
        raise TypeError(f"{name}: expected a string")
    return value


def blocks_of(message: Message) -> Iterator[str]:
    """What a client is shown of a message: each text and picture, as the JSON of a content block.

    What only providers can read is not shown.
    """
    for part in message.parts:
        match part:
            case TextPart(text=text) if text:
                for piece in shown_text(text):
                    yield f'{{"type":"text","text":{dump_text(piece)}}}'
            case ImagePart(url=url):
                yield _shown_image(url, part.media_type)
            case FilePart():
                yield f'{{"type":"text","text":{dump_text(f"[file {part.name or part.file_id}]")}}}'
            case OpaquePart() | _:
                pass


def _shown_image(url: str, media: str) -> str:
    head, comma, data = url.partition(";base64,")
    if comma and head.startswith("data:"):
        media = head.removeprefix("data:")
        return f'{{"type":"image","mimeType":{dump_text(media)},"data":{dump_text(data)}}}'
    name = dump_text(url)
    return f'{{"type":"resource_link","name":{name},"uri":{name}}}'


# Characters of one block: a quarter of what may wait for a reader.
_MOST_PIECE: Final = 32 * 1024


def shown_text(text: str) -> Iterable[str]:
    """A text in pieces that each fit into a frame."""
    return (text[at : at + _MOST_PIECE] for at in range(0, len(text), _MOST_PIECE))
