"""A line of a shell, as documents show it, held against what there is to call.

What is ours is checked: `trouper` against the parser of its own commands,
`make` against the Makefile, `pip install` of us against our extras, and
`python -m` and `pytest` against modules and files. Other programs are theirs.
"""

import contextlib
import importlib.util
import io
import re
import shlex
import tomllib
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from trouper.actors.cli import main as cli

__all__ = ["faults_of_line", "faults_of_words", "lines_of_console"]

ROOT = Path(__file__).resolve().parents[2]

_INNER = re.compile(r"\$\(([^()]*)\)")
_VARIABLE = re.compile(r"[A-Za-z_]\w*=")
# Between two commands of one line, and before the name of a file.
_BETWEEN = frozenset({"|", "||", "&&", ";", "&"})
_REDIRECT = re.compile(r"[<>]+&?")
_EXTRAS = re.compile(r"trouper(?:-[\d.]+[\w.-]*)?\[([^\]]*)\]|^\.\[([^\]]*)\]")
# They run another program: how many words of theirs go before it.
_WRAPPERS = {"sudo": 0, "exec": 0, "time": 0, "nohup": 0, "xdg-open": 0, "timeout": 1}


def lines_of_console(text: str) -> Iterator[str]:
    """The commands of a console block: what follows `$ `, with its continued lines."""
    held = ""
    for line in text.splitlines():
        if held:
            held += line.strip()
        elif line.startswith("$ "):
            held = line[2:]
        else:
            continue
        if held.endswith("\\"):
            held = held[:-1]
            continue
        yield held
        held = ""


def faults_of_line(line: str) -> list[str]:
    """What is wrong with a line of a shell; empty if nothing is."""
    faults: list[str] = []
    while inner := _INNER.search(line):
        faults += faults_of_line(inner[1])
        line = line[: inner.start()] + "INNER" + line[inner.end() :]
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError as error:
        return [*faults, f"{line}: {error}"]
    command: list[str] = []
    for word in [*words, ";"]:
        if word not in _BETWEEN:
            command.append(word)
            continue
        faults += [f"{shlex.join(command)}: {fault}" for fault in _faults_of_command(command)]
        command = []
    return faults


def _faults_of_command(words: Sequence[str]) -> list[str]:
    command = list(words)
    for at, word in enumerate(command):
        if _REDIRECT.fullmatch(word):
            command = command[:at]
            break
    while command and (_VARIABLE.match(command[0]) or command[0] in _WRAPPERS):
        command = command[1 + _WRAPPERS.get(command[0], 0) :]
    if not command:
        return []
    program, rest = Path(command[0]).name, command[1:]
    match program:
        case "trouper":
            return _faults_of_trouper(rest)
        case "make":
            return _faults_of_make(rest)
        case "pip" | "pipx":
            return _faults_of_pip(rest)
        case "uv" | "uvx":
            return _faults_of_pip(rest)
        case "pytest":
            return _faults_of_pytest(rest)
        case "python" | "python3":
            return _faults_of_python(rest)
        case _:
            return []


def _faults_of_trouper(words: Sequence[str]) -> list[str]:
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            _parser_for(words).parse_args(words)
    except SystemExit as left:
        if left.code:
            return [said.getvalue().strip().splitlines()[-1]]
    return []


def _parser_for(words: Sequence[str]) -> ArgumentParser:
    name = next((word for word in words if word in cli.COMMANDS), None)
    return _parser_of(name)


@cache
def _parser_of(name: str | None) -> ArgumentParser:
    return cli._parser(name, None if name is None else cli._module(cli.COMMANDS[name]))


def faults_of_words(words: Sequence[str]) -> list[str]:
    """What is wrong with a command of ours in running text, where arguments may be left out:
    `trouper usage --by user`, `trouper sessions delete --older-than`."""
    if not words:
        return []
    if words[0] not in cli.COMMANDS:
        return [] if words[0].startswith("-") else [f"there is no command {words[0]}"]
    parser = _parser_of(words[0])
    (commands,) = _choices(parser)
    inner = list(_descendants(commands.choices[words[0]]))
    options = {option for each in inner for option in each._option_string_actions}
    asked = [word.partition("=")[0] for word in words[1:] if word.startswith("-") and word != "-"]
    return [f"trouper {words[0]} has no {option}" for option in asked if option not in options]


def _choices(parser: ArgumentParser) -> list["_SubParsersAction[ArgumentParser]"]:
    return [each for each in parser._actions if isinstance(each, _SubParsersAction)]


def _descendants(parser: ArgumentParser) -> Iterator[ArgumentParser]:
    yield parser
    for action in _choices(parser):
        for each in action.choices.values():
            yield from _descendants(each)


def _faults_of_make(words: Sequence[str]) -> list[str]:
    targets = set(re.findall(r"^([\w.-]+):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE))
    goals = [word for word in words if not word.startswith("-") and "=" not in word]
    return [f"the Makefile has no target {goal}" for goal in goals if goal not in targets]


def _faults_of_pip(words: Sequence[str]) -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [found for word in words for found in _EXTRAS.findall(word)]
    extras = {extra.strip() for pair in asked for extra in "".join(pair).split(",")}
    known = project["optional-dependencies"]
    return [f"there is no extra [{extra}]" for extra in sorted(extras - set(known))]


def _faults_of_pytest(words: Sequence[str]) -> list[str]:
    files = [word.partition("::")[0] for word in words if word.startswith("tests/")]
    return [f"there is no {file}" for file in files if not (ROOT / file).exists()]


def _faults_of_python(words: Sequence[str]) -> list[str]:
    match list(words):
        case ["-m", "pip", *rest]:
            return _faults_of_pip(rest)
        case ["-m", "pytest", *rest]:
            return _faults_of_pytest(rest)
        case ["-m", module, *_] if module.partition(".")[0] in ("tests", "trouper"):
            found = importlib.util.find_spec(module)
            return [] if found else [f"there is no module {module}"]
        case [file, *_] if file.startswith(("tests/", "docs/")):
            return [] if (ROOT / file).exists() else [f"there is no {file}"]
        case _:
            return []
