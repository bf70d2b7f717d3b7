"""An answer that breaks off after its beginning was handed on: raise, restart, buffer."""

import pickle
from contextlib import aclosing

import httpx
import pytest
import trio
from trio.testing import MockClock

from tests.fakes.provider import (
    DONE,
    ROLE,
    Answers,
    Body,
    Step,
    delta,
    frame,
    make_request,
    sse,
    text_of,
)
from tests.fakes.routes import Stage, link, open_route, whole
from trouper.actors.chat import Finish, Finished, Reset, Started
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.policy.backoff import RetryPolicy
from trouper.actors.provider import execution
from trouper.actors.provider.request import stream
from trouper.actors.wire.assembly import Assembly

CUT = httpx.ReadError("reset by peer")
FILTERED = frame({}, "content_filter")
RESTART = {"on_midstream": "restart"}
BUFFER = {"on_midstream": "buffer"}
POLICY = link("b", on=frozenset({ErrorKind.CONTENT_POLICY}))


def broken(*texts: str) -> Body:
    return Body(ROLE, *map(delta, texts), CUT)


async def read(stage: Stage) -> list[str]:
    """What a reader sees: names of chunks, texts as they are."""
    return [
        getattr(chunk, "text", "") or type(chunk).__name__
        for batch in await stage.collect()
        for chunk in batch
    ]


async def test_by_default_the_error_has_what_there_was_and_what_it_has_probably_used(
    autojump_clock: MockClock,
) -> None:
    a = Answers(broken("It was the best of times, ", "it was the worst of times"))
    async with open_route(a=a, b=Answers()) as stage:
        error = await stage.fails()
        under_way = await stage.in_flight()

    assert error.committed
    assert error.partial is not None
    assert error.partial.text == "It was the best of times, it was the worst of times"
    assert error.partial.finish is Finish.UNKNOWN
    assert error.partial.usage is not None
    assert error.partial.usage.estimated
    assert 8 <= error.partial.usage.output <= 20
    assert error.partial.trail == error.trail
    assert under_way == {"a/m": 0}


async def test_an_error_with_a_part_of_an_answer_can_be_pickled_and_does_not_quote_it(
    autojump_clock: MockClock,
) -> None:
    async with open_route(a=Answers(broken("a secret"))) as stage:
        error = await stage.fails()

    assert "a secret" not in repr(error) + str(error)
    assert pickle.loads(pickle.dumps(error)).partial == error.partial


async def test_restart_takes_back_what_was_said_and_the_next_target_begins_anew(
    autojump_clock: MockClock,
) -> None:
    """Row 10: "Never silently switch after commit; offer opt-in `restart` that emits an explicit
    Reset chunk"."""
    a, b = Answers(broken("Once upon", " a")), Answers(sse("There ", "was"))
    async with open_route(a=a, b=b, route=RESTART) as stage:
        batches = await stage.collect()
        under_way = await stage.in_flight()

    chunks = [chunk for batch in batches for chunk in batch]
    [reset] = [number for number, chunk in enumerate(chunks) if isinstance(chunk, Reset)]
    assert chunks[reset] == Reset("a broke off: stream_truncated")
    assert isinstance(chunks[reset + 1], Started)
    assembly = Assembly()
    assembly.extend(chunks)
    assert assembly.completion().text == "There was"
    assert under_way == {"a/m": 0, "b/m": 0}


async def test_restart_goes_from_target_to_target_and_ends_with_what_the_last_one_said(
    autojump_clock: MockClock,
) -> None:
    answers = {name: Answers(broken(f"{name} says")) for name in "abc"}
    async with open_route(route=RESTART, answers=answers) as stage:
        got: list[str] = []
        with pytest.raises(ProviderError) as caught:
            async with aclosing(stream(stage.route, make_request())) as batches:
                async for batch in batches:
                    got += [type(chunk).__name__ for chunk in batch]

        assert stage.counts == {"a": 1, "b": 1, "c": 1}
    assert got.count("Reset") == 2
    assert caught.value.committed
    assert caught.value.partial is not None
    assert caught.value.partial.text == "c says"


