"""Carrying a batch on from the command line, or watching who does.

One program has a store at a time. Where that is a server, it takes in what was
submitted, and the command only reads; when the server is gone the command goes on.
"""

import time
from pathlib import Path
from typing import TextIO

import trio

from ..app import App
from ..batch.errors import UnknownBatch
from ..batch.inbox import Inbox
from ..batch.reading import BatchReader
from ..batch.rows import Status
from ..config import AppConfig
from ..store.errors import StoreInUse
from .application import running_app
from .batch_progress import Meter

__all__ = ["follow", "hand_over"]

# Seconds between two looks, and how long another's work is watched before it is
# asked again who has the store.
_LOOK = 0.25
_WATCH = 10.0


def hand_over(config: AppConfig, id: str, file: str, err: TextIO) -> int:
    """Stay until the provider has all that goes through its batch endpoint.

    0 then, or where a server does that; 1 where something is in the way, which
    is said. The batch is safe in any case.
    """
    try:
        status = trio.run(_hand_over, config, id)
    except StoreInUse as error:
        _say(err, f"{id} is submitted; {_who(error)}, and carries it on")
        return 0
    later = (
        f"`trouper serve --config {file}` or `trouper batch status {id} --follow --config {file}`"
    )
    if status.batch.note:
        _say(err, f"{id} is kept, but waits: {status.batch.note}; {later} tries again")
        return 1
    if not status.ended and status.counts.waiting:
        _say(err, f"{id}: {status.counts.waiting} requests are asked one by one, by {later}")
    elif not status.ended:
        _say(err, f"{id} is with its provider; {later} fetches the answers")
    return 0


async def _hand_over(config: AppConfig, id: str) -> Status:
    def prepare(app: App) -> None:
        app.batches.one_by_one = False

    async with running_app(config, serve=False, prepare=prepare) as app:
        while True:
            status = await app.batches.status(id)
            if status is not None and (status.in_hand or status.batch.note):
                return status
            await trio.sleep(_LOOK)
    # A signal has ended it within the block; the batch stays as it is.
    raise KeyboardInterrupt


def follow(config: AppConfig, id: str, meter: Meter) -> int:
    """Carry a batch on until it is done, or watch who does; 0 then. Raises UnknownBatch."""
    said = False
    try:
        while True:
            try:
                trio.run(_carry_on, config, id, meter)
            except StoreInUse as error:
                if not said:
                    said = True
                    meter.say(f"{_who(error)}, and carries it on")
            else:
                return 0
            if _watch(Path(config.store.path), id, meter):
                return 0
    finally:
        meter.end()


async def _carry_on(config: AppConfig, id: str, meter: Meter) -> None:
    async with running_app(config, serve=False) as app:
        while True:
            status = await app.batches.status(id)
            if status is not None:
                meter.show(status)
                if status.ended:
                    return
            await trio.sleep(_LOOK)
    raise KeyboardInterrupt


def _watch(store: Path, id: str, meter: Meter) -> bool:
    """Show for a while what another program does; whether the batch is done."""
    until = time.monotonic() + _WATCH
    while time.monotonic() < until:
        waiting = id in Inbox(store).submitted()
        with BatchReader(store) as reader:
            status = reader.status(id)
        if status is None and not waiting:
            raise UnknownBatch(id)
        if status is not None:
            meter.show(status)
            if status.ended:
                return True
        time.sleep(_LOOK)
    return False


def _who(error: StoreInUse) -> str:
    return f"the process {error.pid} has {error.file}" if error.pid else f"{error.file} is in use"


def _say(err: TextIO, words: str) -> None:
    print(words, file=err, flush=True)
