"""An agent of pydantic-ai over a websocket: `pydantic_ai_socket.py BASE_URL TOKEN WHAT`; prints JSON.

What cannot go over the websocket fails, since nobody listens where HTTP would go.
"""
# pyright: basic, reportMissingImports=false

import asyncio
import json
import sys
from typing import Any

from openai import AsyncOpenAI
from pydantic_ai import Agent, ModelHTTPError
from pydantic_ai.models.openai import OpenAIResponsesModel, OpenAIResponsesModelSettings
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai import OpenAIProvider

BASE_URL, TOKEN, WHAT = sys.argv[1:]
NOWHERE = "http://127.0.0.1:9/v1"
CALLED: list[str] = []


def agent() -> Any:
    client = AsyncOpenAI(
        base_url=NOWHERE,
        websocket_base_url=BASE_URL.replace("http", "ws"),
        api_key=TOKEN,
        max_retries=0,
    )
    model = OpenAIResponsesModel(
        "default",
        provider=OpenAIProvider(openai_client=client),
        profile=OpenAIModelProfile(openai_responses_supports_websocket_stream_id=True),
        settings=OpenAIResponsesModelSettings(openai_transport="websocket"),
    )
    made = Agent(model, instructions="Be brief.")

    @made.tool_plain
    def clock(tz: str) -> str:
        """Tells the time in a time zone."""
        CALLED.append(tz)
        return f"noon in {tz}"

    return made


async def plain(made: Any) -> Any:
    first = await made.run("hello there")
    again = await made.run("and more", message_history=first.all_messages())
    return {"texts": [first.output, again.output]}


async def tools(made: Any) -> Any:
    answer = await made.run("what time is it?")
    return {"called": sorted(CALLED), "text": answer.output}


async def together(made: Any) -> Any:
    answers = await asyncio.gather(*(made.run(f"to {number}") for number in range(3)))
    return {"texts": [answer.output for answer in answers]}


async def streamed(made: Any) -> Any:
    async with made.run_stream("hello there") as answer:
        pieces = [piece async for piece in answer.stream_text(delta=True, debounce_by=None)]
    return {"text": "".join(pieces), "pieces": len(pieces)}


async def errors(made: Any) -> Any:
    limit = 0
    try:
        await made.run("too fast")
    except ModelHTTPError as error:
        limit = error.status_code
    return {"limit": limit, "after": (await made.run("hello")).output}


async def main() -> None:
    made = agent()
    async with made:
        print(json.dumps(await globals()[WHAT](made)))


asyncio.run(main())
