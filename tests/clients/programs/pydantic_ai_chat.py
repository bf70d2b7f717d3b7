"""Runs an agent of pydantic-ai: `pydantic_ai_chat.py BASE_URL TOKEN WHAT`; prints JSON."""
# pyright: basic, reportMissingImports=false

import asyncio
import json
import sys
from typing import Any

from openai import AsyncOpenAI
from pydantic import BaseModel
from pydantic_ai import Agent, ModelHTTPError
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

BASE_URL, TOKEN, WHAT = sys.argv[1:]


class Place(BaseModel):
    city: str
    country: str


def model(token: str = TOKEN) -> Any:
    client = AsyncOpenAI(base_url=BASE_URL, api_key=token, max_retries=0, timeout=20)
    return OpenAIChatModel("default", provider=OpenAIProvider(openai_client=client))


async def plain() -> Any:
    agent = Agent(model(), instructions="Be brief.")
    first = await agent.run("hello there")
    again = await agent.run("and more", message_history=first.all_messages())
    return {
        "texts": [first.output, again.output],
        "tokens": first.usage.total_tokens,
        "messages": len(again.all_messages()),
    }


async def streamed() -> Any:
    agent = Agent(model())
    async with agent.run_stream("hello there") as answer:
        pieces = [piece async for piece in answer.stream_text(delta=True, debounce_by=None)]
    return {"text": "".join(pieces), "pieces": len(pieces)}


async def tools() -> Any:
    called: list[str] = []
    agent = Agent(model())

    @agent.tool_plain
    def clock(tz: str) -> str:
        """Tells the time in a time zone."""
        called.append(tz)
        return f"noon in {tz}"

    answer = await agent.run("what time is it?")
    return {"called": sorted(called), "text": answer.output}


async def typed() -> Any:
    answer = await Agent(model(), output_type=Place).run("where is the tower?")
    return answer.output.model_dump()


async def errors() -> Any:
    try:
        await Agent(model("wrong-token")).run("hello")
    except ModelHTTPError as error:
        return {"status": error.status_code, "code": error.body["code"]}


print(json.dumps(asyncio.run(globals()[WHAT]())))