async def test_restart_where_the_next_has_no_answer_leaves_nothing_that_stands(
    autojump_clock: MockClock,
) -> None:
    once = RetryPolicy(attempts=1)
    b = Answers(httpx.Response(500, json={}))
    async with open_route(a=Answers(broken("void")), b=b, route=RESTART, retry=once) as stage:
        error = await stage.fails()

    assert (error.provider, error.committed, error.partial) == ("b", False, None)
    assert [record.target for record in error.trail] == ["a/m", "b/m"]


async def test_restart_without_another_target_is_an_error_and_voids_nothing(
    autojump_clock: MockClock,
) -> None:
    async with open_route(a=Answers(broken("stands")), route=RESTART) as stage:
        error = await stage.fails()

    assert error.partial is not None
    assert error.partial.text == "stands"


async def test_buffer_hands_nothing_on_before_the_end_and_so_falls_back_from_anything(
    autojump_clock: MockClock,
) -> None:
    """Row 9, for who wants the whole of it: no half of an answer is ever seen."""
    a, b = Answers(*[broken("Once ", "upon")] * 3), Answers(sse("There ", "was"))
    async with open_route(a=a, b=b, route=BUFFER) as stage:
        assert await read(stage) == ["Started", "There was", "Finished"]
        assert stage.counts == {"a": 3, "b": 1}
        assert await stage.in_flight() == {"a/m": 0, "b/m": 0}


async def test_buffer_comes_at_the_end_and_a_short_answer_at_once(
    autojump_clock: MockClock,
) -> None:
    slow = Body(ROLE, delta("a"), 10.0, delta("b"), 10.0, frame({}, "stop"), DONE)
    async with (
        open_route(a=Answers(slow), route=BUFFER) as stage,
        aclosing(stream(stage.route, make_request())) as answer,
    ):
        began = trio.current_time()
        first = await anext(answer)

        assert trio.current_time() - began == pytest.approx(20.0, abs=0.1)
        assert text_of([first]) == "ab"
        assert await anext(answer, None) is None
        assert await anext(answer, None) is None
        assert (answer.target, answer.completion().text) == ("a/m", "ab")


async def test_a_long_answer_that_was_held_back_comes_as_fast_as_clients_read(
    autojump_clock: MockClock,
) -> None:
    """At once it was more than a client may have waiting, who was cut off for being slow."""
    async with open_route(a=Answers(sse("x" * 400_000)), route=BUFFER) as stage:
        answer = stream(stage.route, make_request())
        batches = [await anext(answer)]
        assert len(answer.completion().text) < 10_000
        began = trio.current_time()
        batches += [batch async for batch in answer]

        assert 0.05 < trio.current_time() - began < 0.5
    assert text_of(batches) == "x" * 400_000
    assert max(len(text_of([batch])) for batch in batches) < 10_000


async def test_who_leaves_an_answer_that_was_held_back_is_told_no_more_of_it(
    autojump_clock: MockClock,
) -> None:
    async with open_route(a=Answers(sse("x" * 100_000)), route=BUFFER) as stage:
        async with aclosing(stream(stage.route, make_request())) as answer:
            await anext(answer)

        assert await anext(answer, None) is None


async def test_words_that_nobody_has_seen_do_not_end_the_share_of_a_target_that_drips(
    autojump_clock: MockClock,
) -> None:
    """Row 5: who begins at once and gives a word a second leaves the next one its time."""
    drip: list[Step] = [1.0, delta("a ")] * 1_000
    a, b = Body(ROLE, *drip), Answers(sse("from b"))
    once = RetryPolicy(attempts=1)
    async with open_route(a=Answers(a), b=b, route=BUFFER, retry=once, total=100.0) as stage:
        async with aclosing(stream(stage.route, make_request())) as answer:
            assert text_of([batch async for batch in answer]) == "from b"
        trail = answer.trail
        under_way = await stage.in_flight()

    assert [(record.target, record.kind) for record in trail] == [("a/m", "timeout"), ("b/m", "ok")]
    assert trail[0].ms == pytest.approx(50_000, abs=100)
    assert trail[0].estimated
    assert under_way == {"a/m": 0, "b/m": 0}
    assert a.closed


