"""A conversation as the feed tells it: who did what and for how much, and its words only if asked."""

from trouper.actors.chat import (
    ImagePart,
    Message,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    Usage,
)
from trouper.actors.console.sessions import session_frame
from trouper.actors.session.messages import Transcript
from trouper.actors.session.record import ToolIntended
from trouper.actors.session.state import PastTurn, State

CALL = ToolCallPart("c1", "clock", '{"zone": "UTC"}')
PENDING = ToolCallPart("c2", "mail", "{}")


def transcript(turns: int = 1) -> Transcript:
    turn = PastTurn(
        number=1,
        at=5.0,
        asked=Message("user", (TextPart("what time is it"), ImagePart("https://x/y.png"))),
        said=(Message("assistant", (ThinkingPart("hm"), CALL, PENDING)),),
        intended=(ToolIntended(turn=1, call=PENDING),),
        results=(ToolResultPart("c1", "no sk-abcdefgh12345678 here", is_error=True),),
        target="sim/small",
        usage=Usage(input=7, output=3),
        cost=9,
    )
    state = State(owner="me", assistant="default", title="The time", turns=(turn,) * turns, cost=9)
    return Transcript(
        seq=4,
        running=1,
        state=state,
        streamed=Message("assistant", (TextPart("It is"),)),
        asked=(PENDING,),
    )


def test_each_part_of_a_turn_is_a_step_in_order() -> None:
    told = session_frame("alice", transcript(), text=False)

    (turn,) = told["turns"]
    assert [(step["role"], step["what"], step["chars"]) for step in turn["steps"]] == [
        ("user", "text", 15),
        ("user", "image", 0),
        ("assistant", "thinking", 2),
        ("assistant", "call", 15),
        ("assistant", "call", 2),
        ("tool", "result", 27),
        ("assistant", "text", 5),
    ]
    assert all(step["text"] is None for step in turn["steps"])
    assert [step.get("name") for step in turn["steps"][3:5]] == ["clock", "mail"]
    assert turn["steps"][5]["is_error"] is True
    assert (turn["stop"], turn["error"], turn["usage"]) == (None, None, {"input": 7, "output": 3})
    assert turn["intended"] == told["asked"] == [{"name": "mail", "call": "c2"}]
    assert (told["title"], told["running"], told["earlier"]) == (None, 1, 0)


def test_its_words_are_told_redacted_where_they_are_asked_for() -> None:
    told = session_frame("alice", transcript(), text=True)

    steps = told["turns"][0]["steps"]
    assert told["title"] == "The time"
    assert [step["text"] for step in steps] == [
        "what time is it",
        "",
        "hm",
        '{"zone": "UTC"}',
        "{}",
        "no [redacted] here",
        "It ",  # its last word may go on
    ]


def test_of_a_long_conversation_the_last_turns_are_told() -> None:
    told = session_frame("alice", transcript(turns=130), text=False)

    assert (len(told["turns"]), told["earlier"]) == (100, 30)
