"""A conversation of a person, or a script, with a session: here or on a server."""

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from types import FrameType, TracebackType
from typing import Any, NoReturn, Protocol, Self

from ..errors import SessionError
from ..session.events import (
    AnswerReset,
    PermissionAsked,
    StopReason,
    TextAdded,
    ThoughtAdded,
    ToolCalled,
    ToolEnded,
    ToolEvent,
    UsageChanged,
)
from .screen import Screen

__all__ = ["SessionLike", "Talk", "TurnLike", "sigterm_leaves"]

_NOTES = {
    StopReason.MAX_TOKENS: "cut off: the answer is as long as max_output_tokens allows",
    StopReason.REFUSAL: "the provider's content policy ended the answer",
    StopReason.MAX_TURN_REQUESTS: "ended: the model called tools over and over",
    StopReason.CANCELLED: "cancelled",
}


Event = TextAdded | ThoughtAdded | AnswerReset | UsageChanged | ToolEvent


class TurnLike(Protocol):
    """A turn under way, as session/reader.py and client/session.py have it."""

    stop: StopReason | None

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> Event: ...


class SessionLike(Protocol):
    """Whom one talks with."""

    def prompt(self, prompt: str) -> TurnLike:
        """A turn; leaving its block cancels it."""
        ...

    async def permit(self, call_id: str, *, granted: bool) -> bool:
        """Say whether a call may be run that waits for it."""
        ...


class Talk:
    """Puts questions to `session` and shows the answers of `name` on `screen`.

    `call` runs an async function where the session lives (`Background.call`).
    """

    def __init__(
        self, session: SessionLike, call: Callable[..., Any], screen: Screen, name: str
    ) -> None:
        self._session = session
        self._call = call
        self._screen = screen
        self._name = name

    def run(self) -> int:
        """Answer until there are no more questions. The exit code: of a script, 1 if a turn
        failed; a person has seen it."""
        code = 0
        while (question := self._screen.ask()) is not None:
            try:
                answered = self.answer(question)
            except KeyboardInterrupt:
                if not self._screen.interactive:
                    raise
                self._screen.note(_NOTES[StopReason.CANCELLED])
            else:
                code = code if answered or self._screen.interactive else 1
        return code

    def answer(self, question: str) -> bool:
        """Answer one question; False, when that has been said, if it could not be.

        A KeyboardInterrupt cancels the turn and is raised.
        """
        self._screen.begin(self._name)
        try:
            stop = self._read(question)
        except SessionError as error:
            self._screen.end()
            self._screen.fault(str(error))
            return False
        except BaseException:
            self._screen.end()
            raise
        self._screen.end()
        if stop in _NOTES:
            self._screen.note(_NOTES[stop])
        return True

    def _read(self, question: str) -> StopReason | None:
        turn = self._session.prompt(question)
        self._call(turn.__aenter__)
        try:
            while (event := self._call(_next, turn)) is not None:
                if isinstance(event, TextAdded | ThoughtAdded):
                    self._screen.add(event.text, thought=isinstance(event, ThoughtAdded))
                else:
                    self._show(event)
        finally:
            self._call(turn.__aexit__, None, None, None)
        return turn.stop

    def _show(self, event: Event) -> None:
        match event:
            case AnswerReset():
                self._begin_again()
            case ToolCalled(name=name, arguments=arguments):
                self._screen.tool(f"{name} {arguments}")
            case PermissionAsked(call_id=call_id, name=name, arguments=arguments):
                self._screen.end()
                granted = self._screen.confirm(f"May {name} be run with {arguments}?")
                self._call(partial(self._session.permit, granted=granted), call_id)
                self._screen.begin(self._name)
            case ToolEnded(name=name, result=text, is_error=is_error):
                self._screen.tool(f"{name} {'failed' if is_error else 'gave'}: {text}")
            case _:
                pass

    def _begin_again(self) -> None:
        """What was shown cannot be taken back: say that it does not count."""
        self._screen.end()
        self._screen.note("the answer broke off; what follows is another one")
        self._screen.begin(self._name)


async def _next(turn: TurnLike) -> Event | None:
    return await anext(turn, None)


@contextmanager
def sigterm_leaves() -> Generator[None]:
    """SIGTERM leaves in order, as Ctrl-C does: else it would leave the terminal as readline
    or an answer has set it."""

    def leave(number: int, _: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
