"""Fitting a conversation into a window: what is left out, what never is, and what is said of it."""

import pytest
from hypothesis import given, strategies as st

from trouper.actors.chat import ImagePart, Message, TextPart, ToolCallPart, ToolResultPart
from trouper.actors.policy.context import (
    ROOM,
    SUMMARY_TOKENS,
    Cut,
    Telling,
    TooLong,
    drop_oldest,
    kept,
    left_out,
    moved,
    prompt_limit,
    refuse,
    summarise,
    surely_fits,
    turn_starts,
)


def system(text: str = "be kind") -> Message:
    return Message("system", (TextPart(text),))


def user(text: str = "hello") -> Message:
    return Message("user", (TextPart(text),))


def answer(text: str = "hi") -> Message:
    return Message("assistant", (TextPart(text),))


def calls(*ids: str) -> Message:
    return Message("assistant", tuple(ToolCallPart(id, "clock", "{}") for id in ids))


def result(*ids: str, role: str = "tool") -> Message:
    return Message(role, tuple(ToolResultPart(id, "noon") for id in ids))  # type: ignore[arg-type]


# What conversations hypothesis makes: turns with and without tools, with the ids
# of calls used again, with results in a user's message, with system messages anywhere.

ID = st.sampled_from(["call_0", "call_1", "x"])


@st.composite
def turns(draw: st.DrawFn) -> list[Message]:
    said = [user(draw(st.text(max_size=3)))]
    for _ in range(draw(st.integers(0, 3))):
        ids = draw(st.lists(ID, unique=True, max_size=2))
        if ids:
            said.append(calls(*ids))
            if draw(st.booleans()):
                said.append(user("one more thing"))
            said.append(result(*ids, role=draw(st.sampled_from(["tool", "user"]))))
        if draw(st.integers(0, 9)) == 0:
            said.append(system("by the way"))
        said.append(answer())
    return said


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[Message], list[int]]:
    messages = [system()] if draw(st.booleans()) else []
    if draw(st.booleans()):
        messages.append(answer("welcome"))
    for turn in draw(st.lists(turns(), min_size=1, max_size=6)):
        messages += turn
    size = len(messages)
    tokens = draw(st.lists(st.integers(0, 50), min_size=size, max_size=size))
    return messages, tokens


def count(messages: tuple[Message, ...], tokens_of: dict[int, int]) -> int:
    return sum(tokens_of[id(message)] for message in messages)


def pairs(messages: tuple[Message, ...] | list[Message]) -> set[tuple[int, int]]:
    """The messages with a call and with its result, by identity."""
    found: set[tuple[int, int]] = set()
    asked: dict[str, Message] = {}
    for message in messages:
        for part in message.parts:
            if isinstance(part, ToolCallPart):
                asked[part.id] = message
            elif isinstance(part, ToolResultPart) and part.call_id in asked:
                found.add((id(asked[part.call_id]), id(message)))
    return found


@given(conversations(), st.integers(0, 400), st.integers(0, 30), st.floats(0.1, 1.0))
def test_what_comes_out_fits_whole_and_in_order_or_is_refused(
    conversation: tuple[list[Message], list[int]], limit: int, fixed: int, room: float
) -> None:
    messages, tokens = conversation
    tokens_of = {id(one): number for one, number in zip(messages, tokens, strict=True)}
    cut = drop_oldest(messages, tokens, limit, fixed=fixed, room=room)

    newest = turn_starts(messages)[-1]
    if isinstance(cut, TooLong):
        least = fixed + count(kept(messages, newest), tokens_of)
        assert (cut.tokens, cut.limit, cut.newest) == (least, limit, True)
        assert cut.tokens > limit
        return
    sent = kept(messages, cut.start)
    assert cut.tokens == fixed + count(sent, tokens_of) <= limit
    # Every message is itself, in its place.
    places = {id(message): index for index, message in enumerate(messages)}
    order = [places[id(message)] for message in sent]
    assert order == sorted(set(order))
    # What must stay has stayed.
    ids = {id(message) for message in sent}
    assert all(id(one) in ids for one in messages if one.role == "system")
    assert all(id(one) in ids for one in messages[newest:])
    # What went is the oldest, and all of it is accounted for.
    gone = left_out(messages, cut.start)
    assert len(gone) + len(sent) == len(messages)
    assert all(id(one) not in ids for one in gone)
    # No call without its result, no result without its call.
    for call, answered in pairs(messages):
        assert (call in ids) == (answered in ids)


