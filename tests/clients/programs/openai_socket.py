"""Responses over the official client's websocket: `openai_socket.py BASE_URL TOKEN WHAT [ID]`."""
# pyright: basic, reportMissingImports=false

import asyncio
import json
import sys
import time
from typing import Any

import openai
from openai.lib.responses_websocket import (
    AsyncResponsesWebSocketSession,
    ResponsesWebSocketError,
    ResponsesWebSocketLimits,
)

BASE_URL, TOKEN, WHAT, *MORE = sys.argv[1:]
LIMITS = ResponsesWebSocketLimits(
    max_lanes=8,
    max_events_per_lane=512,
    max_events=2048,
    max_bytes_per_lane=2**24,
    max_bytes=2**25,
    max_response_bytes=None,
)
CLOCK: Any = {
    "type": "function",
    "name": "clock",
    "parameters": {"type": "object", "properties": {"tz": {"type": "string"}}},
    "strict": False,
}


def plain() -> Any:
    texts: list[str] = []
    with (
        openai.OpenAI(base_url=BASE_URL, api_key=TOKEN) as client,
        client.responses.connect() as connection,
    ):
        connection.response.create(model="default", input="hello there")
        for event in connection:
            if event.type == "response.output_text.delta":
                texts.append(event.delta)
            if event.type == "response.completed":
                final = event.response
                break
    return {
        "text": "".join(texts),
        "final": final.output[0].content[0].text,
        "tokens": final.usage.total_tokens,
        "id": final.id,
    }


async def _ask(lane: Any, **fields: Any) -> Any:
    await lane.send({"type": "response.create", "model": "default", **fields})
    return await lane.get_final_response()


def _text(response: Any) -> str:
    return "".join(part.text for item in response.output for part in item.content)


async def _lanes(session: Any) -> Any:
    lanes = [session.lane(name) for name in ("a", "b", "c")]
    begun = time.monotonic()
    answers = await asyncio.gather(
        *(_ask(lane, input=f"to {number}") for number, lane in enumerate(lanes))
    )
    took = time.monotonic() - begun
    goes_on = await _ask(lanes[0], input="more", previous_response_id=answers[0].id)
    return {
        "texts": [_text(answer) for answer in answers],
        "together": took < 1.4,
        "more": _text(goes_on),
    }


async def _warm(session: Any) -> Any:
    rules = [{"role": "developer", "content": "Rhyme."}]
    warm = await _ask(session.default, input=rules, generate=False, store=False)
    answer = await _ask(
        session.default, input="hi", previous_response_id=warm.id, store=False, stream=True
    )
    return {"warm": warm.output, "text": _text(answer)}


async def _tools(session: Any) -> Any:
    lane = session.default
    said = await _ask(lane, input="what time is it?", tools=[CLOCK])
    results = [
        {"type": "function_call_output", "call_id": call.call_id, "output": "noon"}
        for call in said.output
    ]
    after = await _ask(lane, input=results, previous_response_id=said.id, tools=[CLOCK])
    calls = [[call.name, json.loads(call.arguments)] for call in said.output]
    return {"calls": calls, "after": _text(after)}


async def _errors(session: Any) -> Any:
    lane = session.default
    told: dict[str, Any] = {}
    for name, fields in {
        "previous": {"input": "x", "previous_response_id": "resp_1"},
        "field": {"input": "x", "temperature": "warm"},
        "model": {"input": "x", "model": "gpt-none"},
    }.items():
        try:
            await _ask(lane, **fields)
        except ResponsesWebSocketError as error:
            event = error.event
            told[name] = [event.status, event.error.code, event.error.param]
    failed = await _ask(lane, input="too fast")
    told["limit"] = [failed.status, failed.error.code]
    told["after"] = _text(await _ask(lane, input="hello"))
    return told


async def _goes_on(session: Any) -> Any:
    answer = await _ask(session.default, input="and now?", previous_response_id=MORE[0])
    return {"text": _text(answer)}


async def _in_session(what: Any) -> Any:
    async with (
        openai.AsyncOpenAI(base_url=BASE_URL, api_key=TOKEN) as client,
        client.responses.connect() as connection,
        AsyncResponsesWebSocketSession(connection, limits=LIMITS) as session,
    ):
        return await what(session)


if WHAT == "plain":
    print(json.dumps(plain()))
else:
    print(json.dumps(asyncio.run(_in_session(globals()[f"_{WHAT}"]))))
