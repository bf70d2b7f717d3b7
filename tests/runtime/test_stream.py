"""A stream is bounded, and dies with either side."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.fakes.player import (
    Do,
    Items,
    LimitedItems,
    Note,
    Player,
    after,
    answer,
    boom,
    elapsed,
    player,
    playing,
)
from trouper.runtime import (
    ActorCrashed,
    ActorDown,
    Mailbox,
    MailboxFull,
    Reject,
    Sink,
    SpecError,
    Streams,
)

kinds = pytest.mark.parametrize("kind", [Items, LimitedItems])


def count(number: int, then: Exception | None = None, pause: float = 0) -> Any:
    async def act(_: Player, sink: Sink[Any]) -> None:
        for item in range(number):
            await sink.send(item)
        if pause:
            await trio.sleep(pause)
        if then is not None:
            raise then

    return act


@kinds
async def test_a_stream_yields_in_order_and_ends_when_its_handler_returns(
    kind: Any, autojump_clock: MockClock
) -> None:
    async with playing("a") as stage:
        watch = elapsed()
        async with stage["a"].stream(kind(count(100))) as items:
            assert [item async for item in items] == list(range(100))
        assert watch() == 0
        await trio.testing.wait_all_tasks_blocked()
        assert stage.system.snapshot("a")[0].handled == 1


@pytest.mark.parametrize("buffer", [0, 1, 4, 16])
async def test_a_producer_waits_while_its_reader_is_a_buffer_behind(
    buffer: int, autojump_clock: MockClock
) -> None:
    made: list[int] = []

    async def make(_: Player, sink: Sink[Any]) -> None:
        for item in range(100):
            made.append(item)
            await sink.send(item)

    async with playing("a") as stage, stage["a"].stream(Items(make), buffer=buffer) as items:
        await trio.testing.wait_all_tasks_blocked()
        assert len(made) == buffer + 1
        assert await anext(items) == 0
        await trio.testing.wait_all_tasks_blocked()
        assert len(made) == buffer + 2


@pytest.mark.parametrize("buffer", [0, 1, 16])
@pytest.mark.parametrize("first", ["the reader", "the handler"])
async def test_a_stream_flows_whoever_waits_first(
    first: str, buffer: int, autojump_clock: MockClock
) -> None:
    async def make(_: Player, sink: Sink[Any]) -> None:
        for item in range(20):
            await trio.sleep(0.2 if first == "the reader" else 0)
            await sink.send(item)

    got: list[int] = []
    async with playing("a") as stage, stage["a"].stream(Items(make), buffer=buffer) as items:
        with trio.fail_after(60):
            async for item in items:
                await trio.sleep(0 if first == "the reader" else 0.2)
                got.append(item)
    assert got == list(range(20))


async def test_a_stream_has_one_reader(autojump_clock: MockClock) -> None:
    async with playing("a") as stage, stage["a"].stream(Items(count(1, pause=5))) as items:
        await anext(items)
        async with trio.open_nursery() as nursery:

            async def read() -> None:
                with pytest.raises(StopAsyncIteration):
                    await anext(items)

            nursery.start_soon(read)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(trio.BusyResourceError):
                await anext(items)


@kinds
@pytest.mark.parametrize("sends", ["while it sends", "while it waits for more"])
async def test_a_reader_that_leaves_cancels_the_handler_and_harms_nobody(
    sends: str, kind: Any, autojump_clock: MockClock
) -> None:
    trace: list[str] = []

    async def make(_: Player, sink: Sink[Any]) -> None:
        try:
            await sink.send("first")
            if sends == "while it waits for more":
                await trio.sleep(60)
            for item in range(100):
                await sink.send(item)
        except trio.Cancelled:
            trace.append("cancelled")
            raise

    async with playing("a") as stage:
        async with stage["a"].stream(kind(make), buffer=2) as items:
            await anext(items)
            await trio.testing.wait_all_tasks_blocked()
        await trio.testing.wait_all_tasks_blocked()

        assert trace == ["cancelled"]
        assert stage.system.snapshot("a")[0].life == 1
        assert stage.system.snapshot("a")[0].in_hand == ()
        async with stage["a"].stream(kind(count(1))) as items:
            assert [item async for item in items] == [0]


async def test_an_item_sent_after_the_reader_has_left_is_no_crash(
    autojump_clock: MockClock,
) -> None:
    """Items that come without a wait between meet the closed end before any cancellation."""
    go = trio.Event()

    async def make(_: Player, sink: Sink[Any]) -> None:
        with trio.CancelScope(shield=True):
            await go.wait()
        await sink.send("nobody is there")

    async with playing("a") as stage:
        async with stage["a"].stream(Items(make)):
            await trio.testing.wait_all_tasks_blocked()
        go.set()
        await trio.testing.wait_all_tasks_blocked()

        assert stage.system.snapshot("a")[0].life == 1
        assert stage.system.snapshot("a")[0].in_hand == ()


@pytest.mark.parametrize("waits", [True, False])
async def test_a_shielded_sender_is_told_that_the_reader_has_left(
    waits: bool, autojump_clock: MockClock
) -> None:
    told: list[str] = []
    go = trio.Event()

    async def make(_: Player, sink: Sink[Any]) -> None:
        with trio.CancelScope(shield=True):
            if not waits:
                await go.wait()
            try:
                for item in range(9):
                    await sink.send(item)
            except Reject as error:
                told.append(str(error))
                raise

    async with playing("a") as stage:
        async with stage["a"].stream(Items(make), buffer=1):
            await trio.testing.wait_all_tasks_blocked()
        go.set()
        await trio.testing.wait_all_tasks_blocked()

        assert told == ["the stream's reader has left"]
        assert stage.system.snapshot("a")[0].life == 1


@pytest.mark.parametrize(
    ("error", "seen"),
    [(Reject("enough"), Reject), (ValueError("broken"), ActorCrashed)],
    ids=["ActorError", "crash"],
)
@pytest.mark.parametrize("reads", ["as they come", "late"])
async def test_what_the_handler_raises_comes_after_the_items_that_had_arrived(
    reads: str, error: Exception, seen: type[Exception], autojump_clock: MockClock
) -> None:
    got: list[int] = []
    async with playing("a") as stage:
        watch = elapsed()
        async with stage["a"].stream(Items(count(5, then=error, pause=1))) as items:
            if reads == "late":
                await trio.sleep(3)
            with pytest.raises(seen) as caught:
                async for item in items:
                    got += [item]
            assert watch() == (3 if reads == "late" else 1)
            assert [item async for item in items] == []

        assert got == [0, 1, 2, 3, 4]
        assert error in (caught.value, caught.value.__cause__)
        assert caught.value.__context__ is None


async def test_a_crash_elsewhere_in_the_actor_ends_its_streams_at_once(
    autojump_clock: MockClock,
) -> None:
    async with playing("a") as stage:
        watch = elapsed()
        async with stage["a"].stream(Items(count(2, pause=60))) as items:
            assert [await anext(items), await anext(items)] == [0, 1]
            stage["a"].tell(Do(boom(ValueError("elsewhere"), seconds=1)))
            with pytest.raises(ActorCrashed) as caught:
                await anext(items)

        assert watch() == 1
        assert str(caught.value.__cause__) == "elsewhere"


async def test_a_stop_ends_a_stream_when_its_grace_is_over(autojump_clock: MockClock) -> None:
    ended: list[tuple[type[BaseException], float]] = []

    async with trio.open_nursery() as nursery, playing(player("a", shutdown=2)) as stage:
        watch = elapsed()

        async def read() -> None:
            async with stage["a"].stream(Items(count(1, pause=60))) as items:
                try:
                    async for _ in items:
                        pass
                except ActorDown as error:
                    ended.append((type(error), watch()))

        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        stage.system.stop()

    assert ended == [(ActorDown, 2)]


async def test_a_stream_of_a_limited_handler_waits_in_line(autojump_clock: MockClock) -> None:
    order: list[str] = []

    async def read(stage: Any, name: str) -> None:
        async with stage["a"].stream(LimitedItems(count(1, pause=1))) as items:
            await anext(items)
            order.append(f"{name} at {watch()}")
            assert [item async for item in items] == []

    async with playing("a") as stage:
        watch = elapsed()
        async with trio.open_nursery() as nursery:
            for name in ("first", "second", "third"):
                nursery.start_soon(read, stage, name)
                await trio.testing.wait_all_tasks_blocked()

    assert order == ["first at 0.0", "second at 1.0", "third at 2.0"]


async def test_a_reader_that_leaves_the_line_is_skipped(autojump_clock: MockClock) -> None:
    async with playing("a") as stage:  # noqa: SIM117 - the streams are nested as they are read
        async with stage["a"].stream(LimitedItems(count(1, pause=5))) as first:
            await anext(first)
            async with stage["a"].stream(LimitedItems(count(1))):
                await trio.testing.wait_all_tasks_blocked()
                assert stage.system.snapshot("a")[0].depth == 1
            async with stage["a"].stream(LimitedItems(count(3))) as third:
                watch = elapsed()
                assert [item async for item in third] == [0, 1, 2]
                assert watch() == 5


@pytest.mark.parametrize("how", ["full", "down"])
async def test_entering_a_stream_raises_as_an_ask_does(how: str, autojump_clock: MockClock) -> None:
    async with playing(player("a", restart="temporary", mailbox=Mailbox(1))) as stage:
        if how == "full":
            stage["a"].tell(Note(1))
        else:
            stage["a"].tell(Do(boom(ValueError())))
            await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(MailboxFull if how == "full" else ActorDown):
            async with stage["a"].stream(Items(count(1))):
                raise AssertionError("not entered")


async def test_a_stream_that_is_dropped_from_a_full_mailbox_raises_at_its_reader(
    autojump_clock: MockClock,
) -> None:
    spec = player("a", mailbox=Mailbox(1, "drop_oldest"))
    async with playing(spec) as stage:
        stage["a"].tell(Do(after(1)))
        await trio.sleep(0.5)
        async with stage["a"].stream(Items(count(1))) as items:
            stage["a"].tell(Note("drops it"))
            with pytest.raises(MailboxFull):
                await anext(items)


async def test_a_stream_of_an_idle_actor_is_begun_before_others_have_their_turn(
    autojump_clock: MockClock,
) -> None:
    begun: list[str] = []

    async def note(_: Player, out: Sink[Any]) -> None:
        begun.append("the stream")
        await out.send(1)

    async def other() -> None:
        begun.append("another")

    async with playing("a") as stage, trio.open_nursery() as nursery:
        await trio.sleep(1)
        async with stage["a"].stream(Items(note)) as items:
            # What is ready at the same time runs in any order; this is started a pass later.
            await trio.lowlevel.checkpoint()
            nursery.start_soon(other)
            assert await anext(items) == 1

    assert begun == ["the stream", "another"]


async def test_streams_are_read_and_asks_are_asked(autojump_clock: MockClock) -> None:
    async with playing("a") as stage:
        with pytest.raises(SpecError, match="Do is no Streams"):
            async with stage["a"].stream(Do(answer(1))):
                pass
        with pytest.raises(Reject, match="Items is answered by a stream"):
            await stage["a"].ask(Items(count(1)))
        stage["a"].tell(Items(count(1)))
        await stage["a"].ask(Do(answer(1)))
        assert [reason for reason, _ in stage.dead()] == ["refused"]
        assert stage.system.snapshot("a")[0].life == 1


async def test_a_stream_of_a_subclass_goes_to_no_handler_that_answers_otherwise(
    autojump_clock: MockClock,
) -> None:
    class Both(Note, Streams[int]):
        pass

    async with playing("a") as stage, stage["a"].stream(Both("note")) as items:
        with pytest.raises(Reject, match="no handler for Both"):
            await anext(items)


async def test_a_cancelled_reader_leaves_its_stream(autojump_clock: MockClock) -> None:
    ended = trio.Event()

    async def make(_: Player, sink: Sink[Any]) -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.set()

    async with playing("a") as stage:
        with trio.move_on_after(1) as scope:
            async with stage["a"].stream(Items(make)) as items:
                await anext(items)
        with trio.fail_after(1):
            await ended.wait()
        assert scope.cancelled_caught
