"""What is to be spent is a value of the policy's, which knows nothing of where sums are kept."""

import ast
import importlib
import inspect
import pkgutil

import pytest

from trouper.actors import policy
from trouper.actors.policy import spending
from trouper.actors.store import ledger

# What decides may speak of the conversation, of prices, and of what is wrong.
BELOW = {"catalog", "chat", "errors", "trail"}


@pytest.mark.parametrize("name", [found.name for found in pkgutil.iter_modules(policy.__path__)])
def test_a_decision_needs_nobody_who_keeps_or_does_something(name: str) -> None:
    # The budget's decisions once took their values from the store that stands above them.
    module = importlib.import_module(f"{policy.__name__}.{name}")
    needed = {
        (node.module or "").partition(".")[0]
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.ImportFrom) and node.level == 2
    }

    assert needed <= BELOW


def test_the_ledger_speaks_of_the_same_values() -> None:
    assert ledger.Limit is spending.Limit
    assert ledger.Opening is spending.Opening
