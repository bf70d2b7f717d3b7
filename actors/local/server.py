"""The actor that keeps a model's server process running.

Its start is the process's start; its crash is the process's death; so the
supervisor that restarts it restarts the process, with backoff. Connections ask
it where the process listens.
"""

from collections.abc import Callable

import structlog

from ...runtime import Actor, on
from ..provider.messages import Endpoint, GetEndpoint
from .process import ModelProcess
from .settings import ServerSettings

__all__ = ["ModelServer"]

_log = structlog.get_logger("trouper.local")


class ModelServer(Actor[GetEndpoint], background=True):
    """One llama.cpp server as a child process of ours, on a loopback port that it picks."""

    def __init__(self, settings: Callable[[], ServerSettings]) -> None:
        # Called at each start: a model file that is missing now may be there next time.
        self._settings = settings
        self._process: ModelProcess | None = None

    async def init(self) -> None:
        process = self._process = ModelProcess(self._settings(), on_log=self._note)
        await process.start()
        _log.info("model server is ready", actor=self.path, pid=process.pid, port=process.port)

    async def on_start(self) -> None:
        self.start_soon(self._watch)

    async def _watch(self) -> None:
        assert self._process is not None
        await self._process.wait()
        raise self._process.died()

    async def terminate(self, reason: object) -> None:
        if self._process is not None:
            await self._process.aclose()

    def _note(self, line: str) -> None:
        _log.debug("model server says", actor=self.path, line=line)

    @on(GetEndpoint)
    async def endpoint(self, message: GetEndpoint) -> Endpoint:
        """Where the process listens."""
        assert self._process is not None
        return Endpoint(self._process.base_url)
