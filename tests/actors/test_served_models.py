"""The whole way of a request over HTTP: gateway, gates, provider, ledger, and back."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings, strategies as st

from tests.fakes.raw_client import RawAnswer, chat_request, connect, converse
from tests.fakes.simulator import SimulatorProcess
from trouper.actors import open_app
from trouper.actors.app import App
from trouper.actors.config import parse_config
from trouper.actors.store.ledger import Row, Selection

CONFIG = """
[server]
listen = "127.0.0.1:0"
[providers.sim]
kind = "openai"
base_url = "{url}"
[models.small]
targets = ["sim/sim"]
max_output_tokens = 300
on_midstream = "restart"
[assistants.default]
model = "small"
"""

BUDGET = """
[budgets.each_user]
limit_usd = "0.001"
per = "day"
scope = "user"
[prices."sim/sim"]
input = 1.0
output = 1.0
"""


@asynccontextmanager
async def serving(simulator: SimulatorProcess, more: str = "") -> AsyncGenerator[App]:
    config = parse_config(CONFIG.format(url=simulator.base_url) + more)
    async with open_app(config, serve=True, signals=False) as app:
        yield app


async def ask(app: App, **fields: Any) -> RawAnswer:
    assert app.listening is not None
    fields.setdefault("model", "small")
    return await converse(
        app.listening.url, chat_request(headers={"Connection": "close"}, **fields)
    )


async def settled(app: App) -> Row:
    """The one row of the ledger, once it is settled, which nobody waits for."""
    with trio.fail_after(5):
        while True:
            rows = [row async for row in app.ledger.rows(Selection())]
            if rows and rows[0].closing is not None:
                assert len(rows) == 1
                return rows[0]
            await trio.sleep(0.01)


async def test_a_request_is_in_the_ledger_under_its_user_and_its_id(
    simulator: SimulatorProcess,
) -> None:
    async with serving(simulator) as app:
        answer = await ask(app, say="hi", user="alice", stream=True)
        row = await settled(app)

    assert answer.text == "You said: hi"
    assert row.opening.user == "alice"
    assert f"x-request-id: {row.opening.request_id}".encode() in answer.head
    # What is between the client and us does not go to the provider.
    assert "user" not in simulator.requests()[-1]["body"]


@pytest.mark.parametrize("stream", [False, True])
async def test_who_leaves_stops_the_provider_and_pays_for_what_came(
    simulator: SimulatorProcess, stream: bool
) -> None:
    simulator.script({"reply": {"text": "word ", "repeat": 300, "pace": 0.05}})
    async with serving(simulator) as app:
        assert app.listening is not None
        async with await connect(app.listening.url) as client:
            await client.send_all(chat_request(model="small", stream=stream))
            if stream:
                await client.receive_some()
            else:
                await simulator.wait_requests(lambda log: log)
        with trio.fail_after(1.5):
            row = await settled(app)
        (asked,) = await simulator.wait_requests(lambda log: log[0]["outcome"] != "serving")

    assert asked["outcome"] == "client left"
    assert row.closing is not None
    assert row.closing.outcome == "cancelled"


async def test_a_budget_of_a_user_refuses_that_user_only(simulator: SimulatorProcess) -> None:
    async with serving(simulator, BUDGET) as app:
        first = await ask(app, user="alice", max_tokens=900)
        simulator.script({"reply": {"text": "word ", "repeat": 900}})
        await ask(app, user="alice", max_tokens=900)
        refused = await ask(app, user="alice", max_tokens=900)
        other = await ask(app, user="bob", max_tokens=900)

    assert (first.status, refused.status, other.status) == (200, 429, 200)
    assert json.loads(refused.body)["error"]["code"] == "budget_exceeded"
    assert b"x-should-retry: false" in refused.head


async def test_an_answer_that_breaks_off_does_not_begin_again_in_the_middle(
    simulator: SimulatorProcess,
) -> None:
    """The model is configured to begin again, which this wire has no words for."""
    simulator.script({"reply": {"text": "one two three"}, "fault": {"kind": "cut", "after": 500}})
    async with serving(simulator) as app:
        answer = await ask(app, stream=True)

    assert answer.chunks[-1]["error"]["code"] == "stream_truncated"
    assert answer.complete


async def test_a_model_that_nobody_configured_is_not_found(simulator: SimulatorProcess) -> None:
    async with serving(simulator) as app:
        whole = await ask(app, model="gpt-x")
        streamed = await ask(app, model="gpt-x", stream=True)

    assert (whole.status, streamed.status) == (404, 404)
    assert "small" in json.loads(whole.body)["error"]["message"]


FIELDS = st.sampled_from(
    [
        "logit_bias",
        "max_tokens",
        "metadata",
        "parallel_tool_calls",
        "reasoning_effort",
        "response_format",
        "seed",
        "stop",
        "tool_choice",
        "tools",
        "top_logprobs",
        "whatever",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)


def test_no_field_of_a_request_is_a_fault_of_the_server(simulator: SimulatorProcess) -> None:
    """Whatever is in it: an answer, or an error that says that it is the client's."""

    @settings(
        max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(st.dictionaries(FIELDS, VALUES, min_size=1, max_size=3))
    def hold(fields: dict[str, Any]) -> None:
        bodies.append(fields)

    bodies: list[dict[str, Any]] = []
    hold()

    async def ask_all() -> list[tuple[dict[str, Any], int]]:
        async with serving(simulator) as app:
            return [(fields, (await ask(app, **fields)).status) for fields in bodies]

    wrong = [(fields, status) for fields, status in trio.run(ask_all) if status not in (200, 400)]
    assert wrong == []
