"""The outbox: whatever the pace of the reader, it reads the same text in the same order."""

import json
import time
from collections.abc import Iterator

import attrs
import pytest
import trio
from hypothesis import given, strategies as st

from trouper.actors.gateway.outbox import Lane, Outbox
from trouper.actors.session.events import SessionEvent, TextAdded, ThoughtAdded
from trouper.actors.session.text_run import TextRun


@attrs.define(eq=False)
class Overflow:
    """Shuts its outbox, as a websocket does."""

    times: int = 0
    outbox: Outbox | None = None

    def __call__(self) -> None:
        self.times += 1
        assert self.outbox is not None
        self.outbox.shut_down((1013, "slow"))


def an_outbox(max_bytes: int = 256 * 1024, max_events: int = 1000) -> tuple[Outbox, Overflow]:
    overflow = Overflow()
    overflow.outbox = Outbox(max_bytes, max_events, overflow)
    return overflow.outbox, overflow


def text(seq: int, words: str, turn: int = 1) -> TextAdded:
    return TextAdded(first=seq, seq=seq, turn=turn, text=words)


def thought(seq: int, words: str, turn: int = 1) -> ThoughtAdded:
    return ThoughtAdded(first=seq, seq=seq, turn=turn, text=words)


def put(lane: Lane, event: SessionEvent) -> None:
    if isinstance(event, TextAdded):
        lane.delta(event, thought=False)
    else:
        assert isinstance(event, ThoughtAdded)
        lane.delta(event, thought=True)


def drained(outbox: Outbox) -> Iterator[str]:
    while (frame := outbox.take()) is not None:
        yield frame


def told(frame: str) -> tuple[str, str, int]:
    """Which kind of chunk a frame is, its text, and the number that it reaches."""
    update = json.loads(frame)["params"]["update"]
    return (
        update["sessionUpdate"],
        update["content"]["text"],
        update["_meta"]["trouper.dev/seq"],
    )


def test_deltas_merge_while_they_wait_and_carry_the_last_number() -> None:
    outbox, _ = an_outbox()
    lane = outbox.lane("s")
    for seq, words in enumerate(["a", "b", "c"], start=5):
        put(lane, text(seq, words))

    assert [told(frame) for frame in drained(outbox)] == [("agent_message_chunk", "abc", 7)]


def test_a_delta_that_was_taken_is_not_added_to() -> None:
    outbox, _ = an_outbox()
    lane = outbox.lane("s")
    put(lane, text(1, "a"))
    first = outbox.take()
    put(lane, text(2, "b"))
    second = outbox.take()

    assert first is not None
    assert second is not None
    assert (told(first)[1:], told(second)[1:]) == (("a", 1), ("b", 2))


def test_text_thoughts_and_turns_are_kept_apart() -> None:
    outbox, _ = an_outbox()
    lane = outbox.lane("s")
    for event in (thought(1, "hm"), text(2, "a"), thought(3, "h"), text(4, "b"), text(5, "c", 2)):
        put(lane, event)

    assert [told(frame)[1] for frame in drained(outbox)] == ["hm", "a", "h", "b", "c"]


def test_a_control_frame_stays_between_the_text_before_and_after_it() -> None:
    outbox, _ = an_outbox()
    lane = outbox.lane("s")
    put(lane, text(1, "before"))
    lane.frame('"control"')
    put(lane, text(2, "after"))

    first, control, last = drained(outbox)

    assert (told(first)[1], control, told(last)[1]) == ("before", '"control"', "after")


def test_sessions_on_one_connection_merge_each_for_itself() -> None:
    outbox, _ = an_outbox()
    one, two = outbox.lane("one"), outbox.lane("two")
    for seq in range(1, 4):
        put(one, text(seq, "1"))
        put(two, text(seq, "2"))

    assert [told(frame)[1] for frame in drained(outbox)] == ["111", "222"]


EVENTS = st.lists(st.tuples(st.booleans(), st.integers(1, 2), st.text(max_size=8)), max_size=60)


@given(EVENTS, st.lists(st.integers(0, 7)))
def test_text_is_identical_and_numbers_go_up_however_slowly_one_reads(
    chosen: list[tuple[bool, int, str]], pauses: list[int]
) -> None:
    events: list[SessionEvent] = [
        (thought if is_thought else text)(seq, words, turn)
        for seq, (is_thought, turn, words) in enumerate(chosen, start=1)
    ]
    outbox, overflow = an_outbox()
    lane = outbox.lane("s")
    frames: list[str] = []
    take_at = set(pauses)
    for place, event in enumerate(events):
        put(lane, event)
        if place % 8 in take_at:
            frames.extend(drained(outbox))
    frames.extend(drained(outbox))

    reached = 0
    for kind, words, seq in map(told, frames):
        covered = events[reached:seq]
        begun = covered[0]
        assert isinstance(begun, TextAdded | ThoughtAdded)
        # What the session's own rule for joining makes of them, is what was sent.
        run = TextRun(begun)
        for event in covered[1:]:
            assert run.takes(event)
        whole = run.event()
        expected = "agent_message_chunk" if isinstance(whole, TextAdded) else "agent_thought_chunk"
        assert (kind, words, seq) == (expected, whole.text, whole.seq)
        reached = seq
    assert reached == len(events)
    assert outbox.waiting == (0, 0)
    assert overflow.times == 0


