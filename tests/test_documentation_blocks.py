"""Every block of the documentation is of a language that is held to something.

Python and TOML run in tests/test_documentation.py. Here is the rest: what a
shell is told is what our programs take, data can be parsed, an address names a
route that is served, and a block that is output says so (`text`).
"""

import ast
import configparser
import importlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import attrs
import pytest

from trouper.actors.gateway.auth import TOKEN_PROTOCOL

from .fakes.command_lines import faults_of_line, faults_of_words, lines_of_console

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]

# What `trouper serve` has on its port; below /v1/responses/ there are ids, and the console's files.
ROUTES = re.compile(
    r"/|/acp|/v1|/v1/(chat/completions|models|responses(/.*)?)|/healthz|/livez|/readyz|/metrics"
    r"|/console(/.*)?"
)
_ADDRESS = re.compile(
    r"(?:https?|wss?)://(?:127\.0\.0\.1:8700|localhost:8700|(?:chat|trouper)\.example\.org)(/[^\s\"'`)\\,;]*)?"
)
_INLINE = re.compile(r"(?<!`)`(?:\.venv/bin/)?trouper ([^`\n]+)`(?!`)")


@attrs.frozen
class Block:
    """A fenced block: its page, the line of its fence, its language and what is in it."""

    page: Path
    line: int
    language: str
    text: str


def blocks(page: Path) -> Iterator[Block]:
    fence, begun, language, held = "", 0, "", list[str]()
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        found = re.match(r"(\s*(?:`{3,}|~{3,}))(.*)", line)
        if found and not fence:
            fence, begun, language, held = found[1], number, found[2].strip(), []
        elif found and found[1] == fence and not found[2].strip():
            yield Block(page, begun, language, "\n".join(held))
            fence = ""
        elif fence:
            held.append(line)
    assert not fence, f"{page}:{begun}: the block has no end"


def console(text: str) -> list[str]:
    lines = list(lines_of_console(text))
    if not lines:
        return ["nothing in it begins with `$ `; say `text` where it is output alone"]
    return [fault for line in lines for fault in faults_of_line(line)]


def script(text: str) -> list[str]:
    whole = re.sub(r"\\\n\s*", " ", text)
    lines = [line for line in whole.splitlines() if line.strip() and not line.startswith("#")]
    return [fault for line in lines for fault in faults_of_line(line.strip())]


def data(text: str) -> list[str]:
    """One document, or one a line."""
    try:
        json.loads(text)
    except ValueError:
        for line in text.splitlines():
            json.loads(line)
    return []


def yaml(text: str) -> list[str]:
    # It comes with llmock, and without types.
    importlib.import_module("yaml").safe_load(text)
    return []


def unit(text: str) -> list[str]:
    """A file of systemd's or of another program's in that form; commands in it are ours."""
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    parser.read_string(text)
    starts = re.findall(r"^Exec\w+=[-@+!:]*(.*)$", text, re.MULTILINE)
    return [fault for line in starts for fault in faults_of_line(line)]


def image(text: str) -> list[str]:
    """The recipe of a container image."""
    faults: list[str] = []
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        word, _, rest = line.strip().partition(" ")
        if not word or word.startswith("#"):
            continue
        if word not in {"FROM", "RUN", "COPY", "ADD", "ENV", "ARG", "USER", "WORKDIR", "EXPOSE", "VOLUME", "ENTRYPOINT", "CMD", "HEALTHCHECK", "STOPSIGNAL", "LABEL", "SHELL"}:  # fmt: skip
            faults.append(f"{word} is no instruction")
        elif word == "RUN" and not rest.startswith("-"):
            faults += faults_of_line(rest)
    return faults


def nginx(text: str) -> list[str]:
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    unended = [line for line in lines if line and not line.endswith((";", "{", "}"))]
    depth = text.count("{") - text.count("}")
    return [f"{line}: has no end" for line in unended] + ["braces do not match"] * bool(depth)


