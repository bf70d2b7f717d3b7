"""Whom a session has chosen: the assistant of its next turn, and the model that this one asks."""

import structlog

from ..errors import SessionError
from .assistant import Assistant, Company

__all__ = ["ChosenAssistant"]

_log = structlog.get_logger("trouper.session")


class ChosenAssistant:
    """What was chosen in one session; at first the assistant that it was opened with."""

    __slots__ = ("_company", "_own", "next")

    def __init__(self, assistant: Assistant, company: Company) -> None:
        self._company = company
        # The same as `next`, with the model that is its own.
        self._own = assistant
        self.next = assistant
        """Who answers the next turn."""

    def other_model(self, model: str) -> Assistant:
        """The one who is chosen, with another model; "" is its own. Raises UnknownModel."""
        return self._company.with_model(self._own, model) if model else self._own

    def other(self, assistant: str) -> Assistant:
        """Another one. Raises UnknownAssistant."""
        return self._company.assistant(assistant)

    def take(self, chosen: Assistant, *, own_model: bool) -> None:
        """From now on that one; `own_model` says that its model is its own."""
        self.next = chosen
        if own_model:
            self._own = chosen

    def restore(self, session: str, assistant: str, model: str) -> None:
        """Take whom somebody has chosen in an earlier life, as far as they are still there."""
        try:
            if assistant != self._own.name:
                self._own = self.other(assistant)
            self.next = self._own
            self.next = self.other_model(model)
        except SessionError as error:
            _log.warning("session goes on without its choice", session=session, error=str(error))
