"""A field of a log line has one name wherever it is written, and the reference tells it."""

import ast
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.fakes.simulator import SimulatorProcess
from trouper.actors import open_app
from trouper.actors.config import AppConfig, AssistantConfig, ModelConfig, ProviderConfig
from trouper.actors.logs import configure_logging

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/reference/logs.md"
LEVELS = ("debug", "info", "warning", "error", "critical", "exception")

# Other names for what the reference lists.
WRONG = {"actor_path", "model_name", "request_id", "session_id", "tool_name", "trace", "turn_id"}


def fields_of(module: Path) -> Iterator[str]:
    """The names of all fields that a module logs."""
    text = module.read_text()
    if "structlog" not in text:
        return
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="log" | "_log"), attr=attr)):
                if attr in LEVELS:
                    yield from (each.arg for each in node.keywords if each.arg is not None)
            case _:
                pass


def test_what_the_reference_lists_is_called_so_everywhere() -> None:
    used = {name for module in (ROOT / "actors").rglob("*.py") for name in fields_of(module)}
    (table,) = re.findall(r"^\| field \|.*?\n\n", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    listed = {
        name
        for cell in re.findall(r"^\|([^|]+)\|", table, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", cell)
    }

    assert len(used) > 40
    assert used & WRONG == set()
    made_by_the_log = {"time", "level", "msg", "at", "traceback", "trace_id", "span_id"}
    assert listed - used <= made_by_the_log


async def test_what_is_logged_within_a_turn_names_its_session(
    simulator: SimulatorProcess, request: pytest.FixtureRequest
) -> None:
    config = AppConfig(
        providers={"sim": ProviderConfig(name="sim", kind="openai", base_url=simulator.base_url)},
        models={"default": ModelConfig(targets=["sim/small"])},
        assistants={"default": AssistantConfig(model="default")},
    )
    stream = io.StringIO()
    request.addfinalizer(structlog.reset_defaults)
    configure_logging("info", stream)
    async with open_app(config, signals=False) as app:
        await (await app.session("alice")).ask("hello")

    lines = [line for line in stream.getvalue().splitlines() if 'msg="call answered"' in line]
    assert len(lines) == 1
    assert "session=alice" in lines[0]
