"""Assistants, programs as tools, and MCP servers in a configuration, and what is wrong with them."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from trouper.actors.config import (
    AppConfig,
    AssistantConfig,
    KindConfig,
    McpConfig,
    Secret,
    ToolConfig,
    parse_config,
)
from trouper.actors.errors import ConfigError

MINIMAL = """
[providers.here]
kind = "openai"
base_url = "http://127.0.0.1:1/v1"
[models.default]
targets = ["here/m"]
"""
ENVIRON = {"KEY": "key-for-tests"}


def parsed(text: str) -> AppConfig:
    if "[assistants." not in text:
        text = f'[assistants.default]\nmodel = "default"\n{text}'
    return parse_config(MINIMAL + text, folder=Path("/etc/trouper"), environ=ENVIRON)


def faults(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        parsed(text)
    return caught.value.faults


def faults_of(make: Any, **arguments: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        make(**arguments)
    return caught.value.faults


def test_every_key_of_an_assistant_arrives() -> None:
    config = parsed("""
        [mcp.github]
        url = "https://mcp.example.org/mcp"
        [assistants.default]
        model = "default"
        description = "Answers guests"
        prompt = "You answer guests of {place} on {date}: {{}}"
        variables = {place = "the library"}
        tools = ["clock", "github/*", "own_*"]
        small_model = "default"
        temperature = 0.5
        max_output_tokens = 100
        reasoning_effort = "low"
        max_tool_rounds = 3
        approval_seconds = 10
        long_text = "split"
        [assistants.default.kinds.code]
        words = ["code"]
        longer_than = 3
        temperature = 0.1
        max_output_tokens = 10
        reasoning_effort = "high"
    """)

    assert config.assistants["default"] == AssistantConfig(
        model="default",
        description="Answers guests",
        prompt="You answer guests of {place} on {date}: {{}}",
        variables={"place": "the library"},
        tools=["clock", "github/*", "own_*"],
        small_model="default",
        temperature=0.5,
        max_output_tokens=100,
        reasoning_effort="low",
        max_tool_rounds=3,
        approval_seconds=10.0,
        long_text="split",
        kinds={
            "code": KindConfig(
                words=["code"],
                longer_than=3,
                temperature=0.1,
                max_output_tokens=10,
                reasoning_effort="high",
            )
        },
    )


def test_every_key_of_a_program_arrives() -> None:
    config = parsed("""
        [tools.summarize]
        command = ["python3", "summarize.py"]
        description = "Shorten a text."
        strict = true
        env = {TOKEN = "env:KEY", LEVEL = "text:brief: very"}
        cwd = "programs"
        timeout = 5
        concurrency = 2
        result_limit = 1_000
        approval = "always"
        idempotent = true
        attempts = 2
        [tools.summarize.parameters]
        type = "object"
        required = ["text"]
        additionalProperties = false
        properties.text.type = "string"
    """)

    assert config.tools["summarize"] == ToolConfig(
        command=["python3", "summarize.py"],
        description="Shorten a text.",
        parameters={
            "type": "object",
            "required": ["text"],
            "additionalProperties": False,
            "properties": {"text": {"type": "string"}},
        },
        strict=True,
        env={"TOKEN": Secret("key-for-tests"), "LEVEL": "brief: very"},
        cwd=Path("/etc/trouper/programs"),
        timeout=5.0,
        concurrency=2,
        result_limit=1_000,
        approval="always",
        idempotent=True,
        attempts=2,
    )


def test_every_key_of_an_mcp_server_arrives() -> None:
    config = parsed("""
        [mcp.time]
        command = ["uvx", "mcp-server-time"]
        env = {TZ = "text:Europe/Paris"}
        cwd = "/tmp"
        start_timeout = 5
        timeout = 6
        concurrency = 2
        result_limit = 1_000
        approval = "always"
        [mcp.github]
        url = "https://mcp.example.org/mcp?key=1"
        token = "env:KEY"
        headers = {"X-Org" = "text:ours", "X-Key" = "env:KEY"}
    """)

    assert config.mcp == {
        "time": McpConfig(
            command=["uvx", "mcp-server-time"],
            env={"TZ": "Europe/Paris"},
            cwd=Path("/tmp"),
            start_timeout=5.0,
            timeout=6.0,
            concurrency=2,
            result_limit=1_000,
            approval="always",
        ),
        "github": McpConfig(
            url="https://mcp.example.org/mcp?key=1",
            token=Secret("key-for-tests"),
            headers={"X-Org": "ours", "X-Key": Secret("key-for-tests")},
        ),
    }
    assert "key-for-tests" not in repr(config)


def test_a_value_for_a_program_says_whether_it_is_a_secret() -> None:
    assert faults('[mcp.a]\ncommand = ["x"]\nenv = {A = "sk-in-clear", B = "env:NO"}') == (
        (
            'mcp.a.env.A: must be "env:NAME" or "file:PATH" for a secret, which is not written into '
            'this file, or "text:VALUE" for what is none'
        ),
        "mcp.a.env.B: the environment variable NO is not set",
    )


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (
            'prompt = "{twon}"',
            (
                "prompt: the variable {twon} has no value; give it one under variables.twon, or there "
                "are: assistant, date, model, session, tools, user, weekday"
            ),
        ),
        ("variables = {town = 3}", "variables: must be a table of texts, and town is 3"),
        ("variables = {town = 'x'}", "variables.town: the prompt does not use {town}"),
        (
            "variables = {date = 'x'}\nprompt = '{date}'",
            (
                "variables.date: is built in (the day on which the turn begins, where the program runs: "
                "2026-11-21); call yours otherwise"
            ),
        ),
        (
            'tools = ["say it"]',
            (
                'tools[0]: must be the name of a tool, such as "clock", or "server/tool" for one of an '
                "MCP server, not 'say it'"
            ),
        ),
        ('tools = ["clock", "clock"]', "tools[1]: 'clock' is in this list already"),
        (
            'tools = ["time/*"]',
            'tools[0]: no MCP server "time" is configured under mcp; known: none',
        ),
        (
            "kinds = {code = {temperature = 0.1}}",
            "kinds.code.words: by these or by longer_than a prompt is known to be of this kind",
        ),
        (
            'kinds = {code = {words = ["code"]}}',
            "kinds.code.temperature: nothing is asked for this kind; say one parameter at least",
        ),
        (
            'kinds = {code = {words = [" "], temperature = 1}}',
            "kinds.code.words[0]: must be a word of up to 64 characters, not ' '",
        ),
        (
            'kinds = {"a b" = {words = ["code"], temperature = 1}}',
            "kinds.'a b': a name has up to 64 letters, digits, dots, hyphens and underscores",
        ),
        ('small_model = "tiny"', 'small_model: no model "tiny" is configured; known: default'),
        ("max_tool_rounds = 0", "max_tool_rounds: must be a whole number from 1 to 1000, not 0"),
    ],
)
def test_what_is_wrong_with_an_assistant_is_said_with_its_key(lines: str, sentence: str) -> None:
    [fault] = faults(f'[assistants.default]\nmodel = "default"\n{lines}')

    assert fault == f"assistants.default.{sentence}"


def test_all_that_names_nothing_is_said_also_where_a_table_cannot_be_read() -> None:
    assert faults("""
        [mcp.time]
        [tools.clock]
        command = ["x"]
        description = "x"
        [tools."a.b"]
        command = ["x"]
        description = "x"
        [assistants.default]
        model = "default"
        small_model = "tiny"
        tools = ["tme/*"]
    """) == (
        "mcp.time.command: an MCP server has either a command or a url",
        "tools.clock: this tool is built in; call yours otherwise",
        "tools.'a.b': a name here has up to 64 letters, digits, hyphens and underscores",
        'assistants.default.small_model: no model "tiny" is configured; known: default',
        (
            'assistants.default.tools[0]: no MCP server "tme" is configured under mcp; '
            'did you mean "time"?'
        ),
    )


@pytest.mark.parametrize("name", ["a__b", "a_", "a" * 33, "a.b"])
def test_the_name_of_a_server_is_told_apart_from_those_of_its_tools(name: str) -> None:
    assert faults(f'[mcp."{name}"]\ncommand = ["x"]') == (
        (
            f"mcp.{name if '.' not in name else repr(name)}: a name here has up to 32 letters, digits, "
            "hyphens and single underscores, and does not end with one"
        ),
    )


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"command": []}, "command: is empty; it is a list of the program and its arguments"),
        ({"command": "cat"}, "command: must be a list, not 'cat'"),
        ({"command": ["cat", 3]}, "command[1]: must be text, not 3"),
        ({"description": " "}, "description: is empty; say what the tool does and when to use it"),
        ({"attempts": 2}, "attempts: is more than 1 only where idempotent = true"),
        ({"parameters": {"type": "text"}}, "parameters.type: it is \"object\", not 'text'"),
        (
            {"parameters": {"type": "object", "required": [[]]}},
            "parameters.required[0]: [] is none of the properties",
        ),
        ({"env": {"A=B": "x"}}, "env.'A=B': is no name of an environment variable"),
        ({"env": {"A": "\0"}}, "env.A: has a zero character, which no program can be given"),
        ({"env": {"A": 3}}, "env.A: must be text or a Secret, not 3"),
        (
            {"approval": "sometimes"},
            "approval: this version of trouper knows no approval 'sometimes'; known: always, never",
        ),
    ],
)
def test_what_is_wrong_with_a_program_is_said_in_one_sentence(
    more: dict[str, Any], sentence: str
) -> None:
    well = {"command": ["cat"], "description": "Says it."}

    assert faults_of(ToolConfig, **{**well, **more}) == (sentence,)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "properties", "required", "object", "a", "$ref", "enum"]),
            inner | st.just("object"),
            max_size=3,
        )
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(json_like, st.booleans())
def test_whatever_the_parameters_are_they_are_a_schema_or_faults(
    parameters: Any, strict: bool
) -> None:
    said: tuple[str, ...] = ()
    try:
        ToolConfig(command=["x"], description="x", parameters=parameters, strict=strict)
    except ConfigError as error:
        said = error.faults

    assert all(fault.startswith("parameters") for fault in said)


def test_what_is_no_table_of_texts_is_said_in_python_too() -> None:
    assert faults_of(AssistantConfig, model="m", variables=["a"]) == (
        "variables: must be a table of texts, not a list",
    )
    assert faults_of(AssistantConfig, model="m", tools=[3]) == (
        (
            'tools[0]: must be the name of a tool, such as "clock", or "server/tool" for one of an '
            "MCP server, not 3"
        ),
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({}, "command: an MCP server has either a command or a url"),
        (
            {"command": ["x"], "url": "https://x"},
            "command: an MCP server has either a command or a url",
        ),
        (
            {"url": "stdio://x"},
            'url: must be an http or https URL, such as "https://mcp.example.org/mcp"',
        ),
        (
            {"url": "http://[x"},
            'url: must be an http or https URL, such as "https://mcp.example.org/mcp"',
        ),
        (
            {"url": "https://x", "env": {"A": "b"}},
            "env: only an MCP server with a command has this key",
        ),
        ({"url": "https://x", "headers": {"a b": "c"}}, "headers.'a b': is no name of a header"),
        (
            {"url": "https://x", "headers": {"A": "b\n"}},
            "headers.A: must be printable ASCII on one line",
        ),
        (
            {
                "url": "https://x",
                "headers": {"authorization": "Basic x"},
                "token": Secret("key-for-tests"),
            },
            "headers.authorization: token says this already; leave one of them out",
        ),
        (
            {"command": ["x"], "token": Secret("key-for-tests")},
            "token: only an MCP server with a url has this key",
        ),
    ],
)
def test_what_is_wrong_with_a_server_is_said_in_one_sentence(
    arguments: dict[str, Any], sentence: str
) -> None:
    assert faults_of(McpConfig, **arguments) == (sentence,)
