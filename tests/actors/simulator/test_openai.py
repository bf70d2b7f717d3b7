"""What the simulator says is what OpenAI's wire says."""

import json
from typing import Any

import httpx
import pytest

from tests.fakes.raw_client import RawAnswer, chat_request, converse
from tests.fakes.simulator import SimulatorProcess

ONE_SHOT = {"Connection": "close"}


async def ask(simulator: SimulatorProcess, say: str = "hello", **fields: Any) -> RawAnswer:
    return await converse(simulator.url, chat_request(say, headers=ONE_SHOT, **fields))


async def streamed(simulator: SimulatorProcess, reply: dict[str, Any]) -> RawAnswer:
    return await ask(simulator, sim={"reply": reply}, stream=True)


async def test_a_plain_reply_is_a_chat_completion(simulator: SimulatorProcess) -> None:
    async with httpx.AsyncClient(trust_env=False, base_url=simulator.base_url) as client:
        messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hello"}]
        body = {"model": "m", "messages": messages}
        response = await client.post("/chat/completions", json=body)

    said = response.json()
    assert response.headers["x-request-id"] == "req_sim_1"
    assert (said["object"], said["model"]) == ("chat.completion", "m")
    assert said["choices"][0]["message"]["content"] == "You said: hello"
    assert said["choices"][0]["finish_reason"] == "stop"
    assert said["usage"]["prompt_tokens"] == 3
    assert said["usage"]["total_tokens"] == 6


async def test_a_stream_begins_with_the_role_and_ends_with_its_marks(
    simulator: SimulatorProcess,
) -> None:
    answer = await ask(simulator, stream=True)

    choices = [chunk["choices"][0] for chunk in answer.chunks]
    assert choices[0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert [choice["delta"].get("content") for choice in choices[1:-1]] == [
        "You",
        " said:",
        " hello",
    ]
    assert (choices[-1]["delta"], choices[-1]["finish_reason"]) == ({}, "stop")
    assert answer.events[-1] == "[DONE]"
    assert not any("usage" in chunk for chunk in answer.chunks)


async def test_usage_comes_at_the_end_for_those_who_ask(simulator: SimulatorProcess) -> None:
    answer = await ask(simulator, stream=True, stream_options={"include_usage": True})

    assert [chunk["usage"] for chunk in answer.chunks[:-1]] == [None] * 5
    assert answer.chunks[-1]["choices"] == []
    assert answer.chunks[-1]["usage"]["completion_tokens"] == 3


@pytest.mark.parametrize("stream", [True, False])
async def test_usage_is_what_the_script_claims(simulator: SimulatorProcess, stream: bool) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 8, "cached_tokens": 7, "reasoning_tokens": 6}
    fields: dict[str, Any] = {"stream": stream, "stream_options": {"include_usage": True}}
    claimed = await ask(simulator, sim={"reply": {"usage": usage}}, **fields)
    silent = await ask(simulator, sim={"reply": {"usage": "none"}}, **fields)

    told = claimed.chunks[-1] if stream else json.loads(claimed.body)
    assert told["usage"] == {
        "prompt_tokens": 9,
        "completion_tokens": 8,
        "total_tokens": 17,
        "prompt_tokens_details": {"cached_tokens": 7},
        "completion_tokens_details": {"reasoning_tokens": 6},
    }
    assert b'"usage"' not in silent.body


@pytest.mark.parametrize(
    ("reply", "deltas"),
    [
        ({"text": "a b c d e"}, ["a", " b", " c", " d", " e"]),
        ({"text": "a b c d e", "words_per_chunk": 2}, ["a b", " c d", " e"]),
        ({"text": " a\n\n b  "}, [" a", "\n\n b", "  "]),
        ({"text": "abcdefg", "chunks": 3}, ["ab", "cd", "efg"]),
        ({"text": "ab", "chunks": 5}, ["a", "b"]),
        ({"text": "", "chunks": 5}, []),
        ({"text": ""}, []),
        ({"text": "ab ", "repeat": 2}, ["ab", " ab", " "]),
        ({"text": "\u2028 é 🐎"}, ["\u2028 é", " 🐎"]),
        ({"text": "<{last}>"}, ["<hello>"]),
    ],
)
async def test_the_text_comes_in_the_deltas_of_the_script(
    simulator: SimulatorProcess, reply: dict[str, Any], deltas: list[str]
) -> None:
    answer = await streamed(simulator, reply)

    assert [chunk["choices"][0]["delta"]["content"] for chunk in answer.chunks[1:-1]] == deltas


TOOLS = [
    {"name": "clock", "arguments": {"zone": "UTC"}, "id": "call_1"},
    {"name": "broken", "arguments": '{"a": "'},
    {"name": "none", "arguments": ""},
]


