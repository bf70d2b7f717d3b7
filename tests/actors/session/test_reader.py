"""A turn as an embedding program reads it, and leaves it. In virtual time."""

import httpx
import pytest
import trio
from hypothesis import given, strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.fakes.house import Listener, open_house, said
from tests.fakes.provider import DONE, FINISH, ROLE, Body, delta, sse
from trouper.actors.chat import TextPart, Usage
from trouper.actors.errors import SessionError, TurnFailed, TurnInProgress
from trouper.actors.session.events import (
    SessionEvent,
    StopReason,
    TextAdded,
    ThoughtAdded,
    TurnEnded,
    UsageChanged,
)
from trouper.actors.session.messages import Attach, CancelTurn, Prompt, Retitle
from trouper.actors.session.reader import SessionHandle, Turn
from trouper.runtime import ActorCrashed, ActorDown, Reject, System
from trouper.runtime.testing import Probe

LONG = (ROLE, delta("once "), delta("upon "), 60.0, delta("a time"), FINISH, DONE)
USAGE = b'data: {"id":"r1","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2}}\n\n'


async def test_a_turn_is_read_to_its_end(autojump_clock: MockClock) -> None:
    async with open_house(Body(ROLE, delta("hel"), 1.0, delta("lo"), FINISH, USAGE, DONE)) as house:
        session = await house.handle()
        async with session.prompt("hi") as turn:
            assert turn.stop is None
            events = [event async for event in turn]
            assert turn.stop is StopReason.END_TURN
            assert [event async for event in turn] == []

    assert [type(event) for event in events] == [TextAdded, TextAdded, UsageChanged]
    assert [event.text for event in events if isinstance(event, TextAdded)] == ["hel", "lo"]


async def test_a_turn_that_is_read_outside_its_block_says_so(autojump_clock: MockClock) -> None:
    """`async for event in session.prompt(...)` waited for ever for a turn that nobody began."""
    async with open_house(Body(*LONG)) as house:
        session = await house.handle()
        turn = session.prompt("hi")
        with pytest.raises(SessionError, match="inside its `with` block"):
            await anext(turn)
        async with turn, trio.open_nursery() as nursery:

            async def read() -> None:
                with pytest.raises(SessionError, match="inside its `with` block"):
                    _ = [event async for event in turn]

            await anext(turn)
            nursery.start_soon(read)
            await wait_all_tasks_blocked()
            # As the block does that is left while another task reads.
            turn._leave()
        with pytest.raises(SessionError, match="once"):
            await turn.__aenter__()


async def test_ask_gives_the_whole_text(autojump_clock: MockClock) -> None:
    async with open_house(sse("hel", "lo"), sse("again")) as house:
        session = await house.handle()
        assert await session.ask("hi") == "hello"
        assert await session.ask((TextPart("hi"),)) == "again"


async def test_a_slow_reader_gets_what_has_come_as_one(autojump_clock: MockClock) -> None:
    words = [step for number in range(5000) for step in (delta(f"{number} "), 0.001)]
    async with open_house(Body(ROLE, *words, FINISH, DONE)) as house:
        session = await house.handle()
        async with session.prompt("hi") as turn:
            await trio.sleep(1)
            first = await anext(turn)
            await trio.sleep(60)
            second = await anext(turn)
            assert [event async for event in turn] == []

    assert isinstance(first, TextAdded)
    assert isinstance(second, TextAdded)
    assert (first.text + second.text).split() == [str(number) for number in range(5000)]
    assert second.first == first.seq + 1
    assert second.seq - first.first == 4999


async def test_a_reader_that_is_too_far_behind_is_told_and_its_turn_ends(
    autojump_clock: MockClock,
) -> None:
    flood = [step for _ in range(300) for step in (delta("x" * 1024), 0.001)]
    async with open_house(Body(ROLE, *flood, 1e6)) as house:
        session = await house.handle()
        listener = Listener()
        ref = house.directory.find("s", owner="me")
        await ref.ask(Attach(listener))
        with pytest.raises(SessionError, match="too far behind; read faster"):
            async with session.prompt("hi") as turn:
                await trio.sleep(10)
                await anext(turn)
        assert (await listener.ended()).stop is StopReason.CANCELLED


async def test_leaving_the_block_cancels_the_turn(autojump_clock: MockClock) -> None:
    body = Body(*LONG)
    async with open_house(body, sse("next")) as house:
        session = await house.handle()
        async with session.prompt("tell") as turn:
            await anext(turn)

        assert await session.ask("and now?") == "next"
        assert body.closed
        assert trio.current_time() < 1


async def test_the_next_prompt_may_follow_a_block_that_was_cancelled(
    autojump_clock: MockClock,
) -> None:
    async with open_house(Body(*LONG), sse("next")) as house:
        session = await house.handle()
        with trio.move_on_after(30):
            async with session.prompt("tell") as turn:
                async for _ in turn:
                    pass

        assert trio.current_time() == 30
        assert await session.ask("and now?") == "next"


