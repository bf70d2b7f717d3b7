"""Leads the names of Python that a page says in passing to where the reference tells of them."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache

from sitemap import FENCES, ROOT

__all__ = ["led", "places"]

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
    place = ROOT.joinpath(*path.split(".")[1:])
    for source in (place / "__init__.py", place.with_suffix(".py")):
        if source.is_file():
            for node in ast.parse(source.read_text()).body:
                if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                    yield from (f"{path}.{name}" for name in ast.literal_eval(node.value))


def led(text: str) -> str:
    """A page with its names led to the reference, where that has them."""
    parts: list[str] = []
    end = 0
    for fence in FENCES.finditer(text):
        parts += [_PARTS.sub(_lead, text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, _PARTS.sub(_lead, text[end:])])


def _lead(match: re.Match[str]) -> str:
    path = places().get(match["name"] or "")
    if path is None:
        return match[0]
    return f'<autoref optional identifier="{path}{match["member"]}">{match[0]}</autoref>'
