"""Anthropic's Message Batches: all requests in one body, and a file of answers.

Sources: `types/messages/message_batch*.py`, `batch_create_params.py` and
`resources/messages/batches.py` of the package anthropic 2.11.0 (fields, states,
counts that sum up to all requests, results in any order and gone after
`archived_at`, 24 hours); Anthropic's guide to batch processing (100,000 requests or
256 MB a batch; nothing is billed for what has failed, expired or was called
off) and its API reference (a `custom_id` is 1 to 64 letters, digits, hyphens
and underscores; a list has the newest first). There is no place for a name of
ours, so a batch is found again by how many requests it has and when it was
made, and known for ours by the ids in its results.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final
from urllib.parse import quote

import attrs
import orjson

from ..chat import Completion
from ..errors import ProviderError
from ..json_reading import read_json
from .anthropic_errors import error_in_answer, error_in_stream
from .batch import CANCELLED, EXPIRED, BatchFault, BatchResult, Listing, RemoteBatch, object_in
from .codec import Codec
from .encoded import dump_json
from .http import HttpRequest
from .openai_errors import not_the_wire

__all__ = ["AnthropicBatchWire"]

_FAULTS: Final = {
    "canceled": BatchFault(CANCELLED, "it was called off before the provider came to it"),
    "expired": BatchFault(
        EXPIRED, "the provider did not come to it within 24 hours; submit it again"
    ),
}


@attrs.frozen(kw_only=True)
class AnthropicBatchWire:
    """A `BatchWire`; see batch.py.

    `codec` reads the answers. `path` is what base_url lacks of the endpoint, and
    `version` the value of the header anthropic-version, as in the codec.
    """

    codec: Codec
    path: str = "/v1/messages"
    version: str = "2023-06-01"

    has_tags: ClassVar[bool] = False

    def entry(self, custom_id: str, request: HttpRequest) -> bytes:
        """An element of the list of requests."""
        return b'{"custom_id":%b,"params":%b}' % (orjson.dumps(custom_id), request.body)

    def upload(self, tag: str, entries: Sequence[bytes]) -> None:
        """Nothing is: the batch is made of the requests themselves."""
        return

    def uploaded(self, status: int, headers: Mapping[str, str], body: bytes) -> str:
        """Never called, for nothing is uploaded."""
        raise not_the_wire("a file", body, headers, in_stream=False)

    def create(self, tag: str, entries: Sequence[bytes], file_id: str) -> HttpRequest:
        """A batch of these."""
        return self._request("POST", "", b'{"requests":[%b]}' % b",".join(entries))

    def look(self, id: str) -> HttpRequest:
        """How is it?"""
        return self._request("GET", f"/{quote(id, safe='')}")

    def cancel(self, id: str) -> HttpRequest:
        """Ask for its end; what has been answered by then stays."""
        return self._request("POST", f"/{quote(id, safe='')}/cancel")

    def batch(self, status: int, headers: Mapping[str, str], body: bytes) -> RemoteBatch:
        """The batch that this is an answer about."""
        raw = _answer(status, headers, body)
        if not isinstance(raw.get("id"), str) or not raw["id"]:
            raise not_the_wire("JSON without 'id'", body, headers, in_stream=False)
        return _batch(raw)

    def list(self, after: str = "", most: int = 100) -> HttpRequest:
        """The newest ones, or those after that one."""
        following = f"&after_id={quote(after, safe='')}" if after else ""
        return self._request("GET", f"?limit={most}{following}")

    def listed(self, status: int, headers: Mapping[str, str], body: bytes) -> Listing:
        """The page of batches that this is, and where the next one begins."""
        raw = _answer(status, headers, body)
        data = raw.get("data")
        if not isinstance(data, list):
            raise not_the_wire("JSON that is no list of batches", body, headers, in_stream=False)
        found = tuple(_batch(one) for one in data if isinstance(one, Mapping) and one.get("id"))
        after = raw.get("last_id") or (found[-1].id if found else "")
        return Listing(found, str(after) if raw.get("has_more") and after else None)

    def fetch(self, output: str) -> HttpRequest:
        """The results of the batch of that id."""
        return self._request("GET", f"/{quote(output, safe='')}/results")

    def result(self, line: bytes) -> BatchResult:
        """A line of them."""
        try:
            raw = read_json(line)
            custom_id, result = str(raw["custom_id"]), raw["result"]
            kind = result["type"]
        except (orjson.JSONDecodeError, TypeError, KeyError):
            raise not_the_wire("a line that is no result", line, {}, in_stream=False) from None
        if kind == "succeeded":
            return BatchResult(custom_id, self._answered(result.get("message")))
        if kind in _FAULTS:
            return BatchResult(custom_id, _FAULTS[kind])
        error = error_in_stream(result.get("error"))
        return BatchResult(custom_id, BatchFault(error.kind.value, error.message))

    def _answered(self, message: Any) -> Completion | BatchFault:
        try:
            return self.codec.parse(200, {}, dump_json(message))
        except ProviderError as error:
            return BatchFault(error.kind.value, error.message)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """What an error status means."""
        return error_in_answer(status, headers, body)

    def _request(self, method: str, rest: str, body: bytes = b"") -> HttpRequest:
        headers = [("accept", "application/json"), ("anthropic-version", self.version)]
        if body:
            headers.append(("content-type", "application/json"))
        return HttpRequest(method, f"{self.path}/batches{rest}", tuple(headers), body)


def _answer(status: int, headers: Mapping[str, str], body: bytes) -> Mapping[str, Any]:
    return object_in(status, headers, body, error_in_answer)


def _batch(raw: Mapping[str, Any]) -> RemoteBatch:
    counts = raw.get("request_counts")
    numbers = {
        key: value
        for key, value in (counts.items() if isinstance(counts, Mapping) else ())
        if isinstance(value, int)
    }
    status = str(raw.get("processing_status") or "")
    ended = status == "ended"
    total, waiting = sum(numbers.values()), numbers.get("processing", 0)
    done = numbers.get("succeeded", 0)
    # The address of the results is that of the batch: one host more would see the key.
    has_results = bool(raw.get("results_url"))
    return RemoteBatch(
        id=str(raw["id"]),
        ended=ended,
        status=status,
        total=total,
        done=done,
        failed=total - waiting - done,
        created_at=_moment(raw.get("created_at")),
        outputs=(str(raw["id"]),) if ended and has_results else (),
        fault="" if not ended or has_results else "its results are gone; they are kept for 29 days",
    )


def _moment(text: Any) -> float:
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return 0.0
