"""The tools that users test their actors with."""

import pytest
import trio

from tests.fakes.players import Crash, Life, Note, Notes, Play, Player
from trouper.runtime import Actor, Ref, Reject, Request, SpecError, Streams, SupervisorGaveUp, on
from trouper.runtime.testing import Probe, running


class Gate(Actor[Life | Note]):
    """Hands on what it gets."""

    def __init__(self, behind: Ref[Life | Note]) -> None:
        self.behind = behind

    @on(Life)
    async def which(self, message: Life) -> int:
        return self.behind.forward(message)

    @on(Note)
    async def note(self, message: Note) -> None:
        self.behind.tell(message)


async def test_a_probe_gets_what_an_actor_sends_and_answers_as_told() -> None:
    probe = Probe(answer=lambda message: 7 if isinstance(message, Life) else None)

    async with running(lambda: Gate(probe.ref), probe.spec()) as gate:
        assert await gate.ask(Life()) == 7
        gate.tell(Note("hello"))

        assert isinstance(await probe.receive(Life), Life)
        assert await probe.receive(Note) == Note("hello")
        assert probe.waiting == 0


async def test_a_probe_says_what_it_got_instead_and_that_it_got_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    probe = Probe()

    async with running(lambda: Gate(probe.ref), probe.spec()) as gate:
        gate.tell(Note("hello"))
        with pytest.raises(AssertionError, match=r"got Note\(text='hello'\) and not a Life"):
            await probe.receive(Life)
        with pytest.raises(AssertionError, match="got no Note within 3 s"):
            await probe.receive(Note, timeout=3)
        assert trio.current_time() == 3
        with pytest.raises(Reject, match="the probe has no answer for Life"):
            await gate.ask(Life())
        assert probe.waiting == 1


async def test_a_probe_may_refuse_and_refuses_streams() -> None:
    class Follow(Streams[int]):
        pass

    class Asks(Request[int]):
        pass

    def refuse(message: object) -> object:
        raise Reject("not today")

    probe = Probe(answer=refuse)
    async with running(lambda: Gate(probe.ref), probe.spec("behind")):
        with pytest.raises(Reject, match="not today"):
            await probe.ref.ask(Asks())
        with pytest.raises(Reject, match="no handler for Follow"):
            async with probe.ref.stream(Follow()) as items:
                pytest.fail(f"got {[item async for item in items]}")
        assert probe.ref.path == "behind"


def test_a_probe_has_no_ref_before_its_start() -> None:
    with pytest.raises(SpecError, match="has not been started"):
        _ = Probe().ref


async def test_an_actor_that_crashes_alone_ends_the_block_with_its_crash() -> None:
    play, error = Play(), ValueError("boom")

    with pytest.raises(SupervisorGaveUp) as caught:
        async with running(play.player("a")) as ref:
            assert await ref.ask(Notes()) == ()
            ref.tell(Crash(error))
            await trio.sleep_forever()

    assert caught.value.__cause__ is error
    assert play.lives == {"a": 1}


async def test_an_actor_alone_is_stopped_in_order() -> None:
    play = Play()

    async with running(lambda: Player("a", play)) as ref:
        ref.tell(Note("last"))

    assert play.read()[-1] == "a ends: shutdown"
