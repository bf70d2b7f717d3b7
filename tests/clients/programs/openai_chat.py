"""Chats through the official client: `openai_chat.py BASE_URL TOKEN WHAT`; prints JSON."""
# pyright: basic, reportMissingImports=false

import asyncio
import json
import sys
from typing import Any

import openai

BASE_URL, TOKEN, WHAT = sys.argv[1:]
HELLO = [{"role": "user", "content": "hello there"}]
CLOCK = {
    "type": "function",
    "function": {
        "name": "clock",
        "description": "Tells the time",
        "parameters": {"type": "object", "properties": {"tz": {"type": "string"}}},
    },
}


def client(token: str = TOKEN) -> Any:
    return openai.OpenAI(base_url=BASE_URL, api_key=token, max_retries=0, timeout=20)


def plain() -> Any:
    answer = client().chat.completions.create(model="default", messages=HELLO, user="alice")
    return {
        "text": answer.choices[0].message.content,
        "finish": answer.choices[0].finish_reason,
        "tokens": answer.usage.total_tokens,
        "request_id": answer._request_id,
    }


def streamed() -> Any:
    chunks = client().chat.completions.create(
        model="default", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    texts: list[str] = []
    usage: Any = None
    for chunk in chunks:
        texts += [choice.delta.content or "" for choice in chunk.choices]
        usage = chunk.usage or usage
    return {"text": "".join(texts), "tokens": usage.total_tokens}


async def _streamed_async() -> Any:
    async with (
        openai.AsyncOpenAI(base_url=BASE_URL, api_key=TOKEN, timeout=20) as each,
        each.chat.completions.stream(model="default", messages=HELLO) as stream,
    ):
        completion = await stream.get_final_completion()
    return {"text": completion.choices[0].message.content}


def streamed_async() -> Any:
    return asyncio.run(_streamed_async())


def tools() -> Any:
    asked = {"model": "default", "tools": [CLOCK], "tool_choice": "auto"}
    with client().chat.completions.stream(messages=HELLO, **asked) as stream:
        said = stream.get_final_completion().choices[0]
    calls = said.message.tool_calls
    results = [{"role": "tool", "tool_call_id": call.id, "content": "noon"} for call in calls]
    # As a program does that keeps the message of the model as it came.
    history = [*HELLO, said.message.to_dict(), *results]
    after = client().chat.completions.create(messages=history, **asked)
    return {
        "finish": said.finish_reason,
        "calls": [[call.function.name, json.loads(call.function.arguments)] for call in calls],
        "after": after.choices[0].message.content,
    }


def errors() -> Any:
    asked = {"model": "default", "messages": HELLO}
    tried = {
        "token": lambda: client("wrong").chat.completions.create(**asked),
        "model": lambda: client().chat.completions.create(**{**asked, "model": "gpt-none"}),
        "field": lambda: client().chat.completions.create(**asked, temperature="warm"),
        "limit": lambda: client().chat.completions.create(
            model="default", messages=[{"role": "user", "content": "too fast"}]
        ),
        "window": lambda: client().chat.completions.create(
            model="default", messages=[{"role": "user", "content": "too long"}]
        ),
        "broken": lambda: list(
            client().chat.completions.create(
                model="default", messages=[{"role": "user", "content": "cut"}], stream=True
            )
        ),
    }
    raised = {}
    for name, try_it in tried.items():
        try:
            try_it()
        except openai.APIError as error:
            raised[name] = [type(error).__name__, error.code, error.param]
    return raised


def models() -> Any:
    one = client().models.retrieve("default")
    return {"models": [each.id for each in client().models.list()], "one": one.id}


print(json.dumps(globals()[WHAT]()))
