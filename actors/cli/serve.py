"""`trouper serve`: serves the sessions of a configuration until it is told to stop.

One line on standard output says where, once it does; everything else goes to
standard error. SIGTERM and SIGINT end it in order, with exit code 0: clients are
told and given some seconds. A second one ends the process on the spot. A service
manager that has started it (systemd's Type=notify) is told the same.
"""

import argparse
import gc
import os
import signal
from contextlib import suppress
from types import FrameType

import attrs
import structlog
import trio

from ..config import AppConfig, load_config
from ..errors import ConfigError
from .application import StoppedWhileStarting, running_app
from .service_manager import ServiceManager

__all__ = ["add_arguments", "collect_rarely", "run"]

_log = structlog.get_logger("trouper.serve")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `trouper serve --config FILE [--listen HOST:PORT]`."""
    parser.description = (
        "Serve the sessions of a configuration. One line on stdout says when it is ready, and "
        "where. SIGTERM or Ctrl-C ends it in order."
    )
    parser.add_argument(
        "--config", metavar="FILE", required=True, help="the configuration, a TOML file"
    )
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT",
        help="where to listen, whatever the configuration says; port 0 picks a free one",
    )


def run(args: argparse.Namespace) -> int:
    """Serve until a signal ends it; 0 then. Raises what kept it from serving."""
    config = load_config(args.config)
    if args.listen is not None:
        config = _listening_at(args.listen, config)
    collect_rarely()
    manager = ServiceManager()
    with suppress(StoppedWhileStarting):
        trio.run(_serve, config, manager)
    return 0


def collect_rarely() -> None:
    """Have Python look for garbage in cycles less often, and not in what is there for good.

    A server holds many objects for long and makes few cycles: looking through
    them every 700 new objects finds next to nothing.
    """
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


def _listening_at(listen: str, config: AppConfig) -> AppConfig:
    try:
        return attrs.evolve(config, server=attrs.evolve(config.server, listen=listen))
    except ConfigError as error:
        raise ConfigError(
            "--listen", [fault.removeprefix("listen: ") for fault in error.faults]
        ) from error


async def _serve(config: AppConfig, manager: ServiceManager) -> None:
    async with running_app(config, serve=True) as app, trio.open_nursery() as nursery:
        assert app.listening is not None
        for number in (signal.SIGTERM, signal.SIGINT):
            _heed_once(number, manager)
        nursery.start_soon(manager.keep_telling)
        manager.ready()
        print(f"trouper ready url={app.listening.url} pid={os.getpid()}", flush=True)
        await app.system.stopped()
        nursery.cancel_scope.cancel(reason="it has stopped")
    by = app.system.stopped_by
    _log.info("stopped", signal=None if by is None else by.name)


def _heed_once(number: signal.Signals, manager: ServiceManager) -> None:
    """Let the running system have the first signal `number`, and the kernel the second one."""
    heed = signal.getsignal(number)
    assert callable(heed)

    def once(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        manager.stopping()
        heed(number, frame)

    signal.signal(number, once)
