"""What a service manager is told, where one has started the program: that it serves, lives, and stops.

The protocol is that of sd_notify(3): datagrams to the socket that NOTIFY_SOCKET names.
Without that variable nothing is said to anybody.
"""

import os
import socket
from typing import Final

import structlog
import trio

__all__ = ["ServiceManager"]

_log = structlog.get_logger("trouper.serve")

# The variables of the protocol. They are ours alone: a tool that is started must not speak for us.
_SOCKET: Final = "NOTIFY_SOCKET"
_PID, _MICROSECONDS = "WATCHDOG_PID", "WATCHDOG_USEC"


class ServiceManager:
    """Who has started the program, if that is a service manager. Made before anything is started.

    Takes the variables of the protocol out of the environment.
    """

    def __init__(self) -> None:
        address = os.environ.pop(_SOCKET, "")
        # That is how a name in Linux' abstract namespace is written.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        pid = os.environ.pop(_PID, "")
        period = os.environ.pop(_MICROSECONDS, "")
        ours = period.isdecimal() and pid in ("", str(os.getpid()))
        self._period = int(period) / 1e6 if ours else None

    def ready(self) -> None:
        """It serves: what comes after it may start."""
        self._say("READY=1")

    def stopping(self) -> None:
        """It has begun to stop."""
        self._say("STOPPING=1")

    async def keep_telling(self) -> None:
        """Say that the event loop turns, as often as is asked for; for ever, or not at all.

        A loop that stands still says nothing, and the process is started anew.
        """
        if self._period is None or not self._address:
            return
        while True:
            self._say("WATCHDOG=1")
            # Half of it is what the protocol recommends.
            await trio.sleep(self._period / 2)

    def _say(self, state: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                # It must never wait for who does not read.
                sender.setblocking(False)
                sender.sendto(state.encode(), self._address)
        except OSError as error:
            _log.warning("the service manager cannot be told", state=state, error=str(error))
