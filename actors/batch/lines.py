"""The lines of a batch: requests as users write them, and answers as they read them.

A request is OpenAI's line of a batch file, `{"custom_id", "body": {...}}` (its
`method` and `url` are of no use here), or in short `{"id", "prompt"}` with, where
wanted, `model`, `system` and `max_tokens`. An answer is one object:

    {"custom_id", "text", "completion": {...}, "usage": {...}, "cost_nano_dollars"}
    {"custom_id", "error": {"kind", "message"}}

The cost is null where nobody knows it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs
import orjson

from ..chat import ChatRequest, Completion
from ..config import AppConfig
from ..json_reading import read_json
from ..redaction import redact_text
from ..wire.batch import BatchFault
from ..wire.converter import shown, suggestion
from ..wire.encoded import dump_json
from ..wire.openai_request import InvalidBody, read_request
from ..wire.stored import write_completion
from .rows import RequestRow

__all__ = [
    "MOST_LINE",
    "BatchRequest",
    "ModelNames",
    "answer_of",
    "answer_of_fault",
    "read_line",
    "request_of",
    "result_line",
]

MOST_LINE: Final = 8 * 1024 * 1024
"""Bytes of a line: some images, and far more text than any model reads."""

_SHORT: Final = frozenset({"id", "prompt", "model", "system", "max_tokens"})
_OPENAI: Final = frozenset({"custom_id", "method", "url", "body"})

_LONGEST_ID: Final = 256


@attrs.frozen
class BatchRequest:
    """A request of a batch: its id, a configured model's name, and its body in JSON."""

    custom_id: str
    model: str
    body: bytes


class ModelNames:
    """What the models of a configuration may be called in a batch.

    Beside its own name, a model goes by that of its first target, with or
    without the provider, where no other does: files that were written for a
    provider name models as the provider does.
    """

    def __init__(self, config: AppConfig) -> None:
        self.default = config.assistants[config.default_assistant].model
        self._names = {name: name for name in config.models}
        found: dict[str, set[str]] = {}
        for name, model in config.models.items():
            first = model.targets[0]
            for alias in (str(first), first.model):
                found.setdefault(alias, set()).add(name)
        for alias, names in found.items():
            if len(names) == 1:
                self._names.setdefault(alias, *names)

    def find(self, name: str) -> str:
        """The configured model of that name. Raises InvalidBody."""
        known = self._names.get(name)
        if known is None:
            raise InvalidBody(
                (f"model: no model {shown(name)} is configured; {suggestion(name, self._names)}",)
            )
        return known


def read_line(raw: bytes, number: int, names: ModelNames, model: str) -> BatchRequest:
    """The request in line `number`; `model` is asked where it names none.

    Raises InvalidBody with all that is wrong.
    """
    try:
        line = read_json(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidBody((f"is not valid JSON: {error.msg} at column {error.colno}",)) from None
    if not isinstance(line, dict):
        raise InvalidBody((f"must be an object, not {shown(line)}",))
    short = "prompt" in line or ("id" in line and "body" not in line)
    faults = list(_unknown(line, _SHORT if short else _OPENAI))
    custom_id = line.get("id" if short else "custom_id", str(number))
    if not isinstance(custom_id, str) or not 0 < len(custom_id) <= _LONGEST_ID:
        key = "id" if short else "custom_id"
        faults.append(f"{key}: must be text of 1 to {_LONGEST_ID} characters")
    body = _from_prompt(line) if short else line.get("body")
    named = model
    try:
        if ("prompt" if short else "body") not in line:
            raise InvalidBody(("has no prompt" if short else "has neither body nor prompt",))
        if short and not isinstance(line["prompt"], str):
            raise InvalidBody((f"prompt: must be text, not {shown(line['prompt'])}",))
        request = read_request(body)
        named = names.find(request.model or model)
    except InvalidBody as error:
        faults += [fault if short else _within_body(line, fault) for fault in error.faults]
    if faults:
        raise InvalidBody(tuple(faults))
    return BatchRequest(custom_id, named, orjson.dumps(body))


def request_of(row: RequestRow) -> ChatRequest:
    """The request of a row as it was given; its `model` is the name of a configured one."""
    return attrs.evolve(read_request(orjson.loads(row.request)), model=row.model)


def _within_body(line: Mapping[str, Any], fault: str) -> str:
    if "body" not in line:
        return fault
    return f"body.{fault}" if isinstance(line["body"], dict) else f"body: {fault}"


def _unknown(line: Mapping[str, Any], known: frozenset[str]) -> Iterator[str]:
    for key in line:
        if key not in known:
            yield f"{shown(key)} is not known here; {suggestion(key, known)}"


def _from_prompt(line: Mapping[str, Any]) -> dict[str, Any]:
    messages = [{"role": "user", "content": line.get("prompt")}]
    if "system" in line:
        messages.insert(0, {"role": "system", "content": line["system"]})
    rest = {key: line[key] for key in ("model", "max_tokens") if key in line}
    return {**rest, "messages": messages}


def answer_of(completion: Completion, cost: int | None) -> bytes:
    """An answer as it is kept: its line but for the id. `cost` is in nano-dollars."""
    whole = orjson.loads(write_completion(completion))["completion"]
    return dump_json(
        {
            "text": completion.text,
            "completion": whole,
            "usage": whole["usage"],
            "cost_nano_dollars": cost,
        }
    )


def answer_of_fault(fault: BatchFault) -> bytes:
    """What is kept of a request that has no answer: why, without secrets."""
    return dump_json({"error": {"kind": fault.kind, "message": redact_text(fault.message)}})


def result_line(custom_id: str, answer: bytes) -> bytes:
    """The line of what is kept."""
    return b'{"custom_id":%b,%b\n' % (dump_json(custom_id), answer[1:])
