"""docs/reference/console-commands.md has every command of the console, and no other."""

import re
from pathlib import Path

from trouper.actors.cli import console_client
from trouper.actors.cli.main import COMMANDS

PAGE = (Path(__file__).resolve().parents[3] / "docs/reference/console-commands.md").read_text()


def test_every_command_of_the_console_is_on_its_page() -> None:
    there = set(re.findall(r"^\| `trouper ([\w-]+)|, `trouper ([\w-]+)", PAGE, re.MULTILINE))
    named = {name for pair in there for name in pair if name}
    names = list(COMMANDS)

    # (`sessions` has a place of its own in the list; the faces that stay open, pages of theirs.)
    assert named - {"sessions"} == set(names[names.index("ps") :]) - {"console", "top"}


def test_the_exit_codes_are_on_the_page() -> None:
    codes = {int(code) for code in re.findall(r"^\| (\d) \|", PAGE, re.MULTILINE)}

    assert codes == {0} | {
        value
        for name, value in vars(console_client).items()
        if name.isupper() and not name.startswith("_") and isinstance(value, int)
    }