@given(conversations(), st.integers(0, 400), st.integers(0, 30))
def test_fitting_what_was_fitted_changes_nothing(
    conversation: tuple[list[Message], list[int]], limit: int, fixed: int
) -> None:
    messages, tokens = conversation
    cut = drop_oldest(messages, tokens, limit, fixed=fixed)
    if isinstance(cut, TooLong):
        return

    assert drop_oldest(messages, tokens, limit, fixed=fixed, start=cut.start) == cut
    tokens_of = {id(one): number for one, number in zip(messages, tokens, strict=True)}
    sent = kept(messages, cut.start)
    again = drop_oldest(sent, [tokens_of[id(one)] for one in sent], limit, fixed=fixed)
    assert again == Cut(0, cut.tokens)


@given(conversations(), st.integers(0, 400), st.integers(0, 60))
def test_a_summary_has_its_room_or_is_not_made(
    conversation: tuple[list[Message], list[int]], limit: int, told: int
) -> None:
    messages, tokens = conversation
    dropped = drop_oldest(messages, tokens, limit)
    plan = summarise(messages, tokens, limit, told=told)

    match plan:
        case TooLong():
            assert plan == dropped
        case Cut():
            assert plan.start == 0
            assert plan.tokens == sum(tokens) + told <= limit
        case Telling(cut, most):
            tokens_of = {id(one): number for one, number in zip(messages, tokens, strict=True)}
            assert cut.tokens == count(kept(messages, cut.start), tokens_of) + most <= limit
            assert most <= max(1, limit / 8)
            assert cut.start > 0 or most == 0


def test_a_conversation_that_fits_is_left_as_it_is() -> None:
    messages = [system(), user(), answer(), user()]

    assert drop_oldest(messages, [5, 5, 5, 5], 20) == Cut(0, 20)
    assert kept(messages, 0) == tuple(messages)


def test_whole_turns_are_left_out_and_a_quarter_of_the_limit_is_free_afterwards() -> None:
    messages = [system(), *[user(), answer()] * 10, user()]
    tokens = [10] * len(messages)
    cut = drop_oldest(messages, tokens, 200)

    # 220 tokens; 150 are left at most: four turns go.
    assert cut == Cut(start=9, tokens=140)
    assert cut.tokens <= ROOM * 200
    # The next turns are sent as they come, behind the same beginning.
    longer = [*messages, answer(), user(), answer(), user()]
    assert drop_oldest(longer, [10] * len(longer), 200, start=9) == Cut(9, 180)


def test_the_newest_turn_may_fill_all_of_the_window() -> None:
    messages = [user(), answer(), user()]

    assert drop_oldest(messages, [10, 10, 100], 100) == Cut(2, 100)


def test_a_newest_turn_that_is_too_long_is_refused_in_figures() -> None:
    messages = [system(), user(), answer(), user()]
    refused = drop_oldest(messages, [100, 10, 10, 9_000], 8_192, fixed=3)

    assert str(refused) == "the newest turn alone has about 9,103 tokens, of which 8,192 fit"


def test_to_refuse_says_how_long_the_conversation_is() -> None:
    assert refuse([1_000, 500], 1_500) == Cut(0, 1_500)
    assert str(refuse([1_000, 500], 1_400, fixed=3)) == (
        "the conversation has about 1,503 tokens, of which 1,400 fit"
    )


def test_a_turn_that_uses_tools_is_one_piece() -> None:
    messages = [user(), calls("a", "b"), result("a"), result("b"), answer(), user(), answer()]

    assert turn_starts(messages) == [0, 5]


def test_a_result_in_a_users_message_begins_no_turn() -> None:
    messages = [user(), calls("a"), result("a", role="user"), answer(), user()]

    assert turn_starts(messages) == [0, 4]


def test_a_message_between_a_call_and_its_result_begins_no_turn() -> None:
    messages = [user(), calls("a"), user("and hurry"), result("a"), answer(), user()]

    assert turn_starts(messages) == [0, 5]


