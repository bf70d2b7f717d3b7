"""OpenAI's chat completions over HTTP: POST /v1/chat/completions and GET /v1/models.

There is one reader and no session here: an answer goes from the provider's
connection to the client's in one task, so that a client that reads slowly slows
the provider down and fills no memory. A client that leaves cancels its request.

The status of an answer is decided by its first batch. What fails later ends the
stream with a frame that holds the error, as OpenAI's own streams do.
"""

import time
from contextlib import aclosing
from functools import partial
from urllib.parse import unquote

import trio

from ..config.tokens import Scope
from ..provider.call import Call
from ..wire.openai_faults import ApiFault
from ..wire.openai_frames import FrameWriter
from ..wire.openai_served_request import ServedRequest, read_served_request
from ..wire.openai_serving import completion_body, model_body, models_body
from .admission import Admission
from .api_calls import ApiCalls, Asked
from .auth import Principal
from .limits import Limits
from .models import Models

__all__ = ["CHAT", "MODELS", "Completions"]

CHAT = "/v1/chat/completions"
MODELS = "/v1/models"


class Completions(ApiCalls):
    """Answers with chat completions, and says what models there are."""

    def __init__(self, models: Models, admission: Admission, limits: Limits) -> None:
        super().__init__(admission, limits)
        self._models = models
        # That of no model is known; clients want one.
        self._created = int(time.time())

    @property
    def paths(self) -> tuple[str, ...]:
        """What there is, for who asks for something else."""
        return (CHAT, MODELS)

    def takes(self, path: str) -> bool:
        """Whether requests for `path` are answered here."""
        return path in (CHAT, MODELS) or path.startswith(f"{MODELS}/")

    async def _route(self, asked: Asked) -> bool:
        path = asked.request.path
        allowed = "OPTIONS, POST" if path == CHAT else "GET, HEAD, OPTIONS"
        if (again := await self._options(asked, allowed)) is not None:
            return again
        principal = self._admission.admit(asked.request, Scope.MODELS)
        if path == CHAT:
            with self._admission.request(principal):
                return await self._chat(asked, principal)
        await asked.http.body()
        if path == MODELS:
            return await asked.say(models_body(self._models.names, self._created))
        return await self._one_model(asked, unquote(path.removeprefix(f"{MODELS}/")))

    async def _one_model(self, asked: Asked, name: str) -> bool:
        known = self._models.names
        if name in known:
            return await asked.say(model_body(name, self._created))
        return await asked.refuse(
            ApiFault(
                status=404,
                message=f"no model {name[:80]!r} is configured; configured are: {', '.join(known)}",
                code="model_not_found",
                param="model",
            )
        )

    async def _chat(self, asked: Asked, principal: Principal) -> bool:
        served = read_served_request(await self._body(asked))
        call = Call(
            request_id=f"req_{asked.id}",
            user=served.user or principal.name,
            deadline=trio.current_time() + self._limits.answer_seconds,
        )
        answer = self._stream if served.stream else self._complete
        return await self._watched(asked, partial(answer, asked, served, call))

    async def _complete(self, asked: Asked, served: ServedRequest, call: Call) -> bool:
        completion = await self._models.complete(served.request, call)
        return await asked.say(
            completion_body(completion, id=f"chatcmpl-{asked.id}", model=served.request.model)
        )

    async def _stream(self, asked: Asked, served: ServedRequest, call: Call) -> bool:
        frames = FrameWriter(
            id=f"chatcmpl-{asked.id}",
            model=served.request.model,
            include_usage=served.include_usage,
        )
        async with aclosing(self._models.stream(served.request, call)) as answer:
            async for batch in answer:
                data = frames.take(batch)
                if data:
                    await asked.events(data)
        return await asked.http.end_events()
