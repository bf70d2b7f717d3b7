"""OpenAI's Batch API: a file of requests, a batch made of it, and files of answers.

Sources: `types/batch.py`, `types/batch_create_params.py` and
`types/file_create_params.py` of the package openai 3.52.0 (fields, states, 50,000
requests and 200 MB a batch, metadata of 16 pairs with values of 512
characters, files kept for 30 days); OpenAI's batch guide and API reference
(object `batch.request.output`: `response` with `status_code`, `request_id` and
`body`, or `error` with `code` and `message`; `batch_expired`). A batch that has
expired or was cancelled has files as well: of what was done by then, and of
the rest with its errors. Nothing says in which order.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final
from urllib.parse import quote

import attrs
import orjson

from ..chat import Completion
from ..errors import ProviderError
from ..json_reading import read_json
from .batch import CANCELLED, EXPIRED, BatchFault, BatchResult, Listing, RemoteBatch, object_in
from .codec import Codec
from .counts import count_of
from .encoded import dump_json
from .http import HttpRequest
from .openai_errors import ErrorBody, error_in_answer, not_the_wire

__all__ = ["OpenAIBatchWire"]

_ACCEPT: Final = (("accept", "application/json"),)
_JSON: Final = (*_ACCEPT, ("content-type", "application/json"))

# The states after which nothing changes any more.
_ENDED: Final = frozenset({"completed", "failed", "expired", "cancelled"})

# The key of a batch's metadata under which it has our tag.
_TAG: Final = "trouper"

_MOST_FAULTS: Final = 3

_KINDS: Final = {"batch_expired": EXPIRED, "batch_cancelled": CANCELLED}


@attrs.frozen(kw_only=True)
class OpenAIBatchWire:
    """A `BatchWire`; see batch.py. `codec` reads the answers, whose endpoint is `endpoint`."""

    codec: Codec
    endpoint: str = "/v1/chat/completions"

    has_tags: ClassVar[bool] = True

    def entry(self, custom_id: str, request: HttpRequest) -> bytes:
        """A line of the file."""
        return b'{"custom_id":%b,"method":"POST","url":%b,"body":%b}' % (
            orjson.dumps(custom_id),
            orjson.dumps(self.endpoint),
            request.body,
        )

    def upload(self, tag: str, entries: Sequence[bytes]) -> HttpRequest:
        """The file, as a form of two fields."""
        lines = b"\n".join(entries)
        # Nothing in JSON that was written without line feeds looks like it.
        boundary = f"trouper-{tag}".encode()
        body = (
            b"--%b\r\n"
            b'Content-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
            b"--%b\r\n"
            b'Content-Disposition: form-data; name="file"; filename="trouper-%b.jsonl"\r\n'
            b"Content-Type: application/jsonl\r\n\r\n%b\n\r\n"
            b"--%b--\r\n" % (boundary, boundary, tag.encode(), lines, boundary)
        )
        kind = f"multipart/form-data; boundary={boundary.decode()}"
        return HttpRequest("POST", "/files", (*_ACCEPT, ("content-type", kind)), body)

    def uploaded(self, status: int, headers: Mapping[str, str], body: bytes) -> str:
        """The id of the file that this is an answer about; `create` takes it."""
        return _text(_answer(status, headers, body), "id", headers, body)

    def create(self, tag: str, entries: Sequence[bytes], file_id: str) -> HttpRequest:
        """A batch of that file, by which it is known as `tag`."""
        order = {
            "input_file_id": file_id,
            "endpoint": self.endpoint,
            "completion_window": "24h",
            "metadata": {_TAG: tag},
        }
        return HttpRequest("POST", "/batches", _JSON, dump_json(order))

    def look(self, id: str) -> HttpRequest:
        """How is it?"""
        return HttpRequest("GET", f"/batches/{quote(id, safe='')}", _ACCEPT, b"")

    def cancel(self, id: str) -> HttpRequest:
        """Ask for its end; what has been answered by then stays."""
        return HttpRequest("POST", f"/batches/{quote(id, safe='')}/cancel", _JSON, b"")

    def batch(self, status: int, headers: Mapping[str, str], body: bytes) -> RemoteBatch:
        """The batch that this is an answer about."""
        raw = _answer(status, headers, body)
        _text(raw, "id", headers, body)
        return _batch(raw)

    def list(self, after: str = "", most: int = 100) -> HttpRequest:
        """The newest ones, or those after that one."""
        following = f"&after={quote(after, safe='')}" if after else ""
        return HttpRequest("GET", f"/batches?limit={most}{following}", _ACCEPT, b"")

    def listed(self, status: int, headers: Mapping[str, str], body: bytes) -> Listing:
        """The page of batches that this is, and where the next one begins."""
        raw = _answer(status, headers, body)
        data = raw.get("data")
        if not isinstance(data, list):
            raise not_the_wire("JSON that is no list of batches", body, headers, in_stream=False)
        found = tuple(_batch(one) for one in data if isinstance(one, Mapping) and one.get("id"))
        after = found[-1].id if raw.get("has_more") and found else None
        return Listing(found, after)

    def fetch(self, output: str) -> HttpRequest:
        """The content of a file of answers."""
        return HttpRequest("GET", f"/files/{quote(output, safe='')}/content", (), b"")

    def result(self, line: bytes) -> BatchResult:
        """A line of such a file."""
        try:
            raw = read_json(line)
            custom_id, response, error = (
                str(raw["custom_id"]),
                raw.get("response"),
                raw.get("error"),
            )
        except (orjson.JSONDecodeError, TypeError, KeyError, AttributeError):
            raise not_the_wire("a line that is no result", line, {}, in_stream=False) from None
        if isinstance(response, Mapping) and response.get("body") is not None:
            return BatchResult(custom_id, self._answered(response))
        told = ErrorBody.read(error)
        kind = _KINDS.get(told.code or "") or told.kind(None).value
        return BatchResult(
            custom_id, BatchFault(kind, told.message or "the provider does not say why")
        )

    def _answered(self, response: Mapping[str, Any]) -> Completion | BatchFault:
        status = response.get("status_code")
        headers = {"x-request-id": str(response.get("request_id") or "")}
        try:
            return self.codec.parse(
                status if isinstance(status, int) else 200, headers, dump_json(response["body"])
            )
        except ProviderError as error:
            return BatchFault(error.kind.value, error.message)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """What an error status means."""
        return error_in_answer(status, headers, body)


def _answer(status: int, headers: Mapping[str, str], body: bytes) -> Mapping[str, Any]:
    return object_in(status, headers, body, error_in_answer)


def _text(raw: Mapping[str, Any], key: str, headers: Mapping[str, str], body: bytes) -> str:
    value = raw.get(key)
    if not isinstance(value, str) or not value:
        raise not_the_wire(f"JSON without {key!r}", body, headers, in_stream=False)
    return value


def _batch(raw: Mapping[str, Any]) -> RemoteBatch:
    counts = raw.get("request_counts") or {}
    status = str(raw.get("status") or "")
    metadata = raw.get("metadata") or {}
    files = (raw.get("output_file_id"), raw.get("error_file_id"))
    return RemoteBatch(
        id=str(raw["id"]),
        ended=status in _ENDED,
        status=status,
        total=_count(counts, "total"),
        done=_count(counts, "completed"),
        failed=_count(counts, "failed"),
        created_at=float(raw.get("created_at") or 0),
        tag=str(metadata.get(_TAG) or "") if isinstance(metadata, Mapping) else "",
        outputs=tuple(file for file in files if isinstance(file, str) and file),
        fault=_fault(raw) if status == "failed" else "",
    )


def _count(counts: Any, key: str) -> int:
    return count_of(counts.get(key)) if isinstance(counts, Mapping) else 0


def _fault(raw: Mapping[str, Any]) -> str:
    """Why OpenAI has not taken a file: the first of the faults that it has found."""
    errors = raw.get("errors")
    listed = errors.get("data") if isinstance(errors, Mapping) else None
    faults = [one for one in listed or () if isinstance(one, Mapping)][:_MOST_FAULTS]
    said = "; ".join(str(one.get("message") or one.get("code") or "") for one in faults)
    return said or "the provider does not say why"
