"""A configuration in other hands: copied, and sent to a process of its own."""

import copy
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from trouper.actors.config import AppConfig, parse_config
from trouper.actors.config.frozen_table import FrozenTable

FILE = """
[providers.here]
kind = "openai"
base_url = "http://127.0.0.1:1/v1"
{key}
[models.default]
targets = ["here/m"]
[assistants.default]
model = "default"
prompt = "You are {{name}}."
variables = {{ name = "Ann" }}
tools = ["oracle"]
[tools.oracle]
description = "Knows."
command = ["oracle"]
parameters = {{ type = "object", properties = {{ question = {{ type = "string" }} }} }}
[mcp.files]
command = ["files"]
[budgets.each]
limit_usd = "0.25"
per = "day"
scope = "user"
[prices."here/*"]
input = 1.0
output = 2.0
[facts."here/m"]
max_input_tokens = 1000
"""


def parsed(key: str = "") -> AppConfig:
    return parse_config(FILE.format(key=key), folder=Path("/"), environ={"KEY": "sk-1"})


def test_a_configuration_is_pickled_and_copied_whole() -> None:
    """Its tables were mapping proxies, which can be neither."""
    config = parsed()
    assert pickle.loads(pickle.dumps(config)) == config
    assert copy.deepcopy(config) == config


def test_a_configuration_with_secrets_is_copied_and_never_written_out() -> None:
    """A copy stays in the process; what is pickled may end up anywhere."""
    config = parsed('api_keys = ["env:KEY"]')
    assert copy.deepcopy(config) == copy.copy(config) == config
    with pytest.raises(TypeError, match=r"not pickled.*load the configuration where it is used"):
        pickle.dumps(config)


def test_a_table_is_a_mapping_that_nobody_changes_and_no_copy_shares() -> None:
    theirs: dict[str, Any] = {"b": [1], "a": 2}
    table: Mapping[str, Any] = FrozenTable(theirs)
    theirs["c"] = 3
    assert (list(table), len(table), table["a"], repr(table)) == (
        ["b", "a"],
        2,
        2,
        "{'b': [1], 'a': 2}",
    )
    assert table == {"a": 2, "b": [1]}
    with pytest.raises(TypeError):
        table["a"] = 3  # type: ignore[index]  # pyright: ignore[reportIndexIssue]
    copied = copy.deepcopy(table)
    copied["b"].append(2)
    assert table["b"] == [1]
