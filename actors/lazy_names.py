"""Names of a package that are imported when they are first used.

__getattr__, __dir__ = lazy_names(__name__, {"app": ("App", "open_app")})

A type checker does not see them: import them below `if TYPE_CHECKING` as well.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

__all__ = ["lazy_names"]


def lazy_names(
    package: str, homes: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """A package's `__getattr__` and `__dir__`; `homes` are names by the module that has them."""
    there = vars(sys.modules[package])
    home_of = {name: module for module, names in homes.items() for name in names}

    def imported(name: str) -> Any:
        module = home_of.get(name)
        if module is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = there[name] = getattr(import_module(f".{module}", package), name)
        return value

    def names() -> list[str]:
        return sorted({*there, *home_of})

    return imported, names
