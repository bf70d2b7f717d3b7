"""The page's files: what others wrote is as they published it, and nobody else is asked."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from trouper.actors.gateway.console_page import FILES

WEB = Path(__file__).resolve().parents[3] / "actors" / "console" / "web"


def test_what_others_wrote_is_as_they_published_it() -> None:
    told: Mapping[str, Any] = json.loads((WEB / "vendor" / "vendored.json").read_text())
    there = {path.name for path in (WEB / "vendor").iterdir()} - {"vendored.json"}

    assert told["files"]
    assert there == set(told["files"])
    for name, file in told["files"].items():
        assert sha256((WEB / "vendor" / name).read_bytes()).hexdigest() == file["sha256"], name
        assert file["package"] in told["packages"]
    assert {f"LICENSE.{package}" for package in told["packages"]} <= there


def test_the_page_asks_nobody_else_for_anything() -> None:
    ours = [name for name in FILES if not name.startswith("vendor/")]

    assert {Path(name).suffix for name in ours} >= {".html", ".css", ".js"}
    for name in ours:
        text = (WEB / name).read_text()
        assert "https://" not in text, name
        assert not [word for word in ("eval(", "innerHTML", "document.write") if word in text], name
