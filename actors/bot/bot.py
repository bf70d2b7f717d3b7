"""What a chat bot says: commands in, lines out, on any network.

The network's part is to hand over what people write, and to send the lines that
come back, one after another:

    bot = Bot(app)
    await bot.answer("alice", "!default What can you do?", network.say)

Every person has a conversation of their own with every assistant. One that is
idle is let go (`server.session_idle_seconds`); where the store is a file it is
there again when its person is, also after a restart.
"""

import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from urllib.parse import quote

import attrs
import structlog
import trio

from ...runtime import ActorDown, ActorError, ActorUnavailable, Ref
from ..app import App
from ..errors import TurnFailed, TurnInProgress, UnknownSession
from ..policy.long_text import groups, joining, reading, request_in
from ..session.events import PermissionAsked, PermissionSettled, StopReason
from ..session.messages import CancelTurn, Permit, SessionMessage
from ..session.owners import owner_of
from ..session.prompt_fit import PromptFit
from ..session.reader import SessionHandle
from .commands import Ask, Command, Help, Ruling, Unknown, Word, help_for, help_of, parse
from .lines import LONGEST_LINE, lines_of
from .saying import Saying

__all__ = ["Approve", "Bot"]

Approve = Callable[[str, PermissionAsked], Awaitable[bool]]
"""Asked whether a tool may be run for a user, by name; without one the user is asked, by !yes and
!no. Until it answers the call waits, as long as the assistant's `approval_seconds`."""

_log = structlog.get_logger("trouper.bot")

# Each is an answer that is paid for. Who sends a book means a summary of it, and
# hears what it would take.
_MOST_PARTS = 20
# Characters of a tool's arguments that somebody is shown who has to agree to them.
_LONGEST_ARGUMENTS = 200

# Of a user's name in a session's id, before a hash stands for the rest of it.
_LONGEST_NAME = 150

Lines = AsyncGenerator[str]


@attrs.define(eq=False)
class _Talk:
    """A conversation of one user in which a turn is running."""

    session: str
    asked: list[str] = attrs.field(factory=list[str])
    stopped: bool = False


