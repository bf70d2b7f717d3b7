"""A provider: how it is reached, what it allows, and what a local one runs.

Every class of the configuration checks itself when it is made and raises
ConfigError with all that is wrong, each fault beginning with its key. The
comment above a field is the reason of its default, the text below it is what
the key is for: docs/reference/configuration.md is made of them.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import attrs

from ..errors import ConfigError
from ..policy.bucket import RateLimits
from ..wire.converter import ALLOWED, CHECK, HIDDEN, key_path, shown
from ..wire.plugins import BUILT_IN_KINDS, faults_of_plugin, known_kinds
from . import addresses, checks
from .attempts import BreakerConfig, RetryConfig, TimeoutConfig
from .secret import Secret, secrets_of

__all__ = ["LocalConfig", "ProviderConfig"]

ApiVersion = Literal["2023-06-01", "2026-10-21"]

_EXAMPLES = {
    "anthropic": "https://api.anthropic.com",
    "ollama": "http://127.0.0.1:11434",
    "openai": "https://api.openai.com/v1",
    "openai-responses": "https://api.openai.com/v1",
}

# Which keys are for some kinds only.
_OF_KINDS = {
    "api_version": ("anthropic",),
    "num_ctx": ("ollama",),
    "keep_alive": ("ollama",),
    "lenient_finish": ("openai",),
    "skip_malformed": ("openai", "openai-responses"),
}

# What a provider of kind `local` has no use for: it is reached by nobody else and costs nothing.
_NOT_LOCAL = {
    "base_url": "a local provider listens where it likes; leave this key out",
    "api_keys": "a local provider needs no key; leave this one out",
}


def _api_keys(values: Iterable[str | Secret]) -> tuple[Secret, ...]:
    return secrets_of("ProviderConfig", "api_keys", values)


def _options(values: Mapping[str, Any]) -> Mapping[str, Any]:
    return checks.frozen(values)


def _path(key: str, value: str | Path | None) -> Path | None:
    if value is None:
        return None
    try:
        path = Path(value).expanduser()
    except TypeError:
        path = Path()
    if path == Path():
        raise ConfigError("LocalConfig", [f"{key}: must be a path, not {shown(value)}"])
    return path


def _model_file(value: str | Path | None) -> Path | None:
    return _path("model_file", value)


def _chat_template(value: str | Path | None) -> Path | None:
    return _path("chat_template", value)


def _kind() -> checks.Metadata:
    names = ", ".join(BUILT_IN_KINDS)

    def check(value: object) -> str | None:
        if not isinstance(value, str):
            return f"must be one of {names}, or the name of a plug-in, not {shown(value)}"
        if value in BUILT_IN_KINDS or value in known_kinds():
            return None
        return faults_of_plugin(value, {}, "")[0].removeprefix("kind: ")

    return {CHECK: check, ALLOWED: f"one of {names}, or the name of a plug-in"}


def _per_minute() -> checks.Metadata:
    # A thousand times what the largest customers have.
    return checks.optional(checks.whole(1, 1_000_000_000_000))


@attrs.frozen(kw_only=True)
class LocalConfig:
    """The model that a provider of kind `local` runs on this machine."""

    model_file: Path | None = attrs.field(
        default=None, converter=_model_file, metadata=checks.told("the path of a file")
    )
    """A GGUF file; without it the model that `trouper local install` fetches."""
    chat_template: Path | None = attrs.field(
        default=None, converter=_chat_template, metadata=checks.told("the path of a file")
    )
    """A Jinja file that writes a conversation as the model reads it; without it the one in the
    model's own file. One that writes `tools` lets a model use them whose own has no place for
    them, as that of the small model."""
    # One person's conversation and a few others; each slot has its share of the memory.
    slots: int = attrs.field(default=4, metadata=checks.whole(1, 256))
    """How many conversations are answered at once."""
    # A short conversation; SmolLM2 takes 45 MiB a slot for it, and was trained for four times more.
    context_tokens: int = attrs.field(default=2_048, metadata=checks.whole(128, 1_048_576))
    """The window of each conversation, in tokens."""
    threads: int | None = attrs.field(
        default=None, metadata=checks.optional(checks.whole(1, 1_024))
    )
    """How many threads compute; without it the provider chooses."""
    # A small model is ready in a second; one of many gigabytes is read from a slow disk first.
    start_timeout: float = attrs.field(default=60.0, metadata=checks.seconds())
    """Seconds until the model must be ready."""

    def __attrs_post_init__(self) -> None:
        checks.refuse_faults(self)


@attrs.frozen(kw_only=True)
class ProviderConfig:
    """One provider: how it is reached, with which keys, how patiently, and what it allows.

    In Python `api_keys` takes plain strings and Secrets. The package of a
    plug-in is imported, to see whether it knows its options.
    """

    name: str = attrs.field(metadata={**checks.name(), HIDDEN: True})
    """What targets call it; in a file, the name of the table."""
    kind: str = attrs.field(metadata=_kind())
    """Which API it speaks."""
    base_url: str = attrs.field(default="", metadata=addresses.base_url())
    """What the API's paths are appended to; a slash at its end does not matter."""
    api_keys: tuple[Secret, ...] = attrs.field(
        default=(), converter=_api_keys, metadata=checks.told("a list of references to secrets")
    )
    """The keys, used by turns; one that is refused or used up is left out."""
    requests_per_minute: int | None = attrs.field(default=None, metadata=_per_minute())
    """How many requests may be made a minute with one key; with two keys, twice as many."""
    tokens_per_minute: int | None = attrs.field(default=None, metadata=_per_minute())
    """How many tokens, of prompts and answers together, a key may use a minute."""
    input_tokens_per_minute: int | None = attrs.field(default=None, metadata=_per_minute())
    """The same for prompts alone, where the provider counts them by themselves."""
    output_tokens_per_minute: int | None = attrs.field(default=None, metadata=_per_minute())
    """The same for answers alone."""
    # What the providers' own clients open at most is 100 to 1,000; 64 streams saturate no key.
    max_connections: int = attrs.field(default=64, metadata=checks.whole(1, 1_024))
    """How many connections are open at once; each answer has one while it comes."""
    max_in_flight: int | None = attrs.field(
        default=None, metadata=checks.optional(checks.whole(1, 1_024))
    )
    """How many calls of one key are under way at once; the next ones wait in line, those first
    for which a person waits. Without it, as many as there may be connections."""
    retry: RetryConfig = attrs.field(factory=RetryConfig)
    """How often a request is tried."""
    breaker: BreakerConfig = attrs.field(factory=BreakerConfig)
    """When a model that fails is left alone for a while."""
    timeouts: TimeoutConfig = attrs.field(factory=TimeoutConfig)
    """How long each phase of a request may take."""
    local: LocalConfig = attrs.field(factory=LocalConfig)
    """What a provider of kind `local` runs."""
    # The version that all models answer to.
    api_version: ApiVersion | None = attrs.field(
        default=None, metadata=checks.optional(checks.one_of("API version", get_args(ApiVersion)))
    )
    """The version of Anthropic's API; without it 2023-06-01."""
    num_ctx: int | None = attrs.field(
        default=None, metadata=checks.optional(checks.whole(128, 10_000_000))
    )
    """The window in tokens that Ollama gives the model; without it the server's own."""
    keep_alive: str | int | None = attrs.field(
        default=None, metadata=checks.optional(checks.duration())
    )
    """How long Ollama keeps the model loaded after an answer; without it the server's own, 5
    minutes."""
    # Who leaves its mark out may as well have been cut off; only a known server is to be believed.
    lenient_finish: bool = attrs.field(default=False, metadata=checks.switch())
    """Whether a bare [DONE] ends an answer, for compatible servers that never send a
    finish_reason; without it that is an answer that was cut off."""
    # What cannot be read may have been a part of the answer.
    skip_malformed: int = attrs.field(default=0, metadata=checks.whole(0, 1_000))
    """How many events of a stream that are no JSON are passed over before its answer fails, for
    servers and proxies that mix other lines into it."""
    options: Mapping[str, Any] = attrs.field(
        factory=dict[str, Any], converter=_options, hash=False, metadata=checks.table()
    )
    """What a plug-in's kind wants to know beyond these keys."""

    def __attrs_post_init__(self) -> None:
        checks.refuse_faults(self, self._across)

    @property
    def limits(self) -> RateLimits:
        """What the provider allows for one key, as the limiter takes it."""
        return RateLimits(
            requests_per_minute=self.requests_per_minute,
            tokens_per_minute=self.tokens_per_minute,
            input_tokens_per_minute=self.input_tokens_per_minute,
            output_tokens_per_minute=self.output_tokens_per_minute,
        )

    @property
    def in_flight(self) -> int:
        """How many calls of one key may be under way at once.

        More than there are connections would only stand in another line, which knows
        no priorities. Where there are several keys, each may have all connections:
        else a dead one would take its share of them with it.
        """
        most = self.max_connections
        return most if self.max_in_flight is None else min(self.max_in_flight, most)

    def _across(self) -> Iterator[str]:
        for key, kinds in _OF_KINDS.items():
            if self.kind not in kinds and getattr(self, key) not in (None, False, 0):
                named = " or ".join(f'"{kind}"' for kind in kinds)
                yield f"{key}: only a provider with kind = {named} has this key"
        if self.kind not in BUILT_IN_KINDS:
            yield from faults_of_plugin(self.kind, self.options, self.base_url)
        for key in self.options if self.kind in BUILT_IN_KINDS else ():
            yield (
                f"{key_path('options', key)}: a provider of kind {self.kind} has no options of its "
                "own; they are for plug-ins"
            )
        if self.kind == "local":
            for key, words in _NOT_LOCAL.items():
                if getattr(self, key):
                    yield f"{key}: {words}"
            return
        for index, secret in enumerate(self.api_keys):
            first = self.api_keys.index(secret)
            if first < index:
                yield f"api_keys[{index}]: is the same key as api_keys[{first}]; leave it out"
        if not self.base_url and self.kind in _EXAMPLES:
            yield (
                f"base_url: a provider of kind {self.kind} needs one, such as "
                f'"{_EXAMPLES[self.kind]}"'
            )
        if self.local != LocalConfig():
            yield 'local: only a provider with kind = "local" has this table'
