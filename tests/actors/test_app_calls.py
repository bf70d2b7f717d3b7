"""Single requests to a whole application: a configured model by its name, without a session."""

from contextlib import aclosing
from io import StringIO

import pytest
import trio
from structlog.testing import capture_logs

from tests.fakes.simulator import SimulatorProcess
from trouper.actors import ChatRequest, Message, TextPart, open_app
from trouper.actors.chat import Sampling, TextDelta
from trouper.actors.config import AppConfig, parse_config
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.logs import configure_logging
from trouper.actors.store.ledger import Selection

CONFIG = """
[providers.sim]
kind = "openai"
base_url = "{url}"
[models.small]
targets = ["sim/sim-small"]
temperature = 0.2
max_output_tokens = 77
[models.large]
targets = ["sim/sim-large"]
[assistants.default]
model = "small"
"""

BUDGET = """
[budgets.daily]
limit_usd = "1.00"
per = "day"
"""


def config(simulator: SimulatorProcess) -> AppConfig:
    return parse_config(CONFIG.format(url=simulator.base_url))


def request(text: str, model: str = "", temperature: float | None = None) -> ChatRequest:
    message = Message("user", (TextPart(text),))
    return ChatRequest(model=model, messages=(message,), sampling=Sampling(temperature))


async def test_a_request_asks_the_configured_model_of_that_name(
    simulator: SimulatorProcess,
) -> None:
    async with open_app(config(simulator), signals=False) as app:
        completion = await app.complete(request("one", "large"))
        assert completion.text == "You said: one"

    assert simulator.requests()[-1]["body"]["model"] == "sim-large"


async def test_without_a_name_it_is_the_model_of_the_default_assistant(
    simulator: SimulatorProcess,
) -> None:
    async with (
        open_app(config(simulator), signals=False) as app,
        aclosing(app.stream(request("one"))) as chunks,
    ):
        text = "".join([chunk.text async for chunk in chunks if isinstance(chunk, TextDelta)])

    assert text == "You said: one"
    assert simulator.requests()[-1]["body"]["model"] == "sim-small"


async def test_what_a_request_leaves_open_is_as_the_model_is_configured(
    simulator: SimulatorProcess,
) -> None:
    async with open_app(config(simulator), signals=False) as app:
        await app.complete(request("one", "small"))
        await app.complete(request("two", "small", 0.0))

    first, second = [each["body"] for each in simulator.requests()]
    assert (first["temperature"], first["max_tokens"]) == (0.2, 77)
    assert (second["temperature"], second["max_tokens"]) == (0.0, 77)


async def test_a_name_that_is_not_configured_is_refused_with_those_that_are(
    simulator: SimulatorProcess,
) -> None:
    async with open_app(config(simulator), signals=False) as app:
        with pytest.raises(ProviderError, match="small, large") as refused:
            await app.complete(request("one", "huge"))

    assert refused.value.kind is ErrorKind.MODEL_NOT_FOUND
    assert simulator.requests() == []


async def test_the_ledger_says_on_whose_behalf_it_was(simulator: SimulatorProcess) -> None:
    async with open_app(config(simulator), signals=False) as app:
        await app.complete(request("one"), session="s1", user="alice")
        with trio.fail_after(5):
            while True:
                (row,) = [row async for row in app.ledger.rows(Selection())]
                if row.state == "settled":  # which nobody waits for
                    break

    assert (row.opening.session, row.opening.user) == ("s1", "alice")


async def test_at_its_start_it_says_how_budgets_stand_and_what_may_do_harm(
    simulator: SimulatorProcess,
) -> None:
    text = CONFIG.format(url=simulator.base_url) + BUDGET
    configure_logging("info", StringIO())
    with capture_logs() as logs:
        async with open_app(parse_config(text), signals=False):
            pass

    said = [line["event"] for line in logs]
    assert any("price" in event and "sim/sim-small" in event for event in said)
    (standing,) = [line for line in logs if line["event"] == "budget stands"]
    assert (standing["budget"], standing["spent_usd"]) == ("daily", "0.00")


async def test_a_fact_of_the_configuration_names_the_limit_on_the_wire(
    simulator: SimulatorProcess,
) -> None:
    facts = '[facts."sim/sim-small"]\nmax_tokens_field = "max_completion_tokens"\n'
    told = parse_config(CONFIG.format(url=simulator.base_url) + facts)

    async with open_app(told, signals=False) as app:
        await app.complete(request("one"))

    body = simulator.requests()[-1]["body"]
    assert {key: body[key] for key in body if key.startswith("max_")} == {
        "max_completion_tokens": 77
    }
