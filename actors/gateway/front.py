"""The one port: connections are accepted, asked what they want, and served till they end.

Plain requests are answered from a table of routes; a request for a websocket
is checked (path, handshake, origin, token, what its client has already) and
answered by HTTP where anything is wrong, before a websocket exists; requests to
a model go to completions.py. Whatever goes wrong with a connection ends that
connection: no exception of one reaches the others.

When the gateway is cancelled it stops to accept, tells all websockets that the
server restarts (close code 1012), lets answers under way come to their end, and
ends when all have gone, some seconds later at most.
"""

import errno
import secrets
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import attrs
import orjson
import structlog
import trio
from trio_websocket import ConnectionClosed

from ..config.tokens import Scope
from ..errors import ConfigError
from ..store.memory_responses import MemoryResponses
from ..store.responses import ResponseStore, Retention
from ..wire.session_results import NO_CHOICES, Choices
from .acp import AcpHandler
from .admission import Admission, Slot
from .auth import Access, Principal
from .completions import Completions
from .handshake import read_handshake, upgrade_required, wants_websocket
from .http import HttpConnection, HttpFault, Request, Response, announced_body, problem, text
from .limits import Limits
from .listening import Listening
from .models import Models
from .readiness import READY, Readiness
from .responding import Responding
from .responses import RESPONSES, Responses
from .responses_websocket import ResponsesHandler
from .routes import Calls, Metrics, PlainRoute, SocketRoute
from .sessions import Sessions
from .stream import ClientStream, Unread
from .watchdog import Watchdog
from .websocket import Opening, Websocket, WebsocketHandler, converse

__all__ = ["Gateway"]

log = structlog.get_logger("trouper.gateway")

# Where nobody says where to keep responses: some days of a person's.
_IN_MEMORY = Retention(most_bytes=64 * 1024 * 1024)

# Those that are told 503 at once; beyond, connections are just dropped.
_MOST_TURNED_AWAY = 64


# Seconds without a look of the watchdog, which looks each second, until /livez says so.
_ALIVE = 2.0


@attrs.frozen
class _Upgrade:
    """A websocket that may be opened, and its slot among those of its client."""

    opening: Opening
    slot: Slot


async def _always() -> Readiness:
    return READY


