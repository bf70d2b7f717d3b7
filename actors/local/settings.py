"""What a model's process is to serve, and how."""

import os
import sys
from pathlib import Path

import attrs

from . import server_main

__all__ = ["HOST", "ServerSettings"]

HOST = "127.0.0.1"
"""Loopback and nothing else: llama.cpp's server is not made to face a network."""


def _leave_one_core() -> int:
    # The loop that relays the tokens must not wait for those who compute them.
    # On Linux, of the cores that this process may use: a container has fewer.
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, cores - 1)


@attrs.frozen(kw_only=True)
class ServerSettings:
    """What is to be served, and how.

    `model` is a GGUF file and `alias` the name that requests use. `slots`
    requests are answered at a time, each with a window of `context` tokens;
    more wait. SmolLM2-135M takes 45 MiB a slot of 2,048 tokens. `max_tokens`
    caps requests that name no limit: without it one of them ran for 198 s.
    `chat_template` is Jinja text that replaces the model's own.
    """

    model: Path
    alias: str
    slots: int = attrs.field(default=4, validator=attrs.validators.ge(1))
    context: int = attrs.field(default=2048, validator=attrs.validators.ge(64))
    max_tokens: int = attrs.field(default=1024, validator=attrs.validators.ge(1))
    threads: int = attrs.field(factory=_leave_one_core, validator=attrs.validators.ge(1))
    chat_template: str | None = None
    python: str = sys.executable
    """The interpreter that runs the child; it needs xllamacpp and nothing else of ours."""
    start_timeout: float = 60.0
    """Seconds. 0.7 are enough for SmolLM2; a file of many GB is read from a cold disk."""
    grace: float = 3.0
    """Seconds between asking the child to end and killing it."""

    def options(self) -> server_main.Options:
        """What the child is told."""
        return server_main.Options(
            parent=os.getpid(),
            model=str(self.model),
            alias=self.alias,
            host=HOST,
            # The child lets the kernel choose, and says which: a port that
            # is picked here could be taken before the child binds it.
            port=0,
            slots=self.slots,
            context=self.context,
            max_tokens=self.max_tokens,
            threads=self.threads,
            chat_template=self.chat_template,
        )