async def test_the_last_target_that_is_held_back_has_all_the_time_that_is_left(
    autojump_clock: MockClock,
) -> None:
    slow = Body(ROLE, delta("a"), 90.0, delta("b"), frame({}, "stop"), DONE)
    async with open_route(a=Answers(slow), route=BUFFER, total=100.0) as stage:
        assert text_of(await stage.collect()) == "ab"


async def test_an_answer_that_is_too_long_to_be_held_back_is_an_error(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "_MOST_HELD", 10)
    async with open_route(a=Answers(sse("12345", "67890", "!")), route=BUFFER) as stage:
        error = await stage.fails()

    assert error.kind is ErrorKind.PROTOCOL_ERROR
    assert not error.committed


@pytest.mark.parametrize("way", ["buffer", "plain"])
async def test_what_a_filter_ends_before_anybody_saw_it_is_asked_of_who_is_for_that(
    way: str, autojump_clock: MockClock
) -> None:
    async with open_route([link("a"), POLICY], route=BUFFER, answers=answers_of(way)) as stage:
        text = (await stage.complete()).text if way == "plain" else text_of(await stage.collect())

        assert text == "of course"
        assert stage.counts == {"a": 1, "b": 1}


def answers_of(way: str) -> dict[str, Answers]:
    """One that ends with a content filter, and one that answers."""
    if way == "plain":
        return {"a": Answers(whole("I", "content_filter")), "b": Answers(whole("of course"))}
    return {
        "a": Answers(Body(ROLE, delta("I"), FILTERED, DONE)),
        "b": Answers(sse("of ", "course")),
    }


async def test_what_a_filter_ends_is_the_answer_where_nobody_is_for_that(
    autojump_clock: MockClock,
) -> None:
    async with open_route(route=BUFFER, answers=answers_of("plain")) as stage:
        completion = await stage.complete()

    assert (completion.text, completion.finish) == ("I", Finish.CONTENT_FILTER)


async def test_what_a_filter_ends_is_the_answer_where_who_is_for_that_has_none(
    autojump_clock: MockClock,
) -> None:
    down = Answers(*[httpx.Response(500, json={})] * 3)
    answers = {**answers_of("plain"), "b": down}
    async with open_route([link("a"), POLICY], answers=answers) as stage:
        completion = await stage.complete()

    assert completion.finish is Finish.CONTENT_FILTER
    assert [record.target for record in completion.trail] == ["a/m", "b/m", "b/m", "b/m"]


async def test_what_is_held_back_names_who_has_said_it_and_not_who_failed_after(
    autojump_clock: MockClock,
) -> None:
    answers = {**answers_of("buffer"), "b": Answers(httpx.Response(400, json={}))}
    async with open_route([link("a"), POLICY], route=BUFFER, answers=answers) as stage:
        answer = stream(stage.route, make_request())
        text = text_of([batch async for batch in answer])

    assert (text, answer.target) == ("I", "a/m")
    assert [record.target for record in answer.trail] == ["a/m", "b/m"]


async def test_what_a_filter_ends_in_a_stream_that_was_seen_stands(
    autojump_clock: MockClock,
) -> None:
    async with open_route(
        [link("a"), POLICY], route=RESTART, answers=answers_of("stream")
    ) as stage:
        batches = await stage.collect()

        assert batches[-1][-1] == Finished(Finish.CONTENT_FILTER, "content_filter")
        assert stage.counts == {"a": 1, "b": 0}


async def test_leaving_a_stream_early_gives_its_place_back(autojump_clock: MockClock) -> None:
    body = Body(ROLE, delta("a"), 60.0, delta("b"))
    async with open_route(a=Answers(body)) as stage:
        async with aclosing(stream(stage.route, make_request())) as batches:
            await anext(batches)
            assert await stage.in_flight() == {"a/m": 1}
        assert await stage.in_flight() == {"a/m": 0}
        await trio.sleep(0.01)
        assert body.closed
