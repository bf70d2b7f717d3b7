"""A provider: how it is reached, how patiently, and what a local one runs.

Every class of the configuration checks itself when it is made and raises
ConfigError with all that is wrong, each fault beginning with its key. A default
carries its reason here, once.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, get_args

import attrs

from ..errors import ConfigError
from ..wire.converter import HIDDEN, shown
from . import checks
from .secret import Secret, secrets_of

__all__ = ["LocalConfig", "ProviderConfig", "ProviderKind", "RetryConfig", "TimeoutConfig"]

ProviderKind = Literal["anthropic", "local", "ollama", "openai"]

ApiVersion = Literal["2023-06-01", "2026-10-21"]

_EXAMPLES = {
    "anthropic": "https://api.anthropic.com",
    "ollama": "http://127.0.0.1:11434",
    "openai": "https://api.openai.com/v1",
}


def _api_keys(values: Iterable[str | Secret]) -> tuple[Secret, ...]:
    return secrets_of("ProviderConfig", "api_keys", values)


def _path(value: str | Path | None) -> Path | None:
    if value is None:
        return None
    try:
        path = Path(value).expanduser()
    except TypeError:
        path = Path()
    if path == Path():
        raise ConfigError("LocalConfig", [f"model_file: must be a path, not {shown(value)}"])
    return path


@attrs.frozen(kw_only=True)
class RetryConfig:
    """How often a request is tried, and how long is waited between. Times are seconds.

    `attempts` counts the first try. Before try n a random time up to
    `base_delay` doubled n times is waited, at most `max_delay`.
    """

    # Two retries get over one restart of a provider's server; more make an outage worse.
    attempts: int = attrs.field(default=3, metadata=checks.whole(1, 20))
    # What the official clients of OpenAI and Anthropic do.
    base_delay: float = attrs.field(default=0.5, metadata=checks.seconds())
    max_delay: float = attrs.field(default=8.0, metadata=checks.seconds())

    def __attrs_post_init__(self) -> None:
        checks.refuse_faults(self, self._across)

    def _across(self) -> Iterator[str]:
        if self.max_delay < self.base_delay:
            yield (
                f"max_delay: {self.max_delay:g} s is less than base_delay, {self.base_delay:g} s"
            )


@attrs.frozen(kw_only=True)
class TimeoutConfig:
    """How long each phase of a request may take, in seconds."""

    # A TCP and TLS handshake around the world takes less than one second.
    connect: float = attrs.field(default=5.0, metadata=checks.seconds())
    # From the request to the first event: a long prompt, or a model that thinks first.
    first_event: float = attrs.field(default=120.0, metadata=checks.seconds())
    # Between two events; reasoning models fall silent for minutes.
    idle: float = attrs.field(default=300.0, metadata=checks.seconds())
    total: float = attrs.field(default=900.0, metadata=checks.seconds())

    def __attrs_post_init__(self) -> None:
        checks.refuse_faults(self)


@attrs.frozen(kw_only=True)
class LocalConfig:
    """The model that a provider of kind `local` runs on this machine.

    `model_file` is a GGUF file; None is the model that `trouper local install`
    fetches. `slots` conversations are answered at once, each with a window of
    `context_tokens`; `threads` None leaves the number to the provider.
    """

    model_file: Path | None = attrs.field(default=None, converter=_path)
    # One person's conversation and a few others; each slot has its share of the memory.
    slots: int = attrs.field(default=4, metadata=checks.whole(1, 256))
    # A short conversation; SmolLM2 takes 45 MiB a slot for it, and was trained for four times more.
    context_tokens: int = attrs.field(default=2_048, metadata=checks.whole(128, 1_048_576))
    threads: int | None = attrs.field(
        default=None, metadata=checks.optional(checks.whole(1, 1_024))
    )
    # A small model is ready in a second; one of many gigabytes is read from a slow disk first.
    start_timeout: float = attrs.field(default=60.0, metadata=checks.seconds())

    def __attrs_post_init__(self) -> None:
        checks.refuse_faults(self)


@attrs.frozen(kw_only=True)
class ProviderConfig:
    """One provider: how it is reached, with which keys, and how patiently.

    `base_url` is what the API's paths are appended to (a slash at its end does
    not matter); `api_keys` takes plain strings and Secrets. `local` is for the
    kind of that name only, `api_version` for anthropic (None: 2023-06-01) and
    `num_ctx` for ollama: the window in tokens (None: the server's).
    """

    name: str = attrs.field(metadata={**checks.name(), HIDDEN: True})
    kind: ProviderKind = attrs.field(
        metadata=checks.one_of("kind of provider", get_args(ProviderKind))
    )
    base_url: str = attrs.field(default="", metadata=checks.base_url())
    api_keys: tuple[Secret, ...] = attrs.field(default=(), converter=_api_keys)
    # What the providers' own clients open at most is 100 to 1,000; 64 streams saturate no key.
    max_connections: int = attrs.field(default=64, metadata=checks.whole(1, 1_024))
    retry: RetryConfig = attrs.field(factory=RetryConfig)
    timeouts: TimeoutConfig = attrs.field(factory=TimeoutConfig)
    local: LocalConfig = attrs.field(factory=LocalConfig)
    api_version: ApiVersion | None = attrs.field(
        default=None, metadata=checks.optional(checks.one_of("API version", get_args(ApiVersion)))
    )
    num_ctx: int | None = attrs.field(
        default=None, metadata=checks.optional(checks.whole(128, 10_000_000))
    )

    def __attrs_post_init__(self) -> None:
        checks.refuse_faults(self, self._across)

    def _across(self) -> Iterator[str]:
        for kind, key in (("anthropic", "api_version"), ("ollama", "num_ctx")):
            if self.kind != kind and getattr(self, key) is not None:
                yield f'{key}: only a provider with kind = "{kind}" has this key'
        if self.kind == "local":
            if self.base_url:
                yield "base_url: a local provider listens where it likes; leave this key out"
            if self.api_keys:
                yield "api_keys: a local provider needs no key; leave this one out"
            return
        for index in range(1, len(self.api_keys)):
            yield f"api_keys[{index}]: this version uses one key; leave the others out"
        if not self.base_url:
            yield (
                f"base_url: a provider of kind {self.kind} needs one, such as "
                f'"{_EXAMPLES[self.kind]}"'
            )
        if self.local != LocalConfig():
            yield 'local: only a provider with kind = "local" has this table'
