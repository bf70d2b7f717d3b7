"""A script says what it means, or its reader says which key is wrong."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from trouper.actors.errors import ConfigError
from trouper.actors.simulator import (
    Rule,
    Script,
    ScriptedAnswer,
    ScriptedReply,
    answer_from,
    load_script,
    script_from,
)
from trouper.actors.simulator.script import Cut, ScriptedToolCall, ScriptedUsage, StatusError

EXAMPLE = """
models = ["fast", "slow"]

[[rules]]
model = "slow"
contains = "count"
times = 2
fault = { kind = "status", status = 429, headers = { retry-after = "2" }, body = { error = 1 } }

[[rules]]
[rules.reply]
text = "one two"
pace = 1
usage = { prompt_tokens = 3, completion_tokens = 2 }
tool_calls = [{ name = "clock", arguments = { zone = "UTC" } }]
"""
READ = Script(
    models=("fast", "slow"),
    rules=(
        Rule(
            model="slow",
            contains="count",
            times=2,
            fault=StatusError(status=429, headers={"retry-after": "2"}, body={"error": 1}),
        ),
        Rule(
            reply=ScriptedReply(
                text="one two",
                pace=1,
                usage=ScriptedUsage(prompt_tokens=3, completion_tokens=2),
                tool_calls=(ScriptedToolCall(name="clock", arguments={"zone": "UTC"}),),
            )
        ),
    ),
)


def rules(**rule: Any) -> dict[str, Any]:
    return {"rules": [rule]}


def test_a_file_in_toml_or_in_json_becomes_the_same_script(tmp_path: Path) -> None:
    toml, plain = tmp_path / "script.toml", tmp_path / "script.json"
    toml.write_text(EXAMPLE)
    plain.write_text(json.dumps(tomllib.loads(EXAMPLE)))

    assert load_script(toml) == READ
    assert load_script(plain) == READ


def test_a_list_alone_stands_for_the_rules() -> None:
    assert script_from([{"model": "m"}]) == Script(rules=(Rule(model="m"),))


def test_an_answer_has_no_conditions() -> None:
    assert answer_from({"fault": {"kind": "cut", "after": 3}}, source="x-sim") == ScriptedAnswer(
        fault=Cut(after=3)
    )
    with pytest.raises(ConfigError, match="x-sim: unknown key times; known are: reply, fault"):
        answer_from({"times": 2}, source="x-sim")


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        ({"rulez": []}, "unknown key rulez; known are: rules, models"),
        ({"rules": "x"}, "rules: must be a list, not 'x'"),
        ("x", "must be a table, not 'x'"),
        ({"models": [True]}, "models[0]: must be text, not True"),
        (rules(modle="m"), "rules[0]: unknown key modle; known are: reply, fault, model"),
        (rules(times=True), "rules[0].times: must be a whole number, not True"),
        (rules(times=0), "rules[0]: 'times' must be >= 1: 0"),
        (rules(reply={"txt": ""}), "rules[0].reply: unknown key txt; known are: text,"),
        (rules(reply={"raw": "data"}), "rules[0].reply.raw: must be a list, not 'data'"),
        (rules(reply={"pace": "1"}), "rules[0].reply.pace: must be a number, not '1'"),
        (rules(reply={"pace": -1}), "rules[0].reply: 'pace' must be >= 0.0: -1"),
        (
            rules(reply={"framing": "http2"}),
            "rules[0].reply.framing: must be one of chunked, close",
        ),
        (rules(reply={"usage": 3}), "rules[0].reply.usage: must be a table, 'counted' or 'none'"),
        (rules(reply={"usage": {"prompt_tokens": 1}}), "reply.usage.completion_tokens: is missing"),
        (rules(reply={"headers": 3}), "rules[0].reply.headers: must be a table"),
        (rules(reply={"headers": {"a b": "c"}}), "'headers' has no valid header name: 'a b'"),
        (rules(reply={"headers": {"a": "b\r\nc: d"}}), "no printable ASCII: 'a'"),
        (rules(reply={"headers": {"Connection": "x"}}), "may not set 'Connection'"),
        (rules(reply={"tool_calls": [{}]}), "rules[0].reply.tool_calls[0].name: is missing"),
        (
            rules(reply={"tool_calls": [{"name": "x", "arguments": 1}]}),
            "rules[0].reply.tool_calls[0].arguments: must be a table or text, not 1",
        ),
        (rules(fault="cut"), "rules[0].fault: must be a table, not 'cut'"),
        (rules(fault={"after": 1}), "rules[0].fault: kind must be one of cut, drip, empty_reply"),
        (rules(fault={"kind": "cut"}), "rules[0].fault.after: is missing"),
        (
            rules(fault={"kind": "stall", "after": "1"}),
            "rules[0].fault.after: must be a whole number",
        ),
        (rules(fault={"kind": "reset", "after": -1}), "rules[0].fault: 'after' must be >= 0: -1"),
        (
            rules(fault={"kind": "error_frame", "done": 1}),
            "rules[0].fault.done: must be true or false, not 1",
        ),
        (rules(fault={"kind": "silence", "after": 1}), "rules[0].fault: unknown key after"),
        (
            rules(fault={"kind": "status", "status": 204}),
            "'status' must be a status that has a body",
        ),
        (rules(fault={"kind": "pings", "seconds": 0}), "rules[0].fault: 'seconds' must be > 0"),
    ],
)
def test_what_is_wrong_is_named_by_its_key(raw: Any, fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        script_from(raw, source="file")

    assert str(caught.value).startswith("file: ")
    assert fault in str(caught.value)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        script_from({"rules": [{"times": "x"}, {"fault": {"kind": "cutt"}}], "model": "m"})

    assert len(caught.value.faults) == 3


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("absent.toml", None, "cannot be read: No such file or directory"),
        ("bad.toml", b"rules = [", "is neither TOML nor"),
        ("bad.json", b"{", "is neither TOML nor"),
        ("latin.toml", b"models = ['\xe9']", "is neither TOML nor"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, name: str, content: bytes | None, fault: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        load_script(path)

    assert str(caught.value).startswith(f"{path}: {fault}")
