"""What is said to a model and what comes back: frozen values, the same for every provider.

A request is a `ChatRequest` of `Message`s, a message is a tuple of parts. A
plain answer is a `Completion`; a streamed one is a run of chunks that begins
with `Started` and ends with `Finished`. No value here knows a wire. The parts
are in parts.py, and imported from here.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, Literal

import attrs

from .parts import (
    AudioPart,
    FilePart,
    ImagePart,
    IncompleteToolCall,
    OpaquePart,
    Part,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
)
from .trail import AttemptRecord

__all__ = [
    "MOST_TOKENS",
    "AudioPart",
    "ChatRequest",
    "Chunk",
    "Completion",
    "FilePart",
    "Finish",
    "Finished",
    "Heartbeat",
    "ImagePart",
    "IncompleteToolCall",
    "Logprobs",
    "Message",
    "OpaquePart",
    "Part",
    "PartDone",
    "RefusalDelta",
    "Reset",
    "Role",
    "Sampling",
    "Started",
    "TextDelta",
    "TextPart",
    "ThinkingDelta",
    "ThinkingPart",
    "ThinkingSignature",
    "ToolArgsDelta",
    "ToolCallPart",
    "ToolCallStarted",
    "ToolResultPart",
    "ToolSpec",
    "Usage",
    "UsageUpdate",
]

Role = Literal["system", "user", "assistant", "tool"]
"""Who says a message. "tool" has the results of calls, as ToolResultPart."""


@attrs.frozen
class Message:
    """One message of a conversation: its `role` says whose it is, its `parts` what is said.

    `name` tells speakers of one role apart, on the wires that have a place for it.
    """

    role: Role
    parts: tuple[Part, ...]
    name: str = ""

    @property
    def text(self) -> str:
        """The text of the text parts, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))


@attrs.frozen
class ToolSpec:
    """A tool as a model is told of it: its `name`, a `description` of what it does and when to
    use it, and the JSON `schema` of its arguments.

    `strict` asks the provider to hold the model to the schema, where it can.
    """

    name: str
    description: str
    schema: Mapping[str, Any] = attrs.field(hash=False)
    strict: bool = False


@attrs.frozen
class Sampling:
    """How the next token is drawn; None leaves the provider's default.

    `temperature` is from 0, which takes the likeliest token nearly always, to 1 or 2,
    by provider. `top_p` leaves only the likeliest tokens that have this share, from 0
    to 1, of all chances. `seed` asks for the same draw again, as far as the provider
    can. `frequency_penalty` and `presence_penalty`, from -2 to 2 where a wire has
    them, are against tokens that were said often, or at all.
    """

    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None


@attrs.frozen(kw_only=True)
class ChatRequest:
    """One request to a model: its answer to `messages`, the oldest first.

    `model` is the provider's own name for it; for `App.complete` it is the name of
    a configured one. What is None is left to the provider, or to the configuration.

    The model may call `tools`: `tool_choice` is "auto", "none", "required" or the
    name of one, `parallel_tools` whether several in one answer.
    `max_output_tokens` bounds the tokens of the answer, with its reasoning; `stop`
    are texts at which it ends. `sampling` is how it is drawn, `reasoning_effort` how
    much is thought before ("low", "medium", "high", or what the provider has).
    With a `response_schema`, a JSON schema, the answer is JSON of that shape.

    `metadata` is what the provider keeps with the request: no secrets. `extra` is
    merged into the body as it is, for what only one provider knows.
    """

    model: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: str = "auto"
    parallel_tools: bool | None = None
    max_output_tokens: int | None = None
    sampling: Sampling = Sampling()
    stop: tuple[str, ...] = ()
    response_schema: Mapping[str, Any] | None = attrs.field(default=None, hash=False)
    reasoning_effort: str | None = None
    metadata: Mapping[str, str] = attrs.field(factory=dict[str, str], hash=False)
    extra: Mapping[str, Any] = attrs.field(factory=dict[str, Any], hash=False)


class Finish(Enum):
    """Why an answer ended."""

    STOP = "stop"
    """The model had said all, or came to one of the texts at which it was to stop."""
    LENGTH = "length"
    """The answer has the tokens that it may have: what follows is missing."""
    TOOL_CALLS = "tool_calls"
    """The model waits for the results of its calls."""
    CONTENT_FILTER = "content_filter"
    """A filter of the provider has ended it."""
    REFUSAL = "refusal"
    """The model refuses."""
    PAUSE = "pause"
    """The provider takes a break: the answer so far is sent back, and goes on."""
    CONTEXT_WINDOW = "context_window"
    """Prompt and answer together have filled the model's window."""
    ERROR = "error"
    """The provider says that it has failed."""
    UNKNOWN = "unknown"
    """The provider gives no reason, or one that is not known here; see `raw_finish`."""


