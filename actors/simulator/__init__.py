"""A provider that speaks the real OpenAI wire, as scripted, with faults. It is for
tests, for load and for trying things without a key; it needs no network."""

from .reading import answer_from, load_script, script_from
from .script import Rule, Script, ScriptedAnswer, ScriptedReply
from .server import serve_simulator
from .state import Outcome, Record, Simulator

__all__ = [
    "Outcome",
    "Record",
    "Rule",
    "Script",
    "ScriptedAnswer",
    "ScriptedReply",
    "Simulator",
    "answer_from",
    "load_script",
    "script_from",
    "serve_simulator",
]
