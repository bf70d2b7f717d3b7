"""Agents of pydantic-ai, over a websocket: `pydantic_ai_socket.py BASE_URL TOKEN WHAT`; prints JSON."""
# pyright: basic, reportMissingImports=false

import asyncio
import json
import sys
import warnings
from typing import Any

from openai import AsyncOpenAI
from pydantic_ai import Agent, ModelHTTPError
from pydantic_ai.models.openai import OpenAIResponsesModel
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai import OpenAIProvider

BASE_URL, TOKEN, WHAT = sys.argv[1:]
NOWHERE = "http://127.0.0.1:9/v1"  # whoever falls back to HTTP finds nobody

warnings.simplefilter("error")


def model() -> Any:
    client = AsyncOpenAI(
        base_url=NOWHERE,
        websocket_base_url=BASE_URL.replace("http", "ws"),
        api_key=TOKEN,
        max_retries=0,
        timeout=20,
    )
    return OpenAIResponsesModel(
        "default",
        provider=OpenAIProvider(openai_client=client),
        settings={"openai_transport": "websocket"},
        profile=OpenAIModelProfile(openai_responses_supports_websocket_stream_id=True),
    )


async def plain(agent: Any) -> Any:
    first = await agent.run("hello there")
    again = await agent.run("and more", message_history=first.all_messages())
    return {"texts": [first.output, again.output], "tokens": first.usage.total_tokens}


async def streamed(agent: Any) -> Any:
    async with agent.run_stream("hello there") as answer:
        pieces = [piece async for piece in answer.stream_text(delta=True, debounce_by=None)]
    return {"text": "".join(pieces), "pieces": len(pieces)}


async def tools(agent: Any) -> Any:
    called: list[str] = []

    @agent.tool_plain
    def clock(tz: str) -> str:
        """Tells the time in a time zone."""
        called.append(tz)
        return f"noon in {tz}"

    answer = await agent.run("what time is it?")
    return {"called": sorted(called), "text": answer.output}


async def lanes(agent: Any) -> Any:
    answers = await asyncio.gather(*(agent.run(f"to {number}") for number in range(3)))
    return {"texts": [answer.output for answer in answers]}


async def errors(agent: Any) -> Any:
    try:
        await agent.run("too fast")
    except ModelHTTPError as error:
        limit = error.status_code
    return {"limit": limit, "after": (await agent.run("hello")).output}


async def main() -> None:
    agent = Agent(model(), instructions="Be brief.")
    async with agent:
        print(json.dumps(await globals()[WHAT](agent)))


asyncio.run(main())
