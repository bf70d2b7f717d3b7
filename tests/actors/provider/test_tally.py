"""What an answer amounts to: the same, whether it comes as a stream or in one piece."""

import pytest

from trouper.actors.chat import (
    Completion,
    Finish,
    Finished,
    ImagePart,
    Message,
    Part,
    Started,
    TextDelta,
    TextPart,
    ThinkingDelta,
    ThinkingPart,
    ToolArgsDelta,
    ToolCallPart,
    ToolCallStarted,
    Usage,
)
from trouper.actors.provider.tally import Tally
from trouper.actors.redaction import MASK, live_secrets


def in_one_piece(*parts: Part, usage: Usage | None = None) -> Tally:
    tally = Tally()
    message = Message("assistant", parts)
    tally.whole(Completion(message=message, finish=Finish.STOP, model="m", usage=usage))
    return tally


def test_a_whole_answer_whose_tokens_nobody_told_is_as_long_as_the_same_stream() -> None:
    stream = Tally()
    stream.add([Started("r", "m"), ThinkingDelta(0, "hm"), TextDelta(1, "It rains")])
    stream.add([ToolCallStarted(2, "c", "umbrella"), ToolArgsDelta(2, '{"open":1}')])
    stream.add([Finished(Finish.STOP)])

    whole = in_one_piece(
        ThinkingPart("hm"),
        TextPart("It rains"),
        ToolCallPart("c", "umbrella", '{"open":1}'),
        ImagePart("https://example.com/rain.png"),
    )

    assert whole.text == stream.text == ('hmIt rainsumbrella{"open":1}', 1.0)
    assert whole.begun


def test_chunks_are_counted_from_the_second_batch_on() -> None:
    tally = Tally()
    assert tally.chunks is None
    tally.add([Started("r", "m"), TextDelta(0, "It")])
    assert tally.chunks == 0
    tally.add([TextDelta(0, " rains"), TextDelta(0, ".")])
    tally.add([Finished(Finish.STOP)])

    assert tally.chunks == 3


def test_a_whole_answer_whose_tokens_are_told_is_not_kept() -> None:
    tally = in_one_piece(TextPart("It rains"), usage=Usage(7, 3))

    assert (tally.text, tally.usage) == (("", 1.0), Usage(7, 3))


def test_of_a_long_answer_the_beginning_stands_for_the_whole() -> None:
    kept, times = in_one_piece(TextPart("a" * 100_000)).text

    assert len(kept) < 20_000
    assert round(len(kept) * times) == 100_000


PLANTED = "planted-key-of-no-known-look"


@pytest.mark.parametrize("whole", [False, True], ids=["stream", "whole"])
def test_the_names_that_a_provider_gives_are_bounded_and_hold_no_key(whole: bool) -> None:
    live_secrets.add(PLANTED)
    model, tier, id = "m" * 100_000, f"for {PLANTED}", "sk-0123456789abcdef"
    tally = Tally()
    if whole:
        message = Message("assistant", (TextPart("hi"),))
        tally.whole(
            Completion(
                message=message,
                finish=Finish.STOP,
                model=model,
                response_id=id,
                service_tier=tier,
            )
        )
    else:
        tally.add([Started(id, model), Finished(Finish.STOP, service_tier=tier)])

    assert tally.model == "m" * 256
    assert tally.response_id == MASK
    assert tally.service_tier == f"for {MASK}"


def test_a_key_at_the_end_of_what_is_kept_is_masked_before_it_is_cut() -> None:
    live_secrets.add(PLANTED)
    tally = Tally()
    tally.add([Started("r", "m" * 250 + PLANTED)])

    assert PLANTED[:6] not in tally.model
