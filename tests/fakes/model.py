"""A model with a window behind the fake transport: it counts, refuses what is too long, answers."""

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import httpx
import orjson

from trouper.actors.catalog.encodings import EncodingName, load_encoding
from trouper.actors.catalog.tokens import count_text
from trouper.actors.policy.summary import INSTRUCTION

from .provider import DONE, FINISH, ROLE, Body, delta

__all__ = ["Model"]

_OPENING = INSTRUCTION[:40]


def _says_a_lot(number: int) -> str:
    return f"Answer {number}: " + "well, " * 20


@attrs.define(eq=False)
class Model:
    """Behind a transport (`Answers`), for any number of requests.

    A prompt of more than `window` tokens is refused, by its own count, which is
    ours times `factor`; `words` adds its sentence to what it says then.
    `summary` answers those who ask for one. One that does not load our tokenizer
    counts letters.
    """

    window: int = 1_000_000
    factor: float = 1.0
    words: str = ""
    says: Callable[[int], str] = _says_a_lot
    summary: Callable[[int], Any] = "They said things. ({})".format
    bodies: list[dict[str, Any]] = attrs.field(factory=list[dict[str, Any]])
    summaries: list[dict[str, Any]] = attrs.field(factory=list[dict[str, Any]])
    prompts: list[int] = attrs.field(factory=list[int])
    refused: int = 0
    loads: bool = True

    def __iter__(self) -> Any:
        """As the answers of a transport that is asked at most so often."""
        return iter([self] * 500)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        body = orjson.loads(request.content)
        tokens = self.count(body["messages"])
        if tokens > self.window:
            self.refused += 1
            return _too_long(self.words.format(tokens=tokens, window=self.window))
        if body["messages"][0]["content"].startswith(_OPENING):
            self.summaries.append(body)
            said = self.summary(len(self.summaries))
            return said if isinstance(said, httpx.Response) else _whole(said)
        self.bodies.append(body)
        self.prompts.append(tokens)
        usage = {"prompt_tokens": tokens, "completion_tokens": 20}
        told = b"data: %b\n\n" % orjson.dumps({"id": "r1", "choices": [], "usage": usage})
        text = self.says(len(self.bodies))
        return httpx.Response(200, stream=Body(ROLE, delta(text), FINISH, told, DONE))

    def count(self, messages: Sequence[dict[str, Any]]) -> int:
        """The tokens of a prompt, as this model has them."""
        if not self.loads:
            return sum(len(str(one["content"])) for one in messages) // 3
        encoder = load_encoding(EncodingName.O200K)
        counted = sum(4 + count_text(str(one["content"]), encoder) for one in messages)
        return int((3 + counted) * self.factor)


def _too_long(words: str) -> httpx.Response:
    error = {"message": words or "it is too long", "code": "context_length_exceeded"}
    return httpx.Response(400, json={"error": error})


def _whole(text: str) -> httpx.Response:
    choice = {"index": 0, "message": {"content": text}, "finish_reason": "stop"}
    return httpx.Response(200, json={"id": "r1", "model": "m", "choices": [choice]})
