"""Answers that call tools, and tools to be called, for tests of sessions in virtual time."""

from typing import Any

import attrs
import orjson
import trio

from tests.fakes.provider import DONE, FINISH, ROLE, Body, delta, frame
from trouper.actors.tools import Tool, ToolContext, tool

__all__ = ["Bench", "answer", "calling", "wants"]


def wants(tool: str, /, id: str = "c1", **arguments: Any) -> dict[str, Any]:
    """A call, as a model streams it."""
    return {"id": id, "function": {"name": tool, "arguments": orjson.dumps(arguments).decode()}}


def usage(tokens: tuple[int, int]) -> bytes:
    counted = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]}
    return b"data: %b\n\n" % orjson.dumps({"id": "r1", "choices": [], "usage": counted})


def calling(*calls: dict[str, Any], text: str = "", tokens: tuple[int, int] | None = None) -> Body:
    """An answer that ends with these calls."""
    steps = [ROLE, *([delta(text)] if text else [])]
    for index, call in enumerate(calls):
        steps.append(frame({"tool_calls": [{"index": index, **call}]}))
    return Body(*steps, frame({}, "tool_calls"), *([usage(tokens)] if tokens else []), DONE)


def answer(*texts: str, tokens: tuple[int, int] | None = None) -> Body:
    """An answer in words."""
    return Body(ROLE, *map(delta, texts), FINISH, *([usage(tokens)] if tokens else []), DONE)


@attrs.define(eq=False)
class Bench:
    """Some tools, and what was run of them."""

    ran: list[str] = attrs.field(factory=list[str])
    ended: list[str] = attrs.field(factory=list[str])
    seen: list[ToolContext] = attrs.field(factory=list[ToolContext])
    begun: trio.Event = attrs.field(factory=trio.Event)

    def tools(self, **policy: Any) -> tuple[Tool, ...]:
        @tool(timeout=600.0, **policy)
        async def work(name: str, seconds: float = 0.0, fails: bool = False) -> str:
            """Do some work."""
            self.ran.append(name)
            self.begun.set()
            await trio.sleep(seconds)
            if fails:
                raise ValueError("it broke")
            self.ended.append(name)
            return f"{name} is done"

        @tool(timeout=600.0)
        async def report(context: ToolContext, times: int = 2, between: float = 1.0) -> str:
            """Report how far it is."""
            self.seen.append(context)
            for number in range(1, times + 1):
                context.report(f"step {number}", number / times)
                await trio.sleep(between)
            return "reported"

        @tool(timeout=600.0, idempotent=True)
        async def look(name: str, seconds: float = 0.0) -> str:
            """Look, which does no harm."""
            self.ran.append(name)
            await trio.sleep(seconds)
            return f"seen {name}"

        return work, report, look
