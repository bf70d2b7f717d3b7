"""What an answer amounts to, as far as it has come."""

from trouper.actors.chat import (
    Finish,
    Finished,
    Heartbeat,
    RefusalDelta,
    Started,
    TextDelta,
    ThinkingDelta,
    ToolArgsDelta,
    ToolCallStarted,
    Usage,
    UsageUpdate,
)
from trouper.actors.provider.tally import Tally


def test_all_that_a_model_writes_is_counted() -> None:
    tally = Tally()
    tally.add([ThinkingDelta(0, "hm "), TextDelta(1, "yes "), RefusalDelta(2, "no ")])
    tally.add([ToolCallStarted(3, "c1", "look "), ToolArgsDelta(3, "{}")])

    assert tally.text == ("hm yes no look {}", 1.0)
    assert tally.begun


def test_what_a_provider_says_beside_it_is_kept() -> None:
    tally = Tally()
    tally.add([Started("r1", "m-2027", "flex"), Heartbeat(), UsageUpdate(Usage(9, 1))])
    assert not tally.begun
    tally.add([UsageUpdate(Usage(9, 4)), Finished(Finish.LENGTH)])

    assert (tally.response_id, tally.model, tally.service_tier) == ("r1", "m-2027", "flex")
    assert tally.usage == Usage(9, 4)
    assert tally.finish is Finish.LENGTH


def test_the_tier_that_the_end_of_a_stream_names_is_the_one_that_has_served() -> None:
    tally = Tally()
    tally.add([Started("r1", "m", service_tier="auto")])
    tally.add([Finished(Finish.STOP, service_tier="flex")])

    assert tally.service_tier == "flex"


def test_a_long_answer_is_kept_at_its_beginning_only() -> None:
    tally = Tally()
    for _ in range(10_000):
        tally.add([TextDelta(0, "0123456789")])

    kept, times = tally.text
    assert len(kept) < 20_000
    assert len(kept) * times == 100_000
