"""The site of the documentation has every page and every public name; its build is `make docs`."""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from dialect import with_blocks_apart, with_one_title
from landing import landing
from names import expanded, led
from sitemap import INDEX, ROOT, address_of, navigation, outside, rewritten
from texts import text_page

from .documentation_site import directives, faults, value_of
from .public_names import public_names


def addresses(items: list[object]) -> Iterator[str]:
    for item in items:
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            for inside in item.values():
                yield from addresses(inside if isinstance(inside, list) else [inside])


def all_addresses() -> list[str]:
    return list(addresses([*navigation((ROOT / INDEX).read_text())]))


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    pages = {str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md")} - {INDEX}

    missing = {page for page in pages if address_of(page) not in all_addresses()}

    assert missing == set(), "name the page in a table of docs/README.md, below a heading"


def test_no_page_is_in_the_navigation_twice() -> None:
    found = all_addresses()

    assert sorted(found) == sorted(set(found))


def shown() -> set[int]:
    """What the reference tells of, by identity: a name may be imported from two places."""
    found = [value_of(name) for name in directives()]
    modules = [each for each in found if isinstance(each, ModuleType)]
    return {id(each) for each in found} | {
        id(getattr(module, name)) for module in modules for name in module.__all__
    }


def test_every_public_name_is_in_the_reference() -> None:
    there = shown()

    missing = [each.name for each in public_names() if id(value_of(each.name)) not in there]

    assert missing == [], "name them in docs/reference/api, each as `::: NAME`"


def test_nothing_is_in_the_reference_twice() -> None:
    names = directives()

    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize(
    ("page", "link", "there"),
    [
        ("README.md", "docs/how-to/budgets.md", "how-to/budgets.md"),
        ("README.md", "docs/README.md", "documentation.md"),
        ("docs/tutorial.md", "../CHANGELOG.md#unreleased", "changelog.md#unreleased"),
        ("docs/how-to/budgets.md", "../semantics.md", "../semantics.md"),
        ("docs/how-to/budgets.md", "../../pyproject.toml", "../source/pyproject.toml.md"),
        ("docs/tutorial.md", "examples/irc_bot.py", "source/docs/examples/irc_bot.py.md"),
        ("docs/tutorial.md", "https://example.org/a.md", "https://example.org/a.md"),
        ("docs/tutorial.md", "#here", "#here"),
    ],
)
def test_a_link_of_the_project_leads_to_the_same_in_the_site(
    page: str, link: str, there: str
) -> None:
    assert rewritten(f"see [it]({link}).", page) == f"see [it]({there})."


def test_code_with_something_like_a_link_stays_as_it_is() -> None:
    text = "```python\nbuttons[0](semantics.md)\n```\n[one](semantics.md)\n"

    assert rewritten(text, "docs/how-to/budgets.md").startswith(
        "```python\nbuttons[0](semantics.md)\n"
    )


def test_what_is_no_page_is_found_by_the_links_to_it() -> None:
    assert "LICENSE" in outside(["README.md"])
    assert not any(path.endswith(".md") for path in outside(["README.md", INDEX]))


def test_headings_and_tables_of_the_index_are_tabs_sections_and_pages() -> None:
    index = (
        "## Learn\n| | |\n|---|---|\n| [T](tutorial.md) | it |\n### Deep\n| [S](semantics.md) | |\n"
    )

    assert navigation(index) == [
        {"Learn": [{"T": "tutorial.md"}, {"Deep": [{"S": "semantics.md"}]}]}
    ]


def test_a_notebook_is_shown_by_its_cells() -> None:
    page = text_page("docs/examples/notebook.ipynb")

    assert page.startswith("# notebook.ipynb\n\n## ")
    assert "```python\nimport random\n" in page
    assert "cell_type" not in page


def test_a_second_title_of_a_page_is_a_part_of_it() -> None:
    text = "# One\n## a\n# Two\n## b\n```python\n# said\n```\n"

    assert with_one_title(text) == "# One\n## a\n## Two\n### b\n```python\n# said\n```\n"


def test_a_whole_module_is_what_it_says_and_the_names_that_it_exports() -> None:
    page = expanded("# Bots\n::: trouper.actors.bot\n")

    assert page.startswith("# Bots\nBots for people on a chat network")
    assert page.endswith("\n\n::: trouper.actors.bot.session_id\n")
    assert "Read in this order" not in page


@pytest.mark.parametrize(
    ("text", "apart"),
    [
        ("One:\n- a\n- b\n", "One:\n\n- a\n- b\n"),
        ("One:\n1. a\n2. b\n", "One:\n\n1. a\n2. b\n"),
        ("- a\n  goes on\n- b\n", "- a\n  goes on\n- b\n"),
        ("Refused with status\n400. Then\n", "Refused with status\n400. Then\n"),
        ("One:\n| a |\n|---|\n| 1 |\n", "One:\n\n| a |\n|---|\n| 1 |\n"),
        ("One:\n```text\n- a\n```\nTwo\n", "One:\n\n```text\n- a\n```\n\nTwo\n"),
    ],
)
def test_what_a_forge_takes_for_a_block_is_one_in_the_site(text: str, apart: str) -> None:
    assert with_blocks_apart(text) == apart


def test_a_name_in_passing_leads_to_the_reference() -> None:
    place = '<autoref optional identifier="trouper.runtime.System.run">`System.run()`</autoref>'

    assert led("by `System.run()`\n") == f"by {place}\n"
    assert led("`trouper.runtime.on`") == (
        '<autoref optional identifier="trouper.runtime.on">`trouper.runtime.on`</autoref>'
    )


@pytest.mark.parametrize(
    "text", ["# `System`\n", "[`System`](a.md)\n", "```\n`System`\n```\n", "`child` of `Scope`\n"]
)
def test_no_heading_link_code_or_word_of_two_meanings_is_led_anywhere(text: str) -> None:
    assert led(text) == text


def test_the_first_page_is_the_readme_and_leaves_nothing_out() -> None:
    text = (ROOT / "README.md").read_text()
    words = {word for word in text.split() if word.isalpha()}

    page = landing(text)

    assert words <= set(page.split())
    assert "#only-dark" in page
    assert page.count(".md-button") == 3
    assert '<div class="grid cards" markdown>\n\n- **' in page


def test_pictures_of_the_first_page_are_there_for_light_and_for_dark() -> None:
    pictures = ROOT / "docs" / "pictures"

    assert all((pictures / name).is_file() for name in ("console.png", "console-dark.png"))


def test_a_program_is_shown_whole_below_what_it_is_for() -> None:
    program = (ROOT / "docs/examples/irc_bot.py").read_text()

    page = text_page("docs/examples/irc_bot.py")

    assert page.startswith("# irc_bot.py\n\nAn IRC bot")
    assert f'```python title="docs/examples/irc_bot.py"\n{program}```' in page


def test_a_page_that_asks_another_host_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(
        '<script src="https://cdn.example/a.js"></script><link rel=stylesheet href=//b.example/b.css>'
        '<a href="https://example.org">a link</a><link rel="canonical" href="https://us.example">'
    )
    (tmp_path / "it.css").write_text("@import url(https://fonts.example/f.css)")

    found = [fault for fault in faults(tmp_path) if "host" in fault]

    assert found == [
        "index.html asks another host: https://cdn.example/a.js",
        "index.html asks another host: //b.example/b.css",
        "it.css asks another host: https://fonts.example/f.css",
    ]


def test_a_public_name_without_its_place_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text('<h3 id="trouper.runtime.Actor">Actor</h3>')

    found = [fault.partition(" ")[0] for fault in faults(tmp_path)]

    assert "trouper.runtime.Ref" in found
    assert "trouper.runtime.Actor" not in found


def test_a_list_that_has_become_a_paragraph_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<p>These:\n- <code>one</code>\n- two</p>")
    (tmp_path / "table.html").write_text("<p>These: | a | b |\n|---|---|\n| 1 | 2 |</p>")

    found = [fault for fault in faults(tmp_path) if " as text: " in fault]

    assert [fault.partition(" ")[0] for fault in found] == ["index.html", "table.html"]