async def test_the_next_prompt_may_follow_a_reader_that_was_too_slow(
    autojump_clock: MockClock,
) -> None:
    flood = [step for _ in range(300) for step in (delta("x" * 1024), 0.001)]
    async with open_house(Body(ROLE, *flood, 1e6), sse("next")) as house:
        session = await house.handle()
        with pytest.raises(SessionError, match="too far behind"):
            async with session.prompt("hi") as turn:
                await trio.sleep(10)
                await anext(turn)

        assert await session.ask("and now?") == "next"


async def test_a_turn_that_does_not_end_is_left_after_two_seconds(
    autojump_clock: MockClock,
) -> None:
    # A session whose disk is stuck: it begins a turn and never says that it has ended.
    stuck = Probe(answer=lambda message: 1 if isinstance(message, Prompt) else None)
    async with System(stuck.spec(), signals=False):
        async with SessionHandle("s", stuck.ref).prompt("tell"):
            pass

        assert trio.current_time() == 2


async def test_leaving_a_turn_that_has_ended_does_not_cancel_anothers(
    autojump_clock: MockClock,
) -> None:
    async with open_house(sse("a"), Body(*LONG)) as house:
        session = await house.handle()
        ref = house.directory.find("s", owner="me")
        listener = Listener()
        await ref.ask(Attach(listener))
        async with session.prompt("mine"):
            await listener.ended(1)
            await ref.ask(Prompt((TextPart("another's"),)))
        assert (await listener.ended(2)).stop is StopReason.END_TURN


async def test_anothers_turn_does_not_reach_a_reader(autojump_clock: MockClock) -> None:
    flood = [delta("x" * 1024)] * 300
    async with open_house(sse("a"), Body(ROLE, *flood, FINISH, DONE)) as house:
        session = await house.handle()
        ref = house.directory.find("s", owner="me")
        listener = Listener()
        await ref.ask(Attach(listener))
        async with session.prompt("mine") as turn:
            await listener.ended(1)
            await ref.ask(Prompt((TextPart("another's"),)))
            await listener.ended(2)
            assert [event.text async for event in turn if isinstance(event, TextAdded)] == ["a"]


async def test_only_one_turn_at_a_time_can_be_entered(autojump_clock: MockClock) -> None:
    async with open_house(Body(*LONG)) as house:
        session = await house.handle()
        async with session.prompt("mine") as turn:
            with pytest.raises(TurnInProgress):
                async with session.prompt("too soon"):
                    pass
            texts = [event.text async for event in turn if isinstance(event, TextAdded)]
    assert "".join(texts) == "once upon a time"


async def test_a_failed_turn_raises_in_plain_words(autojump_clock: MockClock) -> None:
    refused = [httpx.ConnectError("refused")] * 3
    async with open_house(*refused, sse("fine")) as house:
        session = await house.handle()
        with pytest.raises(TurnFailed, match="cannot be reached") as caught:
            await session.ask("hi")
        assert caught.value.retryable
        assert await session.ask("hi") == "fine"


async def _enter(session: SessionHandle) -> None:
    async with session.prompt("hi") as turn:
        await anext(turn)


async def test_a_reader_whose_entering_is_cancelled_leaves_no_turn_running(
    autojump_clock: MockClock,
) -> None:
    async def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=sse("next") if b"again" in request.content else Body(60))

    async with open_house(*[answer] * 10) as house:
        session = await house.handle()
        for steps in range(6):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_enter, session)
                for _ in range(steps):
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
            await wait_all_tasks_blocked()

        assert await said(house.directory.find("s", owner="me")) == []
        assert await session.ask("again") == "next"
        assert trio.current_time() < 1


async def test_a_session_that_is_stopped_ends_its_readers_at_once(
    autojump_clock: MockClock,
) -> None:
    async with open_house(Body(*LONG)) as house:
        session = await house.handle()
        async with trio.open_nursery() as nursery, session.prompt("tell") as turn:
            await anext(turn)
            nursery.start_soon(house.stop, "s")
            [_ async for _ in turn]
            assert turn.stop is StopReason.CANCELLED
        assert trio.current_time() < 0.1
        with pytest.raises(ActorDown):
            await session.ask("are you there?")


async def test_a_session_that_crashes_ends_its_readers_at_once(autojump_clock: MockClock) -> None:
    async with open_house(Body(*LONG)) as house:
        session = await house.handle()
        async with session.prompt("tell") as turn:
            await anext(turn)
            with pytest.raises(ActorCrashed):
                await session._ref.ask(Retitle(None))  # type: ignore[arg-type]
            with pytest.raises(TurnFailed, match="the session was interrupted"):
                [_ async for _ in turn]
        # Before the model goes on, which is silent for a minute.
        assert trio.current_time() < 0.1


async def test_the_end_of_the_program_ends_its_readers(autojump_clock: MockClock) -> None:
    ends: list[StopReason | None] = []
    async with trio.open_nursery() as nursery:

        async def reader(turn: Turn) -> None:
            [_ async for _ in turn]
            ends.append(turn.stop)

        async with open_house(Body(*LONG)) as house:
            turn = (await house.handle()).prompt("tell")
            await turn.__aenter__()
            nursery.start_soon(reader, turn)
            await wait_all_tasks_blocked()

    assert ends == [StopReason.CANCELLED]


