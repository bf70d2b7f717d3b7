"""Responses through the official client: `openai_responses.py BASE_URL TOKEN WHAT`; prints JSON."""
# pyright: basic, reportMissingImports=false

import json
import sys
from typing import Any

import openai
import pydantic

BASE_URL, TOKEN, WHAT = sys.argv[1:]
CLOCK: Any = {
    "type": "function",
    "name": "clock",
    "description": "Tells the time",
    "parameters": {"type": "object", "properties": {"tz": {"type": "string"}}},
    "strict": False,
}


def client(token: str = TOKEN) -> Any:
    return openai.OpenAI(base_url=BASE_URL, api_key=token, max_retries=0, timeout=20)


def plain() -> Any:
    answer = client().responses.create(model="default", input="hello there", user="alice")
    again = client().responses.retrieve(answer.id)
    client().responses.delete(answer.id)
    try:
        client().responses.retrieve(answer.id)
    except openai.NotFoundError as error:
        gone = error.code
    return {
        "text": answer.output_text,
        "status": answer.status,
        "tokens": answer.usage.total_tokens,
        "request_id": answer._request_id,
        "again": again.output_text,
        "gone": gone,
    }


def streamed() -> Any:
    with client().responses.stream(model="default", input="hello there") as stream:
        events = list(stream)
        final = stream.get_final_response()
    texts = [event.delta for event in events if event.type == "response.output_text.delta"]
    return {"text": "".join(texts), "final": final.output_text, "tokens": final.usage.total_tokens}


def chained() -> Any:
    first = client().responses.create(model="default", input="one")
    second = client().responses.create(
        model="default", input="two", previous_response_id=first.id, instructions="Be brief."
    )
    return {"text": second.output_text, "previous": second.previous_response_id == first.id}


def tools() -> Any:
    asked = {"model": "default", "tools": [CLOCK]}
    with client().responses.stream(input="what time is it?", **asked) as stream:
        said = stream.get_final_response()
    calls = [item for item in said.output if item.type == "function_call"]
    results = [
        {"type": "function_call_output", "call_id": call.call_id, "output": "noon"}
        for call in calls
    ]
    # As a program does that keeps the whole conversation itself, with the items as they came.
    kept = [{"role": "user", "content": "what time is it?"}, *said.output, *results]
    return {
        "calls": [[call.name, json.loads(call.arguments)] for call in calls],
        "after": client()
        .responses.create(input=results, previous_response_id=said.id, **asked)
        .output_text,
        "kept": client().responses.create(input=kept, store=False, **asked).output_text,
    }


class Place(pydantic.BaseModel):
    city: str


def parsed() -> Any:
    answer = client().responses.parse(model="default", input="where?", text_format=Place)
    return {"city": answer.output_parsed.city}


def errors() -> Any:
    asked = {"model": "default", "input": "hello"}
    tried = {
        "token": lambda: client("wrong").responses.create(**asked),
        "model": lambda: client().responses.create(**{**asked, "model": "gpt-none"}),
        "field": lambda: client().responses.create(**asked, temperature="warm"),
        "limit": lambda: client().responses.create(model="default", input="too fast"),
        "window": lambda: client().responses.create(model="default", input="too long"),
        "previous": lambda: client().responses.create(**asked, previous_response_id="resp_1"),
    }
    raised: dict[str, Any] = {}
    for name, try_it in tried.items():
        try:
            try_it()
        except openai.APIError as error:
            raised[name] = [type(error).__name__, error.code, error.param]
    events = list(client().responses.create(model="default", input="cut", stream=True))
    raised["broken"] = [events[-1].type, events[-1].response.error.code]
    return raised


print(json.dumps(globals()[WHAT]()))
