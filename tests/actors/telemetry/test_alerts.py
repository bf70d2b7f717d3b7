"""The example rules for Prometheus ask for what there is, and say where to look."""

import re
from pathlib import Path
from typing import get_args

import attrs
import pytest

from tests.fakes.metrics import exposed
from trouper.actors.cli.main import COMMANDS
from trouper.actors.gate.circuit_messages import CircuitPhase
from trouper.actors.telemetry.names import FAMILIES
from trouper.runtime import DeadReason

PAGE = Path(__file__).parents[3] / "docs/reference/alerts.md"


@attrs.frozen
class Rule:
    """One rule, as its text stands on the page."""

    text: str

    @property
    def name(self) -> str:
        return self.one(r"alert: (\w+)$")

    @property
    def expr(self) -> str:
        return self.one(r"^ +expr:(.*?)^ +(?:for|labels):")

    def one(self, pattern: str) -> str:
        (found,) = re.findall(pattern, self.text, re.MULTILINE | re.DOTALL)
        return str(found)


def rules() -> list[Rule]:
    (text,) = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    head, *found = text.split("      - ")
    assert head == "groups:\n  - name: trouper\n    rules:\n"
    return [Rule(each) for each in found]


RULES = [pytest.param(rule, id=rule.name) for rule in rules()]


def every_name() -> set[str]:
    """Every name that a query may ask for."""
    names = {"up"}
    for family in FAMILIES.values():
        parts = ("_bucket", "_count", "_sum") if family.type == "histogram" else ("",)
        names |= {f"{exposed(family)}{part}" for part in parts}
    return names


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_asks_for_metrics_and_labels_that_there_are(rule: Rule) -> None:
    asked = set(
        re.findall(r"\b(?:up|(?:trouper|gen_ai)_\w+)(?=\{|\[| |\)|$)", rule.expr, re.MULTILINE)
    )
    labels = {label for family in FAMILIES.values() for label in family.labels}

    assert asked - labels
    assert asked - labels <= every_name()
    selected = set(re.findall(r"[{,](\w+)=", rule.expr))
    grouped = {
        name.strip() for by in re.findall(r"by \(([^)]*)\)", rule.expr) for name in by.split(",")
    }
    assert selected | grouped <= {*labels, "le", "job"}
    told = set(re.findall(r"\$labels\.(\w+)", rule.text))
    assert told <= {*labels, "instance"}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_says_how_urgent_it_is_and_where_to_look(rule: Rule) -> None:
    assert rule.one(r"severity: (\w+)}$") in ("page", "ticket")
    assert rule.one(r'^ +summary: "(.+)"$')
    named = set(re.findall(r"trouper ([a-z-]+)", rule.one(r'^ +look: "(.+)"$')))
    assert named <= set(COMMANDS)


def test_the_values_that_rules_select_are_there() -> None:
    text = PAGE.read_text()

    (reasons,) = re.findall(r'reason=~"([^"]*)"', text)
    assert set(reasons.split("|")) <= {reason.value for reason in DeadReason}
    assert set(re.findall(r'state="(\w+)"', text)) <= set(get_args(CircuitPhase))
