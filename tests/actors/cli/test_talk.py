"""A conversation as it is shown, with a session of our own making."""

from types import TracebackType
from typing import Any, Self

import pytest
import trio

from trouper.actors.cli.screen import Screen
from trouper.actors.cli.talk import Event, Talk
from trouper.actors.session.events import (
    AnswerReset,
    PermissionAsked,
    StopReason,
    TextAdded,
    ToolCalled,
    ToolEnded,
)


class Told:
    """A session whose every turn is told so."""

    stop: StopReason | None = StopReason.END_TURN

    def __init__(self, *events: Event) -> None:
        self._events = iter(events)
        self.permits: list[tuple[str, bool]] = []

    async def permit(self, call_id: str, *, granted: bool) -> bool:
        self.permits.append((call_id, granted))
        return True

    def prompt(self, prompt: str) -> Self:
        return self

    async def __aenter__(self) -> None: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        for event in self._events:
            return event
        raise StopAsyncIteration


def text(seq: int, words: str) -> TextAdded:
    return TextAdded(first=seq, seq=seq, turn=1, text=words)


def test_a_script_is_told_beside_its_output_that_an_answer_begins_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    again = AnswerReset(first=2, seq=2, turn=1, reason="it broke off")

    def call(function: Any, *arguments: Any) -> Any:
        return trio.run(function, *arguments)

    session: Any = Told(text(1, "Once upon"), again, text(3, "There was"))
    answered = Talk(session, call, Screen(), "default").answer("hello")

    said = capsys.readouterr()
    assert answered
    assert said.out == "Once upon\nThere was\n"
    assert said.err == "trouper: the answer broke off; what follows is another one\n"


def test_a_script_sees_no_tools_and_gives_no_leave(capsys: pytest.CaptureFixture[str]) -> None:
    def call(function: Any, *arguments: Any) -> Any:
        return trio.run(function, *arguments)

    wanted: dict[str, Any] = {"turn": 1, "call_id": "c", "name": "delete", "arguments": "{}"}
    failed = ToolEnded(
        first=3, seq=3, turn=1, call_id="c", name="delete", result="no leave", is_error=True
    )
    told = Told(
        ToolCalled(first=1, seq=1, **wanted),
        PermissionAsked(first=2, seq=2, **wanted),
        failed,
        text(4, "I may not."),
    )
    session: Any = told
    answered = Talk(session, call, Screen(), "default").answer("delete it")

    said = capsys.readouterr()
    assert answered
    assert said.out == "I may not.\n"
    assert said.err == "trouper: May delete be run with {}? Nobody is here to say so.\n"
    assert told.permits == [("c", False)]
