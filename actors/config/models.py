"""What users ask for by a name: a chain of targets, and how an answer is had from it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, get_args

import attrs
from cattrs import Converter
from cattrs.errors import BaseValidationError

from ..errors import ConfigError, ErrorKind
from ..policy.routing import Candidate, Link
from ..wire.converter import ALLOWED, CHECK, Check, explain, make_converter, shown, suggestion
from . import checks

__all__ = ["ContextPolicy", "LinkConfig", "Midstream", "ModelConfig", "Target", "TargetConfig"]

Midstream = Literal["raise", "restart", "buffer"]
ContextPolicy = Literal["refuse", "drop_oldest", "summarise"]

# What any provider's reference has. Which of them a model takes, the catalog knows.
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

_KINDS = {kind.value: kind for kind in ErrorKind}

# A month: an answer that is older was given in another world.
_LONGEST_KEPT = 31 * 86_400.0


@attrs.frozen
class Target:
    """A model of a provider. `model` is the provider's own name for it."""

    provider: str
    model: str

    @classmethod
    def parse(cls, text: object) -> "Target":
        """The target that "provider/model" names. The model's name may have slashes of its own.

        Raises ValueError.
        """
        provider, _, model = text.partition("/") if isinstance(text, str) else ("", "", "")
        if not checks.is_name(provider) or not model.isprintable() or not 1 <= len(model) <= 256:
            raise ValueError(f'must be "provider/model", not {shown(text)}')
        return cls(provider, model)

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"


def _target(value: "str | Target") -> Target:
    if isinstance(value, Target):
        return value
    try:
        return Target.parse(value)
    except ValueError as error:
        raise ConfigError("TargetConfig", [f"target: {error}"]) from None


def _kinds_of_error() -> checks.Metadata:
    def check(value: object) -> str | None:
        if not isinstance(value, list | tuple | set | frozenset):
            return f"must be a list of kinds of error, not {shown(value)}"
        kinds: Iterable[object] = value  # pyright: ignore[reportUnknownVariableType]
        for kind in kinds:
            if not isinstance(kind, ErrorKind) and kind not in _KINDS:
                return f"{shown(kind)} is no kind of error; {suggestion(str(kind), _KINDS)}"
        return None if value else "names no kind of error; leave it out to mean all"

    return {CHECK: check, ALLOWED: f"a list of {', '.join(_KINDS)}"}


def _kinds(values: "Iterable[str | ErrorKind] | None") -> frozenset[ErrorKind] | None:
    if values is None:
        return None
    # What fails the check is left as it is, for the check to say.
    check: Check = _kinds_of_error()[CHECK]
    if check(values) is not None:
        return values  # type: ignore[return-value]
    return frozenset(_KINDS[kind] if isinstance(kind, str) else kind for kind in values)


@attrs.frozen(kw_only=True)
class TargetConfig:
    """A target of which more is said than its name."""

    target: Target = attrs.field(converter=_target, metadata=checks.told('"provider/model"'))
    """The provider's name, a slash, and the provider's own name of the model."""
    # Equals have equal shares.
    weight: float = attrs.field(default=1.0, metadata=checks.within(0.001, 1_000))
    """Its share of the calls beside its equals."""
    on: frozenset[ErrorKind] | None = attrs.field(
        default=None, converter=_kinds, metadata=checks.optional(_kinds_of_error())
    )
    """For which failures of the targets before it this link is asked; without it for all that
    are not the request's own fault. Equals share one."""

    def __attrs_post_init__(self) -> None:
        checks.refuse_faults(self)


def _converter() -> Converter:
    converter = make_converter()
    converter.register_structure_hook(Target, lambda value, _: Target.parse(value))
    return converter


_CONVERTER = _converter()


@attrs.frozen
class LinkConfig:
    """One element of `targets`: a target, or several that are as good as each other."""

    targets: tuple[TargetConfig, ...]

    @classmethod
    def of(cls, value: object) -> "LinkConfig":
        """The link that `value` stands for: "provider/model", a table, or a list of these.

        Raises ConfigError and ValueError; their words go on from the path of the element.
        """
        match value:
            case LinkConfig():
                return value
            case list() | tuple():
                link = cls(_equals(value))  # pyright: ignore[reportUnknownArgumentType]
            case _:
                link = cls((_entry(value),))
        if len({entry.on for entry in link.targets} - {None}) > 1:
            raise ValueError("its targets are equals and share one `on`; say it in one of them")
        return link

    @property
    def on(self) -> frozenset[ErrorKind] | None:
        """For which failures before it this link is asked; None for all but the request's own."""
        return next((entry.on for entry in self.targets if entry.on is not None), None)

    def __str__(self) -> str:
        names = " or ".join(str(entry.target) for entry in self.targets)
        return names if self.on is None else f"{names} (on {', '.join(_words(self.on))})"


def _words(kinds: Iterable[ErrorKind]) -> list[str]:
    return sorted(kind.value for kind in kinds)


def _equals(values: Iterable[object]) -> tuple[TargetConfig, ...]:
    found: list[TargetConfig] = []
    faults: list[str] = []
    for index, value in enumerate(values):
        try:
            found.append(_entry(value))
        except (ConfigError, ValueError) as error:
            faults += explain(error, f"[{index}]")
    if faults:
        raise ConfigError("LinkConfig", faults)
    if not found:
        raise ValueError("is an empty list; equals are two targets or more")
    return tuple(found)


