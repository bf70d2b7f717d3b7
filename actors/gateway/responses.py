"""OpenAI's Responses over HTTP: POST /v1/responses, plain and as events; GET and DELETE of one.

The status of an answer is decided by its first batch. What fails later ends the
stream with a response.failed. There is one reader and no session here, as in
completions.py.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final
from urllib.parse import unquote

import attrs

from ..config.tokens import Scope
from ..wire.openai_faults import ApiFault
from ..wire.openai_served_request import load_body
from ..wire.responses_serving import ALIVE, Event, sse_frames
from ..wire.responses_serving_events import ResponseWriter
from ..wire.responses_serving_request import read_response_request
from .admission import Admission
from .api_calls import ApiCalls, Asked
from .http import HttpFault
from .limits import Limits
from .responding import Responding

__all__ = ["RESPONSES", "Responses"]

RESPONSES: Final = "/v1/responses"


class Responses(ApiCalls):
    """Answers with responses, by `responding`."""

    def __init__(self, responding: Responding, admission: Admission, limits: Limits) -> None:
        super().__init__(admission, limits)
        self._responding = responding

    @property
    def paths(self) -> tuple[str, ...]:
        """What there is, for who asks for something else."""
        return (RESPONSES,)

    def takes(self, path: str) -> bool:
        """Whether requests for `path` are answered here."""
        return path == RESPONSES or path.startswith(f"{RESPONSES}/")

    def _worded(self, fault: ApiFault) -> ApiFault:
        # What is said to a model is in another field here.
        return attrs.evolve(fault, param="input") if fault.param == "messages" else fault

    async def _route(self, asked: Asked) -> bool:
        path = asked.request.path
        allowed = "OPTIONS, POST" if path == RESPONSES else "DELETE, GET, HEAD, OPTIONS"
        if (again := await self._options(asked, allowed)) is not None:
            return again
        owner = self._admission.admit(asked.request, Scope.MODELS)
        if path != RESPONSES:
            return await self._one(asked, owner.name, unquote(path.removeprefix(f"{RESPONSES}/")))
        with self._admission.request(owner):
            return await self._watched(asked, partial(self._create, asked, owner.name))

    async def _one(self, asked: Asked, owner: str, id: str) -> bool:
        await asked.http.body()
        if "/" in id:
            raise HttpFault(404, f"nothing at {asked.request.path[:200]!r}; there is {RESPONSES}")
        answer = self._responding.find
        if asked.request.method == "DELETE":
            answer = self._responding.delete
        return await asked.say(await answer(id, owner))

    async def _create(self, asked: Asked, owner: str) -> bool:
        wanted = read_response_request(load_body(await self._body(asked)))
        found = await self._responding.resolve(wanted, owner)
        call = self._responding.call(asked.id, wanted, owner)
        writer = self._responding.writer(asked.id, found.asked)
        if not wanted.stream:
            return await asked.say(await self._responding.complete(found, writer, call))
        asked.last_words = partial(_failed, writer)
        await self._responding.stream(found, writer, call, partial(_tell, asked))
        return await asked.http.end_events()


async def _tell(asked: Asked, events: Sequence[Event]) -> None:
    await asked.events(sse_frames(events) or ALIVE)


def _failed(writer: ResponseWriter, fault: ApiFault) -> bytes:
    return sse_frames(writer.fail(fault))
