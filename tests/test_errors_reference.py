"""The reference of errors says what the code says, of every kind and every class."""

from importlib import import_module
from types import ModuleType

import pytest

from trouper.actors.errors import ErrorKind
from trouper.runtime.errors import TrouperError

from .errors_reference import BILLED, TARGET, TREES, page, tree_of
from .public_names import public_names


def test_the_reference_is_up_to_date() -> None:
    assert TARGET.read_text() == page(), (
        "an error has changed; write the reference anew: "
        "`.venv/bin/python -m tests.errors_reference`"
    )


def test_every_kind_is_told() -> None:
    assert set(BILLED) == set(ErrorKind)


@pytest.mark.parametrize("module", TREES.values(), ids=lambda module: module.__name__)
def test_each_tree_has_every_error_of_its_module_below_what_it_derives_from(
    module: ModuleType,
) -> None:
    above: dict[int, str] = {}
    drawn: dict[str, str] = {}
    for line in tree_of(module).splitlines():
        label = line.lstrip("│├└─ ")
        name, depth = label.split()[0], len(line) - len(label)
        drawn[name] = max(((at, one) for at, one in above.items() if at < depth), default=(0, ""))[
            1
        ]
        above = {at: one for at, one in above.items() if at < depth} | {depth: name}

    defined = {
        name: value
        for name in module.__all__
        if isinstance(value := getattr(module, name), type) and issubclass(value, TrouperError)
    }
    assert set(defined) <= set(drawn)
    for name, error in defined.items():
        if drawn[name]:
            assert drawn[name] in [base.__name__ for base in error.__mro__[1:]], name


def test_every_public_error_is_drawn_in_a_tree() -> None:
    drawn = {
        line.lstrip("│├└─ ").split()[0] for m in TREES.values() for line in tree_of(m).split("\n")
    }
    errors: set[str] = set()
    for public in public_names():
        module, _, name = public.name.rpartition(".")
        value = getattr(import_module(module), name)
        if isinstance(value, type) and issubclass(value, TrouperError):
            errors.add(name)

    assert errors <= drawn, errors - drawn
