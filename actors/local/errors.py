"""Everything that a local model can raise before it speaks HTTP.

TrouperError
└── LocalModelError
    ├── LocalExtraMissing      xllamacpp cannot be imported: `pip install 'trouper[local]'`
    ├── ModelFileMissing       no model's file: `trouper local install`
    ├── TemplateUnreadable     the chat template that is configured is no text, or not there
    ├── InstallFailed          the model's file could not be fetched
    │   └── WrongContent       ... what came is not what was asked for
    └── ModelServerError       about the child process; carries its last log lines
        ├── ModelServerDied        it ended, and nobody had asked it to
        └── ModelServerSlow        it did not become ready in time

None of them is an ActorError: an actor that owns a model's process and meets
one of these has nothing left to answer with, so it should crash and let its
supervisor decide. What a turn sees is the ProviderError of its own request.
"""

import signal
from collections.abc import Iterable

from ...runtime.errors import TrouperError

__all__ = [
    "InstallFailed",
    "LocalExtraMissing",
    "LocalModelError",
    "ModelFileMissing",
    "ModelServerDied",
    "ModelServerError",
    "ModelServerSlow",
    "TemplateUnreadable",
    "WrongContent",
]


class LocalModelError(TrouperError):
    """Base of what goes wrong with a model on this machine, before it speaks HTTP."""


class LocalExtraMissing(LocalModelError):
    """llama.cpp's server is not installed for the interpreter `python`; `detail` is what Python says.

    `pip install 'trouper[local]'` installs it.
    """

    def __init__(self, python: str, detail: str) -> None:
        super().__init__(python, detail)
        self.python = python
        self.detail = detail

    def __str__(self) -> str:
        return (
            f"a local model needs xllamacpp, which {self.python} cannot import "
            f"({self.detail}); run: pip install 'trouper[local]'"
        )


class ModelFileMissing(LocalModelError):
    """There is no file at `path`; `fetched` says that it is the one that we can fetch, by
    `trouper local install`."""

    def __init__(self, path: str, *, fetched: bool) -> None:
        super().__init__(path)
        self.path = path
        self.fetched = fetched

    def __str__(self) -> str:
        if self.fetched:
            return f"the local model is not installed ({self.path}); run: trouper local install"
        return (
            f"no model file at {self.path}; correct the path, or leave it out to use "
            f"the model that this command fetches: trouper local install"
        )

    def __reduce__(self) -> tuple[object, ...]:
        return _file_missing, (self.path, self.fetched)


def _file_missing(path: str, fetched: bool) -> ModelFileMissing:
    return ModelFileMissing(path, fetched=fetched)


class TemplateUnreadable(LocalModelError):
    """The chat template in the file `path` cannot be used; `why` says what is wrong with it."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(path, why)
        self.path = path
        self.why = why

    def __str__(self) -> str:
        return (
            f"the chat template {self.path} cannot be used: {self.why}; mend the file, or leave "
            f"chat_template out, so that the model's own is used"
        )


class InstallFailed(LocalModelError):
    """The model's file could not be fetched; the message says what to do."""


class WrongContent(InstallFailed):
    """What came is not the file that was asked for, so it was thrown away: try again; where
    it is the same, something on the way (a proxy) changes it."""


class ModelServerError(LocalModelError):
    """Base of errors about the child process. `what` happened to it, and `log` is the end of what
    it wrote, which mostly says why."""

    def __init__(self, what: str, log: Iterable[str]) -> None:
        self.what = what
        self.log = tuple(log)
        super().__init__(what, self.log)

    def __str__(self) -> str:
        if not self.log:
            return self.what
        return "\n".join((f"{self.what}; the last that it wrote:", *self.log))


class ModelServerDied(ModelServerError):
    """The process `pid` ended by itself. `status` is its exit status, negative for a signal.

    It is started again. One that SIGKILL has ended mostly had no memory left: take a
    smaller model, or fewer `slots`.
    """

    def __init__(self, pid: int, status: int, log: Iterable[str]) -> None:
        self.pid = pid
        self.status = status
        super().__init__(f"the model's process {pid} {_how(status)}", log)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.pid, self.status, self.log)


class ModelServerSlow(ModelServerError):
    """The process `pid` was not ready within `seconds`, and was ended.

    Allow more time (`start_timeout`), or take a smaller model.
    """

    def __init__(self, pid: int, seconds: float, log: Iterable[str]) -> None:
        self.pid = pid
        self.seconds = seconds
        what = (
            f"the model's process {pid} was not ready within {seconds:g} s; "
            f"allow more time or take a smaller model"
        )
        super().__init__(what, log)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.pid, self.seconds, self.log)


def _how(status: int) -> str:
    if status >= 0:
        return f"exited with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:  # a real-time signal has no name of its own
        name = str(-status)
    return f"was killed by signal {name}"
