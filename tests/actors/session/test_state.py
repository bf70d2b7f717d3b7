"""What records come to: whatever a journal ends with, it is a session that goes on."""

from collections.abc import Iterator
from itertools import pairwise

from hypothesis import given, strategies as st

from tests.fakes.records import accepted, answered, lives, over, records
from trouper.actors.chat import Message, TextPart, ToolCallPart, ToolResultPart, Usage
from trouper.actors.policy.summary import Summary
from trouper.actors.session.record import (
    Forgotten,
    Interrupted,
    ModelSwitched,
    Opened,
    Record,
    Summarised,
    Titled,
    ToolIntended,
    ToolReturned,
)
from trouper.actors.session.record_codec import read_state, write_state
from trouper.actors.session.state import (
    PastTurn,
    State,
    conversation,
    messages_of,
    replayed,
)

AT = 1_000.0


def of(*written: Record) -> State:
    return replayed((record, AT) for record in written)


def said(state: State) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in conversation(state)]


def calls(*ids: str) -> Message:
    return Message("assistant", tuple(ToolCallPart(id, "look", "{}") for id in ids))


class Counted(tuple[ToolResultPart, ...]):
    """Results that know how often they were gone through."""

    rounds = 0

    def __iter__(self) -> Iterator[ToolResultPart]:
        type(self).rounds += 1
        return super().__iter__()


def test_the_results_of_a_turn_are_gone_through_once_however_many_its_legs() -> None:
    # It was once for each message, at each leg: cubic in the legs.
    legs = [f"c{number}" for number in range(300)]
    turn = PastTurn(
        number=1,
        at=AT,
        asked=Message("user", (TextPart("look"),)),
        said=tuple(calls(id) for id in legs),
        results=Counted(ToolResultPart(id, f"saw {id}") for id in legs),
    )

    messages = list(messages_of(turn))

    assert [message.role for message in messages] == ["user", *["assistant", "tool"] * 300]
    assert messages[-1].parts == (ToolResultPart("c299", "saw c299"),)
    assert Counted.rounds == 1


def test_a_session_is_whose_it_is_and_what_was_said_in_it() -> None:
    state = of(
        Opened(owner="alice", assistant="poet"),
        accepted(text="hello"),
        answered(text="hi", usage=Usage(input=5, output=2), cost=70),
        over(seq=4),
        Titled(title="Greetings"),
        ModelSwitched(model="large"),
    )

    assert (state.owner, state.assistant, state.title, state.model) == (
        "alice",
        "poet",
        "Greetings",
        "large",
    )
    assert said(state) == [("user", "hello"), ("assistant", "hi")]
    assert (state.seq, state.number, state.turn) == (4, 1, None)
    assert (state.usage, state.cost, state.unpriced) == (Usage(input=5, output=2), 70, 0)
    [turn] = state.turns
    assert (turn.at, turn.stop, turn.target, turn.cost) == (AT, "end_turn", "sim/m", 70)


def test_sums_are_those_of_all_turns_and_say_what_is_not_known() -> None:
    state = of(
        accepted(1, 1),
        answered(1, usage=Usage(input=5, output=2), cost=70),
        over(1),
        accepted(2, 5),
        answered(2, 6, usage=Usage(input=9, output=1, estimated=True), cost=None),
        answered(2, 8, usage=None, cost=5),
    )

    assert state.usage == Usage(input=14, output=3, estimated=True)
    assert (state.cost, state.unpriced) == (75, 1)
    assert [(turn.cost, turn.unpriced) for turn in state.turns] == [(70, 0), (5, 1)]


def test_a_turn_without_an_answer_is_kept_and_no_model_is_shown_it() -> None:
    state = of(accepted(text="hello"), answered(text=""), over(stop="error", error="no provider"))

    assert said(state) == []
    [turn] = state.turns
    assert (turn.asked.text, turn.error) == ("hello", "no provider")


def test_a_turn_that_was_interrupted_is_marked_so_and_the_next_one_goes_on() -> None:
    state = of(accepted(text="one"), Interrupted(turn=1, seq=99), accepted(2, 100, "two"))

    assert [turn.stop for turn in state.turns] == ["interrupted", ""]
    assert state.turn is not None
    assert (state.turn.number, state.seq) == (2, 100)


def test_a_turn_of_which_no_end_was_written_ends_with_the_next_one() -> None:
    state = of(accepted(1, 1), accepted(2, 9))

    assert [turn.stop for turn in state.turns] == ["interrupted", ""]


def test_results_of_tools_stand_behind_their_calls_in_the_order_of_the_calls() -> None:
    state = of(
        accepted(),
        answered(message=calls("a", "b")),
        ToolIntended(turn=1, call=ToolCallPart("a", "look", "{}")),
        ToolIntended(turn=1, call=ToolCallPart("b", "look", "{}")),
        ToolReturned(turn=1, result=ToolResultPart("b", "B")),
        ToolReturned(turn=1, result=ToolResultPart("a", "A")),
        answered(first=5, text="done"),
        over(),
    )

    assert [message.role for message in conversation(state)] == [
        "user",
        "assistant",
        "tool",
        "assistant",
    ]
    assert conversation(state)[2].parts == (ToolResultPart("a", "A"), ToolResultPart("b", "B"))
    assert state.turns[0].unknown == ()


