"""A provider on one of three wires that counts, charges and misbehaves, for tests in virtual time.

It is an httpx transport. Each request is written down in `served`, with what it
was given of tokens and what that costs by this fake's own arithmetic. Its limits
are strict: ten seconds of a minute's rate at once, charged by the most that an
answer may be when the request arrives, and put right when it has ended. `fault`
says of each request what becomes of it.
"""

import hashlib
import random
from collections.abc import AsyncIterator, Callable
from typing import Literal

import attrs
import httpx
import orjson
import trio

from .misbehaving_wires import WIRES, Said, Wire, answer_to

__all__ = ["FAULTS", "Bucket", "Fault", "Misbehaving", "Prices", "Served", "key_id_of"]

Fault = Literal[
    "",
    "too many",
    "error",
    "overloaded",
    "cut",
    "truncated",
    "stall",
    "no first word",
    "slow first word",
    "error frame",
    "late error frame",
    "gone",
    "bad key",
    "crash",
]

FAULTS: tuple[Fault, ...] = (
    "too many",
    "error",
    "overloaded",
    "cut",
    "truncated",
    "stall",
    "no first word",
    "slow first word",
    "error frame",
    "late error frame",
)
"""Those that come by chance."""

# Seconds: longer than anybody waits.
_FOREVER = 1e6

End = Literal["refused", "whole", "broken", "left", "never arrived"]


@attrs.define(eq=False)
class Served:
    """One request as its provider has it, and how it ended.

    `tokens` are those of the prompt, of it those out of the cache, and those of
    the answer as far as it was written. `billed_in_full` is so where the client
    was told of them, too.
    """

    caller: str
    key_id: str
    model: str
    fault: Fault
    input: int
    cached: int
    most: int
    output: int = 0
    end: End = "left"


@attrs.frozen
class Prices:
    """Nano-dollars a token."""

    input: int
    cached: int
    output: int

    def of(self, served: Served) -> int:
        plain = served.input - served.cached
        return plain * self.input + served.cached * self.cached + served.output * self.output


@attrs.define
class Bucket:
    """A limit as a strict server keeps it. Without `per_minute` it lets all pass."""

    per_minute: int | None
    level: float = attrs.field(init=False)
    lowest: float = attrs.field(init=False)
    _at: float = 0.0

    def __attrs_post_init__(self) -> None:
        self.level = self.lowest = self.capacity

    @property
    def capacity(self) -> float:
        return 0.0 if self.per_minute is None else self.per_minute / 6

    def fill(self) -> None:
        now = trio.current_time()
        if self.per_minute is not None:
            self.level = min(self.capacity, self.level + self.per_minute / 60 * (now - self._at))
        self._at = now

    def covers(self, amount: int) -> bool:
        return self.per_minute is None or self.level >= amount

    def take(self, amount: int) -> None:
        self.level = min(self.capacity, self.level - amount)
        self.lowest = min(self.lowest, self.level)


@attrs.define(eq=False)
class _Limits:
    """The limits of one key: requests, all tokens, input tokens, output tokens."""

    requests: Bucket
    tokens: Bucket
    inputs: Bucket
    outputs: Bucket

    def fill(self) -> None:
        for bucket in (self.requests, self.tokens, self.inputs, self.outputs):
            bucket.fill()

    def covers(self, read: int, written: int) -> bool:
        return (
            self.requests.covers(1)
            and self.tokens.covers(read + written)
            and self.inputs.covers(read)
            and self.outputs.covers(written)
        )

    def take(self, read: int, written: int, requests: int = 0) -> None:
        self.requests.take(requests)
        self.tokens.take(read + written)
        self.inputs.take(read)
        self.outputs.take(written)


