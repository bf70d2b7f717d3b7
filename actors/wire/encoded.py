"""What the encoders of all wires share: JSON, bytes that are kept, parts out of place."""

import json
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from ..chat import Message, Part
from ..errors import ErrorKind, ProviderError

__all__ = ["MAX_KEPT", "Encoded", "dump_json", "misplaced"]

# Bytes of a connection's conversations: some thousand turns of text, or some images.
MAX_KEPT = 16 * 1024 * 1024


def dump_json(value: Any) -> bytes:
    """JSON. Raises ProviderError where the caller has put in what JSON has no word for."""
    try:
        return orjson.dumps(value, default=_plain)
    except orjson.JSONEncodeError:
        # A lone surrogate, or a number of more than 64 bits.
        try:
            text = json.dumps(_whole(value), default=_plain, ensure_ascii=False)
        except (TypeError, ValueError, RecursionError) as fault:
            raise ProviderError(
                kind=ErrorKind.INVALID_REQUEST,
                message=f"this request cannot be written as JSON: {fault}",
            ) from fault
        return text.encode()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _whole(value: Any) -> Any:
    """`value` with U+FFFD in place of each half of a character, which no UTF-8 can hold."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {_whole(key): _whole(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_whole(item) for item in value]
    return value


def misplaced(part: Part, why: str) -> ProviderError:
    """The error for a part in a message that cannot hold it; `why` says what can."""
    return ProviderError(
        kind=ErrorKind.INVALID_REQUEST,
        message=f"a {type(part).__name__} stands in the wrong message: {why}",
    )


class Encoded:
    """The bytes of messages that have been encoded before, by their identity.

    A message is frozen, so its bytes never change. They are kept while the
    message lives, and no more than `max_bytes` in all: the oldest go first.
    """

    def __init__(self, encode: Callable[[Message], bytes], max_bytes: int = MAX_KEPT) -> None:
        self._encode = encode
        self.max_bytes = max_bytes
        self.size = 0
        self._kept: dict[int, tuple[weakref.ref[Message], bytes]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, message: Message) -> bytes:
        """What the encoder says of this message. Raises what it raises."""
        key = id(message)
        kept = self._kept.get(key)
        if kept is not None:
            return kept[1]
        encoded = self._encode(message)
        # The callback runs before the id can be another object's.
        self._kept[key] = (weakref.ref(message, lambda _: self._drop(key)), encoded)
        self.size += len(encoded)
        while self.size > self.max_bytes:
            self._drop(next(iter(self._kept)))
        return encoded

    def _drop(self, key: int) -> None:
        _, encoded = self._kept.pop(key)
        self.size -= len(encoded)
