"""PyPI's llmock as the tests use it: what it does wrong next, and what it says of us.

It groups the attempts of a call by their bodies: a try is a retry of one that
had failed and ended when it began.
"""

import json
from typing import Any

import trio

from trouper.actors import ChatRequest, Message, ProviderConfig, TextPart
from trouper.actors.config import BreakerConfig, RetryConfig, TimeoutConfig

from .counterparts import Counterpart

__all__ = ["PATHS", "config", "inject", "left", "passes", "request"]

PATHS = {"openai": "/v1", "anthropic": "/anthropic"}


def config(llmock: Counterpart, kind: str, name: str = "mock") -> ProviderConfig:
    """llmock as a provider of `kind`: patient, but not with silence."""
    return ProviderConfig(
        name=name,
        kind=kind,
        base_url=llmock.url + PATHS[kind],
        api_keys=["mock-key"],
        retry=RetryConfig(attempts=4),
        # More faults at a time than any provider has: the breaker would be right to open.
        breaker=BreakerConfig(min_calls=100),
        timeouts=TimeoutConfig(idle=1.5, first_event=20.0),
    )


def inject(llmock: Counterpart, model: str, *behaviors: dict[str, Any]) -> None:
    """Do this to the next requests for `model`."""
    matching = [{**behavior, "match": {"model": model}} for behavior in behaviors]
    llmock.call("POST", "/_llmock/scenario", {"behaviors": matching})


def request(model: str, *messages: Message, **more: Any) -> ChatRequest:
    """A question, and what was said after it."""
    asked = Message("user", (TextPart("What is the weather in Paris?"),))
    return ChatRequest(model=model, messages=(asked, *messages), max_output_tokens=64, **more)


async def left(llmock: Counterpart) -> None:
    """Wait until llmock has seen that those who left have left; it answers after two seconds."""
    await trio.to_thread.run_sync(llmock.call, "GET", "/_llmock/requests")


async def passes(llmock: Counterpart, calls: int) -> None:
    """No FAIL and no WARN, and not because nothing was done."""
    await left(llmock)
    print(llmock.call("GET", "/_llmock/verdict?format=text"))
    verdict = json.loads(llmock.call("GET", "/_llmock/verdict"))
    assert verdict["findings"] == []
    assert verdict["passed"]
    assert verdict["calls"] >= calls
    pending = json.loads(llmock.call("GET", "/_llmock/scenario"))["pending"]
    assert [one for one in pending if one["type"] != "reply"] == []
