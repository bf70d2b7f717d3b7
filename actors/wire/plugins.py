"""The kinds of provider that other packages bring, found by their entry points.

[project.entry-points."trouper.providers"]
parrot = "parrot_provider:KIND"             # in the pyproject.toml of the package

Nothing of a package is imported before a configuration names its kind: whether
a name is known is read from what is installed. Nothing is kept either, since a
process asks once for each provider (some milliseconds) and a test may install
while it runs. A kind of our own is never looked for elsewhere: no package can
put itself between a user and a provider by taking that provider's name.
"""

from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ..errors import ConfigError
from .converter import shown, suggestion
from .kind import ProviderKind

__all__ = ["BUILT_IN_KINDS", "GROUP", "faults_of_plugin", "find_plugin", "known_kinds"]

GROUP = "trouper.providers"
"""The group of entry points; part of the public interface."""

BUILT_IN_KINDS = ("anthropic", "local", "ollama", "openai", "openai-responses")
"""The kinds that come with this package. What they are stands in provider/kinds.py."""


def known_kinds() -> tuple[str, ...]:
    """The names of all kinds, in their order, without importing any."""
    return tuple(sorted({*BUILT_IN_KINDS, *(entry.name for entry in _entries())}))


def find_plugin(name: str) -> ProviderKind[Any]:
    """The kind of that name that another package brings; imports the package.

    Raises ConfigError, whose one fault begins with `kind: ` and says whose it
    is: nobody brings it, more than one does, it cannot be imported, it is no
    ProviderKind, or it is called otherwise.
    """
    found = [entry for entry in _entries() if entry.name == name]
    if not found:
        raise _fault(
            f"this version of trouper knows no kind of provider {shown(name)}, and no installed "
            f"package brings one; {suggestion(name, known_kinds())}"
        )
    if len(found) > 1:
        packages = _listed(_package(entry) for entry in found)
        raise _fault(f"{packages} each bring a kind {shown(name)}; uninstall all of them but one")
    (entry,) = found
    return _checked(entry, _loaded(entry))


def faults_of_plugin(name: str, options: Mapping[str, object], base_url: str) -> list[str]:
    """What is wrong with a provider of that kind, as a configuration has it; imports the package.

    Each fault is a sentence that begins with its key: kind, options or base_url.
    """
    try:
        kind = find_plugin(name)
        kind.read_options(options)
    except ConfigError as error:
        return list(error.faults)
    if kind.example_url and not base_url:
        return [f'base_url: a provider of kind {name} needs one, such as "{kind.example_url}"']
    return []


def _entries() -> Iterable[EntryPoint]:
    return [entry for entry in entry_points(group=GROUP) if entry.name not in BUILT_IN_KINDS]


def _loaded(entry: EntryPoint) -> object:
    try:
        return entry.load()
    # Whatever a package of somebody else raises as it is imported.
    except Exception as error:
        said = str(error).partition("\n")[0][:300]
        what = type(error).__name__ + (f": {said}" if said else "")
        raise _fault(
            f"{_package(entry)} brings the kind {shown(entry.name)} as {entry.value}, "
            f"which cannot be imported ({what}); mend, update or uninstall it"
        ) from error


def _checked(entry: EntryPoint, kind: object) -> ProviderKind[Any]:
    whose = f"the entry point {shown(entry.name)} of {_package(entry)}"
    if not isinstance(kind, ProviderKind):
        raise _fault(
            f"{whose} is {entry.value}, which must be a ProviderKind and is a {type(kind).__name__}"
        )
    if kind.name != entry.name:
        raise _fault(
            f"{whose} is a ProviderKind with name={kind.name!r}; both must be the same, because "
            "a configuration says the one and errors say the other"
        )
    return kind


def _package(entry: EntryPoint) -> str:
    dist = entry.dist
    return f"{dist.name} {dist.version}" if dist is not None else entry.value


def _listed(names: Iterable[str]) -> str:
    *others, last = sorted(names)
    return f"{', '.join(others)} and {last}"


def _fault(sentence: str) -> ConfigError:
    return ConfigError(GROUP, [f"kind: {sentence}"])
