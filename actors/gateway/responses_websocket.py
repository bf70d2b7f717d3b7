"""OpenAI's Responses over one websocket: lanes of requests, each answered in its order.

A lane is a `stream_id`, or none. Requests of one lane wait for each other, those of
different lanes do not. A client that leaves cancels all that is under way: nobody
could read it. A reader that is slow slows its providers down, as over HTTP.

A request that is wrong gets an event of the type `error`, with its status; a model
that fails gets a response.failed. Neither ends the connection.
"""

import secrets
from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import attrs
import structlog

from ..errors import ErrorKind, ProviderError
from ..wire.openai_faults import ApiFault
from ..wire.openai_served_request import RefusedRequest
from ..wire.responses_serving import Event
from ..wire.responses_serving_events import ResponseWriter
from ..wire.responses_serving_request import read_response_request
from ..wire.responses_serving_socket import (
    STEER,
    ClientEvent,
    error_frame,
    event_frame,
    read_client_event,
    steer_refused,
)
from .api_calls import BROKEN, TOLD, fault_told
from .auth import Principal
from .http import HttpFault
from .limits import Limits
from .responding import Recent, Responding
from .websocket import OVERLOAD, Websocket

__all__ = ["ResponsesHandler"]

log = structlog.get_logger("trouper.gateway")

# OpenAI's own bound, the lane without a name included.
_MOST_LANES: Final = 32

# Failures that say nothing of the model: the request would fail with any.
_OF_REQUEST: Final = (ErrorKind.INVALID_REQUEST, ErrorKind.MODEL_NOT_FOUND)


class ResponsesHandler:
    """Answers one client's requests by `responding`."""

    __slots__ = (
        "_held",
        "_lanes",
        "_limits",
        "_owner",
        "_recent",
        "_responding",
        "_waiting",
        "_websocket",
    )

    def __init__(
        self, responding: Responding, limits: Limits, websocket: Websocket, principal: Principal
    ) -> None:
        self._responding = responding
        self._limits = limits
        self._websocket = websocket
        self._owner = principal.name
        self._recent = Recent(limits.chat_body_bytes)
        # What each lane has to do yet; a lane that has nothing to do is not there.
        self._lanes: dict[str | None, deque[tuple[Mapping[str, Any], int]]] = {}
        self._waiting = 0
        self._held = 0
        # Who tells events waits for room; only refusals are told without.
        websocket.outbox.patient = True
        websocket.finishes_turns = True

    def receive(self, message: str | bytes) -> None:
        """Take one frame of the client."""
        try:
            event = read_client_event(message)
            if event.kind == STEER:
                self._say(steer_refused(event.body))
            else:
                self._queue(event, len(message))
        except RefusedRequest as refused:
            self._say(error_frame(refused.fault, None))

    def gone(self) -> None:
        """The client has left. What is under way ends with the websocket's tasks, and what
        waits behind it is not begun."""
        for queue in self._lanes.values():
            queue.clear()
        self._lanes.clear()

    def _say(self, frame: str) -> None:
        outbox = self._websocket.outbox
        if outbox.waiting[0] > self._limits.outbox_events:
            self._websocket.close(OVERLOAD, "you send more than you read")
        outbox.frame(frame)

    def _queue(self, event: ClientEvent, size: int) -> None:
        lane, limits = event.lane, self._limits
        queue = self._lanes.get(lane)
        if queue is None and len(self._lanes) >= _MOST_LANES:
            self._say(error_frame(_busy(f"{_MOST_LANES} lanes are busy on this connection"), lane))
        elif self._waiting >= limits.requests_per_connection:
            words = f"{self._waiting} requests wait on this connection"
            self._say(error_frame(_busy(words), lane))
        elif self._held + size > 2 * limits.chat_body_bytes:
            words = f"requests of {self._held} characters wait on this connection"
            self._say(error_frame(_busy(words), lane))
        else:
            self._waiting += 1
            self._held += size
            if queue is None:
                queue = self._lanes[lane] = deque()
                self._websocket.start(self._work, lane, queue)
            queue.append((event.body, size))

    async def _work(self, lane: str | None, queue: deque[tuple[Mapping[str, Any], int]]) -> None:
        """Answer what is in a lane, until nothing is."""
        while queue:
            body, size = queue.popleft()
            try:
                await self._answer(lane, body)
            finally:
                self._waiting -= 1
                self._held -= size
        # The client may have left meanwhile, and all its lanes with it.
        self._lanes.pop(lane, None)

    async def _answer(self, lane: str | None, body: Mapping[str, Any]) -> None:
        try:
            turn = self._websocket.begin_turn()
        except HttpFault as full:
            self._say(error_frame(_as_fault(full), lane))
            return
        try:
            await self._in_turn(lane, body, secrets.token_hex(12))
        finally:
            turn.end()

    async def _in_turn(self, lane: str | None, body: Mapping[str, Any], id: str) -> None:
        writer: ResponseWriter | None = None
        of_request = False
        try:
            asked = read_response_request(body)
            found = await self._responding.resolve(asked, self._owner, self._recent)
            writer = self._responding.writer(id, found.asked)
            call = self._responding.call(id, asked, self._owner)
            await self._responding.stream(found, writer, call, partial(self._tell, lane))
        except TOLD as failed:
            of_request = isinstance(failed, ProviderError) and failed.kind in _OF_REQUEST
            fault = fault_told(failed, id)
        except Exception:
            log.exception("request failed", request=f"req_{id}")
            fault = BROKEN
        else:
            return
        if writer is None or (of_request and not writer.begun):
            self._say(error_frame(fault, lane))
        else:
            await self._tell(lane, writer.fail(fault))

    async def _tell(self, lane: str | None, events: Sequence[Event]) -> None:
        outbox = self._websocket.outbox
        for event in events:
            outbox.frame(event_frame(event, lane))
        await outbox.wait_for_room()


def _as_fault(full: HttpFault) -> ApiFault:
    """What is a client's own bound, with when to come again."""
    wait = next((value for name, value in full.headers if name == "Retry-After"), None)
    return attrs.evolve(fault_told(full, ""), retry_after=None if wait is None else float(wait))


def _busy(words: str) -> ApiFault:
    return ApiFault(
        status=429,
        message=f"{words}; wait for some of them",
        type="rate_limit_error",
        code="rate_limit_exceeded",
        retry_after=1.0,
    )
