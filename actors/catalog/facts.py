"""What is known of one model: its limits, what it takes, when it is shut down.

None means that nobody has said; what is unknown is never refused. The names of
the fields are also the keys of an override.
"""

import datetime
from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple, get_args

import attrs
from cattrs import Converter
from cattrs.errors import BaseValidationError

from ..errors import ConfigError
from ..wire.converter import ALLOWED, CHECK, HIDDEN, explain, key_path, make_converter, shown
from ..wire.kind import MaxTokensField

__all__ = ["ModelFacts", "ModelRef", "SamplingRule", "facts_from"]


class ModelRef(NamedTuple):
    """A model as our configuration names it, and whose table knows it.

    `provider` is the configured name and `model` the provider's own name, so
    that "provider/model" is the key of overrides; `family` is whose models
    they are: "openai", "anthropic", "local", or another that prices know. A tuple,
    because all that is known of a model is looked up by it, some times a call.
    """

    provider: str
    model: str
    family: str = ""

    @property
    def key(self) -> str:
        """What overrides and corrections are kept under."""
        return f"{self.provider}/{self.model}"


class SamplingRule(Enum):
    """Whether a model takes temperature, top_p and the penalties."""

    ALWAYS = "always"
    # A fault even at the defaults: Anthropic from Opus 4.7 on, OpenAI's o-series.
    NEVER = "never"
    # OpenAI from GPT-5.1 on: only where reasoning_effort is none.
    WITHOUT_REASONING = "without_reasoning"


def _tokens() -> dict[str, Any]:
    wanted = "a whole number of tokens from 1 to 100000000"

    def check(value: object) -> str | None:
        if value is None or (type(value) is int and 1 <= value <= 100_000_000):
            return None
        return f"must be {wanted}, not {shown(value)}"

    return {CHECK: check, ALLOWED: wanted}


def _max_tokens_field() -> dict[str, Any]:
    words = get_args(MaxTokensField)

    def check(value: object) -> str | None:
        if value is None or value in words:
            return None
        return f"must be one of {', '.join(words)}, not {shown(value)}"

    return {CHECK: check, ALLOWED: f"one of {', '.join(words)}"}


@attrs.frozen(kw_only=True)
class ModelFacts:
    """What is known of one model; of what nobody has said, nothing is refused."""

    name: str = attrs.field(metadata={HIDDEN: True})
    family: str = attrs.field(default="", metadata={HIDDEN: True})
    known: bool = attrs.field(default=False, metadata={HIDDEN: True})
    """Whether a table or an override had anything on it."""
    max_input_tokens: int | None = attrs.field(default=None, metadata=_tokens())
    """The longest prompt, in tokens. Some models count the answer into the same window."""
    max_output_tokens: int | None = attrs.field(default=None, metadata=_tokens())
    """The longest answer, in tokens, its reasoning included."""
    apis: tuple[str, ...] = ()
    """The wires that it answers on: chat, responses, messages, batch."""
    # OpenAI's and Azure's own models want the later name, most other servers know only the first.
    max_tokens_field: MaxTokensField | None = attrs.field(
        default=None, metadata=_max_tokens_field()
    )
    """What the limit of an answer is called on the chat wire; without it, where the server is
    decides."""
    tools: bool | None = None
    """Whether it uses tools."""
    parallel_tools: bool | None = None
    """Whether it may be told to use several at once, or not to."""
    forced_tools: bool | None = None
    """Whether it may be made to use a tool."""
    images: bool | None = None
    """Whether it takes images."""
    response_schema: bool | None = None
    """Whether it can be held to a JSON schema."""
    reasoning: bool | None = None
    """Whether it thinks before it answers."""
    prefill: bool | None = None
    """Whether the last message may be the assistant's, for it to go on from."""
    sampling: SamplingRule = SamplingRule.ALWAYS
    """When it takes temperature, top_p and penalties: always, never, or without_reasoning."""
    # The widest that any wire takes: OpenAI's; Anthropic's table says 1.
    max_temperature: float = 2.0
    """The highest temperature that it takes."""
    penalties: bool = True
    """Whether it takes frequency_penalty and presence_penalty."""
    max_stop_sequences: int | None = None
    """How many stop sequences it takes."""
    efforts: tuple[str, ...] = ()
    """The words that it takes for reasoning_effort."""
    shutdown: datetime.date | None = None
    """The day from which it no longer answers."""


def _date(value: object, _: object) -> datetime.date:
    # TOML has dates of its own, JSON has them as text.
    if type(value) is datetime.date:
        return value
    try:
        return datetime.date.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"must be a date such as 2027-01-14, not {shown(value)}") from None


def _sampling(value: object, _: object) -> SamplingRule:
    try:
        return SamplingRule(value)
    except ValueError:
        words = ", ".join(rule.value for rule in SamplingRule)
        raise ValueError(f"must be one of {words}, not {shown(value)}") from None


def _converter() -> Converter:
    converter = make_converter()
    converter.register_structure_hook(datetime.date, _date)
    converter.register_structure_hook(SamplingRule, _sampling)
    return converter


_CONVERTER = _converter()


def facts_from(ref: ModelRef, raw: Any, path: str = "") -> ModelFacts:
    """The facts that a raw table states; ones that it leaves out have their defaults.

    Raises ConfigError that names each wrong key, below `path`.
    """
    if not isinstance(raw, Mapping):
        raise ConfigError("models", [f"{path}: must be a table, not {shown(raw)}"])
    hidden = {"name": ref.model, "family": ref.family, "known": bool(raw)}
    faults = [
        f"{key_path(path, key)}: is said by the name of the table, not by a key"
        for key in hidden
        if key in raw
    ]
    if faults:
        raise ConfigError("models", faults)
    try:
        return _CONVERTER.structure({**raw, **hidden}, ModelFacts)
    except BaseValidationError as fault:
        raise ConfigError("models", explain(fault, path)) from None
