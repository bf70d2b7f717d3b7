"""The Agent Client Protocol over one websocket: between codec, outbox and sessions.

A session's events come to a `Line`, straight from the session's task, and leave
through the outbox; the answer to a prompt goes the same way when the turn's end
comes, so that it is behind all of the turn's text. Whatever has to wait for a
session runs in a task of its own, never in the websocket's reader.

A client that leaves is detached; its sessions and their turns go on. A prompt
to a session that this connection did not open attaches to it, and opens one that
is stored, so a client that comes back talks on.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import assert_never

from ...runtime.errors import ActorError
from ..errors import UnknownSession
from ..session.messages import CancelTurn
from ..wire.jsonrpc import (
    INVALID_REQUEST,
    RequestId,
    RpcFault,
    encode_fault,
    encode_result,
)
from ..wire.session import (
    BUSY,
    TOO_MANY,
    Inbound,
    initialize_result,
    new_session_result,
    read_frame,
)
from ..wire.session_params import (
    CancelParams,
    CancelRequestParams,
    InitializeParams,
    NewSessionParams,
    PromptParams,
)
from .auth import Principal
from .limits import Limits
from .line import Line, refused
from .sessions import SessionRef, Sessions
from .websocket import Websocket

__all__ = ["AcpConversation"]


class AcpConversation:
    """Speaks ACP with one client, for whose sessions it asks `sessions`.

    `version` is what we say of ourselves in the answer to initialize.
    """

    __slots__ = (
        "_initialized",
        "_left",
        "_limits",
        "_lines",
        "_opening",
        "_owner",
        "_sessions",
        "_under_way",
        "_version",
        "_websocket",
    )

    def __init__(
        self,
        websocket: Websocket,
        sessions: Sessions,
        principal: Principal,
        limits: Limits,
        version: str,
    ) -> None:
        self._websocket = websocket
        self._sessions = sessions
        self._owner = principal.name
        self._limits = limits
        self._version = version
        self._initialized = False
        self._lines: dict[str, Line] = {}
        self._opening = 0
        self._under_way = 0
        self._left = False

    def receive(self, message: str | bytes) -> None:
        """Take one frame of the client."""
        try:
            if not isinstance(message, str):
                raise RpcFault(
                    INVALID_REQUEST, "this was a binary frame; send JSON-RPC as text frames"
                )
            inbound = read_frame(message)
            if inbound is not None:
                self._dispatch(inbound)
        except RpcFault as fault:
            self._send(encode_fault(fault))
        except ActorError as error:
            self._send(encode_fault(refused(None, error)))

    def _send(self, frame: str) -> None:
        self._websocket.outbox.frame(frame)

    def _dispatch(self, inbound: Inbound) -> None:
        params, id = inbound.params, inbound.id
        if isinstance(params, InitializeParams):
            self._initialized = True
            self._send(initialize_result(id, self._version))
            return
        if not self._initialized:
            raise RpcFault(INVALID_REQUEST, "send initialize first", id=id)
        match params:
            case NewSessionParams():
                self._room_for_a_session(id, self._opening)
                self._start(id, self._open, id, params)
                self._opening += 1
            case PromptParams():
                self._prompt(id, params)
            case CancelParams():
                self._cancel(params.session_id, id, answer=inbound.answer)
            case CancelRequestParams():
                for line in self._lines.values():
                    if line.holds(params.request_id):
                        line.cancel()
            case _:
                assert_never(params)

    def _cancel(self, session_id: str, id: RequestId, *, answer: bool) -> None:
        """End the session's turn, also one that was begun over another connection."""
        line = self._lines.get(session_id)
        try:
            if line is not None:
                line.cancel()
            else:
                self._sessions.find(session_id, owner=self._owner).tell(CancelTurn())
        except UnknownSession as error:
            # A notice has no answer, not even that there is nothing to cancel.
            if answer:
                raise refused(id, error) from error
            return
        if answer:
            self._send(encode_result(id, None))

    def _room_for_a_session(self, id: RequestId, opening: int) -> None:
        most = self._limits.sessions_per_connection
        if len(self._lines) + opening >= most:
            raise RpcFault(
                TOO_MANY,
                f"this connection has {most} sessions already; use another connection for more",
                id=id,
            )

    def _start(self, id: RequestId, call: Callable[..., Awaitable[None]], *args: object) -> None:
        most = self._limits.requests_per_connection
        if self._under_way >= most:
            raise RpcFault(
                TOO_MANY, f"{most} requests are under way here; wait for some of them", id=id
            )
        self._under_way += 1
        self._websocket.start(self._counted, call, *args)

    async def _counted(self, call: Callable[..., Awaitable[None]], *args: object) -> None:
        try:
            await call(*args)
        finally:
            self._under_way -= 1

    async def _open(self, id: RequestId, params: NewSessionParams) -> None:
        try:
            session_id, ref = await self._sessions.open(
                assistant=params.assistant, owner=self._owner
            )
            line = Line(ref, self._websocket.outbox.lane(session_id))
            try:
                await line.attach()
            finally:
                # A client that left meanwhile took its leave of the lines it had.
                if self._left:
                    line.detach()
        except ActorError as error:
            self._send(encode_fault(refused(id, error)))
        else:
            self._lines[session_id] = line
            self._send(new_session_result(id, session_id))
        finally:
            self._opening -= 1

    def _prompt(self, id: RequestId, params: PromptParams) -> None:
        line = self._lines.get(params.session_id) or self._find(id, params.session_id)
        if line.busy:
            raise RpcFault(
                BUSY,
                f"session {params.session_id} is still answering; cancel that turn with "
                "session/cancel or wait for its end",
                id=id,
            )
        self._start(id, self._run_prompt, line, params)
        line.begin(id)

    async def _run_prompt(self, line: Line, params: PromptParams) -> None:
        try:
            await line.prompt(params.prompt)
        finally:
            if self._left:
                line.detach()
        if line.ended:
            self._lines.pop(params.session_id, None)

    def _find(self, id: RequestId, session_id: str) -> Line:
        self._room_for_a_session(id, self._opening)
        ref: SessionRef | None = None
        # One that is not open may be stored.
        with suppress(UnknownSession):
            ref = self._sessions.find(session_id, owner=self._owner)
        reach = partial(self._sessions.reach, session_id, owner=self._owner)
        line = Line(ref, self._websocket.outbox.lane(session_id), reach)
        self._lines[session_id] = line
        return line

    def gone(self) -> None:
        """Leave the sessions; they go on."""
        self._left = True
        for line in self._lines.values():
            line.detach()
