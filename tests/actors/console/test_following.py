"""A conversation that is followed: the frames put together are what there is, and no half secret."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from tests.fakes.conversations import Talk, begun
from trouper.actors.console.following import Followed
from trouper.actors.console.sessions import session_frame
from trouper.actors.session.messages import Transcript
from trouper.actors.session.state import State


def put_together(known: dict[str, Any], frame: dict[str, Any]) -> dict[str, Any]:
    """What a client knows after one frame more."""
    if frame["t"] == "session":
        return frame
    turns = {turn["number"]: turn for turn in known["turns"]}
    for told in frame["turns"]:
        old = turns.get(told["number"], {"steps": []})["steps"]
        steps = [*old, *[{}] * told["count"]][: told["count"]]
        for step in told["steps"]:
            at, more = step["at"], step.get("more")
            rest = {key: value for key, value in step.items() if key not in ("at", "more")}
            if more is not None:
                text = steps[at]["text"]
                rest = {**steps[at], **rest, "text": None if text is None else text + more}
            steps[at] = rest
        turns[told["number"]] = {
            **{key: value for key, value in told.items() if key != "count"},
            "steps": steps,
        }
    return {**known, **frame, "t": "session", "turns": list(turns.values())}


ACTS = st.sampled_from(["streams", "thinks", "calls", "ends"])


@pytest.mark.parametrize("text", [False, True])
@given(acts=st.lists(st.tuples(ACTS, st.booleans()), max_size=25))
def test_the_frames_put_together_are_the_whole_conversation(
    acts: list[tuple[str, bool]], text: bool
) -> None:
    talk, known = Talk(), dict[str, Any]()
    followed = Followed("a", lambda: talk, text=text)
    for act, looked_at in acts:
        getattr(talk, act)(*(["hello, ", "world"] if act == "streams" else []))
        if looked_at and (frame := followed.next()) is not None:
            known = put_together(known, frame)
    if (frame := followed.next()) is not None:
        known = put_together(known, frame)

    assert known == session_frame("a", talk.now, text=text)
    assert followed.next() is None


def test_of_a_text_that_grows_only_what_comes_is_told() -> None:
    talk = Talk()
    talk.streams("It is ", "nearly ")
    followed = Followed("a", lambda: talk, text=True)
    followed.next()

    talk.streams("noon, ", "and war")
    (turn,) = (followed.next() or {})["turns"]
    assert turn["steps"] == [{"at": 1, "chars": 26, "more": "noon, and "}]
    talk.streams("m.")
    talk.ends()
    (turn,) = (followed.next() or {})["turns"]
    assert (turn["stop"], turn["count"]) == ("end_turn", 2)
    assert turn["steps"] == [{"at": 1, "chars": 28, "more": "warm."}]


def test_half_a_secret_is_never_shown() -> None:
    talk, shown = Talk(), list[str]()
    followed = Followed("a", lambda: talk, text=True)
    for piece in ("The key is ", "sk-ab", "cdefgh", "12345678 ", "or so"):
        talk.streams(piece)
        shown.append(str(followed.next()))
    talk.ends()
    shown.append(str(followed.next()))

    assert not any("sk-" in each for each in shown)
    assert "[redacted] " in "".join(shown)
    assert "'more': 'or '" in shown[-2]
    assert "'more': 'so'" in shown[-1]


def test_words_without_spaces_between_are_shown_as_they_come() -> None:
    talk = Talk()
    followed = Followed("a", lambda: talk, text=True)
    talk.streams("正午です")

    assert "正午です" in str(followed.next())


def test_of_a_long_conversation_the_text_of_the_last_turns_is_told() -> None:
    talk = Talk()
    for _ in range(5):
        talk.streams("word " * 14_000)
        talk.ends()
    frame = Followed("a", lambda: talk, text=True).next() or {}

    told = [turn["steps"][1]["text"] is not None for turn in frame["turns"]]
    assert told == [False, False, True, True, True]


def test_who_has_missed_many_turns_is_told_all_again() -> None:
    talk = Talk()
    talk.streams("hello ")
    followed = Followed("a", lambda: talk, text=True)
    followed.next()
    talk.ends()
    for _ in range(12):
        talk.streams("hello ")
        talk.ends()

    assert followed.next() == session_frame("a", talk.now, text=True)
    talk.streams("more ")
    assert [turn["number"] for turn in (followed.next() or {})["turns"]] == [13, 14]


def test_where_the_last_turn_told_is_there_no_more_all_is_told_again() -> None:
    talk = Talk()
    talk.streams("hello ")
    talk.ends()
    followed = Followed("a", lambda: talk, text=False)
    followed.next()

    talk.now = Transcript(seq=9, running=None, state=State(turns=(begun(7),)))
    frame = followed.next()
    assert frame == session_frame("a", talk.now, text=False)