# The reader's own bounds, without a session.


class Nobody:
    """The ref of a session that takes everything and does nothing."""

    def __init__(self) -> None:
        self.told: list[object] = []

    async def ask(self, message: object) -> object:
        await trio.lowlevel.checkpoint()
        return 1 if isinstance(message, Prompt) else None

    def tell(self, message: object) -> None:
        self.told.append(message)


def delta_event(
    seq: int, text: str, kind: type[TextAdded | ThoughtAdded] = TextAdded
) -> SessionEvent:
    return kind(first=seq, seq=seq, turn=1, text=text)


PIECES = st.lists(
    st.tuples(st.sampled_from([TextAdded, ThoughtAdded]), st.text(max_size=5), st.booleans()),
    max_size=100,
)


@given(PIECES)
def test_whenever_it_reads_a_reader_loses_no_text_and_no_order(
    pieces: list[tuple[type[TextAdded | ThoughtAdded], str, bool]],
) -> None:
    async def main() -> None:
        async with Turn(Nobody(), ()) as turn:  # type: ignore[arg-type]
            got: list[SessionEvent] = []
            for seq, (kind, text, read) in enumerate(pieces, 1):
                turn.deliver(delta_event(seq, text, kind))
                if read:
                    got.append(await anext(turn))
            last = len(pieces) + 1
            turn.deliver(TurnEnded(first=last, seq=last, turn=1, stop=StopReason.END_TURN))
            got += [event async for event in turn]

        covered = [number for one in got for number in range(one.first, one.seq + 1)]
        assert covered == list(range(1, len(pieces) + 1))
        for kind in (TextAdded, ThoughtAdded):
            said = "".join(text for k, text, _ in pieces if k is kind)
            assert "".join(e.text for e in got if type(e) is kind) == said

    trio.run(main)


async def test_a_flood_of_letters_waits_in_few_pieces(autojump_clock: MockClock) -> None:
    async with Turn(Nobody(), ()) as turn:  # type: ignore[arg-type]
        for seq in range(1, 200_001):
            turn.deliver(delta_event(seq, "x"))
        (run,) = turn._waiting
        assert len(run.pieces) < 1024  # type: ignore[union-attr]
        event = await anext(turn)
    assert isinstance(event, TextAdded)
    assert event.text == "x" * 200_000


async def test_a_reader_has_a_bound_in_events_and_keeps_nothing_beyond(
    autojump_clock: MockClock,
) -> None:
    async with Turn(Nobody(), ()) as turn:  # type: ignore[arg-type]
        for seq in range(1, 5_000):
            turn.deliver(UsageChanged(first=seq, seq=seq, turn=1, usage=Usage()))
        assert len(turn._waiting) == 0
        with pytest.raises(SessionError):
            await anext(turn)


async def test_a_reader_that_keeps_up_may_read_any_length(autojump_clock: MockClock) -> None:
    async with Turn(Nobody(), ()) as turn:  # type: ignore[arg-type]
        for seq in range(1, 1_000):
            turn.deliver(delta_event(seq, "x" * 1024))
            await anext(turn)


async def test_a_reader_that_has_left_keeps_nothing(autojump_clock: MockClock) -> None:
    nobody = Nobody()
    async with Turn(nobody, ()) as turn:  # type: ignore[arg-type]
        pass
    turn.deliver(delta_event(1, "late"))

    assert len(turn._waiting) == 0
    assert nobody.told[0] == CancelTurn(1)


async def test_the_end_of_anothers_turn_does_not_end_one_that_is_just_accepted() -> None:
    class Shared(Nobody):
        async def ask(self, message: object) -> object:
            if not isinstance(message, Prompt):
                return None
            turn.deliver(TextAdded(first=1, seq=1, turn=7, text="not mine"))
            turn.deliver(TurnEnded(first=2, seq=2, turn=7, stop=StopReason.END_TURN))
            turn.deliver(TextAdded(first=4, seq=4, turn=8, text="mine"))
            turn.deliver(TurnEnded(first=5, seq=5, turn=8, stop=StopReason.MAX_TOKENS))
            return 8

    turn = Turn(Shared(), ())  # type: ignore[arg-type]
    async with turn:
        assert [event.text async for event in turn if isinstance(event, TextAdded)] == ["mine"]
    assert turn.stop is StopReason.MAX_TOKENS


async def test_a_session_that_refuses_is_left_in_order() -> None:
    class Refuses(Nobody):
        async def ask(self, message: object) -> object:
            if isinstance(message, Prompt):
                raise Reject("not today")
            return await super().ask(message)

    nobody = Refuses()
    with pytest.raises(Reject):
        async with Turn(nobody, ()):  # type: ignore[arg-type]
            pass
    assert [type(message).__name__ for message in nobody.told] == ["CancelTurn", "Detach"]