def test_what_became_of_a_tool_is_told_as_unknown_after_a_crash_unless_that_does_no_harm() -> None:
    state = of(
        accepted(),
        answered(message=calls("pay", "look", "late", "done")),
        ToolIntended(turn=1, call=ToolCallPart("pay", "pay", "{}")),
        ToolIntended(turn=1, call=ToolCallPart("look", "look", "{}"), idempotent=True),
        ToolIntended(turn=1, call=ToolCallPart("done", "look", "{}")),
        ToolReturned(turn=1, result=ToolResultPart("done", "found")),
        Interrupted(turn=1, seq=99),
    )

    [turn] = state.turns
    assert [one.call.id for one in turn.unknown] == ["pay", "look"]
    results = conversation(state)[2].parts
    assert all(isinstance(result, ToolResultPart) for result in results)
    texts = [result.content for result in results if isinstance(result, ToolResultPart)]
    assert "is not known. Look before you call it again" in texts[0]
    assert "may be called again" in texts[1]
    assert "was not run" in texts[2]
    assert texts[3] == "found"


def test_what_is_forgotten_is_gone_and_the_summary_counts_what_is_left() -> None:
    turns: list[Record] = []
    for number in range(1, 5):
        turns += [accepted(number, number), answered(number), over(number)]
    state = of(*turns, Summarised(until=5, text="so far"), Forgotten(until=4))

    assert [turn.number for turn in state.turns] == [3, 4]
    assert state.summary == Summary("so far", 1)
    assert state.number == 4


def unanswered(number: int, text: str = "hello") -> list[Record]:
    return [accepted(number, number, text), over(number, stop="error")]


def test_of_turns_that_nobody_has_answered_only_the_last_64_are_kept() -> None:
    # The bug: a client that asks and asks what no provider takes filled the memory.
    turns = [record for number in range(2, 302) for record in unanswered(number)]
    state = of(accepted(1), answered(1), over(1), *turns, accepted(302, 302))

    assert [turn.number for turn in state.turns] == [1, *range(302 - 64, 303)]
    assert said(state) == [("user", "hello"), ("assistant", "hi")]
    assert state.number == 302


def test_of_turns_that_nobody_has_answered_a_million_characters_are_kept() -> None:
    turns = [record for n in range(2, 52) for record in unanswered(n, "x" * 300_000)]
    state = of(accepted(1), answered(1), over(1), *turns)

    assert [turn.number for turn in state.turns] == [1, 49, 50, 51]


def test_the_last_turn_is_kept_however_long_its_prompt_is() -> None:
    state = of(*unanswered(1), *unanswered(2, "x" * 2_000_000))

    assert [turn.number for turn in state.turns] == [2]


def test_a_turn_under_way_is_not_forgotten() -> None:
    state = of(accepted(1), answered(1), over(1), accepted(2, 4), Forgotten(until=9))

    assert [turn.number for turn in state.turns] == [2]


@given(st.lists(records, max_size=20))
def test_any_records_in_any_order_make_a_session_that_goes_on(written: list[Record]) -> None:
    state = of(*written)

    numbers = [turn.number for turn in state.turns]
    assert numbers == sorted(set(numbers))
    assert all(turn.stop for turn in state.turns[:-1])
    roles = [message.role for message in conversation(state)]
    assert all(later != "tool" or role == "assistant" for role, later in pairwise(roles))
    after = replayed([(accepted(state.number + 1, state.seq + 1), AT)], state)
    assert after.turn is not None
    assert after.seq == state.seq + 1


@given(lives(), st.data())
def test_every_prefix_of_a_life_is_a_conversation_that_providers_take(
    written: list[Record], data: st.DataObject
) -> None:
    state = of(*written[: data.draw(st.integers(0, len(written)))])

    messages = conversation(state)
    for message, later in pairwise([*messages, Message("user", (TextPart("next"),))]):
        called = [part.id for part in message.parts if isinstance(part, ToolCallPart)]
        given = [part.call_id for part in later.parts if isinstance(part, ToolResultPart)]
        assert called == given
    assert state.cost == sum(turn.cost for turn in state.turns)
    assert state.unpriced == sum(turn.unpriced for turn in state.turns)


@given(lives(), st.data())
def test_a_snapshot_and_the_rest_come_to_the_same_as_all(
    written: list[Record], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(written)))

    snapshot = write_state(of(*written[:cut]), cut)
    again = read_state("s", snapshot)
    rest = replayed([(record, AT) for record in written[cut:]], again)

    assert rest == of(*written)
    assert conversation(rest) == conversation(of(*written))
