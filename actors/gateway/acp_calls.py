"""What one client asks of sessions by the Agent Client Protocol, and what it is answered.

Each call runs in a task of its own, ends with one answer, and raises nothing that
a session or its house raises.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager

import attrs

from ...runtime.errors import ActorDown, ActorError
from ..chat import ImagePart
from ..session.messages import Attached, SwitchAssistant, SwitchModel
from ..wire.jsonrpc import INVALID_PARAMS, RequestId, RpcFault, encode_fault
from ..wire.session_params import (
    CloseParams,
    DeleteParams,
    ListParams,
    LoadParams,
    NewSessionParams,
    PromptParams,
    ResumeParams,
    SetConfigParams,
    SetModeParams,
)
from ..wire.session_results import (
    Choices,
    Chosen,
    config_result,
    joined_result,
    list_result,
    new_session_result,
    result,
)
from .attachment import SessionAttachment
from .attachments import Attachments
from .refusal import refused
from .sessions import Sessions

__all__ = ["SessionCalls"]

# Sessions that are told of at once: a screen or two of an editor.
_PAGE = 50


class SessionCalls:
    """The calls of `owner`, who is attached to `here`; `send` takes their answers."""

    def __init__(
        self,
        here: Attachments,
        sessions: Sessions,
        owner: str,
        send: Callable[[str], None],
        choices: Choices,
    ) -> None:
        self._here = here
        self._sessions = sessions
        self._owner = owner
        self._send = send
        self._choices = choices

    @contextmanager
    def _refusing(self, id: RequestId) -> Generator[None]:
        """Answer by an error what is refused in here."""
        try:
            yield
        except RpcFault as fault:
            self._send(encode_fault(fault))
        except ActorError as error:
            self._send(encode_fault(refused(id, error)))

    async def open(self, id: RequestId, params: NewSessionParams) -> None:
        """session/new."""
        with self._refusing(id):
            session_id, attachment = await self._here.open(params.assistant)
            assistant = params.assistant or self._choices.default
            attachment.telling.chosen = Chosen(assistant=assistant)
            self._send(
                new_session_result(
                    id,
                    session_id,
                    self._choices,
                    attachment.telling.chosen,
                    ignored=_ignored(params),
                )
            )

    async def load(self, id: RequestId, params: LoadParams, attachment: SessionAttachment) -> None:
        """session/load."""
        with self._joining(id, params, attachment):
            self._joined(id, params, attachment, await attachment.load())

    async def resume(
        self, id: RequestId, params: ResumeParams, attachment: SessionAttachment
    ) -> None:
        """session/resume."""
        with self._joining(id, params, attachment):
            self._joined(id, params, attachment, await attachment.resume(params.after))

    @contextmanager
    def _joining(
        self, id: RequestId, params: LoadParams | ResumeParams, attachment: SessionAttachment
    ) -> Generator[None]:
        with self._refusing(id), self._here.leaving(attachment):
            try:
                yield
            except ActorError:
                # Also from who has been slow to say that it listens.
                attachment.detach()
                self._here.drop(params.session_id, attachment)
                raise
            finally:
                attachment.joined()

    def _joined(
        self,
        id: RequestId,
        params: LoadParams | ResumeParams,
        attachment: SessionAttachment,
        attached: Attached,
    ) -> None:
        self._send(
            joined_result(
                id,
                attached.seq,
                attached.turn,
                self._choices,
                attachment.telling.chosen,
                ignored=_ignored(params),
            )
        )

    def check_pictures(
        self, id: RequestId, params: PromptParams, attachment: SessionAttachment
    ) -> None:
        """Raise RpcFault, for request `id`, where the model is shown what it cannot see."""
        if not any(isinstance(part, ImagePart) for part in params.prompt):
            return
        choices, chosen = self._choices, attachment.telling.chosen
        model = chosen.model or choices.assistants.get(chosen.assistant, "")
        if model not in choices.images:
            seeing = ", ".join(sorted(choices.images)) or "none of those configured here"
            raise RpcFault(
                INVALID_PARAMS,
                f"the model {model!r} sees no pictures; those that do: {seeing}",
                id=id,
            )

    async def prompt(
        self, id: RequestId, params: PromptParams, attachment: SessionAttachment
    ) -> None:
        """session/prompt; its answer comes with the turn's end."""
        with self._here.leaving(attachment):
            error = await attachment.prompt(params.prompt)
        if isinstance(error, ActorDown) or not attachment.found:
            self._here.drop(params.session_id, attachment)

    async def page(self, id: RequestId, params: ListParams) -> None:
        """session/list."""
        with self._refusing(id):
            after = None if params.cursor is None else _read_cursor(id, params.cursor)
            found = await self._sessions.page(owner=self._owner, limit=_PAGE + 1, after=after)
            cursor = None
            if len(found) > _PAGE:
                found = found[:_PAGE]
                cursor = f"{found[-1].touched.hex()}:{found[-1].sid}"
            told = [(one.sid, one.title, one.touched) for one in found]
            self._send(list_result(id, told, params.cwd or "/", cursor))

    async def close(self, id: RequestId, params: CloseParams) -> None:
        """session/close."""
        with self._refusing(id):
            attachment = self._here.get(params.session_id)
            if attachment is None:
                self._here.cancel(params.session_id)
            else:
                with self._here.leaving(attachment):
                    await attachment.close()
                self._here.drop(params.session_id, attachment)
            self._send(result(id, {}))

    async def delete(self, id: RequestId, params: DeleteParams) -> None:
        """session/delete."""
        with self._refusing(id):
            await self._sessions.end(params.session_id, owner=self._owner)
            attachment = self._here.get(params.session_id)
            if attachment is not None:
                self._here.drop(params.session_id, attachment)
            self._send(result(id, {}))

    async def set_mode(
        self, id: RequestId, params: SetModeParams, attachment: SessionAttachment
    ) -> None:
        """session/set_mode."""
        with self._choosing(id, params.session_id, attachment):
            ref = await attachment.attach()
            await ref.ask(SwitchAssistant(params.mode_id))
            self._send(result(id, {}))

    async def set_config(
        self, id: RequestId, params: SetConfigParams, attachment: SessionAttachment
    ) -> None:
        """session/set_config_option."""
        with self._choosing(id, params.session_id, attachment):
            if params.config_id not in ("assistant", "model"):
                raise RpcFault(
                    INVALID_PARAMS,
                    f"there is no option {params.config_id[:80]!r}; there are assistant and model",
                    id=id,
                )
            ref = await attachment.attach()
            if params.config_id == "assistant":
                await ref.ask(SwitchAssistant(params.value))
                chosen = Chosen(assistant=params.value)
            else:
                await ref.ask(SwitchModel(params.value))
                chosen = attrs.evolve(attachment.telling.chosen, model=params.value)
            self._send(config_result(id, self._choices, chosen))

    @contextmanager
    def _choosing(
        self, id: RequestId, session_id: str, attachment: SessionAttachment
    ) -> Generator[None]:
        with self._refusing(id), self._here.leaving(attachment):
            try:
                yield
            except ActorError:
                if not attachment.found:
                    self._here.drop(session_id, attachment)
                raise


def _ignored(params: NewSessionParams | LoadParams | ResumeParams) -> tuple[str, ...]:
    return ("mcpServers",) if params.mcp_servers else ()


def _read_cursor(id: RequestId, cursor: str) -> tuple[float, str]:
    used, _, session_id = cursor.partition(":")
    try:
        return float.fromhex(used), session_id
    except (ValueError, OverflowError):
        raise RpcFault(
            INVALID_PARAMS, "params.cursor: send nextCursor of an earlier answer as it was", id=id
        ) from None
