"""What a caller adds to the body of a request: `ChatRequest.extra`, on every wire."""

from collections.abc import Mapping, Set
from typing import Any

from ..errors import ErrorKind, ProviderError

__all__ = ["limits_in", "merged"]

# How long an answer may get, or how many there are: under all names of all wires.
_LIMITS = frozenset(
    {"best_of", "max_completion_tokens", "max_output_tokens", "max_tokens", "n", "num_predict"}
)


def limits_in(extra: Mapping[str, Any]) -> list[str]:
    """The names in `extra` that change how much an answer can cost at most."""
    found = _LIMITS & extra.keys()
    options = extra.get("options")
    if isinstance(options, Mapping):
        found |= _LIMITS & options.keys()
    return sorted(found)


def merged(
    body: Mapping[str, Any],
    extra: Mapping[str, Any],
    *,
    reserved: Set[str],
    joined: Set[str],
) -> dict[str, Any]:
    """`body` with `extra` over it.

    The names in `joined` are joined with what the request says itself: lists
    one after the other, objects member by member. Raises ProviderError
    (INVALID_REQUEST) for the names in `reserved`, on which it hangs what is
    sent, how the answer is read and what it costs.
    """
    taken = sorted(reserved & extra.keys())
    if taken:
        raise ProviderError(
            kind=ErrorKind.INVALID_REQUEST,
            message=f"extra holds {', '.join(taken)}, which the request itself says; leave it out",
        )
    both = {name: _joined(body[name], extra[name]) for name in joined & extra.keys() & body.keys()}
    return {**body, **extra, **both}


def _joined(ours: Any, theirs: Any) -> Any:
    if isinstance(ours, list) and isinstance(theirs, (list, tuple)):
        return [*ours, *theirs]
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        return {**ours, **theirs}
    return theirs