@pytest.mark.parametrize("words", ["x" * 100, "\u00e4" * 50, "\U0001f600" * 25])
def test_more_bytes_than_the_cap_overflow_once_and_leave_nothing_waiting(words: str) -> None:
    outbox, overflow = an_outbox(max_bytes=10_000)
    lane = outbox.lane("s")
    for seq in range(1, 98):
        put(lane, text(seq, words))
    assert overflow.times == 0
    for seq in range(98, 200):
        put(lane, text(seq, words))
    lane.frame("{}")

    assert overflow.times == 1
    assert outbox.waiting == (0, 0)
    assert outbox.take() is None
    assert outbox.goodbye == (1013, "slow")


def test_more_control_frames_than_the_cap_overflow() -> None:
    outbox, overflow = an_outbox(max_events=3)
    for _ in range(3):
        outbox.frame("{}")
    assert overflow.times == 0
    outbox.frame("{}")

    assert overflow.times == 1


def test_one_frame_may_be_larger_than_all_that_may_wait_and_few_of_them_overflow() -> None:
    outbox, overflow = an_outbox(max_bytes=1_000)
    outbox.frame("p" * 5_000)

    assert overflow.times == 0
    assert [len(frame) for frame in drained(outbox)] == [5_000]
    assert outbox.waiting == (0, 0)

    for _ in range(3):
        outbox.frame("p" * 5_000)

    assert overflow.times == 1


def test_an_event_costs_the_same_however_many_wait() -> None:
    outbox, _ = an_outbox(max_bytes=2**30)
    lane = outbox.lane("s")

    def cost(events: int) -> float:
        begun = time.perf_counter()
        for seq in range(events):
            put(lane, text(seq, "word "))
        return (time.perf_counter() - begun) / events

    early = min(cost(500) for _ in range(5))
    put_before = 40_000
    cost(put_before)
    late = min(cost(500) for _ in range(5))

    # Quadratic joining would be some hundred times dearer by now.
    assert late < 10 * early


async def test_the_writer_sleeps_until_there_is_something(autojump_clock: object) -> None:
    outbox, _ = an_outbox()
    lane = outbox.lane("s")
    seen: list[float] = []

    async def writer() -> None:
        while not outbox.shut:
            await outbox.wait()
            if outbox.take() is not None:
                seen.append(trio.current_time())

    begun = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer)
        for seq in (1, 2):
            await trio.sleep(10)
            put(lane, text(seq, "x"))
        await trio.sleep(10)
        outbox.shut_down()

    assert [when - begun for when in seen] == pytest.approx([10, 20])


def test_a_shut_outbox_sends_the_rest_and_takes_no_more() -> None:
    outbox, _ = an_outbox()
    lane = outbox.lane("s")
    put(lane, text(1, "rest"))
    outbox.shut_down((1012, "restart"))
    put(lane, text(2, "more"))
    outbox.frame("{}")
    outbox.shut_down((1008, "too late to say"))

    assert [told(frame)[1] for frame in drained(outbox)] == ["rest"]
    assert outbox.goodbye == (1012, "restart")


def test_an_outbox_that_hung_up_sends_nothing() -> None:
    outbox, _ = an_outbox()
    outbox.frame("{}")
    outbox.shut_down((1012, "restart"))
    outbox.hang_up()

    assert outbox.take() is None
    assert outbox.goodbye is None


def test_one_long_word_of_a_model_was_taken_for_a_client_that_is_too_slow() -> None:
    outbox, overflow = an_outbox()
    lane = outbox.lane("s1")

    put(lane, text(1, "x" * 1_000_000))
    assert overflow.times == 0
    put(lane, text(2, "y" * 1_000))

    assert overflow.times == 0
    (frame,) = drained(outbox)
    assert told(frame)[1] == "x" * 1_000_000 + "y" * 1_000
    assert outbox.waiting == (0, 0)


def test_a_third_long_word_beside_two_is_too_much() -> None:
    outbox, overflow = an_outbox()
    lane = outbox.lane("s1")

    for seq in (1, 2, 3):
        put(lane, text(seq, "x" * 1_000_000))

    assert overflow.times == 1
