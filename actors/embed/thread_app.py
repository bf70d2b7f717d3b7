"""The application beside plain threads."""

from collections.abc import Generator, Iterable
from math import inf
from types import TracebackType
from typing import Self

from ...runtime import ActorSnapshot
from ...runtime.events import Observer
from ...runtime.portal import ThreadPortal
from ..app import App
from ..chat import ChatRequest, Chunk, Completion, Part
from ..config import AppConfig
from ..errors import TurnFailed
from ..gate.limiter_messages import Priority
from ..gateway.readiness import Readiness
from ..session.answer import Answer, TurnEvent
from ..session.messages import Transcript
from ..session.reader import SessionHandle
from ..tools import Tool
from ..tree import MakeTransport
from .embedded import EmbeddedApp, EmbeddedTurn
from .opening import asked, opener, told

__all__ = ["ThreadApp", "ThreadSession", "ThreadTurn"]


class ThreadApp(EmbeddedApp[ThreadPortal[App]]):
    """The application that `config` describes: `with ThreadApp(config) as app`.

    The same as AsyncioApp, for programs that have no loop of their own. Async
    `tools` run in trio, beside the application; others in threads. `serve`,
    `observer`, `transport`, `stop_timeout`, in seconds, and `name` are as for `AsyncioApp`.

    All threads of the process may use it; none in which an event loop runs:
    WouldBlock is raised there at once. Ctrl-C in a call cancels it, and waits until
    it has cleaned up. Calls raise PortalClosed where the application is not there,
    or ends before they do.
    """

    def __init__(
        self,
        config: AppConfig,
        *,
        tools: Iterable[Tool] = (),
        serve: bool = False,
        observer: Observer | None = None,
        transport: MakeTransport | None = None,
        stop_timeout: float = 30.0,
        name: str = "trouper",
    ) -> None:
        opened = opener(config, tools, serve=serve, observer=observer, transport=transport)
        super().__init__(config, ThreadPortal(opened, stop_timeout=stop_timeout, name=name))

    def __enter__(self) -> Self:
        self.portal.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.portal.__exit__(kind, error, traceback)

    def start(self) -> Self:
        """Enter it where there is no block to enter, as at a prompt; `stop` is its end then."""
        return self.__enter__()

    def session(
        self, id: str, *, assistant: str = "", user: str = "", kept: bool = True
    ) -> "ThreadSession":
        """The session called `id`; see App.session.

        Raises UnknownAssistant, TooManySessions, SessionTaken where the id is another
        user's, NotKept, SessionUnreadable, SpecError for an id with a slash, and
        SessionError for an empty one, and for one or a user that is no text, or has half
        a character (a lone surrogate) in it.
        """
        found = self.portal.call(self._app.session, id, assistant=assistant, user=user, kept=kept)
        return ThreadSession(self.portal, found)

    def end_session(self, id: str, *, user: str = "") -> None:
        """End the session called `id`, and forget its history; see App.end_session.

        Raises UnknownSession.
        """
        self.portal.call(self._app.end_session, id, user=user)

    def complete(
        self,
        request: ChatRequest,
        *,
        session: str = "",
        user: str = "",
        priority: Priority = Priority.NORMAL,
    ) -> Completion:
        """The whole answer to `request`; see App.complete. Raises ProviderError."""
        return self.portal.call(
            self._app.complete, request, session=session, user=user, priority=priority
        )

    def stream(
        self,
        request: ChatRequest,
        *,
        session: str = "",
        user: str = "",
        priority: Priority = Priority.NORMAL,
    ) -> Generator[Chunk, None, None]:
        """The answer to `request` as it comes, chunk by chunk; see App.complete.

        Raises ProviderError.
        Close it (`contextlib.closing`) where it is left early, so that the
        provider stops at once.
        """
        with self.portal.stream(
            self._app.stream, request, session=session, user=user, priority=priority
        ) as chunks:
            yield from chunks

    def readiness(self) -> Readiness:
        """Whether each configured model has a target that can be asked, and what else is ill."""
        return self.portal.call(self._app.readiness)

    def snapshot(self) -> tuple[ActorSnapshot, ...]:
        """All actors at this moment."""
        return self.portal.call_sync(self._app.snapshot)

    def stop(self, timeout: float | None = None) -> None:
        """End it in order, as leaving the block does; `timeout`, in seconds, in place of
        `stop_timeout`. Raises StopTimedOut where it does not end."""
        self.portal.stop(timeout)

    def wait_ended(self, timeout: float | None = None) -> bool:
        """Wait at most `timeout` seconds until it has ended; return whether it has.

        None waits as long as it takes. Leaving the block raises its crash.
        """
        return self.portal.wait_ended(timeout)


