"""`python -m trouper.actors.simulator`: the same as `trouper sim`."""

import argparse
import sys

from ..cli.sim import add_arguments, run

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m trouper.actors.simulator")
    add_arguments(parser)
    sys.exit(run(parser.parse_args()))
