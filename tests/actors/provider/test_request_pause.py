"""An answer that pauses and goes on is one answer."""

from typing import Any

import httpx
import orjson
import pytest
from trio.testing import MockClock

from tests.fakes.provider import Answers, Body, text_of
from tests.fakes.routes import Stage, open_route
from trouper.actors.chat import Finish, Finished, Reset, Started, TextDelta, Usage, UsageUpdate
from trouper.actors.errors import ProviderError
from trouper.actors.policy.backoff import RetryPolicy
from trouper.actors.provider.pause import MOST_LEGS
from trouper.actors.wire.assembly import Assembly

KINDS = {"a": "anthropic"}
CUT = httpx.ReadError("reset by peer")


def event(type: str, **data: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (type.encode(), orjson.dumps({"type": type, **data}))


def usage(output: int) -> dict[str, int]:
    return {"input_tokens": 10, "output_tokens": output}


def begun(*texts: str) -> list[bytes]:
    """A message with a block for each text."""
    message = {"id": "m1", "model": "claude", "usage": usage(1), "content": []}
    frames = [event("message_start", message=message)]
    for index, text in enumerate(texts):
        block = {"type": "text", "text": ""}
        delta = {"type": "text_delta", "text": text}
        frames += [
            event("content_block_start", index=index, content_block=block),
            event("content_block_delta", index=index, delta=delta),
            event("content_block_stop", index=index),
        ]
    return frames


def message(*texts: str, stop: str = "pause_turn", output: int = 5) -> Body:
    end = event("message_delta", delta={"stop_reason": stop}, usage=usage(output))
    return Body(*begun(*texts), end, event("message_stop"))


def plain(*texts: str, stop: str = "pause_turn") -> httpx.Response:
    content = [{"type": "text", "text": text} for text in texts]
    body = {"type": "message", "id": "m1", "role": "assistant", "model": "claude"}
    return httpx.Response(
        200, json={**body, "content": content, "stop_reason": stop, "usage": usage(5)}
    )


def sent(stage: Stage) -> list[Any]:
    """The messages of each request."""
    return [orjson.loads(request.content)["messages"] for request in stage.asked["a"].requests]


async def test_a_stream_that_pauses_goes_on_as_one_answer(autojump_clock: MockClock) -> None:
    answers = Answers(
        message("I look", "there"), message("and find"), message("it", stop="end_turn")
    )
    async with open_route(a=answers, kinds=KINDS) as stage:
        batches = await stage.collect()
        requests = sent(stage)
        under_way = await stage.in_flight()

    chunks = [chunk for batch in batches for chunk in batch]
    assert text_of(batches) == "I lookthereand findit"
    assert [c.index for c in chunks if isinstance(c, TextDelta)] == [0, 1, 2, 3]
    assert sum(isinstance(chunk, Started) for chunk in chunks) == 1
    assert [c for c in chunks if isinstance(c, Finished)] == [Finished(Finish.STOP, "end_turn")]
    assert [c.usage for c in chunks if isinstance(c, UsageUpdate)][-1] == Usage(input=30, output=15)
    # What was said is sent back as it came, as one message of the assistant.
    assert [len(messages) for messages in requests] == [1, 2, 2]
    assert [block["text"] for block in requests[2][1]["content"]] == ["I look", "there", "and find"]
    assert under_way == {"a/m": 0}


async def test_a_plain_answer_that_pauses_goes_on_as_one_answer(autojump_clock: MockClock) -> None:
    answers = Answers(plain("I look"), plain("and find"), plain("it", stop="end_turn"))
    async with open_route(a=answers, kinds=KINDS) as stage:
        completion = await stage.complete()
        requests = sent(stage)

    assert completion.text == "I lookand findit"
    assert completion.finish is Finish.STOP
    assert completion.usage == Usage(input=30, output=15)
    assert [record.kind for record in completion.trail] == ["ok"] * 3
    assert [len(messages) for messages in requests] == [1, 2, 2]


@pytest.mark.parametrize("way", ["stream", "buffer", "plain"])
async def test_who_pauses_for_ever_is_asked_to_go_on_ten_times(
    way: str, autojump_clock: MockClock
) -> None:
    answer = plain if way == "plain" else message
    answers = Answers(*[answer("more ") for _ in range(20)])
    route = {"on_midstream": "buffer"} if way == "buffer" else {}
    async with open_route(a=answers, kinds=KINDS, route=route) as stage:
        if way == "plain":
            finish = (await stage.complete()).finish
        else:
            last = (await stage.collect())[-1][-1]
            assert isinstance(last, Finished)
            finish = last.finish
        sends = stage.counts["a"]

    assert sends == MOST_LEGS + 1 == 11
    assert finish is Finish.PAUSE


async def test_going_on_is_tried_again_before_it_has_said_anything(
    autojump_clock: MockClock,
) -> None:
    cut = Body(*begun(), CUT)
    answers = Answers(message("I look"), cut, message("and find", stop="end_turn"))
    async with open_route(a=answers, kinds=KINDS) as stage:
        assert text_of(await stage.collect()) == "I lookand find"


async def test_nobody_else_goes_on_from_what_one_model_has_said(autojump_clock: MockClock) -> None:
    once = RetryPolicy(attempts=1)
    answers = Answers(message("I look", output=7), httpx.Response(500, json={}))
    async with open_route(a=answers, b=Answers(), kinds=KINDS, retry=once) as stage:
        error = await stage.fails()
        counts = stage.counts

    assert counts == {"a": 2, "b": 0}
    assert error.committed
    assert error.partial is not None
    assert error.partial.text == "I look"
    assert error.partial.usage is not None
    assert error.partial.usage.output == 7


async def test_the_usage_of_an_answer_that_breaks_off_in_its_second_leg_is_that_of_both(
    autojump_clock: MockClock,
) -> None:
    answers = Answers(message("I look", output=100), Body(*begun("and find"), CUT))
    async with open_route(a=answers, kinds=KINDS) as stage:
        with pytest.raises(ProviderError) as caught:
            await stage.collect()

    partial = caught.value.partial
    assert partial is not None
    assert partial.text == "I lookand find"
    assert partial.usage is not None
    assert partial.usage.estimated
    assert (partial.usage.input, partial.usage.output > 100) == (20, True)


@pytest.mark.parametrize("broken", [Body(*begun("and find"), CUT), httpx.Response(404, json={})])
async def test_restart_after_a_pause_asks_the_next_target_what_was_asked_at_first(
    broken: Body | httpx.Response, autojump_clock: MockClock
) -> None:
    async with open_route(
        a=Answers(message("I look"), broken),
        b=Answers(message("anew", stop="end_turn")),
        kinds={"a": "anthropic", "b": "anthropic"},
        route={"on_midstream": "restart"},
    ) as stage:
        chunks = [chunk for batch in await stage.collect() for chunk in batch]
        [request] = stage.asked["b"].requests

    assembly = Assembly()
    assembly.extend(chunks)
    assert sum(isinstance(chunk, Reset) for chunk in chunks) == 1
    assert [c for c in chunks if isinstance(c, TextDelta)][-1] == TextDelta(0, "anew")
    assert assembly.completion().text == "anew"
    assert assembly.completion().usage == Usage(input=10, output=5)
    assert len(orjson.loads(request.content)["messages"]) == 1