MOST_TOKENS: Final = 10**9
"""More tokens than one call has: a thousand times the largest windows that are sold. What
claims more is an error, and no sum of such counts is too large for a database."""


@attrs.frozen
class Usage:
    """Tokens of one answer. `input` and `output` are totals: cached tokens are
    within `input`, reasoning within `output`.

    `cache_read` came out of the provider's cache, `cache_write` went into it, and
    `cache_write_1h` of those for an hour rather than some minutes. `estimated` says
    that the tokens are our own count, since the provider gave none.
    """

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0
    estimated: bool = False


@attrs.frozen(kw_only=True)
class Completion:
    """A whole answer: the `message`, and why it ended, in `finish`; `raw_finish` is the provider's
    own word for that.

    `usage` are its tokens, None where the provider says nothing of them. `model` and
    `response_id` are what the provider calls the model that answered and this
    answer, `service_tier` the tier that served, which selects the price.
    `logprobs` are there where they were asked for, in the provider's own words:
    lists of tokens by name (`content`, `refusal`).
    `trail` has every attempt that it took, the last of which has answered; how
    an answer came about makes it no other answer.
    """

    message: Message
    finish: Finish
    raw_finish: str | None = None
    usage: Usage | None = None
    model: str = ""
    response_id: str = ""
    service_tier: str | None = None
    logprobs: Mapping[str, Any] | None = attrs.field(default=None, hash=False)
    trail: tuple[AttemptRecord, ...] = attrs.field(default=(), eq=False)

    @property
    def text(self) -> str:
        """The text of the answer."""
        return self.message.text


# Chunks are made once a token: slotted but not frozen, which saves 130 ns each.
# Nobody changes one.


@attrs.define
class Started:
    """The provider has begun; the first chunk of a stream.

    `id` is what it calls this answer, `model` the model that answers.
    `service_tier` is the tier that serves, which selects the price; `origin`
    the provider family that this answer's thinking may go back to.
    """

    id: str
    model: str
    service_tier: str | None = None
    origin: str = ""


@attrs.define
class TextDelta:
    """More of the answer's `text`, in part `index`."""

    index: int
    text: str


@attrs.define
class ThinkingDelta:
    """More `text` of what the model thinks, in part `index`."""

    index: int
    text: str


@attrs.define
class ThinkingSignature:
    """The `signature` that part `index` must carry when it goes back to its provider."""

    index: int
    signature: str


@attrs.define
class ToolCallStarted:
    """A call of the tool `name` opens as part `index`; its arguments follow. Its result names `id`."""

    index: int
    id: str
    name: str


@attrs.define
class ToolArgsDelta:
    """A `fragment` more of the arguments' JSON text, of the tool call at `index`."""

    index: int
    fragment: str


@attrs.define
class RefusalDelta:
    """More of the `text` in which the model refuses, in part `index`."""

    index: int
    text: str


@attrs.define
class Logprobs:
    """How likely the tokens of the text just told were, as `Completion.logprobs` has them.

    Only where they were asked for. `raw` is in the provider's own words.
    """

    raw: Mapping[str, Any]


@attrs.define
class PartDone:
    """Part `index` is whole: `part` is all of it."""

    index: int
    part: Part


@attrs.define
class UsageUpdate:
    """The `usage` so far, in tokens; the last one of a stream is the total."""

    usage: Usage


@attrs.define
class Finished:
    """The answer has ended; the last chunk of a stream. `finish` says why, `raw_finish` in the
    provider's own word.

    `service_tier` is the tier that served, where the end of the stream tells: it
    outranks what `Started` said.
    """

    finish: Finish
    raw_finish: str | None = None
    service_tier: str | None = None


@attrs.define
class Heartbeat:
    """The provider is alive and has nothing to say yet."""


@attrs.define
class Reset:
    """All text so far is void; the answer begins again. Sent only where asked for.

    `reason` says in a few words who broke off.
    """

    reason: str


Chunk = (
    Started
    | TextDelta
    | ThinkingDelta
    | ThinkingSignature
    | ToolCallStarted
    | ToolArgsDelta
    | RefusalDelta
    | Logprobs
    | PartDone
    | UsageUpdate
    | Finished
    | Heartbeat
    | Reset
)
"""What a streamed answer is made of, from Started to Finished. `index` counts the parts of the
message that it becomes, from 0; their chunks may alternate."""
