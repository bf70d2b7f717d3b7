"""The seam of turns and tools: who runs one says so, and whoever wants to know is told.

    with steps.step(TurnBegan(...)) as outcome:      in the task that does it
        ...
        outcome.error = error_type(failure)          where it fails without raising

What happens inside belongs to the step: its span is the current one there, and
travels with every ask from there. An observer must not raise; where one does,
that is logged and the step goes on without it.
"""

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Protocol

import attrs

from .labels import error_type

__all__ = ["NO_STEPS", "Outcome", "StepBegan", "StepObserver", "Steps", "ToolBegan", "TurnBegan"]

_log = logging.getLogger("trouper.telemetry")


@attrs.frozen(kw_only=True)
class TurnBegan:
    """A turn of a session begins. `assistant` and `model` are names of the configuration.

    `session` and `user` are for spans; no metric may have them as a label.
    """

    session: str
    turn: int
    assistant: str
    model: str = ""
    user: str = ""


@attrs.frozen(kw_only=True)
class ToolBegan:
    """A tool that exists is run. `arguments` are for who was asked to show content."""

    session: str
    name: str
    call_id: str
    arguments: str = attrs.field(default="", repr=False)


StepBegan = TurnBegan | ToolBegan


@attrs.define
class Outcome:
    """How a step ends: the class of its `error`, "" where it went well."""

    error: str = ""
    result: str = attrs.field(default="", repr=False)
    """What a tool has given, for who was asked to show content."""


class StepObserver(Protocol):
    """Who wants to know of every step."""

    def step(self, began: StepBegan) -> Callable[[Outcome], None]:
        """It begins. What is returned is called at its end, in the same task."""
        ...


class Steps:
    """Tells all observers of all steps."""

    def __init__(self, *observers: StepObserver) -> None:
        self._observers = observers

    @contextmanager
    def step(self, began: StepBegan) -> Generator[Outcome]:
        """Around all that belongs to the step."""
        outcome = Outcome()
        ends: list[Callable[[Outcome], None]] = []
        for observer in self._observers:
            try:
                ends.append(observer.step(began))
            except Exception:  # noqa: BLE001 - an observer must not change what it observes
                _log.exception("an observer of turns and tools failed: %r", observer)
        try:
            yield outcome
        except Exception as error:
            outcome.error = error_type(error)
            raise
        except BaseException:
            # Who is cancelled may have said why.
            outcome.error = outcome.error or "cancelled"
            raise
        finally:
            # The last one first: each takes back what it has put around the step.
            for end in reversed(ends):
                try:
                    end(outcome)
                except Exception:  # noqa: BLE001 - likewise
                    _log.exception("an observer of turns and tools failed: %r", end)


NO_STEPS = Steps()
"""Tells nobody."""
