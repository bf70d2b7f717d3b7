"""A provider with batch endpoints, OpenAI's and Anthropic's, on a real loopback socket.

It keeps files and batches as a provider does, answers what is asked with an
echo, and remembers everything: what was begun, what was served. A batch ends
when it is looked at for the `looks`-th time. A prompt decides what becomes of it:
"fail ..." is refused, "expire ..." is not come to in time.
"""

import json
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

import attrs

from tests.fakes.http_server import Asked, Peer

__all__ = ["BatchProvider", "FakeBatch", "usage_of"]


@attrs.define(eq=False)
class FakeBatch:
    """A batch as the provider has it: requests by their custom ids."""

    id: str
    requests: dict[str, dict[str, Any]]
    created_at: float
    metadata: dict[str, str] = attrs.field(factory=dict)
    looked: int = 0
    status: str = "in_progress"


def usage_of(prompt: str) -> tuple[int, int]:
    """The tokens of a prompt and of its answer."""
    return 10 + len(prompt), 5


def _prompt(body: dict[str, Any]) -> str:
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


Hook = Callable[[Peer, str], Awaitable[bool]]


@attrs.define(eq=False)
class BatchProvider:
    """Serve it with `start_server(nursery, provider.handle)`.

    `batching` False has no batch endpoints. `hook` is called with the peer and
    "METHOD /path" once the provider has done what was asked, and answers
    whether it has taken care of the answer.
    """

    batching: bool = True
    looks: int = 2
    hook: Hook | None = None
    keys: frozenset[str] | None = None
    ends_as: str = "completed"
    lists: bool = True
    files: dict[str, bytes] = attrs.field(factory=dict)
    batches: dict[str, FakeBatch] = attrs.field(factory=dict)
    asked: list[str] = attrs.field(factory=list)
    plain: list[str] = attrs.field(factory=list)
    """The prompts that were asked one by one."""
    status: int = 0
    """The status of every refusal to come, as long as it is not 0."""

    async def handle(self, peer: Peer, asked: Asked) -> None:
        method, target, _ = asked.line.decode().split(" ")
        path = target.partition("?")[0].removeprefix("/v1")
        self.asked.append(f"{method} {target}")
        status, body = self._answer(method, path, target, asked)
        if self.hook is not None and await self.hook(peer, f"{method} {path}"):
            return
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        head = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nContent-Type: application/json\r\n\r\n"
        await peer.send(head % (status, len(content)) + content)

    @property
    def served(self) -> list[str]:
        """The prompts that were answered in batches, or would have been."""
        return [_prompt(one) for each in self.batches.values() for one in each.requests.values()]

    def _answer(self, method: str, path: str, target: str, asked: Asked) -> tuple[int, Any]:
        if self.status:
            return self.status, {"error": {"message": "not now", "type": "server_error"}}
        if self.keys is not None and _key(asked) not in self.keys:
            return 401, {"error": {"message": "no such key", "code": "invalid_api_key"}}
        if method == "POST" and path in ("/chat/completions", "/messages"):
            body = json.loads(asked.body)
            self.plain.append(_prompt(body))
            kind, answer = self._result(_prompt(body), body, anthropic=path == "/messages")
            return (200, answer) if kind == "ok" else (400, answer)
        if not self.batching:
            return 404, {"error": {"message": "no such page", "type": "invalid_request_error"}}
        if path.startswith("/messages/batches"):
            return self._anthropic(method, path.removeprefix("/messages/batches"), asked)
        return self._openai(method, path, target, asked)

    # OpenAI's.

    def _openai(self, method: str, path: str, target: str, asked: Asked) -> tuple[int, Any]:
        match method, path.strip("/").split("/"):
            case "POST", ["files"]:
                id = f"file-{len(self.files)}"
                self.files[id] = _file_in(asked)
                return 200, {"id": id, "object": "file", "purpose": "batch"}
            case "GET", ["files", id, "content"]:
                return 200, self.files[id]
            case "POST", ["batches"]:
                order = json.loads(asked.body)
                lines = self.files[order["input_file_id"]].splitlines()
                requests = {
                    line["custom_id"]: line["body"] for line in map(json.loads, filter(None, lines))
                }
                batch = self._new(requests, order["metadata"])
                return 200, self._openai_batch(batch)
            case "GET", ["batches"]:
                return 200, self._page(target, self._openai_batch)
            case "GET", ["batches", id]:
                batch = self.batches[id]
                batch.looked += 1
                if batch.looked >= self.looks and batch.status == "in_progress":
                    batch.status = self.ends_as
                return 200, self._openai_batch(batch)
            case "POST", ["batches", id, "cancel"]:
                self.batches[id].status = "cancelled"
                return 200, self._openai_batch(self.batches[id])
            case _:
                return 404, {"error": {"message": "no such page"}}

    def _openai_batch(self, batch: FakeBatch) -> dict[str, Any]:
        told: dict[str, Any] = {
            "id": batch.id,
            "object": "batch",
            "status": batch.status,
            "created_at": int(batch.created_at),
            "metadata": batch.metadata,
            "request_counts": {"total": len(batch.requests), "completed": 0, "failed": 0},
        }
        if batch.status in ("completed", "expired", "cancelled"):
            good: list[dict[str, Any]] = []
            bad: list[dict[str, Any]] = []
            for custom_id, body in reversed(batch.requests.items()):
                kind, answer = self._result(_prompt(body), body, anthropic=False)
                if batch.status == "cancelled":
                    kind = "cancelled"
                line: dict[str, Any] = {"id": f"r-{custom_id}", "custom_id": custom_id}
                if kind in ("expired", "cancelled"):
                    error = {"code": f"batch_{kind}", "message": f"it is {kind}"}
                    bad.append({**line, "response": None, "error": error})
                    continue
                code = 200 if kind == "ok" else 400
                response = {"status_code": code, "request_id": "q", "body": answer}
                (good if kind == "ok" else bad).append(
                    {**line, "response": response, "error": None}
                )
            for key, lines in (("output_file_id", good), ("error_file_id", bad)):
                if lines:
                    told[key] = f"{key[:6]}-{batch.id}"
                    text = "\n".join(json.dumps(line) for line in lines)
                    self.files[told[key]] = text.encode() + b"\n"
        if batch.status == "failed":
            told["errors"] = {"data": [{"code": "invalid", "message": "line 1 is wrong"}]}
        return told

    # Anthropic's.

    def _anthropic(self, method: str, path: str, asked: Asked) -> tuple[int, Any]:
        match method, path.strip("/").split("/"):
            case "POST", [""]:
                listed = json.loads(asked.body)["requests"]
                assert all(re.fullmatch(r"[\w-]{1,64}", each["custom_id"]) for each in listed)
                batch = self._new({each["custom_id"]: each["params"] for each in listed}, {})
                return 200, self._anthropic_batch(batch)
            case "GET", [""]:
                return 200, self._page(path, self._anthropic_batch)
            case "GET", [id]:
                batch = self.batches[id]
                batch.looked += 1
                if batch.looked >= self.looks:
                    batch.status = "ended"
                return 200, self._anthropic_batch(batch)
            case "POST", [id, "cancel"]:
                return 200, self._anthropic_batch(self.batches[id])
            case "GET", [id, "results"]:
                lines = []
                for custom_id, body in reversed(self.batches[id].requests.items()):
                    kind, answer = self._result(_prompt(body), body, anthropic=True)
                    result: dict[str, Any] = {"type": kind}
                    if kind == "ok":
                        result = {"type": "succeeded", "message": answer}
                    elif kind == "error":
                        result = {"type": "errored", "error": answer}
                    lines.append(json.dumps({"custom_id": custom_id, "result": result}))
                return 200, "\n".join(lines).encode()
            case _:
                return 404, {"error": {"message": "no such page"}}

    def _anthropic_batch(self, batch: FakeBatch) -> dict[str, Any]:
        ended = batch.status == "ended"
        created = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(batch.created_at))
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": batch.status,
            "created_at": created,
            "request_counts": {
                "processing": 0 if ended else len(batch.requests),
                "succeeded": len(batch.requests) if ended else 0,
                "errored": 0,
                "canceled": 0,
                "expired": 0,
            },
            "results_url": f"https://elsewhere.invalid/{batch.id}" if ended else None,
        }

    # Both.

    def _new(self, requests: dict[str, Any], metadata: dict[str, str]) -> FakeBatch:
        id = f"b{len(self.batches)}"
        self.batches[id] = FakeBatch(id, requests, time.time(), metadata)
        return self.batches[id]

    def _page(self, target: str, told: Callable[[FakeBatch], dict[str, Any]]) -> dict[str, Any]:
        newest = [told(batch) for batch in reversed(self.batches.values())]
        return {"object": "list", "data": newest if self.lists else [], "has_more": False}

    def _result(self, prompt: str, body: dict[str, Any], *, anthropic: bool) -> tuple[str, Any]:
        if prompt.startswith("fail"):
            words = {"type": "invalid_request_error", "message": f"no: {prompt}"}
            return "error", {"type": "error", "error": words}
        if prompt.startswith("expire"):
            return "expired", None
        read, written = usage_of(prompt)
        text = f"You said: {prompt}"
        if anthropic:
            return "ok", {
                "id": "msg",
                "type": "message",
                "role": "assistant",
                "model": body["model"],
                "content": [{"type": "text", "text": text}],
                "stop_reason": "end_turn",
                "usage": {"input_tokens": read, "output_tokens": written},
            }
        message = {"role": "assistant", "content": text}
        return "ok", {
            "id": "chatcmpl",
            "object": "chat.completion",
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {
                "prompt_tokens": read,
                "completion_tokens": written,
                "total_tokens": read + written,
            },
        }


def _key(asked: Asked) -> str:
    bearer = asked.headers.get(b"authorization", b"").removeprefix(b"Bearer ")
    return (asked.headers.get(b"x-api-key") or bearer).decode()


def _file_in(asked: Asked) -> bytes:
    """The file of a form, read as servers read it."""
    kind = asked.headers[b"content-type"].decode()
    boundary = kind.partition("boundary=")[2].encode()
    fields = {}
    for part in asked.body.split(b"--" + boundary)[1:-1]:
        head, _, content = part.strip(b"\r\n").partition(b"\r\n\r\n")
        name = re.search(rb'name="(\w+)"', head)
        assert name is not None
        fields[name[1]] = content
    assert fields[b"purpose"] == b"batch"
    return fields[b"file"]
