"""How the body of a request is read: each value by its kind, and all that is wrong at once."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from .converter import key_path, shown

__all__ = ["BodyReader", "InvalidBody"]

T = TypeVar("T")


class InvalidBody(ValueError):
    """A body is no request. `faults` are sentences, each beginning with its key."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class BodyReader:
    """Takes values out of JSON, and notes in `faults` what is not as it must be."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def fault(self, path: str, words: str) -> None:
        """Note what is wrong at a path of keys."""
        self.faults.append(f"{path}: {words}" if path else words)

    def take(self, raw: Mapping[str, Any], key: str, path: str, kinds: Any, words: str) -> Any:
        """The value of a key that may be missing or null; None where it is, or is wrong."""
        value = raw.get(key)
        if value is None or (isinstance(value, kinds) and not _is_wrongly_bool(value, kinds)):
            return value
        self.fault(key_path(path, key), f"must be {words}, not {shown(value)}")
        return None

    def text(self, raw: Mapping[str, Any], key: str, path: str = "") -> str | None:
        """Text that may be missing."""
        value: str | None = self.take(raw, key, path, str, "text")
        return value

    def needed(self, raw: Mapping[str, Any], key: str, path: str) -> str:
        """Text that may not."""
        value = self.text(raw, key, path)
        if value is None and raw.get(key) is None:
            self.fault(key_path(path, key), "is missing")
        return value or ""

    def whole(self, raw: Mapping[str, Any], key: str) -> int | None:
        """A whole number that may be missing."""
        value: int | None = self.take(raw, key, "", int, "a whole number")
        return value

    def number(self, raw: Mapping[str, Any], key: str) -> float | None:
        """A number that may be missing."""
        value: float | None = self.take(raw, key, "", (int, float), "a number")
        return value

    def each(
        self, raw: Mapping[str, Any], key: str, path: str, read: Callable[[Any, str], T | None]
    ) -> tuple[T, ...]:
        """What `read` makes of each table of a list."""
        listed = self.take(raw, key, path, list, "a list")
        found: list[T] = []
        if not listed:
            return ()
        parent = key_path(path, key)
        for index, item in enumerate(listed):
            place = f"{parent}[{index}]"
            if not isinstance(item, Mapping):
                self.fault(place, f"must be an object, not {shown(item)}")
            elif (value := read(item, place)) is not None:
                found.append(value)
        return tuple(found)


def _is_wrongly_bool(value: object, kinds: object) -> bool:
    return isinstance(value, bool) and kinds is not bool
