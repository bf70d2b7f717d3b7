"""How many tokens a text or a request is, before anybody has counted it for us.

An estimate: OpenAI's own tokenizer with the overheads that its cookbook states,
and for other families what `correction` has learned on top. The exact number is
the provider's usage afterwards.

Text is counted in slices: a whitespace run of a million characters makes
tiktoken 0.14 raise a PanicException, which is no Exception and would end the
nursery (openai/tiktoken#587), and one word of that length takes half a second.
"""

import json
import re
import weakref
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, assert_never

import attrs
import trio

from ..chat import (
    AudioPart,
    ChatRequest,
    FilePart,
    ImagePart,
    Message,
    OpaquePart,
    Part,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    ToolSpec,
)
from .encodings import EncodingName, encoding_for, is_loaded, load_encoding, load_encoding_async

__all__ = ["INLINE_CHARS", "Allowances", "Encoder", "TokenCounter", "count_text", "slices"]

# 16,384 characters take 0.4 ms of prose and 2.6 ms at worst (CJK, blanks); a
# hop to a thread and back takes 0.05 ms but waits behind whatever runs.
INLINE_CHARS = 16_384

# At this length the sum is as good as the whole and no text is slow.
_SLICE = 8_192
_WINDOW = 1_024

# Both encodings begin a new piece at a blank between something and a letter, so
# a text cut there has the same tokens as the whole.
_CLEAN_CUT = re.compile(r"(?<=\S) (?=[A-Za-z])")

# Of OpenAI's cookbook, "How to count tokens with tiktoken": of a message, of its
# name, of the answer's beginning; of tools as gpt-4o has them.
_MESSAGE = 3
_NAME = 1
_PRIMING = 3
_FUNCTION = 7
_FUNCTION_CL100K = 10
_PROPERTIES = 3
_PROPERTY = 3
_ENUM = -3
_ENUM_ITEM = 3
_FUNCTIONS_END = 12

# Schemas nest as deep as a person can read; one that holds itself has no end.
_DEEPEST = 32


class Encoder(Protocol):
    """What is asked of a tiktoken Encoding."""

    def encode(self, text: str, *, disallowed_special: Collection[str]) -> Sequence[int]:
        """The tokens of `text`."""
        ...


@attrs.frozen(kw_only=True)
class Allowances:
    """What is taken for parts whose tokens only the provider can count, in tokens."""

    # The most that Claude counts for an image of usual size, and twice what
    # gpt-4o counts for one of 1024x1024 at high detail (765).
    image: int = 1_600
    # A page of a PDF is 1,500 to 3,000 by Anthropic's reference.
    file: int = 3_000
    # Five minutes of speech: OpenAI counts ten a second.
    audio: int = 3_000


def slices(text: str, size: int = _SLICE) -> Iterator[str]:
    """The text in pieces of at most `size` characters, cut where it does least harm."""
    start = 0
    while len(text) - start > size:
        end = start + size
        clean = _CLEAN_CUT.search(text, max(end - _WINDOW, start + 1), end)
        cut = clean.start() if clean else end
        yield text[start:cut]
        start = cut
    yield text[start:]


def count_text(text: str, encoder: Encoder) -> int:
    """How many tokens `text` is. What looks like a special token is text like any other."""
    if len(text) <= _SLICE:
        return _count(text, encoder)
    return sum(_count(piece, encoder) for piece in slices(text))


