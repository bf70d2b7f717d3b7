"""How a fake provider says things on three wires: what a server writes, and no more than it needs."""

import random
from collections.abc import Mapping
from typing import Any
from zlib import crc32

import attrs
import httpx
import orjson

__all__ = ["WIRES", "Said", "Wire", "answer_to"]

# Words that are one token each where they follow a blank.
_WORDS = ("the", "house", "stands", "near", "river", "people", "walk", "every", "day", "light")


def answer_to(prompt: str) -> str:
    """What every provider answers to this: 20 to 60 words, which say what was asked."""
    rng = random.Random(crc32(prompt.encode()))
    return " ".join([prompt.partition(" ")[0], *rng.choices(_WORDS, k=rng.randint(20, 60))])


@attrs.frozen
class Said:
    """What a request asks. The first word of the last prompt says whose it is: "caller/turn"."""

    model: str
    prompt: str
    words: int
    turns: int
    most: int
    streamed: bool

    @property
    def caller(self) -> str:
        return self.prompt.partition("/")[0]


@attrs.frozen
class Wire:
    """One wire, from the server's side."""

    kind: str
    tokens_a_hundred_words: int = 100
    caches: bool = True
    limit_header: str = ""

    def read(self, body: Mapping[str, Any]) -> Said:
        texts = [_text(message["content"]) for message in body["messages"]]
        if "system" in body:
            texts.append(_text(body["system"]))
        prompt = _text(body["messages"][-1]["content"])
        most = (
            body.get("max_completion_tokens")
            or body.get("max_tokens")
            or body["options"]["num_predict"]
        )
        return Said(
            model=body["model"],
            prompt=prompt,
            # With what each message costs beside its words.
            words=sum(len(text.split()) + 4 for text in texts),
            turns=sum(message["role"] == "user" for message in body["messages"]),
            most=most,
            streamed=body.get("stream", self.kind == "ollama"),
        )

    def refuse(self, status: int, headers: Mapping[str, str]) -> httpx.Response:
        return httpx.Response(status, headers=dict(headers), content=self._error(status))

    def _error(self, status: int) -> bytes:
        raise NotImplementedError

    @property
    def error_body(self) -> bytes:
        """An error that comes with a status of 200."""
        return self._error(529)

    def error_frame(self) -> bytes:
        raise NotImplementedError

    def begin(self, said: Said, read: int, cached: int) -> bytes:
        raise NotImplementedError

    def delta(self, text: str) -> bytes:
        raise NotImplementedError

    def end(self, read: int, cached: int, written: int) -> bytes:
        raise NotImplementedError

    def whole(self, said: Said, text: str, read: int, cached: int, written: int) -> bytes:
        raise NotImplementedError


class _OpenAI(Wire):
    def _error(self, status: int) -> bytes:
        code = {429: "rate_limit_exceeded", 401: "invalid_api_key", 529: "server_is_overloaded"}
        error = {"message": f"no, says {status}", "type": "error", "code": code.get(status)}
        return orjson.dumps({"error": error})

    def error_frame(self) -> bytes:
        return b"data: %b\n\n" % self.error_body

    def begin(self, said: Said, read: int, cached: int) -> bytes:
        return self._frame({"role": "assistant", "content": ""})

    def delta(self, text: str) -> bytes:
        return self._frame({"content": text})

    def end(self, read: int, cached: int, written: int) -> bytes:
        usage = self._usage(read, cached, written)
        last = orjson.dumps({"id": "r", "model": "served", "choices": [], "usage": usage})
        return self._frame({}, "stop") + b"data: %b\n\ndata: [DONE]\n\n" % last

    def whole(self, said: Said, text: str, read: int, cached: int, written: int) -> bytes:
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = self._usage(read, cached, written)
        return orjson.dumps({"id": "r", "model": "served", "choices": [choice], "usage": usage})

    def _frame(self, delta: Mapping[str, str], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        body = orjson.dumps({"id": "r", "model": "served", "choices": [choice], "usage": None})
        return b"data: %b\n\n" % body

    def _usage(self, read: int, cached: int, written: int) -> dict[str, Any]:
        return {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": read + written,
            "prompt_tokens_details": {"cached_tokens": cached},
        }


class _Anthropic(Wire):
    def _error(self, status: int) -> bytes:
        types = {429: "rate_limit_error", 401: "authentication_error", 529: "overloaded_error"}
        error = {"type": types.get(status, "api_error"), "message": f"no, says {status}"}
        return orjson.dumps({"type": "error", "error": error})

    def error_frame(self) -> bytes:
        return b"event: error\ndata: %b\n\n" % self.error_body

    def begin(self, said: Said, read: int, cached: int) -> bytes:
        message = {
            "id": "r",
            "type": "message",
            "role": "assistant",
            "model": "served",
            "content": [],
            "usage": self._usage(read, cached, 1),
        }
        text = {"type": "text", "text": ""}
        return (
            self._event("message_start", message=message)
            + self._event("content_block_start", index=0, content_block=text)
            + self._event("ping")
        )

    def delta(self, text: str) -> bytes:
        delta = {"type": "text_delta", "text": text}
        return self._event("content_block_delta", index=0, delta=delta)

    def end(self, read: int, cached: int, written: int) -> bytes:
        stop = {"stop_reason": "end_turn", "stop_sequence": None}
        return (
            self._event("content_block_stop", index=0)
            + self._event("message_delta", delta=stop, usage={"output_tokens": written})
            + self._event("message_stop")
        )

    def whole(self, said: Said, text: str, read: int, cached: int, written: int) -> bytes:
        return orjson.dumps(
            {
                "id": "r",
                "type": "message",
                "role": "assistant",
                "model": "served",
                "content": [{"type": "text", "text": text}],
                "stop_reason": "end_turn",
                "usage": self._usage(read, cached, written),
            }
        )

    def _event(self, type: str, **more: Any) -> bytes:
        return b"event: %b\ndata: %b\n\n" % (type.encode(), orjson.dumps({"type": type, **more}))

    def _usage(self, read: int, cached: int, written: int) -> dict[str, int]:
        return {
            "input_tokens": read - cached,
            "cache_read_input_tokens": cached,
            "output_tokens": written,
        }


class _Ollama(Wire):
    def _error(self, status: int) -> bytes:
        return orjson.dumps({"error": f"no, says {status}"})

    def error_frame(self) -> bytes:
        return self.error_body + b"\n"

    def begin(self, said: Said, read: int, cached: int) -> bytes:
        return self.delta("")

    def delta(self, text: str) -> bytes:
        message = {"role": "assistant", "content": text}
        return orjson.dumps({"model": "served", "message": message, "done": False}) + b"\n"

    def end(self, read: int, cached: int, written: int) -> bytes:
        return self._last("", read, written) + b"\n"

    def whole(self, said: Said, text: str, read: int, cached: int, written: int) -> bytes:
        return self._last(text, read, written)

    def _last(self, text: str, read: int, written: int) -> bytes:
        return orjson.dumps(
            {
                "model": "served",
                "message": {"role": "assistant", "content": text},
                "done": True,
                "done_reason": "stop",
                "prompt_eval_count": read,
                "eval_count": written,
            }
        )


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content)


WIRES: Mapping[str, Wire] = {
    "openai": _OpenAI("openai", limit_header="x-ratelimit-remaining-{}"),
    # Its tokens are smaller.
    "anthropic": _Anthropic("anthropic", 130, limit_header="anthropic-ratelimit-{}-remaining"),
    "ollama": _Ollama("ollama", caches=False),
}
