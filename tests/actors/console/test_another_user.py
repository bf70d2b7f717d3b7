"""Another user of the machine, a real one, gets at nothing of a console's socket."""

import os
import sys
from pathlib import Path

import pytest
import trio
from structlog.testing import capture_logs

from tests.fakes.consoles import open_console

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can be another user: run it by sudo"
)

NOBODY = 65_534

# Whoever it runs as, in the folder of the socket: what it is told, or why it is not let in.
ASK = """
import os, socket, sys
os.chdir(sys.argv[1])
os.setgroups([])
os.setgid(int(sys.argv[3]))
os.setuid(int(sys.argv[3]))
with socket.socket(socket.AF_UNIX) as asking:
    try:
        asking.connect(sys.argv[2])
        asking.sendall(b"tree\\n")
        print(asking.makefile().read() or "hung up")
    except PermissionError:
        print("no way in")
    except ConnectionError:
        print("hung up")
"""


async def asked_by_another(path: Path) -> str:
    done = await trio.run_process(
        [sys.executable, "-c", ASK, str(path.parent), path.name, str(NOBODY)], capture_stdout=True
    )
    return done.stdout.decode().strip()


async def test_neither_folder_nor_socket_nor_program_lets_another_user_in() -> None:
    async with open_console() as opened:
        path = opened.console.path
        assert path is not None
        assert await asked_by_another(path) == "no way in"

        # Somebody has opened both to all: the program itself looks who it is.
        path.parent.chmod(0o755)
        path.chmod(0o666)
        with capture_logs() as logs:
            assert await asked_by_another(path) == "hung up"

    assert [(line["event"], line["uid"]) for line in logs] == [
        ("console refused another user", NOBODY)
    ]