class Bot:
    """Answers commands with lines. `prefix` begins a command, `longest` is that of a line in
    bytes, at least 4: 400 by default, what IRC has room for. `most_parts` is how many answers one long
    text may take: each is paid for. `approve` is asked before a tool is run that needs
    somebody's yes; without it the user is asked, by !yes and !no."""

    def __init__(
        self,
        app: App,
        *,
        prefix: str = "!",
        longest: int = LONGEST_LINE,
        most_parts: int = _MOST_PARTS,
        approve: Approve | None = None,
    ) -> None:
        self._app = app
        self._prefix = prefix
        self._longest = longest
        self._most_parts = most_parts
        self._approve = approve
        # By user: what they wait for. It is empty when nobody does.
        self._talks: dict[str, list[_Talk]] = {}

    async def answer(
        self, user: str, text: str, say: Callable[[str], Awaitable[object]], *, assistant: str = ""
    ) -> None:
        """Say the lines that answer `text`, one after another; the rest is as in `Bot.respond`.

        `say` may wait, as long as a network wants it. Cancel this, and the answer
        is cancelled.
        """
        async with aclosing(self.respond(user, text, assistant=assistant)) as lines:
            async for line in lines:
                await say(line)

    async def respond(self, user: str, text: str, *, assistant: str = "") -> Lines:
        """The lines that answer `text`, which `user` has written; none where it is no command.

        With an `assistant`, what is no command is for that one, as in a private
        chat. Close the generator (`contextlib.aclosing`) where it may be left early,
        and be it by a cancel: then the answer is cancelled. What goes wrong is said in a
        line; raises only what a program's own fault is.
        """
        command = parse(text, self._app.config.assistants, prefix=self._prefix)
        if command is None and assistant and text.strip():
            command = Ask(assistant, text.strip())
        if command is None:
            return
        begun, about = trio.current_time(), _about(command)
        _log.info("command", user=user, **about)
        async with aclosing(self._answered(user, command)) as answer:
            async for said in answer:
                for line in lines_of(said, self._longest):
                    yield line
        _log.info("command done", user=user, **about, seconds=trio.current_time() - begun)

    async def _answered(self, user: str, command: Command) -> Lines:
        try:
            async with aclosing(self._carried_out(user, command)) as answer:
                async for said in answer:
                    yield said
        except TurnInProgress:
            yield f"I am still at your last one; {self._prefix}stop ends it."
        except ActorError as error:
            yield f"That did not work: {error}"

    def _carried_out(self, user: str, command: Command) -> Lines:
        match command:
            case Ask():
                return self._ask(user, command)
            case Help():
                return self._help(command.assistant)
            case Unknown():
                return self._unknown(command)
            case Ruling(word=Word.NEW):
                return self._begin_anew(user, command.assistant)
            case Ruling():
                return self._rule(user, command.word)

    # What is said without a model.

    async def _help(self, assistant: str) -> Lines:
        assistants = self._app.config.assistants
        if assistant:
            tools = self._app.assistants.tools(assistant).specs()
            words = assistants[assistant].description
            lines = help_of(assistant, words, tools, prefix=self._prefix)
        else:
            named = {name: one.description for name, one in assistants.items()}
            lines = help_for(named, prefix=self._prefix)
        for line in lines:
            yield line

    async def _unknown(self, command: Unknown) -> Lines:
        meant = f"; did you mean {self._prefix}{command.close}?" if command.close else "."
        yield f"There is no assistant called {command.name}{meant}"
        async for line in self._help(""):
            yield line

    async def _begin_anew(self, user: str, assistant: str) -> Lines:
        name = assistant or self._app.config.default_assistant
        try:
            await self._app.end_session(session_id(user, name), user=user)
        except UnknownSession:
            yield f"There is no conversation with {name} yet."
            return
        yield f"The conversation with {name} is forgotten."

    async def _rule(self, user: str, word: Word) -> Lines:
        talks = self._talks.get(user, [])
        if word is Word.STOP:
            for talk in talks:
                talk.stopped = True
                await self._cancel(user, talk)
            if not talks:
                yield "There is nothing to stop."
            return
        for talk in talks:
            if talk.asked:
                # Taken out at once: whoever says yes twice means the next call, or none.
                call = talk.asked.pop(0)
                if await self._ref(talk, user).ask(Permit(call, word is Word.YES)):
                    return
        yield "There is nothing to agree to."

    # What a model says.

    async def _ask(self, user: str, command: Ask) -> Lines:
        id = session_id(user, command.assistant)
        # A network has more people than there are places for conversations.
        session = await self._app.session(id, assistant=command.assistant, user=user, kept=False)
        talk = _Talk(id)
        self._talks.setdefault(user, []).append(talk)
        try:
            room = await self._room(session, user, command)
            if room is None or room.fits:
                said = self._turn(user, session, talk, command.text)
            else:
                said = self._in_parts(user, session, talk, command, room)
            async with aclosing(said):
                async for line in said:
                    yield line
        finally:
            self._talks[user].remove(talk)
            if not self._talks[user]:
                del self._talks[user]

    async def _room(self, session: SessionHandle, user: str, command: Ask) -> PromptFit | None:
        if self._app.config.assistants[command.assistant].long_text == "refuse":
            return None
        return await self._app.assistants.prompt_fit_of(
            command.text, command.assistant, session=session.id, user=user
        )

    async def _turn(
        self,
        user: str,
        session: SessionHandle,
        talk: _Talk,
        text: str,
        kept: list[str] | None = None,
    ) -> Lines:
        """The lines of one turn; with a list, the answer is put there and not said."""
        saying = Saying(self._longest, silent=kept is not None)
        # A cancel that came before the turn found none.
        if talk.stopped:
            for line in saying.end(StopReason.CANCELLED):
                yield line
            return
        async with session.prompt(text) as turn:
            if talk.stopped:
                await self._cancel(user, talk)
            try:
                async for event in turn:
                    for line in saying.of(event):
                        yield line
                    if isinstance(event, PermissionAsked):
                        for line in await self._asked(user, talk, event):
                            yield line
                    elif isinstance(event, PermissionSettled) and event.call_id in talk.asked:
                        talk.asked.remove(event.call_id)
            except TurnFailed:
                for line in saying.broken_off():
                    yield line
                raise
        for line in saying.end(turn.stop):
            yield line
        if kept is not None:
            kept.append(saying.text)

    async def _cancel(self, user: str, talk: _Talk) -> None:
        """End its turn: it waits for room in the mailbox. What has ended needs no end."""
        with suppress(ActorDown, ActorUnavailable):
            await self._ref(talk, user).send(CancelTurn())

    async def _asked(self, user: str, talk: _Talk, call: PermissionAsked) -> tuple[str, ...]:
        """Ask the program, or have the user asked, whether a tool may be run."""
        if self._approve is not None:
            granted = await self._approve(user, call)
            await self._ref(talk, user).ask(Permit(call.call_id, granted))
            return ()
        talk.asked.append(call.call_id)
        shown = call.arguments[:_LONGEST_ARGUMENTS]
        yes, no = f"{self._prefix}{Word.YES.value}", f"{self._prefix}{Word.NO.value}"
        return (f"May I run {call.name} with {shown}? Say {yes} or {no}.",)

    # A text that is too long.

    async def _in_parts(
        self, user: str, session: SessionHandle, talk: _Talk, command: Ask, room: PromptFit
    ) -> Lines:
        request, text = request_in(command.text)
        parts = room.parts(text)
        if not 1 <= len(parts) <= self._most_parts:
            yield (
                f"That is longer than the model can read at once (about {room.tokens:,} tokens, "
                f"where {max(0, room.limit):,} fit), and more than I may read in "
                f"{self._most_parts} parts; send less of it."
            )
            return
        yield (
            f"That is longer than the model can read at once (about {room.tokens:,} tokens, where "
            f"{room.limit:,} fit), so I break it into {len(parts)} parts."
        )
        answers: list[str] = []
        for number, prompt in enumerate(reading(request, parts), 1):
            async with aclosing(self._turn(user, session, talk, prompt, answers)) as said:
                async for line in said:
                    yield line
            if talk.stopped:
                return
            yield f"Part {number} of {len(parts)} is read."
        async with aclosing(self._joined(user, session, talk, command, request, answers)) as said:
            async for line in said:
                yield line

    async def _joined(
        self,
        user: str,
        session: SessionHandle,
        talk: _Talk,
        command: Ask,
        request: str,
        answers: list[str],
    ) -> Lines:
        left = answers
        while True:
            last = joining(request, left)
            room = await self._app.assistants.prompt_fit_of(
                last, command.assistant, session=session.id, user=user
            )
            if room is None or room.fits:
                async with aclosing(self._turn(user, session, talk, last)) as said:
                    async for line in said:
                        yield line
                return
            together = groups(left, room.limit / room.tokens)
            if len(together) == len(left):
                break
            fewer: list[str] = []
            for group in together:
                prompt = joining(request, group)
                async with aclosing(self._turn(user, session, talk, prompt, fewer)) as said:
                    async for line in said:
                        yield line
                if talk.stopped:
                    return
            yield f"{len(left)} answers have become {len(fewer)}."
            left = fewer
        yield "The answers are too long together, too; here they are one by one."
        for number, answer in enumerate(left, 1):
            yield f"Part {number}: {answer}"

    def _ref(self, talk: _Talk, user: str) -> Ref[SessionMessage]:
        return self._app.sessions.find(talk.session, owner=owner_of(user))


def _about(command: Command) -> dict[str, str | None]:
    """What the log says of a command: not what people write."""
    match command:
        case Ask() | Help():
            return {
                "command": type(command).__name__.lower(),
                "assistant": command.assistant or None,
            }
        case Ruling():
            return {"command": command.word.value, "assistant": command.assistant or None}
        case Unknown():
            return {"command": "unknown"}


def session_id(user: str, assistant: str) -> str:
    """What the conversation of `user` with `assistant` is called, for `App.session`.

    A name longer than 150 characters, quoted as in a URL, ends in a hash.
    """
    # A path has its own use for slashes. A colon is in no quoted name, so no two ids are the same.
    name = quote(user, safe="")
    if len(name) > _LONGEST_NAME:
        name = f"{name[:_LONGEST_NAME]}~{hashlib.sha256(name.encode()).hexdigest()}"
    return f"{assistant}:{name}"
