"""A peer that is measured: a process that makes calls as it is told and says what they took.

It runs in the peers' own virtual environment and imports nothing of this
project. A line on standard input is one order, `plain AT_ONCE CALLS` or
`stream AT_ONCE STREAMS CHUNKS`; the answer is one line, CPU microseconds a
call or a chunk. It prints "ready" when the peer is imported.
"""

import asyncio
import gc
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

Work = Callable[[], Awaitable[int]]

# A short conversation: what a client does for each message counts, too.
MESSAGES = [
    {"role": "assistant" if number % 2 else "user", "content": f"message number {number}"}
    for number in range(7)
]


def openai_calls(url: str) -> tuple[Work, Callable[[int], Work]]:
    """The official SDK as its README shows it."""
    import openai  # noqa: PLC0415 - each peer is a process that has only itself

    client = openai.AsyncOpenAI(base_url=url, api_key="sk-0123456789", max_retries=2)
    create: Any = client.chat.completions.create

    async def plain() -> int:
        answer = await create(model="m", messages=MESSAGES)
        return len(answer.choices[0].message.content)

    def stream(chunks: int) -> Work:
        async def one() -> int:
            length = 0
            events = await create(
                model="m",
                messages=MESSAGES,
                stream=True,
                extra_headers={"x-stub": f"n={chunks}"},
            )
            async for event in events:
                if event.choices and event.choices[0].delta.content:
                    length += len(event.choices[0].delta.content)
            return length

        return one

    return plain, stream


def litellm_calls(url: str) -> tuple[Work, Callable[[int], Work]]:
    """LiteLLM's Router, which retries, cools down and limits, over one deployment."""
    import litellm  # noqa: PLC0415 - likewise

    litellm.suppress_debug_info = True
    parameters = {
        "model": "openai/m",
        "api_base": url,
        "api_key": "sk-0123456789",
        "rpm": 100_000_000,
        "tpm": 100_000_000_000,
    }
    router = litellm.Router(
        model_list=[{"model_name": "default", "litellm_params": parameters}], num_retries=2
    )

    async def plain() -> int:
        answer: Any = await router.acompletion(model="default", messages=MESSAGES)
        return len(answer.choices[0].message.content)

    def stream(chunks: int) -> Work:
        async def one() -> int:
            length = 0
            events: Any = await router.acompletion(
                model="default",
                messages=MESSAGES,
                stream=True,
                extra_headers={"x-stub": f"n={chunks}"},
            )
            async for event in events:
                if event.choices and event.choices[0].delta.content:
                    length += len(event.choices[0].delta.content)
            return length

        return one

    return plain, stream


PEERS = {"openai": openai_calls, "litellm": litellm_calls}


async def many(work: Work, at_once: int, calls: int) -> None:
    async def some(count: int) -> None:
        for _ in range(count):
            if not await work():
                raise SystemExit("the peer got no text")

    await asyncio.gather(*(some(max(1, calls // at_once)) for _ in range(at_once)))


async def measured(work: Work, at_once: int, calls: int) -> float:
    await many(work, at_once, max(4, calls // 8))
    gc.collect()
    began = time.process_time()
    await many(work, at_once, calls)
    spent = time.process_time() - began
    return spent * 1e6 / (max(1, calls // at_once) * at_once)


async def main(peer: str, url: str) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {0})
    plain, stream = PEERS[peer](url)
    print("ready", flush=True)
    while order := (await asyncio.to_thread(sys.stdin.readline)).split():
        numbers = [int(number) for number in order[1:]]
        if order[0] == "plain":
            figure = await measured(plain, *numbers)
        else:
            at_once, streams, chunks = numbers
            figure = await measured(stream(chunks), at_once, streams) / chunks
        print(figure, flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
