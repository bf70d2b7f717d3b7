"""A model's process for the length of a block."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from trouper.actors.local.process import ModelProcess
from trouper.actors.local.settings import ServerSettings

__all__ = ["open_model_process"]


def _ignore(line: str) -> None:
    """The log of a process that nobody listens to."""


@asynccontextmanager
async def open_model_process(
    settings: ServerSettings, *, on_log: Callable[[str], None] = _ignore
) -> AsyncGenerator[ModelProcess, None]:
    """A started ModelProcess for the length of a block; raises what `start` raises.

    The block is not told of the child's death, except by `wait`.
    """
    process = ModelProcess(settings, on_log=on_log)
    await process.start()
    try:
        yield process
    finally:
        await process.aclose()
