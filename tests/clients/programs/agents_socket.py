"""An agent of openai-agents, over a websocket: `agents_socket.py BASE_URL TOKEN WHAT`; prints JSON."""
# pyright: basic, reportMissingImports=false

import asyncio
import json
import sys
from typing import Any

import openai
from agents import Agent, Runner, function_tool, set_tracing_disabled
from agents.models.openai_responses import OpenAIResponsesWSModel

BASE_URL, TOKEN, WHAT = sys.argv[1:]
CALLED: list[str] = []


@function_tool
def clock(tz: str) -> str:
    """Tells the time of a place."""
    CALLED.append(tz)
    return f"noon in {tz}"


async def plain(agent: Any) -> Any:
    first = await Runner.run(agent, "hello there")
    more = [*first.to_input_list(), {"role": "user", "content": "and more"}]
    second = await Runner.run(agent, more)
    return {"texts": [first.final_output, second.final_output]}


async def tools(agent: Any) -> Any:
    answer = await Runner.run(agent, "what time is it?")
    return {"called": sorted(CALLED), "text": answer.final_output}


async def chained(agent: Any) -> Any:
    first = await Runner.run(agent, "one")
    second = await Runner.run(agent, "two", previous_response_id=first.last_response_id)
    return {"text": second.final_output}


async def streamed(agent: Any) -> Any:
    run = Runner.run_streamed(agent, "hello there")
    events = [each.data async for each in run.stream_events() if each.type == "raw_response_event"]
    texts = [event.delta for event in events if event.type == "response.output_text.delta"]
    return {"text": "".join(texts), "final": run.final_output}


async def main() -> None:
    set_tracing_disabled(disabled=True)
    client = openai.AsyncOpenAI(base_url=BASE_URL, api_key=TOKEN, max_retries=0)
    model = OpenAIResponsesWSModel(model="default", openai_client=client)
    agent = Agent(name="clerk", instructions="Be brief.", model=model, tools=[clock])
    print(json.dumps(await globals()[WHAT](agent)))
    await model.close()


asyncio.run(main())