def test_servers_that_number_their_calls_anew_tie_no_turns_together() -> None:
    messages = [user(), calls("call_0"), result("call_0"), user(), calls("call_0"), user()]

    # The last call was never answered, and holds nothing either.
    assert turn_starts(messages) == [0, 3, 5]


def test_a_greeting_before_the_first_turn_goes_first() -> None:
    messages = [system(), answer("welcome"), user(), answer(), user()]

    assert turn_starts(messages) == [1, 2, 4]
    assert drop_oldest(messages, [1, 50, 1, 1, 1], 20) == Cut(2, 4)


def test_a_system_message_among_the_turns_stays_in_its_place() -> None:
    messages = [system(), user(), system("now in French"), answer(), user()]
    cut = drop_oldest(messages, [1, 50, 1, 50, 1], 20)

    assert cut == Cut(4, 3)
    assert kept(messages, 4) == (messages[0], messages[2], messages[4])
    assert left_out(messages, 4) == (messages[1], messages[3])


def test_a_conversation_without_turns_has_nothing_to_cut() -> None:
    assert turn_starts([]) == turn_starts([system()]) == []
    assert drop_oldest([system()], [10], 5) == TooLong(10, 5, newest=True)
    assert drop_oldest([], [], 5, fixed=3) == Cut(0, 3)


@pytest.mark.parametrize(
    ("wanted", "usual", "limit"),
    [
        pytest.param(1_024, 500, 7_168, id="what was asked for is reserved"),
        pytest.param(8_192, 500, 4_096, id="but not more than half of the window"),
        pytest.param(None, 500, 7_692, id="without a limit, what is usual"),
        pytest.param(None, 90_000, 6_144, id="but not more than a quarter"),
    ],
)
def test_the_answer_has_its_part_of_the_window(wanted: int | None, usual: int, limit: int) -> None:
    assert prompt_limit(8_192, wanted, usual) == limit


@pytest.mark.parametrize(
    ("message", "fits"),
    [
        pytest.param(user("a" * 484), True, id="letters of a byte"),
        pytest.param(user("a" * 485), False, id="one more"),
        pytest.param(user("é" * 121), True, id="letters of more bytes"),
        pytest.param(user("é" * 122), False, id="one of these more"),
        pytest.param(Message("user", (ImagePart("http://a.test/b"),)), False, id="an image"),
    ],
)
def test_what_is_short_enough_fits_without_being_counted(message: Message, fits: bool) -> None:
    assert surely_fits([message], 1_000) is fits
    assert not surely_fits([message, user("a" * 500)], 1_000)


def test_what_has_many_messages_is_counted() -> None:
    assert surely_fits([user()] * 100, 1_000_000)
    assert not surely_fits([user()] * 101, 1_000_000)


@pytest.mark.parametrize(("index", "then"), [(0, 0), (1, 1), (3, 1), (5, 1), (6, 2), (9, 5)])
def test_indices_go_with_what_is_forgotten_before_them(index: int, then: int) -> None:
    assert moved(index, 1, 4) == then


def test_a_summary_stays_as_long_as_all_fits_beside_it() -> None:
    messages = [system(), *[user(), answer()] * 3]
    tokens = [10] * 7

    assert summarise(messages, tokens, 100, start=3, told=20) == Cut(3, 70)


def test_a_new_summary_is_asked_for_where_more_has_to_go() -> None:
    messages = [system(), *[user(), answer()] * 10]
    tokens = [10] * 21

    # 100 is an eighth of the limit and less than the longest summary.
    assert summarise(messages, [80] * 21, 800, start=3, told=90) == Telling(Cut(17, 500), 100)
    assert summarise(messages, [800] * 21, 16_384) == Telling(Cut(9, 11_424), SUMMARY_TOKENS)
    assert summarise(messages, tokens, 400, start=3, told=90) == Cut(3, 280)


def test_where_the_newest_turn_needs_all_the_room_nothing_is_told() -> None:
    messages = [user(), answer(), user()]

    assert summarise(messages, [10, 10, 99], 100) == Telling(Cut(2, 99), 0)
