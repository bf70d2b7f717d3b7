"""One client of the console, from its first line to its last.

It knows nothing of sockets: `receive` gives a line, or None at the end, and
`send` sends one. The unix socket (socket.py) and a websocket use it alike.
"""

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import Any, assert_never

import trio

from ..redaction import redact_text
from .feed import FASTEST, Feed
from .following import Followed
from .peer import Peer
from .protocol import (
    REPEATED,
    Act,
    ConsoleFault,
    Dump,
    Follow,
    Get,
    Hello,
    Inspect,
    MakeLink,
    OneSession,
    Ping,
    Request,
    Stacks,
    Subscribe,
    Trace,
    Unsubscribe,
    Word,
    encode,
)
from .reading import read_request
from .service import ConsoleService
from .stack_groups import grouped
from .words import answer_words

__all__ = ["Receive", "SendLine", "converse"]

Receive = Callable[[], Awaitable[str | None]]
SendLine = Callable[[str], Awaitable[None]]

# Seconds. Who reads nothing for so long has gone, or will ask again.
_SEND = 30.0
# Seconds between two looks whether a client that has nothing more to ask still reads.
_LISTENS = 1.0
# Actions, traces and dumps that one client has under way.
_MOST = 4
# Seconds between two looks at a watched actor.
_WATCH = 1.0


async def converse(service: ConsoleService, peer: Peer, receive: Receive, send: SendLine) -> None:
    """Serve one client until it leaves, or reads nothing for half a minute."""
    if not service.enter(peer):
        await send(encode(_error(None, "busy", "too many consoles are open; close one")))
        return
    try:
        async with trio.open_nursery() as nursery:
            await _Client(service, peer, send, nursery).run(receive)
            nursery.cancel_scope.cancel(reason="the console's client has left")
    finally:
        service.leave(peer)


