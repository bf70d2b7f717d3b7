"""The files of docs/how-to/deploy do what their page says, as far as that can be tried without a
container and without systemd: on a read-only system, without a right of root."""

import json
import re
import shlex
import shutil
import socket
import sqlite3
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import attrs
import pytest

from tests.packaging.building import ROOT, Environment
from trouper.actors.config import ServerConfig

FILES = ROOT / "docs/how-to/deploy"

# Tenths, of 10.0 at most: what systemd calls "OK" ends at 2.0.
_EXPOSED = 20

# Becomes a process that may write into two folders and nowhere else.
_CLOSED = """
set -e
mount --bind "$1" "$1"; mount --bind "$2" "$2"; mount -o remount,bind,ro /
shift 2
exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs "$@"
"""


def unit() -> list[tuple[str, str]]:
    """What the unit sets, in its order."""
    lines = (FILES / "trouper.service").read_text().splitlines()
    pairs = [line.partition("=") for line in lines if re.match(r"\w+=", line)]
    return [(name, value) for name, _, value in pairs]


def recipe(instruction: str) -> list[str]:
    """What stands behind an instruction of the container's recipe, once for each time."""
    text = (FILES / "Containerfile").read_text().replace("\\\n", "")
    return re.findall(rf"^{instruction} +(.*)$", text, re.MULTILINE)


@attrs.frozen
class Place:
    """The folders of a service, below one of a test."""

    folder: Path

    def at(self, text: str) -> str:
        """A text of the files, with its paths here."""
        for path in ("/var/lib/trouper", "/run/credentials", "/run/trouper", "/etc/trouper"):
            text = text.replace(path, f"{self.folder}{path}")
        return text


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A place with the configuration and the secrets, where the unit has them."""
    place = Place(tmp_path)
    for name in ("/var/lib/trouper", "/run/trouper", "/etc/trouper"):
        Path(place.at(name)).mkdir(parents=True)
    for name, value in unit():
        if name == "LoadCredential":
            secret = Path(place.at(f"/run/credentials/trouper.service/{value.partition(':')[0]}"))
            secret.parent.mkdir(parents=True, exist_ok=True)
            secret.write_text("a-secret-of-the-test\n")
    config = place.at((FILES / "trouper.toml").read_text())
    Path(place.at("/etc/trouper/trouper.toml")).write_text(config)
    return place


@pytest.fixture
def manager(place: Place) -> Iterator[socket.socket]:
    """The socket of a service manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(place.at("/run/trouper/notify"))
        listener.settimeout(20)
        yield listener


def systemd_analyze(*words: str) -> subprocess.CompletedProcess[str]:
    command = shutil.which("systemd-analyze")
    if command is None:
        pytest.skip("there is no systemd-analyze on this machine")
    return subprocess.run([command, *words], capture_output=True, text=True, check=False)


def test_systemd_takes_the_unit_and_finds_little_exposed(
    environment: Environment, tmp_path: Path
) -> None:
    [trouper] = environment.command("trouper")
    text = (FILES / "trouper.service").read_text().replace("/opt/trouper/bin/trouper", trouper)
    file = tmp_path / "trouper.service"
    file.write_text(text)

    verified = systemd_analyze("verify", str(file))
    rated = systemd_analyze("security", "--offline=true", f"--threshold={_EXPOSED}", str(file))

    assert (verified.returncode, verified.stderr) == (0, "")
    assert rated.returncode == 0, rated.stdout


def test_the_service_lives_on_a_read_only_system_without_any_right_of_root(
    environment: Environment, place: Place, manager: socket.socket
) -> None:
    folders = (place.at("/var/lib/trouper"), place.at("/run/trouper"))
    closed = ("unshare", "--mount", "sh", "-c", _CLOSED, "sh", *folders)
    if subprocess.run([*closed, "true"], capture_output=True, check=False).returncode:
        pytest.skip("a system that is read-only cannot be made here")
    [start] = [place.at(value) for name, value in unit() if name == "ExecStart"]
    pairs = [place.at(value).split("=") for name, value in unit() if name == "Environment"]
    told = {**dict(pairs), "NOTIFY_SOCKET": manager.getsockname(), "HOME": "/"}
    words = [*shlex.split(start.replace("/opt/trouper/bin/", "")), "--listen", "127.0.0.1:0"]

    with environment.serving(*words, inside=closed, environ=told) as url:
        ready = manager.recv(100)
        healthy = environment.run("trouper", "health", environ=dict(pairs))
        alive = _health_check(environment, url)
        copied = _backup(environment, place)
    stopping = manager.recv(100)

    assert (ready, stopping) == (b"READY=1", b"STOPPING=1")
    assert (healthy.returncode, healthy.stdout, healthy.stderr) == (0, "", "")
    assert alive == 0
    assert copied == "ok"


def _health_check(environment: Environment, url: str) -> int:
    """The exit code of the container's own check, at the address of this server."""
    [check] = recipe("HEALTHCHECK")
    command = json.loads(check[check.index("[") :].replace("http://127.0.0.1:8700", url))
    return environment.run(*command).returncode


def _backup(environment: Environment, place: Place) -> str:
    """What SQLite says of a copy that the page's command has made."""
    page = (FILES.parent / "deploy.md").read_text()
    [command] = re.findall(r"^\$ /opt/trouper/bin/(python .*\.backup\(.*)$", page, re.MULTILINE)
    words = shlex.split(place.at(command))
    copy = words[-1] = str(place.folder / "copy.db")
    assert environment.run(*words).returncode == 0
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() > (5,)
        (said,) = connection.execute("PRAGMA integrity_check").fetchone()
    return str(said)


def test_the_container_runs_as_somebody_what_the_service_runs() -> None:
    [user], [entry], [command], [port] = map(recipe, ("USER", "ENTRYPOINT", "CMD", "EXPOSE"))
    words = [*json.loads(entry), *json.loads(command)]

    assert user.isdecimal()
    assert int(user) > 0
    assert [f"/opt/trouper/bin/{words[0]}", *words[1:]] == next(
        value.split() for name, value in unit() if name == "ExecStart"
    )
    assert int(port) == ServerConfig().port


def test_a_wrong_token_is_not_let_in_by_the_configuration(
    environment: Environment, place: Place
) -> None:
    words = ("serve", "--config", place.at("/etc/trouper/trouper.toml"), "--listen", "127.0.0.1:0")
    with environment.serving("trouper", *words) as url:
        wrong = urllib.request.Request(f"{url}/v1/models", headers={"Authorization": "Bearer x"})
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            urllib.request.urlopen(wrong, timeout=10)
        refused.value.close()
