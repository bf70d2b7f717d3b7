"""Files that are no pages, shown as pages: an example, a licence, a package of the tests."""

import ast
import json
import re
from pathlib import Path

from dialect import with_blocks_apart, with_one_title
from sitemap import ROOT

__all__ = ["text_page"]

_LANGUAGES = {".py": "python", ".toml": "toml", ".md": "markdown", ".yml": "yaml", ".json": "json"}


def text_page(path: str) -> str:
    """The page that shows a file of the project, or all files of a folder, as they are."""
    home = ROOT / path
    files = [home] if home.is_file() else sorted(_kept(home))
    parts = [f"# {home.name}\n"]
    if len(files) == 1 and (sentence := _purpose(files[0])):
        parts.append(sentence + "\n")
    parts += [_block(file) for file in files]
    return "\n".join(parts)


def _kept(folder: Path) -> list[Path]:
    hidden = re.compile(r"/(\.|__pycache__/)|\.egg-info/")
    return [
        each
        for each in folder.rglob("*")
        if each.is_file() and not hidden.search(f"/{each.relative_to(folder)}")
    ]


def _purpose(file: Path) -> str | None:
    if file.suffix != ".py":
        return None
    docstring = ast.get_docstring(ast.parse(file.read_text()))
    return docstring.partition("\n\n")[0] if docstring else None


def _notebook(text: str) -> str:
    """The cells of a notebook: words as they are, code as code."""
    parts: list[str] = []
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        words = cell["cell_type"] == "markdown"
        parts.append(with_one_title(f"# \n{source}")[3:] if words else f"```python\n{source}\n```")
    return with_blocks_apart("\n\n".join(parts)) + "\n"


def _block(file: Path) -> str:
    text = file.read_text()
    if file.suffix == ".ipynb":
        return _notebook(text)
    # Longer than any fence in it.
    fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", text)), default=0))
    language = _LANGUAGES.get(file.suffix, "text")
    return f'{fence}{language} title="{file.relative_to(ROOT)}"\n{text.rstrip()}\n{fence}\n'