class _Client:
    def __init__(
        self, service: ConsoleService, peer: Peer, send: SendLine, nursery: trio.Nursery
    ) -> None:
        self._service = service
        self._peer = peer
        self._send_line = send
        self._nursery = nursery
        self._sending = trio.Lock()
        self._under_way = 0
        self._news = trio.Event()
        # What is told again and again, until it is asked for anew: the feed, a watched actor.
        self._repeated: dict[str, trio.CancelScope] = {}

    async def run(self, receive: Receive) -> None:
        while (line := await receive()) is not None:
            if not line.strip():
                continue
            try:
                request = read_request(line)
                if isinstance(request, Word):
                    said = await answer_words(self._service, self._peer, request.words)
                    await self._text(redact_text(said))  # it quotes what was typed
                    continue
                await self._answer(request)
            except ConsoleFault as error:
                await self._send(_error(error.id, error.code, error.message))
        if self._peer.via == "unix":
            await self._answer_to_the_end()

    async def _answer_to_the_end(self) -> None:
        """Who has closed its half of the socket, as `echo ... | nc -U` does, still reads.

        Who has gone altogether is found out by sending it something.
        """
        while self._under_way or self._repeated:
            self._news = trio.Event()
            with trio.move_on_after(_LISTENS) as scope:
                await self._news.wait()
            if scope.cancelled_caught:
                await self._send({"t": "ping"})

    async def _answer(self, request: Request) -> None:
        service = self._service
        match request:
            case Hello():
                await self._send(service.hello(self._peer))
            case Ping():
                await self._send({"t": "pong", "id": request.id})
            case Subscribe():
                self._repeat("feed", self._feed, request)
            case Unsubscribe():
                for what in (request.what,) if request.what else REPEATED:
                    self._end(what)
                await self._send({"t": "ack", "id": request.id, "ok": True})
            case Get():
                await self._get(request)
            case Inspect():
                await self._send(await service.inspected(request))
                if request.watch:
                    self._repeat("watch", self._watch, request)
            case Stacks():
                inspector = service.picture.survey.inspector
                await self._send({**await grouped(inspector, request.under), "id": request.id})
            case OneSession():
                await self._send(service.session(request, self._peer))
            case Follow():
                followed = service.follow(request, self._peer)
                self._repeat("follow", partial(self._follow, followed), request)
            case MakeLink():
                await self._send(service.link(request, self._peer))
            case Trace():
                self._beside(self._trace, request)
            case Act():
                self._beside(self._act, request)
            case Dump():
                self._beside(self._dump, request)
            case Word():
                raise AssertionError
            case _:
                assert_never(request)

    # What takes its time.

    def _beside(self, function: Callable[[Any], Awaitable[None]], request: Any) -> None:
        if self._under_way >= _MOST:
            said = f"{_MOST} of your requests are under way; wait for one to end"
            raise ConsoleFault("busy", said, request.id)
        self._under_way += 1
        self._nursery.start_soon(self._run_beside, function, request)

    async def _run_beside(self, function: Callable[[Any], Awaitable[None]], request: Any) -> None:
        try:
            await function(request)
        except ConsoleFault as error:
            await self._send(_error(error.id, error.code, error.message))
        finally:
            self._under_way -= 1
            self._news.set()

    def _repeat(self, what: str, function: Callable[[Any], Awaitable[None]], request: Any) -> None:
        self._end(what)
        scope = self._repeated[what] = trio.CancelScope()

        async def run() -> None:
            with scope:
                await function(request)
            if self._repeated.get(what) is scope:  # the actor that was watched has gone
                del self._repeated[what]
                self._news.set()

        self._nursery.start_soon(run)

    def _end(self, what: str) -> None:
        scope = self._repeated.pop(what, None)
        if scope is not None:
            scope.cancel(reason="it is asked for anew, or no longer")

    async def _feed(self, request: Subscribe) -> None:
        feed = Feed(
            self._service.picture,
            self._send,
            topics=request.topics,
            under=request.under,
            kinds=request.kinds,
        )
        await feed.run(request.hz)

    async def _get(self, request: Get) -> None:
        async def send(frame: dict[str, Any]) -> None:
            await self._send({**frame, "id": request.id})

        feed = Feed(
            self._service.picture,
            send,
            topics=request.topics,
            under=request.under,
            kinds=request.kinds,
        )
        await feed.first()
        await self._send({"t": "done", "id": request.id})

    async def _watch(self, request: Inspect) -> None:
        while True:
            await trio.sleep(_WATCH)
            try:
                frame = await self._service.inspected(request)
            except ConsoleFault as gone:
                await self._send(_error(gone.id, gone.code, gone.message))
                return
            await self._send(frame)

    async def _follow(self, followed: Followed, request: Follow) -> None:
        while True:
            try:
                frame = followed.next()
            except ConsoleFault as gone:
                await self._send(_error(gone.id, gone.code, gone.message))
                return
            if frame is not None:
                await self._send({**frame, "id": request.id})
            await trio.sleep(1.0 / min(request.hz, FASTEST))

    async def _trace(self, request: Trace) -> None:
        self._service.check_bodies(request, self._peer)
        async with self._service.taps.trace(request) as traced:
            if traced is None:
                nobody = self._service.picture.ended.nobody_at(request.path)
                said = f"{nobody}, or too many are traced"
                raise ConsoleFault("not_found", said, request.id)
            self._service.bodies_are_shown(request, self._peer)
            async with aclosing(traced.frames()) as frames:
                async for frame in frames:
                    await self._send(frame)
            await self._send({"t": "trace_end", "id": request.id, "why": traced.why})

    async def _act(self, request: Act) -> None:
        effect = await self._service.actions.do(request, self._peer)
        self._service.picture.board.outdate()
        await self._send({"t": "ack", "id": request.id, "ok": True, "effect": effect})

    async def _dump(self, request: Dump) -> None:
        async with aclosing(self._service.dump(self._peer)) as frames:
            async for frame in frames:
                await self._send({**frame, "id": request.id})
        await self._send({"t": "done", "id": request.id})

    # Sending.

    async def _send(self, frame: dict[str, Any]) -> None:
        await self._text(encode(frame))

    async def _text(self, text: str) -> None:
        async with self._sending:
            with trio.move_on_after(_SEND) as scope:
                await self._send_line(text)
            if scope.cancelled_caught:
                # Half a line may be on its way: there is nothing more to be said.
                self._nursery.cancel_scope.cancel(reason="the console's client reads nothing")


def _error(id: Any, code: str, message: str) -> dict[str, Any]:
    return {"t": "err", "id": id, "ok": False, "err": {"code": code, "msg": redact_text(message)}}
