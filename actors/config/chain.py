"""Whom a model asks: targets, and the links of a chain that they stand in.

A link is written as its targets are: "provider/model", a table that says more
of one, or a list of equals.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import attrs
from cattrs import Converter
from cattrs.errors import BaseValidationError

from ..errors import ConfigError, ErrorKind
from ..wire.converter import ALLOWED, CHECK, Check, explain, make_converter, shown, suggestion
from . import checks

__all__ = ["LinkConfig", "Target", "TargetConfig", "links_of"]

_KINDS = {kind.value: kind for kind in ErrorKind}


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


def links_of(values: Iterable[object]) -> tuple[LinkConfig, ...]:
    """The links of `targets`. Raises ConfigError with all that is wrong in any."""
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
