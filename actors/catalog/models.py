"""The table of models: facts by family and name, with overrides on top.

The table ships as data/models.json, is read when the first model is looked up
(1.5 ms, then 20 us for each other model) and never from the network. A name
that it does not have is tried without its date ("gpt-9-2027-01-01") and without
what a fine-tuning put around it ("ft:gpt-9:acme::id"); what is still not found
is a model of which nothing is known, and nothing is refused.
"""

import datetime
import functools
import re
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

import orjson

from ..errors import ConfigError
from ..wire.converter import key_path
from . import data
from .facts import ModelFacts, ModelRef, facts_from

__all__ = ["NEAR", "ModelCatalog", "families", "family_of", "undated", "warnings"]

# What OpenAI gives as notice for most shutdowns is longer; two months are time to move.
NEAR = datetime.timedelta(days=60)

# -20251001 and @20251001 are Anthropic's and its resellers', -2025-10-01 is OpenAI's.
_DATE = re.compile(r"[-@](\d{8}|\d{4}-\d{2}-\d{2})$")
_FINE_TUNED = re.compile(r"ft:([^:]+):")

# Where the families answer that have a table. Other families are found by prices.
_HOSTS = {"api.openai.com": "openai", "api.anthropic.com": "anthropic"}
_AZURE = (".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com")

# Whose models a reseller's are, under the same names.
_SAME_AS = {"azure": "openai"}


@functools.cache
def _table() -> Mapping[str, Any]:
    text = resources.files(data).joinpath("models.json").read_bytes()
    families: Mapping[str, Any] = orjson.loads(text)["families"]
    return families


def _spellings(name: str) -> Iterable[str]:
    yield name
    tuned = _FINE_TUNED.match(name)
    if tuned:
        name = tuned[1]
        yield name
    yield undated(name)


def undated(name: str) -> str:
    """The name without the date of a snapshot; the same if it has none."""
    return _DATE.sub("", name)


def families() -> tuple[str, ...]:
    """Whose models the table has."""
    return tuple(_table())


class ModelCatalog:
    """What is known of models. `overrides` has tables of facts by "provider/model".

    An override says only what differs, by the names of `ModelFacts`' fields;
    for a model that no table has, it is all that is known. Raises ConfigError
    that names every key which is wrong.
    """

    def __init__(self, overrides: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self._overrides = dict(overrides or {})
        self._found: dict[ModelRef, ModelFacts] = {}
        faults: list[str] = []
        for key, table in self._overrides.items():
            try:
                facts_from(ModelRef("", key), table, key_path("", key))
            except ConfigError as fault:
                faults += fault.faults
        if faults:
            raise ConfigError("models", faults)

    def find(self, ref: ModelRef) -> ModelFacts:
        """The facts of this model. Never fails: of an unknown one, nothing is known."""
        found = self._found.get(ref)
        if found is None:
            found = facts_from(ref, {**_stated(ref), **self._overrides.get(ref.key, {})})
            # As many as the configuration names; but a gateway's clients may name more.
            if len(self._found) >= 1_024:
                self._found.clear()
            self._found[ref] = found
        return found

    def known(self, family: str) -> tuple[ModelFacts, ...]:
        """Every model of this family that the table has, by name."""
        entry = _table().get(family)
        names: Iterable[str] = entry["models"] if entry else ()
        return tuple(
            facts_from(ModelRef("", name, family), _stated(ModelRef("", name, family)))
            for name in names
        )


def _stated(ref: ModelRef) -> Mapping[str, Any]:
    """What the table says of this model, with its family's defaults; nothing if not in it."""
    entry = _table().get(_SAME_AS.get(ref.family, ref.family))
    if entry is None:
        return {}
    for name in _spellings(ref.model):
        facts = entry["models"].get(name)
        if facts is not None:
            return {**entry["defaults"], **facts}
    return {}


def family_of(kind: str, base_url: str) -> str:
    """Whose models a provider serves, as far as its kind and address say it; else "".

    A compatible server elsewhere may give any model any name, so it has no family.
    """
    if kind == "local":
        return "local"
    host = (urlsplit(base_url).hostname or "").lower()
    if kind == "ollama" and host != "ollama.com":
        return "local"
    if host.endswith(_AZURE):
        return "azure"
    return _HOSTS.get(host, "")


def warnings(facts: ModelFacts, today: datetime.date) -> tuple[str, ...]:
    """What an operator should know of this model before it is used: sentences, often none."""
    if facts.shutdown is None:
        return ()
    days = (facts.shutdown - today).days
    if days <= 0:
        ago = f"{-days} days ago" if days else "today"
        gone = f"{facts.name} was shut down on {facts.shutdown} ({ago})"
        return (f"{gone}; requests to it will fail, name another model",)
    if days <= NEAR.days:
        soon = f"{facts.name} will be shut down on {facts.shutdown}, in {days} days"
        return (f"{soon}; choose its successor",)
    return ()
