"""The application beside an asyncio loop."""

from collections.abc import AsyncGenerator, Iterable
from types import TracebackType
from typing import Self

from ...runtime import ActorSnapshot
from ...runtime.events import Observer
from ...runtime.portal import AsyncioPortal
from ...runtime.portal.asyncio_portal import Mode
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
from .host_loop import HostLoop
from .opening import opener, told

__all__ = ["AsyncioApp", "AsyncioSession", "AsyncioTurn"]


class AsyncioApp(EmbeddedApp[AsyncioPortal[App]]):
    """The application that `config` describes: `async with AsyncioApp(config) as app`.

    Entering returns when every provider is ready (and, with `serve`, the port is
    open), and raises StartFailed if one is not. `tools` are functions of the
    program (`@tool`) that assistants may use whose configuration names them:
    async ones run in this loop, others in threads. `observer` is called with
    every event of the runtime, in the application's thread; `transport` is as for
    `open_app`. Leaving stops it in order, within `stop_timeout` seconds: more than
    what the tree takes, whose gateway has 7 s and whose store has 10. `name` is its
    thread's. With `mode` "guest" it runs in this loop
    itself, and not in a thread: for programs that may have none, or whose tools and
    approvals must not run beside it.

    Use it in the loop that entered it. A cancelled call is cancelled there, too,
    and awaited until it has cleaned up. Calls raise PortalClosed where the
    application is not there, or ends before they do.
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
        mode: Mode = "thread",
    ) -> None:
        self.host = HostLoop()
        """The loop, for functions that trio calls."""
        opened = opener(
            config, map(self.host.adopt, tools), serve=serve, observer=observer, transport=transport
        )
        super().__init__(
            config, AsyncioPortal(opened, stop_timeout=stop_timeout, name=name, mode=mode)
        )

    async def __aenter__(self) -> Self:
        self.portal.running_loop()  # refuses trio, where the host below would find no loop
        self.host.enter()
        await self.portal.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.portal.__aexit__(kind, error, traceback)

    async def start(self) -> Self:
        """Enter it where there is no block to enter, as in a notebook; `stop` is its end then."""
        return await self.__aenter__()

    async def session(
        self, id: str, *, assistant: str = "", user: str = "", kept: bool = True
    ) -> "AsyncioSession":
        """The session called `id`; see App.session.

        Raises UnknownAssistant, TooManySessions, SessionTaken where the id is another
        user's, NotKept, SessionUnreadable, SpecError for an id with a slash, and
        SessionError for an empty one, and for one or a user that is no text, or has half
        a character (a lone surrogate) in it.
        """
        found = await self.portal.call(
            self._app.session, id, assistant=assistant, user=user, kept=kept
        )
        return AsyncioSession(self.portal, found)

    async def end_session(self, id: str, *, user: str = "") -> None:
        """End the session called `id`, and forget its history; see App.end_session.

        Raises UnknownSession.
        """
        await self.portal.call(self._app.end_session, id, user=user)

    async def complete(
        self,
        request: ChatRequest,
        *,
        session: str = "",
        user: str = "",
        priority: Priority = Priority.NORMAL,
    ) -> Completion:
        """The whole answer to `request`; see App.complete. Raises ProviderError."""
        return await self.portal.call(
            self._app.complete, request, session=session, user=user, priority=priority
        )

    async def stream(
        self,
        request: ChatRequest,
        *,
        session: str = "",
        user: str = "",
        priority: Priority = Priority.NORMAL,
    ) -> AsyncGenerator[Chunk]:
        """The answer to `request` as it comes, chunk by chunk; see App.complete.

        Raises ProviderError.
        Close it (`contextlib.aclosing`) where it is left early, so that the
        provider stops at once.
        """
        async with self.portal.stream(
            self._app.stream, request, session=session, user=user, priority=priority
        ) as chunks:
            async for chunk in chunks:
                yield chunk

    async def readiness(self) -> Readiness:
        """Whether each configured model has a target that can be asked, and what else is ill."""
        return await self.portal.call(self._app.readiness)

    async def snapshot(self) -> tuple[ActorSnapshot, ...]:
        """All actors at this moment."""
        return await self.portal.call_sync(self._app.snapshot)

    async def stop(self, timeout: float | None = None) -> None:
        """End it in order, as leaving the block does; `timeout`, in seconds, in place of
        `stop_timeout`. Raises StopTimedOut where it does not end."""
        await self.portal.stop(timeout)

    async def wait_ended(self) -> None:
        """Wait until it has ended, by itself or not; leaving the block raises its crash."""
        await self.portal.wait_ended()


class AsyncioSession:
    """A session, for asyncio; safe to keep until the session is ended. `id` is what it is called."""

    def __init__(self, portal: AsyncioPortal[App], handle: SessionHandle) -> None:
        self.id = handle.id
        self._portal = portal
        self._handle = handle

    def prompt(self, prompt: str | tuple[Part, ...]) -> "AsyncioTurn":
        """A turn, to be read in an `async with` block; leaving the block cancels it.

        Entering raises TurnInProgress where one is running, HistoryFull and NotKept, and
        SessionError for what is no prompt; see SessionHandle.prompt.
        """
        return AsyncioTurn(self._portal, self._handle, prompt)

    async def ask(self, prompt: str | tuple[Part, ...]) -> Answer:
        """The answer to `prompt`, whole: its text, with its usage, its cost and the tools that it took.

        Raises TurnFailed, TurnInProgress, HistoryFull, NotKept, and SessionError for what
        is no prompt.
        """
        return await self._portal.call(self._handle.ask, prompt)

    async def permit(self, call_id: str, *, granted: bool) -> bool:
        """Say whether call `call_id`, which waits for it, may be run: `granted`; see
        SessionHandle.permit."""
        return await self._portal.call(self._handle.permit, call_id, granted=granted)

    async def use_model(self, model: str) -> None:
        """Ask another of the configured models from the next turn on; "" is the assistant's own.

        Raises UnknownModel, and NotKept.
        """
        await self._portal.call(self._handle.use_model, model)

    async def use_assistant(self, assistant: str) -> None:
        """Let another assistant answer from the next turn on. Raises UnknownAssistant, NotKept."""
        await self._portal.call(self._handle.use_assistant, assistant)

    async def rename(self, title: str) -> None:
        """Call the conversation `title`, in lists of conversations. Raises NotKept."""
        await self._portal.call(self._handle.rename, title)

    async def transcript(self) -> Transcript:
        """All of the conversation: its turns, its title, what it has taken."""
        return await self._portal.call(self._handle.transcript)


class AsyncioTurn(EmbeddedTurn):
    """One turn: iterate over its events. `stop` says why it ended, once all have been read.

    Raises what a Turn raises: TurnFailed where the turn ends with an error.
    """

    def __init__(
        self, portal: AsyncioPortal[App], session: SessionHandle, prompt: str | tuple[Part, ...]
    ) -> None:
        super().__init__()
        self._items = portal.stream(told, session, prompt)

    async def __aenter__(self) -> Self:
        await self._items.__aenter__()
        try:
            self._began(await anext(self._items))
        except BaseException as error:
            await self._items.__aexit__(type(error), error, error.__traceback__)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._items.__aexit__(kind, error, traceback)

    def __aiter__(self) -> Self:
        self._check_begun()
        return self

    async def __anext__(self) -> TurnEvent:
        self._check_begun()
        try:
            event = await anext(self._items)
        except (StopAsyncIteration, TurnFailed):
            self._ended()
            raise
        return self._took(event)
