"""A Chat Completions request as it comes to our own port: the body read, or the fault in it.

What the request asks of a model is read in openai_request.py. Here is what it
asks of us: how the answer is to come, for whom it is, and what is not done.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import attrs
import orjson

from ..chat import ChatRequest
from ..json_reading import read_json
from .openai_faults import ApiFault
from .openai_request import InvalidBody, read_request

__all__ = [
    "RefusedRequest",
    "ServedRequest",
    "check_limit",
    "flag",
    "load_body",
    "read_served_request",
    "refused",
    "user_in",
]

# Fields that would change how the answer is read, what it costs or where it is kept,
# each with what to do instead.
_REFUSED: Final = {
    "functions": "is not supported; use tools",
    "function_call": "is not supported; use tool_choice",
    "max_output_tokens": "is of another endpoint; use max_completion_tokens",
    "input": "is of another endpoint; use messages",
    "instructions": "is of another endpoint; use a message of role system",
    "previous_response_id": "is of another endpoint; send the whole conversation in messages",
    "background": "is not supported; use `trouper batch` for what may take long",
}

# What many clients send though it asks for nothing; strict servers refuse some of these.
_MEANS_NOTHING: Final[tuple[tuple[str, Any], ...]] = (
    ("n", 1),
    ("logprobs", False),
    ("store", False),
    ("service_tier", "auto"),
    ("modalities", ["text"]),
    ("response_format", {"type": "text"}),
)

# The name of somebody, not a letter to them; the ledger keeps it with every call.
_LONGEST_USER: Final = 256
# More than any model answers; larger numbers are a mistake, and fit into no ledger.
_MOST_TOKENS: Final = 10_000_000
_MOST_SHOWN: Final = 5  # faults told at once

_PATH = re.compile(r"([A-Za-z_][^:\s]*): ")


class RefusedRequest(Exception):
    """The request is none that can be served; `fault` is what to answer."""

    def __init__(self, fault: ApiFault) -> None:
        super().__init__(fault.message)
        self.fault = fault


@attrs.frozen(kw_only=True)
class ServedRequest:
    """What a client asks of us. `user` is whose budgets it falls under, "" where it does not say.

    `request.model` is the name of a configured model, or "".
    """

    request: ChatRequest
    stream: bool = False
    include_usage: bool = False
    user: str = ""


def read_served_request(raw: bytes) -> ServedRequest:
    """The request in the body `raw`.

    Raises RefusedRequest with all that is wrong (or the first few of it), for
    whatever the bytes are.
    """
    body = load_body(raw)
    faults: list[str] = []
    served = ServedRequest(
        request=ChatRequest(model="", messages=()),
        stream=flag(body, "stream", "", faults),
        include_usage=_include_usage(body, faults),
        user=user_in(body, faults),
    )
    _check(body, faults)
    try:
        request = read_request(_for_models(body))
    except InvalidBody as bad:
        raise refused((*faults, *bad.faults)) from None
    check_limit(request, faults, "max_completion_tokens")
    if faults:
        raise refused(tuple(faults))
    return attrs.evolve(served, request=request)


def load_body(raw: bytes | str) -> dict[str, Any]:
    """The JSON object that a body is. Raises RefusedRequest."""
    try:
        body = read_json(raw)
    except orjson.JSONDecodeError as error:
        raise refused((f"the body is not valid JSON: {error}",), code="invalid_json") from None
    if not isinstance(body, dict):
        raise refused(("the body must be a JSON object",))
    return body


def _for_models(body: dict[str, Any]) -> dict[str, Any]:
    """The body without nulls, and without what is a matter between the client and us."""
    idle = {name for name, value in _MEANS_NOTHING if body.get(name) == value}
    return {
        name: value
        for name, value in body.items()
        if value is not None and name != "user" and name not in idle
    }


def _check(body: Mapping[str, Any], faults: list[str]) -> None:
    faults += [f"{name}: {words}" for name, words in _REFUSED.items() if body.get(name) is not None]
    n = body.get("n")
    if n is not None and (type(n) is not int or n != 1):
        faults.append("n: must be 1; ask again for another answer")


def check_limit(request: ChatRequest, faults: list[str], name: str) -> None:
    """A limit of the answer, called `name`, that is none is a fault."""
    limit = request.max_output_tokens
    if limit is not None and not 1 <= limit <= _MOST_TOKENS:
        faults.append(f"{name}: must be from 1 to {_MOST_TOKENS:,}")


def flag(raw: Mapping[str, Any], name: str, path: str, faults: list[str]) -> bool:
    """Whether a flag is set; one that is no flag is a fault."""
    value = raw.get(name)
    if value is not None and not isinstance(value, bool):
        faults.append(f"{path}{name}: must be true or false")
    return value is True


def _include_usage(body: Mapping[str, Any], faults: list[str]) -> bool:
    options = body.get("stream_options")
    if options is None:
        return False
    if not isinstance(options, dict):
        faults.append("stream_options: must be an object")
        return False
    return flag(options, "include_usage", "stream_options.", faults)


def user_in(body: Mapping[str, Any], faults: list[str], name: str = "user") -> str:
    """Whose budgets a request falls under, "" where it does not say."""
    user = body.get(name)
    if user is None:
        return ""
    if isinstance(user, str) and len(user) <= _LONGEST_USER:
        return user
    faults.append(f"{name}: must be text of at most {_LONGEST_USER} characters")
    return ""


def refused(faults: tuple[str, ...], code: str | None = "invalid_request") -> RefusedRequest:
    """The refusal of a request with these faults, each of which begins with its key."""
    path = _PATH.match(faults[0])
    told = "; ".join(faults[:_MOST_SHOWN])
    if len(faults) > _MOST_SHOWN:
        told = f"{told}; and {len(faults) - _MOST_SHOWN} more"
    return RefusedRequest(
        ApiFault(status=400, message=told, code=code, param=path[1] if path else None)
    )
