"""The simulator as a server: routes, and one task a connection.

While an answer is under way a watcher reads from the client, because a client
that leaves says so there and nowhere else. No client can end the server: what
goes wrong on a connection ends that connection.
"""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

import attrs
import orjson
import trio

from ..errors import ConfigError
from .connection import ReceivedRequest, ServedConnection, UnreadableRequest
from .delivery import Struck, deliver
from .openai import ChatCall, RejectedRequest, error_body, models_body, read_call
from .reading import script_from
from .script import ResetConnection, Script, ScriptedAnswer
from .state import Outcome, Record, Simulator

__all__ = ["serve_simulator"]

# Nothing that a test or a person waits for takes longer; what is scripted to
# stall for ever ends here at the latest.
_MAX_ANSWER = 3600.0
_JSON = {"content-type": "application/json"}
_ROUTES = {
    "/v1/chat/completions": "POST",
    "/v1/models": "GET",
    "/healthz": "GET",
    "/sim/script": "POST",
    "/sim/requests": "GET",
    "/sim/reset": "POST",
}
_log = logging.getLogger(__name__)


async def serve_simulator(
    listeners: Sequence[trio.abc.Listener[trio.abc.HalfCloseableStream]],
    script: Script,
    *,
    task_status: trio.TaskStatus[Simulator] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve the provider on `listeners` until cancelled; all connections end with it.

    The started value is the `Simulator`, for who runs it in the same process.
    """
    simulator = Simulator(script, began=trio.current_time())
    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_listeners, partial(_serve, simulator), list(listeners))
        await nursery.start(serve)
        task_status.started(simulator)


async def _serve(simulator: Simulator, stream: trio.abc.HalfCloseableStream) -> None:
    try:
        async with stream:
            await _Client(simulator, ServedConnection(stream)).run()
    except* trio.BrokenResourceError:
        pass  # the client is gone; its record says so
    except* Exception:  # noqa: BLE001
        # A fault of ours, and of this connection only. Cancelled is no Exception.
        _log.exception("a connection of the simulator crashed; the others go on")


@attrs.define(eq=False)
class _Client:
    """Answers one client's requests, one after the other."""

    simulator: Simulator
    connection: ServedConnection

    async def run(self) -> None:
        going = True
        while going:
            try:
                request = await self.connection.next_request()
            except UnreadableRequest as refusal:
                body = error_body(refusal.status, refusal.message)
                await self.connection.refuse(refusal.status, body)
                return
            if request is None:
                return
            going = await self._route(request) and self.connection.next_cycle()

    async def _route(self, request: ReceivedRequest) -> bool:
        """Answer; False where the connection is over with it."""
        allowed = _ROUTES.get(request.path)
        if allowed is None:
            message = f"Unknown request URL: {request.method} {request.path}"
            body = error_body(404, message, code="unknown_url")
            await self.connection.respond(404, body, _JSON)
            return True
        if request.method != allowed:
            body = error_body(405, f"{request.path} takes {allowed}, not {request.method}")
            await self.connection.respond(405, body, {**_JSON, "allow": allowed})
            return True
        if request.path == "/v1/chat/completions":
            return await self._chat(request)
        status, body = self._plain(request)
        await self.connection.respond(status, body, _JSON)
        return True

    def _plain(self, request: ReceivedRequest) -> tuple[int, bytes]:
        """Models, health and the controls, which need no waiting."""
        simulator = self.simulator
        match request.path:
            case "/v1/models":
                return 200, models_body(simulator.script.models)
            case "/sim/requests":
                rows = [attrs.asdict(r, value_serializer=_plain_value) for r in simulator.records]
                return 200, orjson.dumps({"total": simulator.total, "requests": rows})
            case "/sim/script":
                return self._use(request.body)
            case "/sim/reset":
                simulator.reset()
                return 200, b'{"ok":true}'
            case _:
                return 200, b'{"status":"ok"}'

    def _use(self, raw: bytes) -> tuple[int, bytes]:
        try:
            script = script_from(orjson.loads(raw))
        except ConfigError as error:
            return 400, error_body(400, str(error), code="invalid_script")
        except orjson.JSONDecodeError as error:
            return 400, error_body(
                400, f"script: is not valid JSON: {error}", code="invalid_script"
            )
        self.simulator.use(script)
        return 200, orjson.dumps({"rules": len(script.rules)})

    async def _chat(self, request: ReceivedRequest) -> bool:
        record = self.simulator.open_record(trio.current_time(), request.headers.items())
        try:
            override = request.headers.get("x-sim")
            call = read_call(request.body, override, record.number)
            record.read(call, len(request.body))
            answer = self.simulator.answer(call, record)
            return await self._exchange(call, answer, record)
        except (RejectedRequest, ConfigError) as error:
            record.outcome = Outcome.REFUSED
            record.status = status = error.status if isinstance(error, RejectedRequest) else 400
            code = error.code if isinstance(error, RejectedRequest) else "invalid_x_sim"
            await self.connection.respond(status, error_body(status, str(error), code=code), _JSON)
            return True
        finally:
            if record.outcome is Outcome.SERVING:
                record.outcome = Outcome.STOPPED

    async def _exchange(self, call: ChatCall, answer: ScriptedAnswer, record: Record) -> bool:
        """Deliver the answer while watching the client; False where either broke off."""
        with trio.move_on_after(_MAX_ANSWER) as limit:
            refused = await self._deliver_watched(call, answer, record)
            if refused is not None:
                raise refused
        if limit.cancelled_caught:
            record.outcome = Outcome.TIMED_OUT
        return record.outcome is Outcome.SERVED

    async def _deliver_watched(
        self, call: ChatCall, answer: ScriptedAnswer, record: Record
    ) -> RejectedRequest | None:
        refused: RejectedRequest | None = None
        left = True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch, nursery.cancel_scope)
            # Caught in here: what leaves a nursery leaves it in a group.
            try:
                await deliver(self.connection.stream, self.connection, call, answer, record)
                left = False
            except Struck:
                left = False
                record.outcome = Outcome.BROKEN_OFF
                if isinstance(answer.fault, ResetConnection):
                    self.connection.reset_on_close()
            except trio.BrokenResourceError:
                pass
            except RejectedRequest as error:
                left, refused = False, error
            nursery.cancel_scope.cancel()
        # Only now: a client that closes upon the last byte has been served.
        if left:
            record.outcome = Outcome.CLIENT_LEFT
        return refused

    async def _watch(self, scope: trio.CancelScope) -> None:
        await self.connection.wait_client_left()
        scope.cancel()


def _plain_value(_: Any, __: Any, value: Any) -> Any:
    return value.value if isinstance(value, Outcome) else value
