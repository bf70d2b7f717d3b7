"""What importing costs, in a process of its own with nothing to compile: CPU time, as wall time is
where nobody else runs.

The reference is trio alone, in turns with ours. `trouper.actors` imports a name when
it is first used, so what is measured is all of its names, and the application with
what embeds it in asyncio and threads.
"""

import functools
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from .harness import Row, at_most, compare, measure

__all__ = ["rows"]

ROUNDS = 11

TRIO = "import trio"
RUNTIME = "import trouper.runtime"
NAMES = "from trouper.actors import *"
APP = "from trouper.actors import load_config, open_app"
EMBED = "import trouper.actors.embed"

# httpx and structlog import these two where they are, and tools of ours bring them.
_PROGRAM = """
import sys, time
sys.modules["rich"] = sys.modules["click"] = None
{before}
began = time.process_time()
{statement}
print(time.process_time() - began)
"""


def spent(folder: str, statement: str, before: str = "") -> float:
    """Milliseconds of CPU for a statement, after what was imported before."""
    environ = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
    # Else what was compiled once is compiled each time.
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    program = _PROGRAM.format(before=before, statement=statement)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    return float(done.stdout) * 1e3


def rows() -> Iterator[Row]:
    """trouper.runtime over trio, and trouper.actors in all, in milliseconds."""
    with tempfile.TemporaryDirectory() as folder:

        def of(statement: str, before: str = "") -> functools.partial[float]:
            spent(folder, statement, before)  # compiles
            return functools.partial(spent, folder, statement, before)

        # 60 ms over the 70 that trio takes on the machine that the goals are for.
        yield compare(
            "trouper.runtime, and trio alone",
            of(RUNTIME),
            of(TRIO),
            goal=at_most(1.85),
            unit="ms",
            rounds=ROUNDS,
        )
        for name, statement, before, most in (
            ("trouper.runtime over trio", RUNTIME, TRIO, 60),
            ("trouper.actors, all names", NAMES, "", 350),
            ("load_config, open_app", APP, "", 350),
            ("trouper.actors.embed", EMBED, "", 350),
        ):
            ours = of(statement, before)
            yield measure(name, ours, goal=at_most(most), unit="ms", rounds=ROUNDS)
