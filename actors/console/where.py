"""Where the sockets of consoles lie. (Commands import this: it takes no time.)"""

import os
import tempfile
from pathlib import Path

__all__ = ["folder"]


def folder() -> Path:
    """The folder of this user's sockets."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime:
        return Path(runtime) / "trouper"
    return Path(tempfile.gettempdir()) / f"trouper-{os.getuid()}"
