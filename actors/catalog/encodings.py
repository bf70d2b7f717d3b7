"""The encodings of tiktoken, out of files in this package and never from the network.

`tiktoken.get_encoding` downloads what it has not cached, without a timeout; so
it is not called. The patterns and special tokens are tiktoken's own, the ranks
are ours, checked by their hash. The first use of an encoding takes 0.1 to 0.2 s,
of which it holds the interpreter for up to 0.09 s even in a thread: load at
start (`load_encoding_async`), not in the first turn.
"""

import hashlib
import importlib
import lzma
import re
import threading
import types
from enum import Enum
from importlib import resources
from typing import TYPE_CHECKING, Any

import trio

from ...runtime.errors import TrouperError
from . import data
from .pack import unpack

if TYPE_CHECKING:
    from tiktoken import Encoding

__all__ = [
    "DataDamaged",
    "EncodingName",
    "encoding_for",
    "is_loaded",
    "load_encoding",
    "load_encoding_async",
]


class EncodingName(Enum):
    """The encodings that the package has."""

    CL100K = "cl100k_base"
    O200K = "o200k_base"


class DataDamaged(TrouperError):
    """A data file of the package is not what was shipped."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(name, why)
        self.name = name
        self.why = why

    def __str__(self) -> str:
        return f"the package's file {self.name} is damaged ({self.why}); install trouper again"


# sha256 of what data/*.xz unpacks to; pack.py says it.
_PACKED = {
    EncodingName.CL100K: "79045c4dbf49c4e3b90893afbcbfd80cf94cf2b99256bd84b19ffcace49d9bd2",
    EncodingName.O200K: "ba55b38e477b631966c2496061ecd7d10108501c7c47358222d9dc27c22f9422",
}

# GPT-4 and GPT-3.5 by themselves; 4o, 4.1 and 4.5 are of the later kind. What
# later models use is not published for each; o200k is the latest that is.
_CL100K = re.compile(r"(ft:)?gpt-(3\.5|4(?![o.\d]))")

_LOADED: dict[EncodingName, "Encoding"] = {}
_LOADING = threading.Lock()


def encoding_for(model: str) -> EncodingName:
    """The encoding that counts this model's tokens, or the one that comes nearest."""
    return EncodingName.CL100K if _CL100K.match(model) else EncodingName.O200K


def is_loaded(name: EncodingName) -> bool:
    """Whether `load_encoding` would answer at once."""
    return name in _LOADED


def load_encoding(name: EncodingName) -> "Encoding":
    """The encoding, read and built on first use and kept. Any thread may ask.

    Raises DataDamaged where the file is not what was shipped.
    """
    with _LOADING:
        found = _LOADED.get(name)
        if found is None:
            found = _LOADED[name] = _build(name)
        return found


async def load_encoding_async(name: EncodingName) -> "Encoding":
    """As `load_encoding`, which takes 0.2 s the first time: in a thread, off the loop."""
    if name in _LOADED:
        await trio.lowlevel.checkpoint()
        return _LOADED[name]
    # Abandoned, it finishes for the next one who asks.
    return await trio.to_thread.run_sync(load_encoding, name, abandon_on_cancel=True)


def _build(name: EncodingName) -> "Encoding":
    # 50 ms, and only who counts tokens needs it.
    from tiktoken import Encoding  # noqa: PLC0415

    return Encoding(**_definition(name, unpack(_read(name))))


def _read(name: EncodingName) -> bytes:
    file = f"{name.value}.xz"
    try:
        packed = lzma.decompress(resources.files(data).joinpath(file).read_bytes())
    except (OSError, EOFError, lzma.LZMAError) as fault:
        raise DataDamaged(file, str(fault)) from fault
    if hashlib.sha256(packed).hexdigest() != _PACKED[name]:
        raise DataDamaged(file, "its hash is another")
    return packed


def _definition(name: EncodingName, ranks: dict[bytes, int]) -> dict[str, Any]:
    """tiktoken's definition of the encoding, with our ranks in place of its download.

    Its function runs in a namespace that has no other function in it: should
    tiktoken fetch in another way one day, this is a NameError and no request.
    """
    module = importlib.import_module("tiktoken_ext.openai_public")
    namespace = {key: value for key, value in vars(module).items() if not callable(value)}

    def shipped(*_: object, **__: object) -> dict[bytes, int]:
        return ranks

    namespace["load_tiktoken_bpe"] = shipped
    define = types.FunctionType(vars(module)[name.value].__code__, namespace)
    definition: dict[str, Any] = define()
    return definition