def _count(piece: str, encoder: Encoder) -> int:
    try:
        return len(encoder.encode(piece, disallowed_special=()))
    except ValueError:
        # tiktoken gave up on it; an estimate must not fail the request.
        return -(-len(piece) // 4)


class _Counts:
    """Counts by the identity of what was counted, each forgotten with it.

    Equal ones are counted anew: to find out that they are equal costs as many
    steps as they have parts, at every request, for each message of its history.
    """

    def __init__(self) -> None:
        self._kept: dict[int, tuple[weakref.ref[Message | ToolSpec], int]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, counted: Message | ToolSpec) -> int | None:
        kept = self._kept.get(id(counted))
        return None if kept is None else kept[1]

    def sum(self, all_counted: Iterable[Message | ToolSpec]) -> int | None:
        """Of all of them; None where one has not been counted."""
        total = 0
        for counted in all_counted:
            kept = self._kept.get(id(counted))
            if kept is None:
                return None
            total += kept[1]
        return total

    def put(self, counted: Message | ToolSpec, count: int) -> None:
        key, forget = id(counted), self._kept.pop
        # The callback runs before the id can be another object's.
        self._kept[key] = weakref.ref(counted, lambda _: forget(key, None)), count


class TokenCounter:
    """Counts requests. What has been counted is remembered as long as it lives,
    so that the next turn of a conversation costs its new messages."""

    def __init__(self, allowances: Allowances = Allowances()) -> None:
        self.allowances = allowances
        # Two big texts at once leave the machine's other work alone.
        self._threads = trio.CapacityLimiter(2)
        self._messages = {name: _Counts() for name in EncodingName}
        self._tools = {name: _Counts() for name in EncodingName}
        self._roles: dict[EncodingName, dict[str, int]] = {name: {} for name in EncodingName}

    def count_request(self, request: ChatRequest, model: str = "") -> int:
        """How many input tokens this request is for `model` (the request's own if empty).

        On the loop for requests of up to INLINE_CHARS new characters; the first
        count with an encoding loads it, which takes 0.1 to 0.2 s.
        """
        name = encoding_for(model or request.model)
        encoder = load_encoding(name)
        total = _PRIMING
        for message in request.messages:
            total += self._message(message, name, encoder)
        if request.tools:
            total += sum(self._tool(tool, name, encoder) for tool in request.tools)
            total += _FUNCTIONS_END
        if request.response_schema is not None:
            total += count_text(_json(request.response_schema), encoder)
        return total

    async def count_request_async(self, request: ChatRequest, model: str = "") -> int:
        """The same; what would hold up the loop is done in a thread.

        Cancelled, it returns at once and the thread ends by itself.
        """
        name = encoding_for(model or request.model)
        known = self._known(request, name)
        if known is not None:
            # As with most: no turn of the scheduler for some additions.
            await trio.lowlevel.checkpoint_if_cancelled()
            return known
        if not is_loaded(name):
            await load_encoding_async(name)
        if self._new_chars(request, name) <= INLINE_CHARS:
            await trio.lowlevel.checkpoint()
            return self.count_request(request, model)
        return await trio.to_thread.run_sync(
            self.count_request, request, model, abandon_on_cancel=True, limiter=self._threads
        )

    async def count_each(self, messages: Sequence[Message], model: str) -> list[int]:
        """What each of these messages adds to a request for `model`; many long ones in a thread."""
        name = encoding_for(model)
        if not is_loaded(name):
            await load_encoding_async(name)
        encoder = load_encoding(name)

        def count() -> list[int]:
            return [self._message(message, name, encoder) for message in messages]

        if self._new_chars_of(messages, name) <= INLINE_CHARS:
            await trio.lowlevel.checkpoint()
            return count()
        return await trio.to_thread.run_sync(count, abandon_on_cancel=True, limiter=self._threads)

    def _known(self, request: ChatRequest, name: EncodingName) -> int | None:
        """The count of a request of which every part has been counted before."""
        if request.response_schema is not None:
            return None
        said = self._messages[name].sum(request.messages)
        if said is None:
            return None
        if not request.tools:
            return _PRIMING + said
        tools = self._tools[name].sum(request.tools)
        return None if tools is None else _PRIMING + said + tools + _FUNCTIONS_END

    def _new_chars(self, request: ChatRequest, name: EncodingName) -> int:
        chars = self._new_chars_of(request.messages, name)
        tools = self._tools[name]
        # A schema's size is not known before it is walked; most are of this order.
        return chars + 1_024 * sum(tools.get(tool) is None for tool in request.tools)

    def _new_chars_of(self, messages: Iterable[Message], name: EncodingName) -> int:
        known = self._messages[name]
        return sum(_length(each.parts) for each in messages if known.get(each) is None)

    def _message(self, message: Message, name: EncodingName, encoder: Encoder) -> int:
        known = self._messages[name]
        count = known.get(message)
        if count is None:
            # Each result of a tool is a message of its own on the wire.
            results = sum(isinstance(part, ToolResultPart) for part in message.parts)
            count = max(1, results) * (_MESSAGE + self._role(message.role, name, encoder))
            if message.name:
                count += _NAME + count_text(message.name, encoder)
            count += sum(self._part(part, encoder) for part in message.parts)
            known.put(message, count)
        return count

    def _role(self, role: str, name: EncodingName, encoder: Encoder) -> int:
        """The tokens of one of the few words that there are for who speaks."""
        known = self._roles[name].get(role)
        if known is None:
            known = self._roles[name][role] = count_text(role, encoder)
        return known

    def _part(self, part: Part, encoder: Encoder) -> int:
        match part:
            case TextPart(text) | ThinkingPart(text):
                return count_text(text, encoder)
            case ToolCallPart():
                return count_text(part.name, encoder) + count_text(part.args_json, encoder)
            case ToolResultPart(_, content):
                return count_text(content, encoder)
            case ImagePart():
                return self.allowances.image
            case FilePart():
                return self.allowances.file
            case AudioPart():
                return self.allowances.audio
            case OpaquePart(_, raw):
                return count_text(_json(raw), encoder)
            case _:
                assert_never(part)

    def _tool(self, tool: ToolSpec, name: EncodingName, encoder: Encoder) -> int:
        known = self._tools[name]
        count = known.get(tool)
        if count is None:
            count = _FUNCTION_CL100K if name is EncodingName.CL100K else _FUNCTION
            count += count_text(f"{tool.name}:{tool.description.removesuffix('.')}", encoder)
            count += _schema(tool.schema, encoder, _DEEPEST)
            known.put(tool, count)
        return count


def _length(parts: Iterable[Part]) -> int:
    total = 0
    for part in parts:
        match part:
            case TextPart(text) | ThinkingPart(text) | ToolResultPart(_, text):
                total += len(text)
            case ToolCallPart():
                total += len(part.name) + len(part.args_json)
            case OpaquePart(_, raw):
                total += len(_json(raw))
            case ImagePart() | FilePart() | AudioPart():
                continue
            case _:
                assert_never(part)
    return total


def _json(value: Mapping[str, Any]) -> str:
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    except (TypeError, ValueError):
        # What holds itself or what JSON has no word for is refused when it is
        # written for the wire; here it is only counted.
        return repr(value)


def _schema(schema: Any, encoder: Encoder, depth: int) -> int:
    """The tokens of a schema's properties, at every level: the cookbook's figures,
    which it states for a flat schema."""
    if not isinstance(schema, Mapping) or depth == 0:
        return 0
    total = 0
    properties = schema.get("properties")
    if isinstance(properties, Mapping) and properties:
        total += _PROPERTIES
        for key, value in properties.items():
            total += _PROPERTY + _property(key, value, encoder) + _schema(value, encoder, depth - 1)
    inner = [schema.get("items"), *_list(schema, "anyOf", "oneOf", "allOf")]
    for key in ("$defs", "definitions"):
        named = schema.get(key)
        inner += named.values() if isinstance(named, Mapping) else ()
    return total + sum(_schema(each, encoder, depth - 1) for each in inner)


def _list(schema: Mapping[str, Any], *keys: str) -> list[Any]:
    found = (schema.get(key) for key in keys)
    return [each for value in found if isinstance(value, (list, tuple)) for each in value]


def _property(key: str, value: Any, encoder: Encoder) -> int:
    said = value if isinstance(value, Mapping) else {}
    description = str(said.get("description", "")).removesuffix(".")
    total = count_text(f"{key}:{said.get('type', '')}:{description}", encoder)
    enum = _list(said, "enum")
    if enum:
        total += _ENUM + sum(_ENUM_ITEM + count_text(str(item), encoder) for item in enum)
    return total
