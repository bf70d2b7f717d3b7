"""What the Responses endpoint means when it fails after it has begun.

A refusal before that is a plain HTTP error like any of OpenAI's, and its words
are the same ones: see openai_errors.py.
"""

from collections.abc import Mapping
from typing import Any

from ..errors import ErrorKind, ProviderError
from .openai_errors import error_in_stream

__all__ = ["error_event", "failure_of", "unfinished"]


def failure_of(response: Mapping[str, Any], *, in_stream: bool = True) -> ProviderError:
    """The error of a response whose status is `failed` or `cancelled`."""
    error = error_in_stream({"error": response.get("error") or {}})
    error.in_stream = in_stream
    error.phase = "stream" if in_stream else "headers"
    return error


def error_event(frame: Mapping[str, Any]) -> ProviderError:
    """The error of an event of the type `error`, which says all at its top or within `error`."""
    return error_in_stream({key: value for key, value in frame.items() if key != "type"})


def unfinished(status: str) -> ProviderError:
    """The error for a response that is to be fetched later."""
    return ProviderError(
        kind=ErrorKind.PROTOCOL_ERROR,
        message=(
            f"the answer is not there yet (its status is {status!r}), and nobody would come "
            f"back for it; leave `background` out of extra, or stream"
        ),
        status=200,
        phase="headers",
        billed="maybe",
    )
