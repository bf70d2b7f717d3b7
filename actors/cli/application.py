"""The application as a command runs it: its events are logged, and a failed start says why.

The runtime wraps what goes wrong (a child of a child did not become ready);
a person wants to read what it was.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from ...runtime.errors import StartFailed, SupervisorGaveUp, TrouperError
from ...runtime.events import ChildCrashed, RuntimeEvent
from ..app import App, load_knowledge
from ..config import AppConfig
from ..reports import log_event

__all__ = ["StoppedWhileStarting", "running_app"]


class StoppedWhileStarting(TrouperError):
    """A signal came before the application was up, and it has ended in order."""


@asynccontextmanager
async def running_app(
    config: AppConfig, *, serve: bool, prepare: Callable[[App], None] = lambda _: None
) -> AsyncGenerator[App]:
    """`open_app` with log lines; raises what was wrong rather than who met it, and
    StoppedWhileStarting. `prepare` is called before anything runs."""
    up = False

    def observe(event: RuntimeEvent) -> None:
        # What happens to a start is raised by it: one sentence, said once.
        if up or not isinstance(event, ChildCrashed):
            log_event(event)

    knowledge = await load_knowledge(config)
    app = App(config, serve=serve, observer=observe, signals=True, knowledge=knowledge)
    prepare(app)
    try:
        async with app.system:
            up = True
            yield app
    except TrouperError as error:
        if not up and app.system.stopped_by is not None:
            raise StoppedWhileStarting("it was stopped before it was ready") from error
        raise _root(error)  # noqa: B904 - it is the cause, not a consequence


def _root(error: BaseException) -> BaseException:
    while isinstance(error, StartFailed | SupervisorGaveUp) and error.__cause__ is not None:
        error = error.__cause__
    return error