async def test_tool_calls_come_in_fragments(simulator: SimulatorProcess) -> None:
    answer = await streamed(simulator, {"tool_calls": TOOLS})

    deltas = [chunk["choices"][0]["delta"]["tool_calls"][0] for chunk in answer.chunks[1:-1]]
    arguments = [
        "".join(d["function"]["arguments"] for d in deltas if d["index"] == i) for i in range(3)
    ]
    assert arguments == ['{"zone":"UTC"}', '{"a": "', ""]
    assert [d["id"] for d in deltas if "id" in d] == ["call_1", "call_sim_1_1", "call_sim_1_2"]
    assert answer.chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(("text", "content"), [("", None), ("I call.", "I call.")])
async def test_tool_calls_of_a_plain_reply_are_whole(
    simulator: SimulatorProcess, text: str, content: str | None
) -> None:
    answer = await ask(simulator, sim={"reply": {"text": text, "tool_calls": TOOLS[:1]}})

    message = json.loads(answer.body)["choices"][0]["message"]
    assert message["content"] == content
    assert message["tool_calls"] == [
        {
            "id": "call_1",
            "type": "function",
            "function": {"name": "clock", "arguments": '{"zone":"UTC"}'},
        }
    ]


@pytest.mark.parametrize("stream", [True, False])
async def test_raw_bytes_are_sent_as_they_are(simulator: SimulatorProcess, stream: bool) -> None:
    raw = ["\ufeffdata: {}\r\r", ": hello\r\n", "data: [DO", "NE]\r\n\r\n"]
    reply = {"raw": raw, "headers": {"content-type": "x/y", "retry-after": "3"}}
    answer = await ask(simulator, sim={"reply": reply}, stream=stream)

    assert answer.body == "".join(raw).encode()
    assert b"retry-after: 3" in answer.head
    assert b"content-type: x/y" in answer.head


async def test_a_finish_reason_may_be_any_word(simulator: SimulatorProcess) -> None:
    answer = await streamed(simulator, {"finish_reason": "guardrail_intervened"})

    assert answer.chunks[-1]["choices"][0]["finish_reason"] == "guardrail_intervened"


async def test_the_last_user_message_is_the_text_of_its_parts(simulator: SimulatorProcess) -> None:
    parts = [
        {"type": "text", "text": "one "},
        {"type": "image_url"},
        {"type": "text", "text": "two"},
    ]
    messages = [{"role": "user", "content": parts}, {"role": "assistant", "content": None}]
    answer = await ask(simulator, messages=messages)

    assert b"You said: one two" in answer.body


async def test_rules_are_tried_in_order_and_used_up(simulator: SimulatorProcess) -> None:
    simulator.script(
        {"contains": "count", "times": 2, "reply": {"text": "counted"}},
        {"model": "other", "reply": {"text": "another model"}},
        {"contains": "count", "reply": {"text": "again"}},
        models=["sim", "other"],
    )
    said = ["please count", "count", "count", "hello"]
    answers = [(await ask(simulator, text, stream=True)).text for text in said]
    answers.append((await ask(simulator, "count", model="other", stream=True)).text)

    assert answers == ["counted", "counted", "again", "You said: hello", "another model"]
    assert [request["rule"] for request in simulator.requests()] == [0, 0, 2, None, 1]


async def test_the_body_may_carry_its_answer_as_the_header_does(
    simulator: SimulatorProcess,
) -> None:
    answer = await ask(simulator, x_sim={"reply": {"text": "mine"}}, stream=True)

    assert answer.text == "mine"


async def test_models_are_those_of_the_script(simulator: SimulatorProcess) -> None:
    simulator.script(models=["a", "b"])
    async with httpx.AsyncClient(trust_env=False, base_url=simulator.base_url) as client:
        models = (await client.get("/models")).json()

    assert [model["id"] for model in models["data"]] == ["a", "b"]


async def test_a_rule_may_wait_for_the_result_of_a_tool_and_say_it_again(
    simulator: SimulatorProcess,
) -> None:
    simulator.script(
        {"after_tool": False, "reply": {"tool_calls": [{"name": "clock", "id": "call_1"}]}},
        {"after_tool": True, "reply": {"text": "{last} It is {result}."}},
    )
    user: dict[str, Any] = {"role": "user", "content": "The time? Not {result}."}
    calls = [{"id": "call_1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}]
    result: list[dict[str, Any]] = [
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "call_1", "content": "noon"},
    ]
    async with httpx.AsyncClient(trust_env=False, base_url=simulator.base_url) as client:
        body = {"model": "m", "messages": [user]}
        asked = (await client.post("/chat/completions", json=body)).json()
        body = {"model": "m", "messages": [user, *result]}
        told = (await client.post("/chat/completions", json=body)).json()

    assert asked["choices"][0]["finish_reason"] == "tool_calls"
    assert told["choices"][0]["message"]["content"] == "The time? Not {result}. It is noon."