def _entry(value: object) -> TargetConfig:
    match value:
        case TargetConfig():
            return value
        case Target():
            return TargetConfig(target=value)
        case Mapping():
            table: dict[str, Any] = dict(value)  # pyright: ignore[reportUnknownArgumentType]
            if isinstance(table.get("target"), Target):
                table["target"] = str(table["target"])
            try:
                return _CONVERTER.structure(table, TargetConfig)
            except BaseValidationError as error:
                raise ConfigError("TargetConfig", explain(error)) from None
        case _:
            return TargetConfig(target=Target.parse(value))


def _links(values: Iterable[object]) -> tuple[LinkConfig, ...]:
    links: list[LinkConfig] = []
    faults: list[str] = []
    for index, value in enumerate(checks.items("ModelConfig", "targets", values)):
        try:
            links.append(LinkConfig.of(value))
        except (ConfigError, ValueError) as error:
            faults += explain(error, f"targets[{index}]")
    if faults:
        raise ConfigError("ModelConfig", faults)
    return tuple(links)


@attrs.frozen(kw_only=True)
class ModelConfig:
    """What users ask for by a name: a chain of targets, and how an answer is had from it.

    An element of `targets` is a link of the chain. The first one is asked
    first, and the next one when all before it have failed or are not to be
    asked now. A link is a target, or a list of targets that are as good as each
    other: among them the one with the fewest calls under way is asked.
    """

    links: tuple[LinkConfig, ...] = attrs.field(
        converter=_links,
        alias="targets",
        metadata=checks.told("a list of targets, tables and lists of these"),
    )
    """Whom to ask: "provider/model", a table that says more of it, or a list of equals."""
    temperature: float | None = attrs.field(
        default=None, metadata=checks.optional(checks.within(0, 2))
    )
    """How freely words are chosen; without it the provider's default. Models that take none
    are not sent one."""
    max_output_tokens: int | None = attrs.field(
        default=None, metadata=checks.optional(checks.whole(1, 10_000_000))
    )
    """The longest answer, its reasoning included; without it the provider's default."""
    reasoning_effort: str | None = attrs.field(
        default=None, metadata=checks.optional(checks.one_of("reasoning effort", _EFFORTS))
    )
    """How long the model thinks before it answers; without it the model's default."""
    # Nothing that was shown is taken back, and nothing is paid twice, unless somebody wants it.
    on_midstream: Midstream = attrs.field(
        default="raise", metadata=checks.one_of("way to go on", get_args(Midstream))
    )
    """What happens when an answer breaks off after its beginning was handed on: an error with
    what there is (raise), a new answer from its beginning (restart), or no word before the
    answer is whole (buffer)."""
    # It may cost a second answer.
    hedge: bool = attrs.field(default=False, metadata=checks.switch())
    """Whether a second attempt is begun when the first one is slower than nearly all are; the
    first that answers wins."""
    cache: float | None = attrs.field(
        default=None, metadata=checks.optional(checks.seconds(_LONGEST_KEPT))
    )
    """Seconds that an answer is kept and given again to an equal request; without it none is."""
    # A long conversation goes on without its beginning rather than not at all.
    context: ContextPolicy = attrs.field(
        default="drop_oldest", metadata=checks.one_of("context policy", get_args(ContextPolicy))
    )
    """What happens to a conversation that is longer than the model's window: an error (refuse),
    its oldest turns are left out (drop_oldest), or told in few words (summarise)."""
    first_event: float | None = attrs.field(
        default=None, metadata=checks.optional(checks.seconds())
    )
    """Seconds to the first event of an answer; without it what the provider's timeouts say."""
    idle: float | None = attrs.field(default=None, metadata=checks.optional(checks.seconds()))
    """Seconds between two events; without it what the provider's timeouts say."""

    def __attrs_post_init__(self) -> None:
        checks.refuse_faults(self, self._across)

    @property
    def targets(self) -> tuple[Target, ...]:
        """All targets of the chain, in their order."""
        return tuple(entry.target for link in self.links for entry in link.targets)

    @property
    def chain(self) -> tuple[Link, ...]:
        """The chain as `policy.routing` decides on it; candidates are named "provider/model"."""
        return tuple(
            Link(tuple(Candidate(str(one.target), one.weight) for one in link.targets), link.on)
            for link in self.links
        )

    def places(self) -> Iterator[tuple[str, Target]]:
        """All targets with their places in `targets`: "[1]", or "[1][0]" among equals."""
        for index, link in enumerate(self.links):
            for inner, entry in enumerate(link.targets):
                place = f"[{index}]" if len(link.targets) == 1 else f"[{index}][{inner}]"
                yield place, entry.target

    def _across(self) -> Iterator[str]:
        if not self.links:
            yield 'targets: names nothing; at least one "provider/model" is needed'
        elif self.links[0].on is not None and len(self.links[0].targets) == 1:
            yield "targets[0].on: the first link is asked in any case; leave it out"
        seen: set[Target] = set()
        for place, target in self.places():
            if target in seen:
                yield f'targets{place}: "{target}" is in this chain already'
            seen.add(target)
