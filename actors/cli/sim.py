"""`trouper sim`: the simulated provider as a process of its own."""

import argparse
import os
import signal
import sys

import trio

from ..errors import ConfigError
from ..simulator import Script, load_script, serve_simulator

__all__ = ["add_arguments", "run"]

# 2 is what argparse exits with, and what a wrong script or address is: wrong usage.
_WRONG_USAGE = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `trouper sim` to `parser`."""
    parser.description = (
        "Serve a simulated provider with OpenAI's chat completions: scripted replies, pace and "
        "faults. Without a script it echoes. One line on stdout says when it is ready."
    )
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT",
        default="127.0.0.1:0",
        help="where to listen; port 0, the default, picks a free one",
    )
    parser.add_argument(
        "--script", metavar="FILE", help="what to answer: TOML, or JSON if its name ends in .json"
    )


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code."""
    try:
        host, port = _address(args.listen)
        script = load_script(args.script) if args.script else Script()
        trio.run(_serve, host, port, script)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return _WRONG_USAGE
    return 0


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ConfigError("--listen", [f"must be HOST:PORT, as 127.0.0.1:8701, not {listen!r}"])
    return host.strip("[]"), int(port)


async def _serve(host: str, port: int, script: Script) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        try:
            # A load test opens hundreds of connections at once.
            listeners = await trio.open_tcp_listeners(port, host=host, backlog=1024)
        except OSError as error:
            fault = f"cannot listen on {host}:{port}: {error.strerror}; choose another port, or 0"
            raise ConfigError("--listen", [fault]) from error
        async with trio.open_nursery() as nursery:
            await nursery.start(serve_simulator, listeners, script)
            print(f"trouper sim ready url={_url(listeners[0])} pid={os.getpid()}", flush=True)
            async for _ in signals:
                break
            nursery.cancel_scope.cancel()


def _url(listener: trio.SocketListener) -> str:
    host, port = listener.socket.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
