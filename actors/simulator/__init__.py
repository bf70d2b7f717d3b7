"""A provider that speaks the real OpenAI wire, as scripted, with faults. It is for
tests, for load and for trying things without a key; it needs no network."""

from .reading import answer_from, load_script, script_from
from .script import Answer, Reply, Rule, Script
from .server import serve_simulator
from .state import Outcome, Record, Simulator

__all__ = [
    "Answer",
    "Outcome",
    "Record",
    "Reply",
    "Rule",
    "Script",
    "Simulator",
    "answer_from",
    "load_script",
    "script_from",
    "serve_simulator",
]
