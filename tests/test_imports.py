"""What is imported, and what is not before somebody needs it; what that costs is in benchmarks/imports."""

import json
import subprocess
import sys

EXTRAS = {"genai_prices", "httpx2", "mcp", "opentelemetry", "urwid", "xllamacpp"}

HEAVY = {
    "h11",  # what serves clients
    "wsproto",
    "prometheus_client",  # what serves metrics
    "tiktoken",  # what counts by the ranks of a model
    "pydantic",
    "requests",
    "pytest",
}


def imported(*statements: str) -> set[str]:
    """The packages that a new process has after these statements."""
    say = "import json, sys; print(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    command = [sys.executable, "-c", "\n".join([*statements, say])]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(done.stdout))


def test_no_extra_and_nothing_heavy_is_imported_before_it_is_needed() -> None:
    names = imported(
        "from trouper.actors import *",
        "from trouper.actors import embed",
        "from trouper.actors.tools import tool",
        "from trouper.runtime import portal",
    )

    assert names & (EXTRAS | HEAVY) == set()


def test_the_runtime_imports_nothing_of_others_but_trio() -> None:
    ours = imported("import trouper.runtime") - imported("import trio")

    assert ours - sys.stdlib_module_names == {"trouper"}
