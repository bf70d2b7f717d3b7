"""What a chat bot says (see ..bot), for bots on asyncio and on threads."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import aclosing, closing

import trio

from ..bot import Approve, Bot
from ..bot.lines import LONGEST_LINE
from ..session.events import PermissionAsked
from .asyncio_app import AsyncioApp
from .thread_app import ThreadApp

__all__ = ["AsyncioBot", "ThreadBot"]


class AsyncioBot:
    """Answers commands with lines, as Bot does; `app` has been entered.

    `approve` runs in this loop. `prefix` and `longest`, in bytes, are as for `Bot`.
    """

    def __init__(
        self,
        app: AsyncioApp,
        *,
        prefix: str = "!",
        longest: int = LONGEST_LINE,
        approve: Approve | None = None,
    ) -> None:
        self._portal = app.portal
        rule = None if approve is None else _in_host(app, approve)
        self._bot = Bot(app.portal.value, prefix=prefix, longest=longest, approve=rule)

    async def answer(
        self, user: str, text: str, say: Callable[[str], Awaitable[object]], *, assistant: str = ""
    ) -> None:
        """Say the lines that answer `text`, one after another; the rest is as in `Bot.respond`.

        `say` runs in this loop, and may wait. Cancel this, and the answer is cancelled.
        """
        async with aclosing(self.respond(user, text, assistant=assistant)) as lines:
            async for line in lines:
                await say(line)

    async def respond(self, user: str, text: str, *, assistant: str = "") -> AsyncGenerator[str]:
        """The lines that answer `text`; see Bot.respond. Close it where it is left early."""
        async with self._portal.stream(self._bot.respond, user, text, assistant=assistant) as lines:
            async for line in lines:
                yield line


class ThreadBot:
    """Answers commands with lines, as Bot does; `app` has been entered.

    `approve` runs in a thread. `prefix` and `longest`, in bytes, are as for `Bot`.
    """

    def __init__(
        self,
        app: ThreadApp,
        *,
        prefix: str = "!",
        longest: int = LONGEST_LINE,
        approve: Callable[[str, PermissionAsked], bool] | None = None,
    ) -> None:
        self._portal = app.portal
        rule = None if approve is None else _in_thread(approve)
        self._bot = Bot(app.portal.value, prefix=prefix, longest=longest, approve=rule)

    def answer(
        self, user: str, text: str, say: Callable[[str], object], *, assistant: str = ""
    ) -> None:
        """Say the lines that answer `text`, one after another; the rest is as in `Bot.respond`.

        Ctrl-C, or what `say` raises, cancels the answer.
        """
        with closing(self.respond(user, text, assistant=assistant)) as lines:
            for line in lines:
                say(line)

    def respond(self, user: str, text: str, *, assistant: str = "") -> Generator[str, None, None]:
        """The lines that answer `text`; see Bot.respond. Close it where it is left early."""
        with self._portal.stream(self._bot.respond, user, text, assistant=assistant) as lines:
            yield from lines


def _in_host(app: AsyncioApp, approve: Approve) -> Approve:
    async def rule(user: str, call: PermissionAsked) -> bool:
        return await app.host.run(lambda: approve(user, call))

    return rule


def _in_thread(approve: Callable[[str, PermissionAsked], bool]) -> Approve:
    async def rule(user: str, call: PermissionAsked) -> bool:
        return await trio.to_thread.run_sync(approve, user, call, abandon_on_cancel=True)

    return rule
