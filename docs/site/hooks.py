"""What mkdocs calls while it builds the site: the pages that docs/README.md names, from wherever.

Read in this order: sitemap (what there is), texts (files that are no pages), dialect (Markdown
that mkdocs understands), names (what leads to the reference), landing (the first page); and
docstrings, an extension of griffe, for what the reference is made of.
"""

import tomllib

from dialect import with_blocks_apart, with_one_title
from landing import landing
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from names import expanded, led
from sitemap import INDEX, ROOT, address_of, navigation, outside, rewritten
from texts import text_page

__all__ = ["on_config", "on_files", "on_page_markdown"]

_OUTSIDE_PAGES = ("README.md", INDEX, "CHANGELOG.md")

# Who searches for a word wants what is told of it, before signatures and listings that have it.
_FOUND_LATER = {"reference/api/": 0.4, "source/": 0.2}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Order the pages as the index does, and say of which version they are."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    config.copyright = f"Trouper {version} · {config.copyright}"
    first = {"Trouper": ["index.md", {"All documentation": address_of(INDEX)}]}
    config.nav = [first, *navigation((ROOT / INDEX).read_text())]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Bring in what stands outside of docs/, and what pages lead to that is no page."""
    index = files.get_file_from_path("README.md")
    if index is not None:
        files.remove(index)
    for path in _OUTSIDE_PAGES:
        file = File.generated(config, address_of(path), abs_src_path=str(ROOT / path))
        files.append(file)
    pages = [_origin(file) for file in files.documentation_pages()]
    for path in sorted(outside(pages)):
        files.append(File.generated(config, address_of(path), content=text_page(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make the page one of the site: its links, its blocks, and the names that it says."""
    for folder, boost in _FOUND_LATER.items():
        if page.file.src_uri.startswith(folder):
            page.meta["search"] = {"boost": boost}
    if page.file.src_uri.startswith("source/"):
        return markdown
    path = _origin(page.file)
    text = with_blocks_apart(with_one_title(rewritten(expanded(markdown), path)))
    if path != "README.md":
        return led(text)
    page.meta.update(title="Trouper", hide=["navigation", "toc"])
    return landing(led(text))


def _origin(file: File) -> str:
    """The path in the project of a page of the site."""
    called = {address_of(path): path for path in _OUTSIDE_PAGES}
    return called.get(file.src_uri, f"docs/{file.src_uri}")
