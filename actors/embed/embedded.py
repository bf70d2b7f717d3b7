"""What the application and a turn are beside any host; the two faces add how the host waits."""

from typing import Generic, TypeVar

from ...runtime.portal.base import Portal
from ..app import App
from ..config import AppConfig
from ..errors import SessionError
from ..gateway.listening import Listening
from ..session.answer import Answer, Answering, TurnEvent
from ..session.events import StopReason
from .opening import Begun

__all__ = ["EmbeddedApp", "EmbeddedTurn"]

P = TypeVar("P", bound=Portal[App])


class EmbeddedApp(Generic[P]):
    """An application behind a portal."""

    def __init__(self, config: AppConfig, portal: P) -> None:
        self.config = config
        self.portal = portal
        """The way to `portal.value`, the App in trio, for what has no name here."""

    @property
    def _app(self) -> App:
        return self.portal.value

    @property
    def listening(self) -> Listening | None:
        """Where it serves; None where it does not."""
        return self._app.listening


class EmbeddedTurn:
    """One turn, as far as the host has read it."""

    def __init__(self) -> None:
        self._begun: Begun | None = None
        self._answering = Answering()
        self.stop: StopReason | None = None
        """Why it ended, once all of it has been read."""

    @property
    def answer(self) -> Answer:
        """The answer as far as it has been read: its text, usage, cost and tools."""
        return self._answering.answer(self.stop)

    def _began(self, first: Begun | TurnEvent) -> None:
        assert isinstance(first, Begun)
        self._begun = first

    def _check_begun(self) -> None:
        if self._begun is None:
            raise SessionError("this turn has not begun: read it inside its `with` block")

    def _took(self, event: Begun | TurnEvent) -> TurnEvent:
        assert not isinstance(event, Begun)
        self._answering.take(event)
        return event

    def _ended(self) -> None:
        assert self._begun is not None
        self.stop = self._begun.turn.stop
