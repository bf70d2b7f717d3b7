"""The Agent Client Protocol over one websocket: between codec, outbox and sessions.

A session's events come to a `SessionAttachment`, straight from the session's
task, and leave through the outbox; the answer to a prompt goes the same way when
the turn's end comes, so that it is behind all of the turn's text. Whatever has to
wait for a session runs in a task of its own, never in the websocket's reader.

A client that leaves is detached; its sessions and their turns go on. A prompt
to a session that this connection did not open attaches to it, and opens one that
is stored, so a client that comes back talks on.
"""

from collections.abc import Awaitable, Callable
from typing import assert_never

from ...runtime.errors import ActorError
from ..errors import UnknownSession
from ..wire.jsonrpc import (
    INVALID_REQUEST,
    RequestId,
    RpcFault,
    RpcResponse,
    encode_fault,
    encode_result,
)
from ..wire.session import TOO_MANY, Inbound, read_frame
from ..wire.session_params import (
    CancelParams,
    CancelRequestParams,
    CloseParams,
    DeleteParams,
    InitializeParams,
    ListParams,
    LoadParams,
    NewSessionParams,
    PromptParams,
    ResumeParams,
    SetConfigParams,
    SetModeParams,
)
from ..wire.session_results import NO_CHOICES, Choices, initialize_result
from .acp_calls import SessionCalls
from .attachments import Attachments
from .auth import Principal
from .http import HttpFault
from .limits import Limits
from .questions import Questions
from .refusal import refused
from .sessions import Sessions
from .websocket import TurnHold, Websocket

__all__ = ["AcpHandler"]


class AcpHandler:
    """Speaks ACP with one client, for whose sessions it asks `sessions`.

    `version` is what we say of ourselves in the answer to initialize; `choices`
    is whom one can talk with.
    """

    __slots__ = (
        "_attachments",
        "_calls",
        "_choices",
        "_initialized",
        "_most_under_way",
        "_questions",
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
        choices: Choices = NO_CHOICES,
    ) -> None:
        self._websocket = websocket
        self._version = version
        self._choices = choices
        self._questions = Questions(self._send)
        self._attachments = Attachments(
            sessions,
            principal.name,
            websocket.outbox,
            self._questions,
            choices,
            limits.sessions_per_connection,
            websocket.close_faulty,
        )
        self._calls = SessionCalls(self._attachments, sessions, principal.name, self._send, choices)
        self._initialized = False
        self._most_under_way = limits.requests_per_connection
        self._under_way = 0

    def receive(self, message: str | bytes) -> None:
        """Take one frame of the client."""
        try:
            if not isinstance(message, str):
                raise RpcFault(
                    INVALID_REQUEST, "this was a binary frame; send JSON-RPC as text frames"
                )
            inbound = read_frame(message)
            if isinstance(inbound, RpcResponse):
                self._websocket.start(self._questions.answered, inbound)
            elif inbound is not None:
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
            self._attachments.tells_turns = params.told_turns
            self._send(initialize_result(id, self._version, images=bool(self._choices.images)))
            return
        if not self._initialized:
            raise RpcFault(INVALID_REQUEST, "send initialize first", id=id)
        match params:
            case CancelParams():
                self._cancel(params.session_id, id, answer=inbound.answer)
            case CancelRequestParams():
                for attachment in self._attachments:
                    if attachment.holds(params.request_id):
                        attachment.cancel()
            case _:
                self._check_under_way(id)
                self._begin(id, params)

    def _begin(
        self,
        id: RequestId,
        params: NewSessionParams
        | LoadParams
        | ResumeParams
        | ListParams
        | CloseParams
        | DeleteParams
        | PromptParams
        | SetModeParams
        | SetConfigParams,
    ) -> None:
        """Begin what is answered later."""
        calls, here = self._calls, self._attachments
        match params:
            case NewSessionParams():
                here.check_room(id)
                here.opening()
                self._start(id, calls.open, params)
            case LoadParams():
                self._start(id, calls.load, params, here.join(id, params.session_id))
            case ResumeParams():
                self._start(id, calls.resume, params, here.join(id, params.session_id))
            case PromptParams():
                attachment = here.reached(id, params.session_id)
                here.check_free(id, params.session_id, attachment)
                calls.check_pictures(id, params, attachment)
                attachment.begin(id, self._begin_turn(id))
                self._start(id, calls.prompt, params, attachment)
            case ListParams():
                self._start(id, calls.page, params)
            case CloseParams():
                self._start(id, calls.close, params)
            case DeleteParams():
                self._start(id, calls.delete, params)
            case SetModeParams():
                attachment = here.reached(id, params.session_id)
                here.check_joined(id, params.session_id, attachment)
                self._start(id, calls.set_mode, params, attachment)
            case SetConfigParams():
                attachment = here.reached(id, params.session_id)
                here.check_joined(id, params.session_id, attachment)
                self._start(id, calls.set_config, params, attachment)
            case _:
                assert_never(params)

    def _begin_turn(self, id: RequestId) -> TurnHold:
        try:
            return self._websocket.begin_turn()
        except HttpFault as full:
            raise RpcFault(TOO_MANY, full.message, id=id) from None

    def _cancel(self, session_id: str, id: RequestId, *, answer: bool) -> None:
        """End the session's turn, also one that was begun over another connection."""
        try:
            self._attachments.cancel(session_id)
        except UnknownSession as error:
            # A notice has no answer, not even that there is nothing to cancel.
            if answer:
                raise refused(id, error) from error
            return
        if answer:
            self._send(encode_result(id, None))

    def _check_under_way(self, id: RequestId) -> None:
        most = self._most_under_way
        if self._under_way >= most:
            raise RpcFault(
                TOO_MANY, f"{most} requests are under way here; wait for some of them", id=id
            )

    def _start(self, id: RequestId, call: Callable[..., Awaitable[None]], *args: object) -> None:
        self._under_way += 1
        self._websocket.start(self._counted, call, id, *args)

    async def _counted(self, call: Callable[..., Awaitable[None]], *args: object) -> None:
        try:
            await call(*args)
        finally:
            self._under_way -= 1

    def gone(self) -> None:
        """Leave the sessions; they go on."""
        self._attachments.leave()
