"""What a message is made of. Import these from chat.py, where the rest of a conversation is."""

from collections.abc import Mapping
from typing import Any

import attrs
import orjson

from .json_reading import NestedTooDeeply, read_json

__all__ = [
    "AudioPart",
    "FilePart",
    "ImagePart",
    "IncompleteToolCall",
    "OpaquePart",
    "Part",
    "TextPart",
    "ThinkingPart",
    "ToolCallPart",
    "ToolResultPart",
]


@attrs.frozen
class TextPart:
    """`text`, of any length."""

    text: str


@attrs.frozen
class ImagePart:
    """An image: `url` (https or data) for the model to look at.

    `media_type`, as image/png, is for a data URL that names none; `detail` is how
    closely it looks, "auto", "low" or "high", on the wires that know it.
    """

    url: str
    media_type: str = ""
    detail: str = "auto"


@attrs.frozen
class AudioPart:
    """Something spoken: `data` is base64, `format` its coding (wav, mp3)."""

    data: str = attrs.field(repr=False)
    format: str


@attrs.frozen
class FilePart:
    """A file, by `data` (a data URL) or by the provider's `file_id`.

    `name` is what the model is told it is called; `media_type`, as application/pdf, is
    for a data URL that names none.
    """

    data: str = ""
    file_id: str = ""
    name: str = ""
    media_type: str = ""


@attrs.frozen
class ThinkingPart:
    """What a model thought, as `text`. It goes back only to the provider family in `origin`.

    `signature` is the provider's, which wants it back unchanged; where it is
    `redacted` nobody else can read it, and there is no text.
    """

    text: str
    signature: str = ""
    redacted: bool = False
    origin: str = ""


@attrs.frozen
class ToolCallPart:
    """A model's wish to run tool `name`; `args_json` is its text, whether valid JSON or not.

    The result names the call by its `id`.
    """

    id: str
    name: str
    args_json: str

    @property
    def fault(self) -> str | None:
        """Why this call cannot be run as it stands, for the model to read as its result.

        None where the arguments are a JSON object, or nothing at all. To be
        asked before a tool runs: a call whose arguments nobody can read is
        answered with a ToolResultPart that is an error, and does no harm later.
        """
        if not self.args_json.strip():
            return None  # what some servers send where there are no arguments
        try:
            arguments = read_json(self.args_json)
        except NestedTooDeeply as fault:
            return f"the arguments of {self.name} are {fault.msg}; call it again with flatter ones"
        except orjson.JSONDecodeError as fault:
            return (
                f"the arguments of {self.name} are not valid JSON ({fault.msg} at character "
                f"{fault.pos}); call it again with a JSON object"
            )
        if isinstance(arguments, dict):
            return None
        return f"the arguments of {self.name} are no JSON object; call it again with one"


@attrs.frozen
class IncompleteToolCall(ToolCallPart):
    """A tool call that was cut off within its arguments, as by the limit of the answer.

    It is not to be run: ask for a longer answer, or let the model try again.
    """

    @property
    def fault(self) -> str | None:
        """Why this call cannot be run, for the model to read as its result."""
        return f"the call of {self.name} was cut off within its arguments; make it shorter"


@attrs.frozen
class ToolResultPart:
    """What the tool call `call_id` gave: `content` is what the model reads of it.

    With `is_error` it was not done, or failed; the content says why.
    """

    call_id: str
    content: str
    is_error: bool = False


@attrs.frozen
class OpaquePart:
    """A part that only the provider family `origin` understands, kept as it came, in `raw`."""

    origin: str
    raw: Mapping[str, Any] = attrs.field(hash=False)


Part = (
    TextPart
    | ImagePart
    | AudioPart
    | FilePart
    | ThinkingPart
    | ToolCallPart
    | IncompleteToolCall
    | ToolResultPart
    | OpaquePart
)
"""What a message may be made of. Which parts a wire can say is in the reference of providers."""
