"""What a kind of provider is: the wire that it speaks, how a request shows its key, its options.

KIND = ProviderKind(name="parrot", codec=make_codec, options=ParrotOptions)

A kind is a value. Those that come with this package stand in
provider/kinds.py; others are found by their entry point, see plugins.py and
docs/how-to/add-a-provider.md.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, Literal, TypeVar

import attrs
from cattrs.errors import BaseValidationError

from ..errors import ConfigError
from .codec import Codec
from .converter import explain, make_converter

__all__ = [
    "MaxTokensField",
    "ModelTraits",
    "NoOptions",
    "ProviderKind",
    "ProviderSettings",
    "bearer",
]

Options = TypeVar("Options")
Options_co = TypeVar("Options_co", covariant=True)

MaxTokensField = Literal["max_tokens", "max_completion_tokens"]
"""What the limit of an answer is called on the wire of chat completions."""

# As the names of providers in a configuration: they stand beside each other in errors and labels.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@attrs.frozen(kw_only=True)
class NoOptions:
    """The options of a kind that has none."""


@attrs.frozen(kw_only=True)
class ModelTraits:
    """What a wire must know of a model to write a request for it; None where nobody has said.

    They are facts of the catalog, which a configuration overrides: `reasoning` is
    whether it thinks before it answers, `max_tokens_field` what the limit of an answer
    is called for it.
    """

    reasoning: bool | None = None
    max_tokens_field: MaxTokensField | None = None


_UNKNOWN = ModelTraits()


def _unknown(_model: str) -> ModelTraits:
    return _UNKNOWN


@attrs.frozen(kw_only=True)
class ProviderSettings(Generic[Options_co]):
    """What a kind is told of one provider of it: never a key, and nothing that is not its own.

    `name` is the provider's in the configuration; `base_url` is what the paths
    of requests are appended to, "" where none is configured. `options` is what the
    configuration says for this kind, as `ProviderKind.options` reads it. `traits` says what
    is known of a model by its name; a codec asks it for each request.
    """

    name: str
    base_url: str
    options: Options_co
    traits: Callable[[str], ModelTraits] = _unknown


def bearer(settings: ProviderSettings[Any], key: str) -> list[tuple[str, str]]:
    """The headers that show `key` as most providers want it."""
    return [("authorization", f"Bearer {key}")]


def _is_name(_kind: object, _attribute: object, name: Any) -> None:
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise ValueError(
            "the name of a kind is up to 64 letters, digits, dots, hyphens and underscores, "
            f"not {name!r}"
        )


def _is_attrs_class(_kind: object, _attribute: object, options: Any) -> None:
    if not isinstance(options, type) or not attrs.has(options):
        raise TypeError(f"the options of a kind are an attrs class, not {options!r}")


@attrs.frozen(kw_only=True)
class ProviderKind(Generic[Options]):
    """A kind of provider. `name` is what a configuration calls it by `kind = "..."`.

    `codec` makes the codec of one provider, once; its requests share it. It and
    `authorization`, which gives the headers that show a key, do no I/O and are
    called as a provider starts: what they raise fails its start. `options` is an
    attrs class of what stands in the provider's table `options`: its fields are
    the keys, their types are checked, one without a default must be there, and
    what its validators raise as ValueError is told to whoever wrote the
    configuration. `example_url` is shown where base_url is missing; where it is
    "", a provider of this kind may do without one and `codec` must give whole URLs.
    """

    name: str = attrs.field(validator=_is_name)
    codec: Callable[[ProviderSettings[Options]], Codec] = attrs.field(
        validator=attrs.validators.is_callable()
    )
    options: type[Options] = attrs.field(validator=_is_attrs_class)
    authorization: Callable[[ProviderSettings[Options], str], Iterable[tuple[str, str]]] = (
        attrs.field(default=bearer, validator=attrs.validators.is_callable())
    )
    example_url: str = ""

    def read_options(self, options: Mapping[str, object]) -> Options:
        """The table `options` of a configuration as this kind knows it.

        Raises ConfigError with all that is wrong, each fault beginning with its key.
        """
        try:
            return make_converter().structure(dict(options), self.options)
        except BaseValidationError as error:
            raise ConfigError(self.name, explain(error, "options")) from error
