"""Kinds that other packages bring: found by entry point, with an error for all that goes wrong."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes import packages
from trouper.actors.errors import ConfigError
from trouper.actors.wire.plugins import (
    BUILT_IN_KINDS,
    GROUP,
    faults_of_plugin,
    find_plugin,
    known_kinds,
)

GOOD = """
import attrs
from trouper.actors.wire import OpenAICodec, ProviderKind

@attrs.frozen(kw_only=True)
class Options:
    volume: int = 3

KIND = ProviderKind(
    name="{name}", codec=lambda settings: OpenAICodec(), options=Options, example_url="{url}"
)
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a distribution with one module, and one kind, onto the path."""
    monkeypatch.setattr(sys, "modules", dict(sys.modules))

    def put(package: str, code: str, kind: str, *, value: str = "") -> None:
        site = tmp_path / package
        points = {GROUP: {kind: value or f"{package}:KIND"}}
        packages.install(site, package, {package: code}, points)
        monkeypatch.syspath_prepend(site)

    return put


def good(name: str, url: str = "") -> str:
    return GOOD.format(name=name, url=url)


def fault(name: str) -> str:
    with pytest.raises(ConfigError) as caught:
        find_plugin(name)
    (only,) = caught.value.faults
    return only


def test_a_kind_that_a_package_brings_is_found_by_its_name(install: Install) -> None:
    install("loro", good("loro"), "loro")

    assert find_plugin("loro").name == "loro"
    assert "loro" in known_kinds()


def test_names_are_known_before_any_package_is_imported(install: Install) -> None:
    install("broken_one", "raise RuntimeError", "broken")

    assert set(known_kinds()) == {*BUILT_IN_KINDS, "broken"}
    assert list(known_kinds()) == sorted(known_kinds())
    assert "broken_one" not in sys.modules


def test_a_name_that_nobody_brings_is_answered_with_the_nearest(install: Install) -> None:
    install("loro", good("loro"), "loro")

    assert fault("lorro") == (
        "kind: this version of trouper knows no kind of provider 'lorro', and no installed "
        'package brings one; did you mean "loro"?'
    )


def test_a_package_that_cannot_be_imported_is_named_with_what_it_raised(install: Install) -> None:
    install("hoarse", "raise RuntimeError('no voice\\ntoday')", "hoarse")
    install("mute", "raise RuntimeError", "mute")
    install("absent", "", "absent", value="absent:MISSING")

    assert fault("hoarse") == (
        "kind: hoarse 1.5 brings the kind 'hoarse' as hoarse:KIND, which cannot be imported "
        "(RuntimeError: no voice); mend, update or uninstall it"
    )
    assert "cannot be imported (RuntimeError); mend" in fault("mute")
    assert "cannot be imported (AttributeError: " in fault("absent")


def test_two_packages_that_bring_the_same_name_are_both_named(install: Install) -> None:
    install("loro", good("loro"), "loro")
    install("ara", good("loro"), "loro")

    assert fault("loro") == (
        "kind: ara 1.5 and loro 1.5 each bring a kind 'loro'; uninstall all of them but one"
    )


def test_what_is_no_kind_is_refused(install: Install) -> None:
    install("odd", "KIND = 42", "odd")

    assert fault("odd") == (
        "kind: the entry point 'odd' of odd 1.5 is odd:KIND, which must be a ProviderKind and is "
        "a int"
    )


def test_a_kind_that_calls_itself_otherwise_is_refused(install: Install) -> None:
    install("ara", good("macaw"), "ara")

    assert "'ara' of ara 1.5 is a ProviderKind with name='macaw'" in fault("ara")


@pytest.mark.parametrize("name", BUILT_IN_KINDS)
def test_no_package_takes_the_place_of_a_kind_of_our_own(install: Install, name: str) -> None:
    install("thief", good(name), name)

    assert known_kinds() == BUILT_IN_KINDS
    assert "no installed package brings one" in fault(name)


def test_a_configuration_learns_all_that_is_wrong_with_a_plugins_provider(
    install: Install,
) -> None:
    install("loro", good("loro", "http://127.0.0.1:7"), "loro")

    assert faults_of_plugin("loro", {"volume": 11}, "http://127.0.0.1:7") == []
    assert faults_of_plugin("loro", {"volume": "loud"}, "http://127.0.0.1:7") == [
        "options.volume: must be a whole number, not 'loud'"
    ]
    assert faults_of_plugin("loro", {}, "") == [
        'base_url: a provider of kind loro needs one, such as "http://127.0.0.1:7"'
    ]
    (unknown,) = faults_of_plugin("nobody", {}, "")
    assert unknown.startswith("kind: ")


def test_a_kind_that_names_no_address_may_do_without_one(install: Install) -> None:
    install("loro", good("loro"), "loro")

    assert faults_of_plugin("loro", {}, "") == []
