"""Rules of the house that no linter knows."""

import importlib
import pkgutil
from types import ModuleType

import pytest

import trouper.actors
import trouper.runtime

from . import file_length


def modules() -> list[str]:
    names: list[str] = []
    for package in (trouper.runtime, trouper.actors):
        names.append(package.__name__)
        names += [
            module.name
            for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
            # Running it is what it is for.
            if not module.name.endswith("__main__")
        ]
    return names


@pytest.fixture(params=modules())
def module(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(request.param)


def test_every_module_says_what_it_is(module: ModuleType) -> None:
    assert (
        module.__doc__ is None or module.__doc__[0].isupper() or module.__doc__[0] in "`0123456789"
    )
    if any(not name.startswith("_") for name in vars(module).get("__all__", ())):
        assert module.__doc__


def test_the_public_names_exist_and_are_sorted(module: ModuleType) -> None:
    names = list(getattr(module, "__all__", ()))

    def key(name: str) -> tuple[int, str]:
        # As ruff sorts them: constants, classes, functions.
        return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)

    assert names == sorted(names, key=key)
    assert [name for name in names if not hasattr(module, name)] == []


def test_no_file_is_too_long_to_read() -> None:
    assert file_length.too_long() == []