class Misbehaving(httpx.AsyncBaseTransport):
    """One provider. `limits` are those of each key a minute: requests, tokens, input, output."""

    def __init__(
        self,
        kind: str,
        *,
        prices: Prices,
        fault: Callable[[str], Fault],
        limits: tuple[int | None, int | None, int | None, int | None],
        seed: int = 1,
    ) -> None:
        self.wire: Wire = WIRES[kind]
        self.prices = prices
        self.served: list[Served] = []
        self.limit_broken: list[str] = []
        """Each request that went over a limit: none should."""
        self.open = 0
        """Bodies that are not closed yet."""
        self.spent = 0
        """Nano-dollars, of all that was written until now."""
        self._fault = fault
        self._limits = limits
        self._keys: dict[str, _Limits] = {}
        self._rng = random.Random(f"{kind} {seed}")

    def limits_of(self, key_id: str) -> _Limits:
        if key_id not in self._keys:
            self._keys[key_id] = _Limits(*map(Bucket, self._limits))
        return self._keys[key_id]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        said = self.wire.read(orjson.loads(request.content))
        key_id = key_id_of(request.headers)
        served = self._note(said, key_id)
        if served.fault == "gone":
            served.end = "never arrived"
            raise httpx.ConnectError("nobody listens there")
        if served.fault == "crash":
            served.end = "broken"
            raise RuntimeError("a fault of the client's own")
        await trio.sleep(self._rng.uniform(0.01, 0.1))
        limits = self.limits_of(key_id)
        limits.fill()
        charged = served.input - served.cached
        refusal = self._refusal(served, limits.covers(charged, served.most))
        if refusal is not None:
            served.end = "refused"
            return refusal
        limits.take(charged, served.most, requests=1)
        self.spent += self.prices.of(served)
        body = _Body(self, said, served, self._rng)
        self.open += 1
        return httpx.Response(200, headers=self._headers(key_id), stream=body)

    async def aclose(self) -> None:
        pass

    def wrote(self, served: Served, words: int) -> None:
        served.output += words
        self.spent += words * self.prices.output

    def closed(self, served: Served) -> None:
        self.open -= 1
        limits = self.limits_of(served.key_id)
        limits.fill()
        limits.take(0, served.output - served.most)

    def least_left(self) -> list[float]:
        """The part of each limit of requests that was left at the least."""
        each = [limits.requests for limits in self._keys.values()]
        return [bucket.lowest / bucket.capacity for bucket in each if bucket.capacity]

    def _note(self, said: Said, key_id: str) -> Served:
        read = said.words * self.wire.tokens_a_hundred_words // 100
        served = Served(
            caller=said.caller,
            key_id=key_id,
            model=said.model,
            fault=self._fault(key_id),
            input=read,
            # The second turn on finds its beginning in the cache.
            cached=read // 2 if said.turns > 1 and self.wire.caches else 0,
            most=said.most,
        )
        self.served.append(served)
        return served

    def _refusal(self, served: Served, covered: bool) -> httpx.Response | None:
        headers = self._headers(served.key_id)
        match served.fault:
            case "too many":
                return self.wire.refuse(429, {**headers, "retry-after": "2"})
            case "error":
                return self.wire.refuse(500, headers)
            case "overloaded":
                return self.wire.refuse(529 if self.wire.kind == "anthropic" else 503, headers)
            case "bad key":
                return self.wire.refuse(401, {})
            case _ if not covered:
                self.limit_broken.append(f"{trio.current_time():.1f} s {served}")
                return self.wire.refuse(429, {**headers, "retry-after": "2"})
            case _:
                return None

    def _headers(self, key_id: str) -> dict[str, str]:
        limits = self.limits_of(key_id)
        levels = (limits.requests, limits.tokens, limits.inputs, limits.outputs)
        return {
            self.wire.limit_header.format(name): str(max(0, int(bucket.level)))
            for name, bucket in zip(
                ("requests", "tokens", "input-tokens", "output-tokens"), levels, strict=True
            )
            if bucket.per_minute is not None and self.wire.limit_header
        }


class _Body(httpx.AsyncByteStream):
    """An answer on its way: words by and by, up to its end or its fault."""

    def __init__(
        self, provider: Misbehaving, said: Said, served: Served, rng: random.Random
    ) -> None:
        self._provider = provider
        self._said = said
        self._served = served
        self._pause = rng.uniform(0.02, 0.15)
        self._before = rng.uniform(0.2, 0.9)
        if served.fault == "slow first word":
            self._before = rng.uniform(5.0, 12.0)
        self._closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._streamed() if self._said.streamed else self._in_one_piece()

    async def _streamed(self) -> AsyncIterator[bytes]:
        served, wire, fault = self._served, self._provider.wire, self._served.fault
        if fault == "error frame":
            served.end = "broken"
            yield wire.error_frame()
            return
        await trio.sleep(_FOREVER if fault == "no first word" else self._before)
        yield wire.begin(self._said, served.input, served.cached)
        words = answer_to(self._said.prompt).split(" ")
        pieces = [words[at : at + 8] for at in range(0, len(words), 8)]
        for number, piece in enumerate(pieces):
            if number == 2 and fault in ("cut", "truncated", "stall", "late error frame"):
                served.end = "broken"
                if fault == "late error frame":
                    yield wire.error_frame()
                elif fault == "cut":
                    raise httpx.ReadError("connection reset by peer")
                elif fault == "stall":
                    await trio.sleep_forever()
                return
            await trio.sleep(self._pause)
            self._provider.wrote(served, len(piece))
            yield wire.delta((" " if number else "") + " ".join(piece))
        tail = wire.end(served.input, served.cached, served.output)
        served.end = "whole"
        yield tail

    async def _in_one_piece(self) -> AsyncIterator[bytes]:
        served, wire, fault = self._served, self._provider.wire, self._served.fault
        if fault in ("error frame", "late error frame"):
            served.end = "broken"
            yield wire.error_body
            return
        await trio.sleep(_FOREVER if fault in ("no first word", "stall") else self._before)
        text = answer_to(self._said.prompt)
        self._provider.wrote(served, len(text.split(" ")))
        body = wire.whole(self._said, text, served.input, served.cached, served.output)
        if fault in ("cut", "truncated"):
            served.end = "broken"
            yield body[: len(body) // 2]
            if fault == "cut":
                raise httpx.ReadError("connection reset by peer")
            return
        served.end = "whole"
        yield body

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._provider.closed(self._served)


def key_id_of(headers: httpx.Headers) -> str:
    """The id of the key that a request shows; "" where it shows none."""
    key = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
    return hashlib.sha256(key.encode()).hexdigest()[:8] if key else ""
