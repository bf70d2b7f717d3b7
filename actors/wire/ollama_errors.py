"""What Ollama means when it refuses.

Its errors are `{"error": "a sentence"}` and name no code, so the status decides
first and the sentence next. The sentences are those of its server (server/routes.go,
server/sched.go, llm/status.go and llm/llama_server.go of ollama/ollama, August
2026) and of the runners of older versions. Shapes of other servers are read as
openai_errors.py reads them, because proxies and stand-ins speak those.
"""

import re
from collections.abc import Mapping
from typing import Any

import attrs
import orjson

from ..errors import ErrorKind, ProviderError
from ..json_reading import read_json
from . import openai_errors
from .openai_errors import ErrorBody

__all__ = ["error_in_answer", "error_in_stream"]


@attrs.frozen
class _Sentence:
    """What a sentence means: its kind, and what to do, where we know more than the kind does.

    `wait` False says that trying again at once is of no use.
    """

    pattern: re.Pattern[str]
    kind: ErrorKind
    advice: str = ""
    wait: bool = True


def _sentence(pattern: str, kind: ErrorKind, advice: str = "", *, wait: bool = True) -> _Sentence:
    return _Sentence(re.compile(pattern, re.IGNORECASE), kind, advice, wait)


# The first that fits counts.
_SENTENCES = (
    # The scheduler has unloaded what it could before it says this: it is as
    # full in a second, and loading again takes long. Another target is better.
    _sentence(
        r"more system memory|out[ -]of[ -](device )?memory|not enough memory|insufficient memory"
        r"|failed to allocate|allocation failed|(cuda|hip)Malloc failed",
        ErrorKind.OVERLOADED,
        "unload other models, choose a smaller one, or lower num_ctx",
        wait=False,
    ),
    _sentence(
        r"context (length|size|window)|available context",
        ErrorKind.CONTEXT_WINDOW_EXCEEDED,
        "say less, or raise num_ctx",
    ),
    _sentence(
        r"server (is )?(busy|overloaded)|server loading model|server (launched|not responding)"
        r"|no slots available",
        ErrorKind.OVERLOADED,
    ),
    _sentence(r"timed out waiting for", ErrorKind.TIMEOUT),
    _sentence(r"\bmodel .+ not found", ErrorKind.MODEL_NOT_FOUND),
)

# Kinds that say no more than a status does; a sentence may tell better.
_VAGUE = (ErrorKind.SERVER_ERROR, ErrorKind.INVALID_REQUEST, ErrorKind.OVERLOADED)

_MODEL = re.compile(r"\bmodel ['\"]([^'\"\s]+)['\"] not found")


def error_in_answer(status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
    """The error that an answer is: an error status, or a 200 whose body is an error."""
    return _understood(openai_errors.error_in_answer(status, headers, body))


def error_in_stream(frame: Any) -> ProviderError:
    """The error that a line of a stream is. The status of the answer was 200."""
    return _understood(openai_errors.error_in_stream(frame))


def _understood(error: ProviderError) -> ProviderError:
    _unwrap(error)
    if error.status == 499:  # it gave the request up, and not because we had gone
        error.kind = ErrorKind.SERVER_ERROR
    if error.status == 429 and "usage limit" in error.message:
        error.kind = ErrorKind.QUOTA_EXHAUSTED  # its cloud's, of a session or a week
    told = next((told for told in _SENTENCES if told.pattern.search(error.message)), None)
    if told is not None and error.kind in (*_VAGUE, told.kind):
        error.kind = told.kind
        if not told.wait:
            error.should_retry = False
        if told.advice:
            error.message = f"{error.message}; {told.advice}"
    if error.kind is ErrorKind.MODEL_NOT_FOUND and (named := _MODEL.search(error.message)):
        error.message = f"model {named[1]!r} not found; `ollama pull {named[1]}` fetches it"
    if error.kind is ErrorKind.AUTH and error.message == "unauthorized":
        error.message = "unauthorized; sign that machine in with `ollama signin`, or give a key"
    return error


def _unwrap(error: ProviderError) -> None:
    """Read the error of the model's process, which Ollama quotes whole as its sentence."""
    if not error.message.startswith("{"):
        return
    try:
        quoted = ErrorBody.read(read_json(error.message.partition("\n")[0]))
    except orjson.JSONDecodeError:
        return
    if quoted.message:
        error.message = quoted.message
        error.code, error.type = quoted.code, quoted.type
        error.kind = quoted.kind(error.status)
