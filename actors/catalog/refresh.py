"""Writes the table of models anew: `python -m trouper.actors.catalog.refresh SOURCE`.

SOURCE is a JSON file in the shape of LiteLLM's model_prices_and_context_window.json
(MIT), from which we take facts on the models of OpenAI and Anthropic: limits,
capabilities, shutdown dates; no prices. Fetch it, run this, read the diff of
data/models.json, run the tests. What the source does not say comes from the
providers' own references and stands here, each with its source.
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

__all__ = ["TARGET", "main", "reshape", "written"]

TARGET = Path(__file__).parent / "data" / "models.json"

_SOURCE = (
    "facts of LiteLLM's model_prices_and_context_window.json (MIT) and of the providers' "
    "references, by trouper.actors.catalog.refresh"
)

_DEFAULTS: dict[str, dict[str, Any]] = {
    # Chat completions reference: temperature 0 to 2, up to four stop sequences.
    "openai": {"max_stop_sequences": 4},
    # Messages reference: temperature 0 to 1, and no penalties.
    "anthropic": {"apis": ["messages"], "max_temperature": 1.0, "penalties": False},
}

_FLAGS = {
    "supports_function_calling": "tools",
    "supports_parallel_function_calling": "parallel_tools",
    "supports_forced_tool_use": "forced_tools",
    "supports_vision": "images",
    "supports_response_schema": "response_schema",
    "supports_assistant_prefill": "prefill",
}

_ENDPOINTS = {
    "/v1/chat/completions": "chat",
    "/v1/responses": "responses",
    "/v1/batch": "batch",
}

_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

# OpenAI's reference of reasoning_effort: models before gpt-5.1 know no `none`,
# gpt-5.1 knows none to high, gpt-5-pro only high, xhigh came after
# gpt-5.1-codex-max. What came later is not held to more than the vocabulary.
_OPENAI_EFFORTS = (
    (re.compile(r"o\d"), ("low", "medium", "high")),
    (re.compile(r"gpt-5-pro"), ("high",)),
    (re.compile(r"gpt-5(-mini|-nano|-codex)?(-\d{4}.*)?$"), ("minimal", "low", "medium", "high")),
    (re.compile(r"gpt-5\.1(-\d{4}.*)?$"), ("none", "low", "medium", "high")),
)

_SNAPSHOT = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8})$")


def reshape(source: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The table of models by family, out of LiteLLM's."""
    families: dict[str, Any] = {
        family: {"defaults": defaults, "models": {}} for family, defaults in _DEFAULTS.items()
    }
    for name in sorted(source):
        raw = source[name]
        family = raw.get("litellm_provider")
        # Names with a slash are the same models by region or by image size.
        if family in families and raw.get("mode") in ("chat", "responses") and "/" not in name:
            families[family]["models"][name] = _facts(name, raw)
    for entry in families.values():
        _share_shutdowns(entry["models"])
    return {"source": _SOURCE, "families": families}


def _facts(name: str, raw: Mapping[str, Any]) -> dict[str, Any]:
    facts = {key: raw[key] for key in ("max_input_tokens", "max_output_tokens") if raw.get(key)}
    facts |= {ours: raw[theirs] for theirs, ours in _FLAGS.items() if theirs in raw}
    # The source marks models that reason and leaves the key out for others.
    if facts:
        facts["reasoning"] = bool(raw.get("supports_reasoning"))
    if raw.get("deprecation_date"):
        facts["shutdown"] = raw["deprecation_date"]
    if raw["litellm_provider"] == "openai":
        facts |= _openai(name, raw)
    else:
        facts |= _anthropic(raw)
    return facts


def _openai(name: str, raw: Mapping[str, Any]) -> dict[str, Any]:
    said = raw.get("supported_endpoints", ["/v1/chat/completions"])
    more: dict[str, Any] = {"apis": sorted({_ENDPOINTS[at] for at in said if at in _ENDPOINTS})}
    if re.match(r"o3(-\d|$)|o4-mini", name):
        # Chat completions reference of `stop`: not supported with o3 and o4-mini.
        more["max_stop_sequences"] = 0
    if not raw.get("supports_reasoning") or "-chat" in name:
        return more
    none = raw.get("supports_none_reasoning_effort")
    known = (efforts for pattern, efforts in _OPENAI_EFFORTS if pattern.match(name))
    efforts = next(known, tuple(word for word in _EFFORTS if none is not False or word != "none"))
    more["efforts"] = list(efforts)
    # OpenAI's models take sampling parameters only while they do not reason.
    if none is False or re.match(r"o\d", name):
        more["sampling"] = "never"
    elif none is True:
        more["sampling"] = "without_reasoning"
    return more


def _anthropic(raw: Mapping[str, Any]) -> dict[str, Any]:
    # A missing key means that they are taken.
    more: dict[str, Any] = (
        {"sampling": "never"} if raw.get("supports_sampling_params") is False else {}
    )
    if raw.get("supports_reasoning"):
        # output_config.effort of the messages reference; none is thinking disabled.
        more["efforts"] = ["none", "low", "medium", "high", "xhigh", "max"]
    return more


def _share_shutdowns(models: dict[str, dict[str, Any]]) -> None:
    """A name without a date ends with the last of its snapshots, and a snapshot
    of which nothing is said with its name: the source often dates only one of both."""
    snapshots: dict[str, list[str]] = {}
    for name in models:
        alias = _SNAPSHOT.sub("", name)
        if alias != name and alias in models:
            snapshots.setdefault(alias, []).append(name)
    for alias, dated in snapshots.items():
        ends: list[str] = [models[name].get("shutdown", "") for name in dated]
        if "shutdown" not in models[alias] and all(ends):
            models[alias]["shutdown"] = max(ends)
        elif "shutdown" in models[alias] and not any(ends):
            for name in dated:
                models[name]["shutdown"] = models[alias]["shutdown"]


def written(table: Mapping[str, Any]) -> bytes:
    """JSON with one model a line, so that a diff can be read."""
    lines = [b'{"source":%b,"families":{' % orjson.dumps(table["source"])]
    families: dict[str, Any] = table["families"]
    for number, (family, entry) in enumerate(families.items(), start=1):
        lines.append(
            b'"%b":{"defaults":%b,"models":{' % (family.encode(), _flat(entry["defaults"]))
        )
        rows = [b"%b:%b" % (orjson.dumps(name), _flat(at)) for name, at in entry["models"].items()]
        lines.append(b",\n".join(rows))
        lines.append(b"}}" + (b"," if number < len(families) else b"}}"))
    return b"\n".join(lines) + b"\n"


def _flat(value: Mapping[str, Any]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def main(arguments: list[str], target: Path = TARGET) -> int:
    """Reads the file that `arguments` names, writes `target`, says what it did. The exit code."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m trouper.actors.catalog.refresh SOURCE.json\n")
        return 2
    table = reshape(orjson.loads(Path(arguments[0]).read_bytes()))
    target.write_bytes(written(table))
    count = sum(len(entry["models"]) for entry in table["families"].values())
    sys.stderr.write(f"{count} models written to {target}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
