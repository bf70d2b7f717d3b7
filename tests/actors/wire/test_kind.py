"""A kind of provider is a value that is checked when it is made, and reads its options strictly."""

import attrs
import pytest

from trouper.actors import wire
from trouper.actors.errors import ConfigError
from trouper.actors.wire import (
    Codec,
    NoOptions,
    OpenAICodec,
    ProviderKind,
    ProviderSettings,
    bearer,
)


@attrs.frozen(kw_only=True)
class Options:
    voice: str
    repeat: int = attrs.field(default=1, validator=attrs.validators.ge(1))


def codec(settings: ProviderSettings[object]) -> Codec:
    return OpenAICodec()


KIND = ProviderKind(name="parrot", codec=codec, options=Options)


def faults(**options: object) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        KIND.read_options(options)
    return caught.value.faults


def test_options_become_the_class_of_the_kind() -> None:
    assert KIND.read_options({"voice": "high"}) == Options(voice="high", repeat=1)


def test_a_key_that_is_missing_unknown_or_of_a_wrong_type_is_named() -> None:
    assert faults() == ("options.voice: is missing",)
    assert faults(voice=3) == ("options.voice: must be text, not 3",)
    assert faults(voice="high", repeats=2) == (
        'options.repeats: this version of trouper does not know this key; did you mean "repeat"?',
    )


def test_what_a_validator_of_the_kind_says_is_handed_on() -> None:
    (fault,) = faults(voice="high", repeat=0)

    assert fault.startswith("options: ")
    assert "'repeat' must be >= 1" in fault


def test_a_kind_without_options_refuses_every_key() -> None:
    kind = ProviderKind(name="plain", codec=codec, options=NoOptions)

    assert kind.read_options({}) == NoOptions()
    with pytest.raises(ConfigError, match=r"options\.voice: .*known: none"):
        kind.read_options({"voice": "high"})


@pytest.mark.parametrize("name", ["", "a b", "-", "é", "x" * 65, None])
def test_a_kind_must_have_a_name_that_a_configuration_can_say(name: object) -> None:
    with pytest.raises(ValueError, match="the name of a kind"):
        ProviderKind(name=name, codec=codec, options=NoOptions)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [dict, None, NoOptions()])
def test_the_options_must_be_an_attrs_class(options: object) -> None:
    with pytest.raises(TypeError, match="are an attrs class"):
        ProviderKind(name="k", codec=codec, options=options)  # type: ignore[arg-type]


def test_what_makes_the_codec_must_be_callable() -> None:
    with pytest.raises(TypeError, match="codec"):
        ProviderKind(name="k", codec=OpenAICodec(), options=NoOptions)  # type: ignore[arg-type]


def test_a_key_is_shown_as_most_providers_want_it_unless_the_kind_says_otherwise() -> None:
    settings = ProviderSettings(name="p", base_url="", options=NoOptions())

    assert KIND.authorization is bearer
    assert bearer(settings, "sk-1") == [("authorization", "Bearer sk-1")]


def test_the_public_names_are_there_and_no_others() -> None:
    assert wire.__all__ == sorted(wire.__all__)
    assert all(getattr(wire, name) is not None for name in wire.__all__)
    assert set(wire.__all__) <= set(dir(wire))
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = wire.Nothing
