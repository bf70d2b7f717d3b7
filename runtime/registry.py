"""Names for actors, and groups of them, forgotten when the actor stops for good.

All is one thread, so these are plain dicts and no actor: a look-up is never
late. Paths are the system's own (`System.ref`); this is for what a program
wants to find by other keys.
"""

from collections.abc import Hashable
from typing import Any

from .errors import SpecError
from .ref import Ref

__all__ = ["Registry"]


class Registry:
    """Unique names, and groups in which one key has many members with a value each."""

    __slots__ = ("_groups", "_names")

    def __init__(self) -> None:
        self._names: dict[Hashable, Ref[Any]] = {}
        self._groups: dict[Hashable, dict[Ref[Any], Any]] = {}

    def register(self, name: Hashable, ref: Ref[Any]) -> None:
        """Call `ref` by `name` until it stops. Raises SpecError if the name is another's."""
        holder = self._names.get(name)
        if holder is not None and holder != ref:
            raise SpecError(f"the name {name!r} is taken by {holder.path}")
        if holder is None:
            self._names[name] = ref
            ref._cell.when_closed((self, "name", name), lambda _reason: self.unregister(name, ref))

    def unregister(self, name: Hashable, ref: Ref[Any]) -> None:
        """Forget `name`, if it is that of `ref`."""
        if self._names.get(name) == ref:
            del self._names[name]
            ref._cell.forget_watcher((self, "name", name))

    def named(self, name: Hashable) -> Ref[Any] | None:
        """Who is called `name`; None where nobody is."""
        return self._names.get(name)

    def join(self, group: Hashable, ref: Ref[Any], value: object = None) -> None:
        """Make `ref` a member of `group` until it stops; again, to change its value."""
        members = self._groups.setdefault(group, {})
        known = ref in members
        members[ref] = value
        if not known:
            ref._cell.when_closed((self, "group", group), lambda _reason: self.leave(group, ref))

    def leave(self, group: Hashable, ref: Ref[Any]) -> None:
        """End the membership of `ref` in `group`, if there is one."""
        members = self._groups.get(group, {})
        if ref in members:
            del members[ref]
            ref._cell.forget_watcher((self, "group", group))
        if not members:
            self._groups.pop(group, None)

    def members(self, group: Hashable) -> dict[Ref[Any], Any]:
        """The members of `group` with their values, in the order they joined."""
        return dict(self._groups.get(group, {}))
