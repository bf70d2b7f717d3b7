"""Names of a package that are imported when they are first used."""

import pytest

import trouper.actors
import trouper.actors.wire
from trouper.actors.wire import sse

PACKAGES = [trouper.actors, trouper.actors.wire]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_listed_and_there(package: object) -> None:
    names = getattr(package, "__all__")  # noqa: B009 - of any module

    assert names
    assert set(names) <= set(dir(package))
    assert all(getattr(package, name).__name__ == name for name in names if name != "TurnEvent")


def test_a_name_is_the_one_of_its_module() -> None:
    assert trouper.actors.wire.SseDecoder is sse.SseDecoder


@pytest.mark.parametrize("package", PACKAGES)
def test_a_name_that_is_not_there_is_an_attribute_error_that_says_so(package: object) -> None:
    with pytest.raises(
        AttributeError, match=r"module 'trouper\.\S+' has no attribute 'SseEncoder'"
    ):
        getattr(package, "SseEncoder")  # noqa: B009 - type checkers know, too
