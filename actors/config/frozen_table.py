"""A table of the configuration that nobody changes.

Not types.MappingProxyType: that one can be neither pickled nor deep-copied, and with it no
configuration could be handed to a process that is started by multiprocessing's "spawn".
"""

from collections.abc import Iterator, Mapping
from typing import TypeVar

__all__ = ["FrozenTable"]

K = TypeVar("K")
V = TypeVar("V")


class FrozenTable(Mapping[K, V]):
    """What stands in `values` when it is made, in that order. It prints as a dict does."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[K, V]) -> None:
        self._values = dict(values)

    def __getitem__(self, key: K) -> V:
        return self._values[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(self._values)