class ThreadSession:
    """A session, for threads; safe to keep until the session is ended. `id` is what it is called."""

    def __init__(self, portal: ThreadPortal[App], handle: SessionHandle) -> None:
        self.id = handle.id
        self._portal = portal
        self._handle = handle

    def prompt(self, prompt: str | tuple[Part, ...], *, timeout: float = inf) -> "ThreadTurn":
        """A turn, to be read in a `with` block; leaving the block cancels it.

        Entering raises TurnInProgress where one is running, HistoryFull and NotKept, and
        SessionError for what is no prompt; see SessionHandle.prompt. A turn that takes longer than `timeout` seconds is cancelled,
        and TimeoutError raised: a thread cannot be cancelled from outside, as a task can.
        """
        return ThreadTurn(self._portal, self._handle, prompt, timeout)

    def ask(self, prompt: str | tuple[Part, ...], *, timeout: float = inf) -> Answer:
        """The answer to `prompt`, whole: its text, with its usage, its cost and the tools that it took.

        Raises TurnFailed, TurnInProgress, HistoryFull, NotKept, SessionError for what is
        no prompt, and TimeoutError after `timeout` seconds.
        """
        return self._portal.call(asked, self._handle, prompt, timeout)

    def permit(self, call_id: str, *, granted: bool) -> bool:
        """Say whether call `call_id`, which waits for it, may be run: `granted`; see
        SessionHandle.permit."""
        return self._portal.call(self._handle.permit, call_id, granted=granted)

    def use_model(self, model: str) -> None:
        """Ask another of the configured models from the next turn on; "" is the assistant's own.

        Raises UnknownModel, and NotKept.
        """
        self._portal.call(self._handle.use_model, model)

    def use_assistant(self, assistant: str) -> None:
        """Let another assistant answer from the next turn on. Raises UnknownAssistant, NotKept."""
        self._portal.call(self._handle.use_assistant, assistant)

    def rename(self, title: str) -> None:
        """Call the conversation `title`, in lists of conversations. Raises NotKept."""
        self._portal.call(self._handle.rename, title)

    def transcript(self) -> Transcript:
        """All of the conversation: its turns, its title, what it has taken."""
        return self._portal.call(self._handle.transcript)


class ThreadTurn(EmbeddedTurn):
    """One turn: iterate over its events. `stop` says why it ended, once all have been read.

    Raises what a Turn raises: TurnFailed where the turn ends with an error; and
    TimeoutError where it takes longer than `timeout` seconds, see ThreadSession.prompt.
    """

    def __init__(
        self,
        portal: ThreadPortal[App],
        session: SessionHandle,
        prompt: str | tuple[Part, ...],
        timeout: float,
    ) -> None:
        super().__init__()
        self._items = portal.stream(told, session, prompt, timeout)

    def __enter__(self) -> Self:
        self._items.__enter__()
        try:
            self._began(next(self._items))
        except BaseException as error:
            self._items.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._items.__exit__(kind, error, traceback)

    def __iter__(self) -> Self:
        self._check_begun()
        return self

    def __next__(self) -> TurnEvent:
        self._check_begun()
        try:
            event = next(self._items)
        except (StopIteration, TurnFailed):
            self._ended()
            raise
        return self._took(event)
