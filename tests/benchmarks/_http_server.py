"""`trouper serve` for the HTTP benchmark: it sends the stub's knobs with every request.

`python -m tests.benchmarks._http_server FILE KNOBS`, in a process of its own.
"""

import sys
from pathlib import Path

import trio

from trouper.actors.app import open_app
from trouper.actors.cli.serve import collect_rarely
from trouper.actors.config import AppConfig, load_config
from trouper.actors.logs import configure_logging
from trouper.actors.provider import connection

from ._servers import KnobbedTransport


async def serve(config: AppConfig) -> None:
    async with open_app(config, serve=True) as app:
        await app.system.stopped()


def main() -> None:
    configure_logging("error", sys.stderr)
    file, KnobbedTransport.knobs = sys.argv[1:]
    # Nobody else has a use for more headers on every request.
    setattr(connection, "TrioTransport", KnobbedTransport)  # noqa: B010 - not for type checkers
    collect_rarely()
    trio.run(serve, load_config(Path(file)))


if __name__ == "__main__":
    main()
