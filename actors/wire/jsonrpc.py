"""JSON-RPC 2.0 over text frames: one object a frame.

Sans-IO. Params are objects (our protocols pass by name) and arrays of calls
are refused, as the Agent Client Protocol demands of its transports. Codes and
shapes: jsonrpc.org/specification.
"""

from collections.abc import Mapping
from typing import Any, cast

import attrs
import orjson

from ...runtime.errors import TrouperError
from ..json_reading import read_json

__all__ = [
    "INTERNAL_ERROR",
    "INVALID_PARAMS",
    "INVALID_REQUEST",
    "METHOD_NOT_FOUND",
    "PARSE_ERROR",
    "RequestId",
    "RpcFault",
    "RpcNotification",
    "RpcRequest",
    "RpcResponse",
    "decode",
    "dump_text",
    "encode_error",
    "encode_fault",
    "encode_result",
]

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603

RequestId = str | int | None

# An id comes back in every answer: a long one would be an amplifier.
_LONGEST_ID = 256


class RpcFault(TrouperError):
    """A frame that is answered by an error. `id` is the request's, None where it is not known."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        id: RequestId = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.id = id
        self.data = data

    def __str__(self) -> str:
        return f"{self.message} ({self.code})"


@attrs.frozen
class RpcRequest:
    """A request: it wants a result or an error that carries its `id`."""

    id: RequestId
    method: str
    params: Mapping[str, Any] = attrs.field(hash=False)


@attrs.frozen
class RpcNotification:
    """A notification: nobody waits for an answer."""

    method: str
    params: Mapping[str, Any] = attrs.field(hash=False)


@attrs.frozen
class RpcResponse:
    """The other side's answer to a request of ours; one of `result` and `error` counts."""

    id: RequestId
    result: Any = attrs.field(default=None, hash=False)
    error: Mapping[str, Any] | None = attrs.field(default=None, hash=False)


def decode(frame: str) -> RpcRequest | RpcNotification | RpcResponse:
    """Read one text frame.

    Raises RpcFault, ready to be answered, for what is not JSON (-32700), not
    one JSON-RPC 2.0 object (-32600) or has params that are no object (-32602).
    """
    try:
        loaded: Any = read_json(frame)
    except orjson.JSONDecodeError as error:
        raise RpcFault(PARSE_ERROR, f"this frame is not JSON: {error}") from None
    if not isinstance(loaded, dict):
        what = "an array; send one call a frame" if isinstance(loaded, list) else "no object"
        raise RpcFault(INVALID_REQUEST, f"this frame is {what}")
    return _classify(cast("dict[str, Any]", loaded))


def _classify(body: dict[str, Any]) -> RpcRequest | RpcNotification | RpcResponse:
    asked = _request_id(body)
    if body.get("jsonrpc") != "2.0":
        raise RpcFault(INVALID_REQUEST, 'jsonrpc: expected "2.0"', id=asked)
    method: Any = body.get("method")
    if method is None and ("result" in body or "error" in body):
        error = body.get("error")
        return RpcResponse(asked, body.get("result"), error if isinstance(error, dict) else None)
    if not isinstance(method, str):
        raise RpcFault(INVALID_REQUEST, "method: expected a string", id=asked)
    params: Any = body.get("params")
    if params is None:
        params = {}
    if not isinstance(params, dict):
        raise RpcFault(INVALID_PARAMS, "params: expected an object", id=asked)
    return RpcRequest(asked, method, params) if "id" in body else RpcNotification(method, params)


def _request_id(body: dict[str, Any]) -> RequestId:
    given: Any = body.get("id")
    if given is None or (isinstance(given, int) and not isinstance(given, bool)):
        return given
    if isinstance(given, str) and len(given) <= _LONGEST_ID:
        return given
    raise RpcFault(
        INVALID_REQUEST,
        f"id: expected a whole number, null, or a string of at most {_LONGEST_ID} characters",
    )


def dump_text(text: str) -> str:
    """`text` as a JSON string, quotes included.

    A lone surrogate (a model's answer cut within a pair) has no UTF-8 form, so
    it becomes U+FFFD; halves that found each other become one character.
    """
    try:
        return orjson.dumps(text).decode()
    except TypeError:
        whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return orjson.dumps(whole).decode()


def encode_result(id: RequestId, result: Mapping[str, Any] | None) -> str:
    """The frame that answers request `id` with `result`."""
    return orjson.dumps({"jsonrpc": "2.0", "id": id, "result": result}).decode()


def encode_error(
    id: RequestId, code: int, message: str, data: Mapping[str, Any] | None = None
) -> str:
    """The frame that answers request `id` with an error; `message` is for a person."""
    extra = "" if data is None else f',"data":{orjson.dumps(data).decode()}'
    return (
        f'{{"jsonrpc":"2.0","id":{orjson.dumps(id).decode()},'
        f'"error":{{"code":{code},"message":{dump_text(message)}{extra}}}}}'
    )


def encode_fault(fault: RpcFault) -> str:
    """The frame that answers as `fault` says."""
    return encode_error(fault.id, fault.code, fault.message, fault.data)
