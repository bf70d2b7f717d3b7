"""Providers of a kind that another package brings: their options are theirs to check."""

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.packages import install
from trouper.actors.config import ProviderConfig, parse_config
from trouper.actors.errors import ConfigError

PACKAGE = """
import attrs
from trouper.actors.wire import OpenAICodec, ProviderKind

@attrs.frozen(kw_only=True)
class Options:
    volume: int = 3

KIND = ProviderKind(
    name="parrot", codec=lambda settings: OpenAICodec(), options=Options, example_url="http://p"
)
"""

FILE = """
[providers.bird]
kind = "parrot"
base_url = "http://127.0.0.1:1"
options = {options}
[models.default]
targets = ["bird/polly"]
[assistants.default]
model = "default"
"""


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that brings the kind `parrot`."""
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    point = {"trouper.providers": {"parrot": "parrot_provider:KIND"}}
    install(tmp_path, "parrot-provider", {"parrot_provider": PACKAGE}, point)
    monkeypatch.syspath_prepend(tmp_path)


def faults(options: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        parse_config(FILE.replace("{options}", options), environ={})
    return caught.value.faults


def test_its_options_arrive_as_they_are() -> None:
    config = parse_config(FILE.replace("{options}", "{ volume = 11 }"), environ={})

    assert dict(config.providers["bird"].options) == {"volume": 11}


def test_an_option_that_it_does_not_know_is_a_fault_of_the_file() -> None:
    assert faults("{ volum = 11 }") == (
        (
            "providers.bird.options.volum: this version of trouper does not know this key; "
            'did you mean "volume"?'
        ),
    )
    assert faults('{ volume = "loud" }') == (
        "providers.bird.options.volume: must be a whole number, not 'loud'",
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            {"base_url": ""},
            'base_url: a provider of kind parrot needs one, such as "http://p"',
        ),
        ({"num_ctx": 4_096}, 'num_ctx: only a provider with kind = "ollama" has this key'),
        (
            {"kind": "parot"},
            (
                "kind: this version of trouper knows no kind of provider 'parot', and no installed "
                'package brings one; did you mean "parrot"?'
            ),
        ),
    ],
)
def test_made_in_python_it_has_the_same_checks(arguments: dict[str, Any], sentence: str) -> None:
    given: dict[str, Any] = {
        "name": "bird",
        "kind": "parrot",
        "base_url": "http://127.0.0.1:1",
    } | arguments

    with pytest.raises(ConfigError) as caught:
        ProviderConfig(**given)

    assert caught.value.faults == (sentence,)
