"""The notebook of docs/examples, and the cells of the page on notebooks, in a kernel of Jupyter."""

import json
import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.embedded import LONG
from tests.fakes.programs import DOWN, EXAMPLES, ROLL, Program, program, written_config
from tests.fakes.simulator import SimulatorProcess

from .environments import Client

PAGE = EXAMPLES.parent / "how-to" / "embed-in-notebook.md"
PROGRAM = Path(__file__).parent / "programs" / "notebook.py"

pytestmark = pytest.mark.clients


def cells() -> dict[str, str]:
    """The code of the notebook's cells, by their names."""
    notebook = json.loads((EXAMPLES / "notebook.ipynb").read_text())
    return {
        cell["id"]: "".join(cell["source"])
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    }


class Kernel:
    """A kernel that runs cells, one after another."""

    def __init__(self, running: Program) -> None:
        self.running = running

    def run(self, code: str, interrupt: str | None = None) -> list[str]:
        """What the cell shows, in order; an error ends with its name."""
        self.running.write(json.dumps({"code": code, "interrupt": interrupt}))
        reply: dict[str, Any] = json.loads(self.running.line('"shown"'))
        return [*reply["shown"], *([reply["error"]] if reply["error"] else [])]


@pytest.fixture
def kernel(simulator: SimulatorProcess, tmp_path: Path, bots: Client) -> Generator[Kernel]:
    python = bots.command("python")
    written_config(tmp_path, simulator)
    with program(str(PROGRAM), str(tmp_path), python=python, folder=tmp_path) as running:
        yield Kernel(running)
        assert running.end(None) == 0, running.seen


def test_the_notebook(simulator: SimulatorProcess, kernel: Kernel) -> None:
    cell = cells()
    assert kernel.run(cell["start"]) == []
    assert kernel.run(cell["talk"]) == []

    simulator.script(*ROLL)
    *grown, last = kernel.run(cell["ask"])
    assert grown[0] == "..."
    assert last.startswith("You rolled: ")
    assert last.endswith("dice*")

    simulator.script({"reply": {"text": "You said: {last}"}})
    assert kernel.run(cell["again"])[-1].startswith("You said: And what did I ask before?")
    assert len(simulator.requests()[-1]["body"]["messages"]) > 3
    assert kernel.run(cell["health"]) == ["(True, (), ())"]

    simulator.script(DOWN)
    assert kernel.run('await talk("hello", "bob")')[-1].startswith("That did not work: ")

    simulator.script({"times": 1, **LONG}, {"reply": {"text": "Here."}})
    assert kernel.run('await talk("a book")', interrupt="word word")[-1] == "CancelledError"
    assert kernel.run('await talk("and now?")')[-1].startswith("Here.")

    # The first cell again, and then a kernel that is ended with the application in it.
    assert kernel.run(cell["start"]) == []
    assert kernel.run('await talk("still there?")')[-1].startswith("Here.")


def test_the_cells_of_the_page(simulator: SimulatorProcess, kernel: Kernel, tmp_path: Path) -> None:
    config = tmp_path / "trouper.toml"
    config.write_text(config.read_text().replace('tools = ["dice"]', ""))
    start, whole, grown, stop = re.findall(r"```ipython\n(.*?)```", PAGE.read_text(), re.DOTALL)
    usage = {"prompt_tokens": 3, "completion_tokens": 5}
    simulator.script({"reply": {"text": "a walk in the park", "usage": usage}})
    assert kernel.run(start) == []
    assert kernel.run(whole) == ["a walk in the park\n", "(5, None)"]
    assert kernel.run(grown)[-1] == "a walk in the park"
    assert kernel.run(stop) == []
    assert kernel.run("from trouper.actors.embed import ThreadApp") == []
    refused = 'ThreadApp(load_config("trouper.toml")).start()'
    assert kernel.run(refused)[-1] == "WouldBlock"
