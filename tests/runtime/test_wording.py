"""What is told of a fault has no secret in it, once the system knows how to find them."""

import logging

import pytest
import trio.testing

from tests.fakes.players import Crash, Life, Play, Player, until
from trouper.runtime import Actor, ActorCrashed, Backoff, StartFailed, System, child, on
from trouper.runtime.events import ActorStopped, ChildCrashed, RuntimeEvent
from trouper.runtime.wording import Wording

KEY = "plain-words-4711"


def masked(text: str) -> str:
    return text.replace(KEY, "***")


@pytest.fixture
def play() -> Play:
    return Play()


class Quoting(Actor[Life]):
    """Says the key wherever it can."""

    def __init__(self, *, starts: bool) -> None:
        self.starts = starts

    async def init(self) -> None:
        if not self.starts:
            raise OSError(f"no start with {KEY}")

    @on(Life)
    async def which(self, message: Life) -> int:
        raise ValueError(f"with {KEY}")


async def test_a_key_in_the_text_of_a_crash_is_told_to_nobody(
    autojump_clock: trio.testing.MockClock,
) -> None:
    seen: list[RuntimeEvent] = []
    later = Backoff(first=10, jitter=0)
    parts = [
        child("a", lambda: Quoting(starts=True), backoff=later),
        child("b", lambda: Quoting(starts=True), restart="temporary"),
    ]
    async with System(*parts, observer=seen.append, redact=masked) as system:
        with pytest.raises(ActorCrashed) as caught:
            await system.ref("a", Quoting).ask(Life())
        system.ref("b", Quoting).tell(Life())
        await until(system, "b", "stopped")

        crash = system.snapshot("a")[0].last_crash
        assert crash is not None
        told = [str(caught.value), repr(system.snapshot()), repr(seen), crash.traceback]
        # Who needs the error itself has it as it was raised.
        assert KEY in str(crash.exception)

    assert [text for text in told if KEY in text] == []
    assert crash.error == "ValueError: with ***"
    assert crash.traceback.endswith("ValueError: with ***\n")
    assert [event.words for event in seen if isinstance(event, ChildCrashed)] == [
        "ValueError: with ***",
        "ValueError: with ***",
    ]
    stopped = [event.reason for event in seen if isinstance(event, ActorStopped)]
    assert stopped[0] == "it ended (crashed: ValueError: with ***)"


async def test_a_key_in_what_a_start_raised_is_not_in_what_its_starter_is_told() -> None:
    with pytest.raises(StartFailed, match=r"no start with \*\*\*") as caught:
        async with System(child("a", lambda: Quoting(starts=False)), redact=masked):
            pytest.fail("entered")

    assert KEY not in str(caught.value)


async def test_a_key_in_the_fault_of_an_observer_is_not_logged(
    play: Play, caplog: pytest.LogCaptureFixture
) -> None:
    def observe(event: RuntimeEvent) -> None:
        raise RuntimeError(f"an observer's {KEY}")

    with caplog.at_level(logging.ERROR, "trouper.runtime"):
        async with System(play.part("a"), observer=observe, redact=masked):
            pass

    assert "an observer's ***" in caplog.text
    assert KEY not in caplog.text


async def test_where_the_secrets_cannot_be_taken_out_nothing_is_told(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    def fails(text: str) -> str:
        raise LookupError(text)

    async with System(play.part("a"), redact=fails) as system:
        a = system.ref("a", Player)
        a.tell(Crash(ValueError(KEY)))
        assert await a.ask(Life()) == 2

        crash = system.snapshot("a")[0].last_crash
        assert crash is not None
        assert crash.error.startswith("(withheld: ")
        assert KEY not in crash.error + crash.traceback


def test_a_key_that_stands_where_a_text_is_cut_is_not_cut_in_two() -> None:
    wording = Wording(masked)

    for length in range(3_980, 4_001):
        told = wording.text("x" * length + KEY + "y" * 9_000)
        assert len(told) <= 4_000
        assert "plain" not in told
