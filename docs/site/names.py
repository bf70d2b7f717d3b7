"""The names that the reference tells of, and how pages lead to them.

A page of the reference asks for a name by a line `::: trouper.module.NAME`, or for a whole
module: for what the module says of itself, and for whatever it exports.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache

from dialect import with_code_fenced
from sitemap import FENCES, ROOT

__all__ = ["expanded", "led", "places"]

_DIRECTIVE = re.compile(r"^::: (\S+)$", re.MULTILINE)
# Headings, links and code of several words stay as they are.
_PARTS = re.compile(
    r"(?P<kept>^#.*$|\[[^\]]*\]\([^)]*\)|``.+?``)"
    r"|`(?P<name>@?[A-Za-z_]\w*)(?P<member>(?:\.\w+)*)(?:\([^`]*\))?`",
    re.MULTILINE,
)


@cache
def places() -> dict[str, str]:
    """Where the reference has a name: those of one place only, and no word of everyday language."""
    found = [(path.rpartition(".")[2], path) for path in _paths()]
    count = Counter(name for name, _ in found)
    once = {name: path for name, path in found if count[name] == 1}
    known = {name: path for name, path in once.items() if "_" in name or name != name.lower()}
    return known | {f"@{name}": once[name] for name in ("on", "tool") if name in once}


def _paths() -> Iterator[str]:
    for page in sorted((ROOT / "docs" / "reference" / "api").glob("*.md")):
        for path in _DIRECTIVE.findall(page.read_text()):
            exported = list(_exported(path))
            yield from exported or [path]


def _exported(path: str) -> Iterator[str]:
    """The names of a module, out of its source; nothing where it is none."""
    tree = _module(path)
    for node in tree.body if tree else ():
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            yield from (f"{path}.{name}" for name in ast.literal_eval(node.value))


def _module(path: str) -> ast.Module | None:
    place = ROOT.joinpath(*path.split(".")[1:])
    sources = [each for each in (place / "__init__.py", place.with_suffix(".py")) if each.is_file()]
    return ast.parse(sources[0].read_text()) if sources else None


def expanded(text: str) -> str:
    """A page of the reference with the names of each module that it asks for."""

    def names(match: re.Match[str]) -> str:
        module = _module(match[1])
        if module is None:
            return match[0]
        docstring = ast.get_docstring(module) or ""
        # In which order the files are read is for who changes them.
        said = [p for p in docstring.split("\n\n") if not p.startswith(("Read in", "Reading"))]
        asked = [f"::: {name}" for name in _exported(match[1])]
        return with_code_fenced("\n\n".join(said)) + "\n\n" + "\n\n".join(asked)

    return _DIRECTIVE.sub(names, text)


def led(text: str) -> str:
    """A page with its names led to the reference, where that has them."""
    parts: list[str] = []
    end = 0
    for fence in FENCES.finditer(text):
        parts += [_PARTS.sub(_lead, text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, _PARTS.sub(_lead, text[end:])])


def _lead(match: re.Match[str]) -> str:
    name = match["name"] or ""
    path = "trouper" if name == "trouper" and match["member"] else places().get(name)
    if path is None:
        return match[0]
    return f'<autoref optional identifier="{path}{match["member"]}">{match[0]}</autoref>'