class Gateway:
    """Serves one port.

    `ready` says whether the program is ready, and why it is not;
    `metrics` is what GET /metrics shows, to those who may open a session: it
    tells what is used and what that costs, which the health routes do not.
    `models` are those that OpenAI's clients may ask; without any, the paths that
    such clients use do not exist. What they are answered by Responses is kept in
    `responses`, by default for a while in memory.
    `choices` is whom one can talk with. `routes` and `sockets` add paths; `version`
    is what we tell clients of ourselves. Port 0 picks one, which a restart uses again.
    """

    def __init__(
        self,
        host: str,
        port: int,
        sessions: Sessions,
        *,
        version: str,
        models: Models | None = None,
        responses: ResponseStore | None = None,
        access: Access | None = None,
        limits: Limits | None = None,
        ready: Callable[[], Awaitable[Readiness]] = _always,
        metrics: Metrics | None = None,
        routes: Mapping[str, PlainRoute] | None = None,
        sockets: Mapping[str, SocketRoute] | None = None,
        choices: Choices = NO_CHOICES,
    ) -> None:
        self._host = host
        self._port = port
        self._sessions = sessions
        self._version = version
        self._choices = choices
        self._limits = limits or Limits()
        self._admission = Admission(access or Access(), self._limits)
        self._ready = ready
        self._routes = {
            "/healthz": PlainRoute({"GET": self._healthz}),
            "/livez": PlainRoute({"GET": self._livez}),
            "/readyz": PlainRoute({"GET": self._readyz}),
            **(routes or {}),
        }
        if metrics is not None:
            shown = {"GET": partial(self._metrics, metrics)}
            self._routes["/metrics"] = PlainRoute(shown, Scope.METRICS)
        acp = SocketRoute(begin=self._acp, scope=Scope.SESSION, subprotocols=("acp", "trouper.v1"))
        self._sockets = {"/acp": acp, **(sockets or {})}
        self._calls: list[Calls] = []
        if models is not None:
            self._calls.append(Completions(models, self._admission, self._limits))
            self._respond(models, responses or MemoryResponses(_IN_MEMORY))
        self._watchdog = Watchdog()
        self._unread = Unread(self._limits.unread_bytes)
        self._connections = 0
        self._turned_away = 0

    def _respond(self, models: Models, store: ResponseStore) -> None:
        """Serve Responses at their one path, over HTTP and websocket."""
        responding = Responding(models, store, self._limits)
        self._calls.append(Responses(responding, self._admission, self._limits))
        self._sockets[RESPONSES] = SocketRoute(
            begin=partial(ResponsesHandler, responding, self._limits),
            scope=Scope.MODELS,
            subprotocols=("responses", "openai-beta.responses.v1", "trouper.v1"),
            # As much as over HTTP: whole conversations come in one frame.
            frame_chars=self._limits.chat_body_bytes,
        )

    @property
    def listening(self) -> Listening:
        """Where this can be reached; good once `run` has said that it listens."""
        return Listening(self._host, self._port)

    @property
    def connections(self) -> int:
        """Sockets that are open now, websockets included."""
        return self._connections

    @property
    def websockets(self) -> int:
        """Websockets that are open now."""
        return len(self._watchdog)

    async def run(
        self, *, task_status: trio.TaskStatus[Listening] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Listen and serve until cancelled; says where when it listens.

        Raises ConfigError where one cannot listen there, or should not.
        """
        self._admission.check_bind(self._host)
        listeners = await self._listen()
        stop = trio.Event()
        async with trio.open_nursery() as nursery:
            connections: trio.Nursery = await nursery.start(self._hold, stop)
            task_status.started(self.listening)
            try:
                await trio.serve_listeners(
                    self.serve_stream, listeners, handler_nursery=connections
                )
            finally:
                stop.set()

    async def _listen(self) -> list[trio.SocketListener]:
        where = f"{self._host}:{self._port}"
        try:
            listeners = await trio.open_tcp_listeners(self._port, host=self._host)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                fault = f"{where} is in use; stop what listens there or choose another port"
            else:
                fault = f"cannot listen on {where}: {error.strerror or error}; choose another"
            raise ConfigError("server.listen", [fault]) from error
        if self._port == 0:
            # Each address of the host would get a port of its own.
            for spare in listeners[1:]:
                await spare.aclose()
            del listeners[1:]
            self._port = listeners[0].socket.getsockname()[1]
        return listeners

    async def _hold(self, stop: trio.Event, *, task_status: trio.TaskStatus[trio.Nursery]) -> None:
        """Keep the connections, shielded from cancellation, so that they can say goodbye."""
        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watchdog.run)
                for calls in self._calls:
                    nursery.start_soon(calls.run)
                task_status.started(nursery)
                await stop.wait()
                with trio.move_on_after(self._limits.close_seconds + 1):
                    await self._say_goodbye()
                nursery.cancel_scope.cancel()

    async def _say_goodbye(self) -> None:
        async with trio.open_nursery() as nursery:
            for calls in self._calls:
                nursery.start_soon(calls.stop)
            await self._watchdog.stop_all()

    async def serve_stream(self, stream: trio.abc.Stream) -> None:
        """Serve one accepted connection to its end. Raises nothing but cancellation."""
        try:
            client = ClientStream(stream, self._unread)
            room = self._admission.has_room(client.address)
            if room and self._connections < self._limits.connections:
                with self._admission.connection(client.address):
                    await self._serve(client)
            elif self._turned_away < _MOST_TURNED_AWAY:
                await self._turn_away(client)
        except* (trio.BrokenResourceError, trio.ClosedResourceError, ConnectionClosed):
            log.debug("connection lost")
        except* Exception:
            log.exception("connection failed")
        finally:
            await trio.aclose_forcefully(stream)

    async def _turn_away(self, stream: ClientStream) -> None:
        self._turned_away += 1
        try:
            busy = problem(503, "too many connections; try again", (("Retry-After", "5"),))
            with trio.move_on_after(self._limits.close_seconds):
                await HttpConnection(stream, self._limits).respond(busy, close=True)
                await stream.finish(self._limits.close_seconds)
        finally:
            self._turned_away -= 1

    async def _serve(self, stream: ClientStream) -> None:
        self._connections += 1
        try:
            upgrade = await self._serve_http(HttpConnection(stream, self._limits))
            if upgrade is not None:
                with upgrade.slot:
                    await converse(stream, upgrade.opening, self._limits, self._watchdog)
            await stream.finish(self._limits.close_seconds)
        finally:
            self._connections -= 1
            stream.whole_message()

    async def _serve_http(self, http: HttpConnection) -> _Upgrade | None:
        """Answer requests until the client leaves, or asks for a websocket that it may have."""
        first = again = True
        while again:
            bodiless = False
            try:
                request = await http.next_request(first=first)
                if request is None:
                    return None
                bodiless = request.method == "HEAD"
                if wants_websocket(request):
                    return self._upgrade(request, http.early)
                if (calls := self._calls_at(request.path)) is not None:
                    again = await calls.serve(request, http)
                    first = False
                    continue
                response = await self._answer(request, http)
            except HttpFault as fault:
                answer = problem(fault.status, fault.message, fault.headers, code=fault.code)
                again = await http.respond(answer, bodiless=bodiless, close=True)
            else:
                again = await http.respond(response, bodiless=bodiless)
            first = False
        return None

    def _calls_at(self, path: str) -> Calls | None:
        return next((calls for calls in self._calls if calls.takes(path)), None)

    def _upgrade(self, request: Request, early: bytes) -> _Upgrade:
        route = self._sockets.get(request.path)
        if route is None:
            raise self._not_found(request)
        handshake = read_handshake(request, self._limits)
        if route.admit is not None:
            principal = route.admit(request, handshake.subprotocols)
        else:
            principal = self._admission.admit(
                request, route.scope, handshake.subprotocols, own_pages=route.own_pages
            )
        opening = Opening(
            head=handshake.head,
            early=early,
            begin=partial(_begin, route, principal),
            slot=partial(self._admission.request, principal),
            subprotocol=handshake.choose(route.subprotocols),
            headers=[(b"Acp-Connection-Id", secrets.token_hex(16).encode())],
            frame_chars=route.frame_chars or self._limits.frame_chars,
        )
        return _Upgrade(opening, self._admission.websocket(principal))

    def _not_found(self, request: Request) -> HttpFault:
        asked = (path for calls in self._calls for path in calls.paths)
        known = ", ".join(sorted({*self._routes, *self._sockets, *asked}))
        return HttpFault(404, f"nothing at {request.path[:200]!r}; there is {known}")

    async def _answer(self, request: Request, http: HttpConnection) -> Response:
        if request.path in self._sockets:
            raise upgrade_required()
        route = self._routes.get(request.path)
        if route is None:
            raise self._not_found(request)
        methods = route.methods
        handler = methods.get("GET" if request.method == "HEAD" else request.method)
        if handler is None:
            allowed = ", ".join(sorted({*methods, "HEAD"} if "GET" in methods else methods))
            raise HttpFault(
                405, f"{request.path} takes {allowed}, not {request.method}", (("Allow", allowed),)
            )
        announced_body(request, self._limits)
        if route.scope is not None:
            self._admission.admit(request, route.scope)
        body = await http.body()
        try:
            return await handler(request, body)
        except HttpFault:
            raise
        except Exception:
            log.exception("route failed", path=request.path)
            return problem(500, "a fault in the server; it has been logged")

    async def _healthz(self, request: Request, body: bytes) -> Response:
        return text(200, "ok")

    async def _livez(self, request: Request, body: bytes) -> Response:
        still = trio.current_time() - self._watchdog.looked
        if still < _ALIVE:
            return text(200, "ok")
        return text(503, f"the event loop has stood still for {still:.1f} s")

    async def _readyz(self, request: Request, body: bytes) -> Response:
        state = await self._ready()
        told = {"ready": state.ready, "reasons": state.reasons, "warnings": state.warnings}
        return Response(200 if state.ready else 503, orjson.dumps(told), "application/json")

    async def _metrics(self, metrics: Metrics, request: Request, body: bytes) -> Response:
        content_type, shown = await metrics(request.headers.get("accept", ""))
        return Response(200, shown, content_type)

    def _acp(self, websocket: Websocket, principal: Principal) -> WebsocketHandler:
        return AcpHandler(
            websocket, self._sessions, principal, self._limits, self._version, self._choices
        )


def _begin(route: SocketRoute, principal: Principal, websocket: Websocket) -> WebsocketHandler:
    return route.begin(websocket, principal)