def of_others(text: str) -> list[str]:
    """Python that wants a package which is not ours: it runs in tests/clients."""
    compile(text, "block", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    return []


def cell(text: str) -> list[str]:
    """A cell of a notebook, whose loop runs."""
    return of_others(text)


def page_script(text: str) -> list[str]:
    offered = re.findall(r"`([\w.-]+)\$\{token\}`", text)
    return [f"{name} is no protocol of ours" for name in offered if name != TOKEN_PROTOCOL]


def nothing(_: str) -> list[str]:
    return []


LANGUAGES: Mapping[str, Callable[[str], list[str]]] = {
    "python": nothing,  # runs in tests/test_documentation.py
    "toml": nothing,  # so does this
    "text": nothing,  # output, or a drawing
    "console": console,
    "sh": script,
    "json": data,
    "yaml": yaml,
    "ini": unit,
    "dockerfile": image,
    "nginx": nginx,
    "py": of_others,
    "ipython": cell,
    "js": page_script,
}


def every_block() -> Iterator[object]:
    for page in PAGES:
        for block in blocks(page):
            yield pytest.param(block, id=f"{page.relative_to(ROOT)}:{block.line}")


@pytest.mark.parametrize("block", list(every_block()))
def test_a_block_holds_what_its_language_promises(block: Block) -> None:
    assert block.language in LANGUAGES, (
        f"say what the block is ({', '.join(LANGUAGES)}), or what is held of it in {Path(__file__).name}"
    )
    assert LANGUAGES[block.language](block.text) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_addresses_and_commands_in_the_text_of_a_page_are_there(page: Path) -> None:
    text = page.read_text()
    unknown = {
        path
        for path in _ADDRESS.findall(text)
        if path and not ROUTES.fullmatch(path.partition("?")[0])
    }
    commands = [re.sub(r"[\[\]]", "", found).split() for found in _INLINE.findall(text)]

    assert unknown == set()
    assert [fault for words in commands for fault in faults_of_words(words)] == []


@pytest.mark.parametrize(
    ("language", "text", "fault"),
    [
        ("console", "trouper ps", "nothing in it begins"),
        ("console", "$ trouper serve --confg FILE", "--confg"),
        ("console", "$ trouper srve", "srve"),
        ("console", "$ echo $(trouper ps --nope) | cat", "--nope"),
        ("console", "$ make tests", "no target tests"),
        ("console", "$ pip install 'trouper[locl]'", "[locl]"),
        ("console", "$ .venv/bin/python -m tests.nowhere", "tests.nowhere"),
        ("console", "$ .venv/bin/pytest tests/nowhere.py -q", "tests/nowhere.py"),
        ("console", '$ trouper chat "one', "No closing quotation"),
        ("sh", "python -m pip install '.[al]'", "[al]"),
        ("ini", "[Service]\nExecStart=/opt/bin/trouper serve --no-such", "required: --config"),
        ("dockerfile", "FROM python\nRUM pip install trouper", "RUM"),
        ("dockerfile", "FROM python\nRUN pip install trouper[x] && true", "[x]"),
        ("nginx", "location / {\n  proxy_pass http://a\n}", "has no end"),
        ("js", "new WebSocket(u, [`token.${token}`])", "token."),
    ],
)
def test_a_block_that_is_wrong_would_be_found(language: str, text: str, fault: str) -> None:
    (found,) = LANGUAGES[language](text)

    assert fault in found


@pytest.mark.parametrize("text", ["{", '{"a": 1}\n{"b"}'])
def test_data_that_is_none_would_be_found(text: str) -> None:
    with pytest.raises(ValueError, match="Expecting"):
        data(text)


@pytest.mark.parametrize(
    ("words", "faults"),
    [
        ("usage --by user", 0),
        ("sessions delete --older-than", 0),
        ("restart PATH", 0),
        ("--version", 0),
        ("restat PATH", 1),
        ("usage --bye user", 1),
    ],
)
def test_a_command_in_running_text_is_held_to_its_options(words: str, faults: int) -> None:
    assert len(faults_of_words(words.split())) == faults
