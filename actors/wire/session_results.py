"""Answers to what a client asks by the Agent Client Protocol, as frames.

Sans-IO. Shapes: agentclientprotocol.com, protocol v1.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from ..chat import Usage
from .encoded import dump_json
from .jsonrpc import RequestId, encode_error
from .session import PROTOCOL_VERSION, TURN_FAILED

__all__ = [
    "NO_CHOICES",
    "Choices",
    "Chosen",
    "config_options",
    "config_result",
    "initialize_result",
    "joined_result",
    "list_result",
    "new_session_result",
    "prompt_result",
    "result",
    "turn_failed",
]


@attrs.frozen(kw_only=True)
class Choices:
    """Whom one can talk with: assistants, each with the model that is its own, and models.

    `default` is the assistant of who asks for none. `images` are the models that
    may be shown pictures, and `about` says of assistants what they are good for.
    """

    assistants: Mapping[str, str] = attrs.field(factory=dict[str, str], hash=False)
    about: Mapping[str, str] = attrs.field(factory=dict[str, str], hash=False)
    models: tuple[str, ...] = ()
    default: str = ""
    images: frozenset[str] = frozenset()


NO_CHOICES: Final = Choices()


@attrs.frozen(kw_only=True)
class Chosen:
    """The assistant of a session, and its model: "" is the assistant's own."""

    assistant: str
    model: str = ""


def result(id: RequestId, body: Mapping[str, Any]) -> str:
    """The answer `body` to request `id`."""
    return dump_json({"jsonrpc": "2.0", "id": id, "result": body}).decode()


def initialize_result(id: RequestId, version: str, *, images: bool = False) -> str:
    """The answer to initialize; `version` is this program's."""
    capabilities: dict[str, Any] = {
        "loadSession": True,
        "promptCapabilities": {"image": images, "audio": False, "embeddedContext": True},
        "mcpCapabilities": {"http": False, "sse": False},
        "sessionCapabilities": {"list": {}, "resume": {}, "close": {}, "delete": {}},
        "_meta": {"trouper.dev": {"v": 1}},
    }
    body: dict[str, Any] = {
        "protocolVersion": PROTOCOL_VERSION,
        "agentCapabilities": capabilities,
        "agentInfo": {"name": "trouper", "title": "Trouper", "version": version},
        "authMethods": [],
    }
    return result(id, body)


def new_session_result(
    id: RequestId,
    session_id: str,
    choices: Choices = NO_CHOICES,
    chosen: Chosen | None = None,
    *,
    ignored: Iterable[str] = (),
) -> str:
    """The answer to session/new; `ignored` are members that we took and do not use."""
    body: dict[str, Any] = {"sessionId": session_id, **_choice(choices, chosen)}
    return result(id, _with_meta(body, ignored))


def joined_result(
    id: RequestId,
    seq: int,
    turn: int | None,
    choices: Choices = NO_CHOICES,
    chosen: Chosen | None = None,
    *,
    ignored: Iterable[str] = (),
) -> str:
    """The answer to session/load and session/resume: all up to event `seq` has been told, and
    `turn` is under way."""
    body = _with_meta(_choice(choices, chosen), ignored)
    body["_meta"] = {**body.get("_meta", {}), "trouper.dev/seq": seq}
    if turn is not None:
        body["_meta"]["trouper.dev/turn"] = turn
    return result(id, body)


def _with_meta(body: dict[str, Any], ignored: Iterable[str]) -> dict[str, Any]:
    names = list(ignored)
    return {**body, "_meta": {"trouper.dev/ignored": names}} if names else body


def list_result(
    id: RequestId,
    sessions: Iterable[tuple[str, str, float]],
    cwd: str,
    cursor: str | None,
) -> str:
    """The answer to session/list: id, title and time (seconds since 1970; 0 is unknown) of each.

    The next page is behind `cursor`.
    """
    told: list[dict[str, Any]] = []
    for session_id, title, used in sessions:
        info: dict[str, Any] = {"sessionId": session_id, "cwd": cwd}
        if title:
            info["title"] = title
        if used:
            info["updatedAt"] = datetime.fromtimestamp(used, UTC).isoformat(timespec="seconds")
        told.append(info)
    body: dict[str, Any] = {"sessions": told}
    if cursor is not None:
        body["nextCursor"] = cursor
    return result(id, body)


def _choice(choices: Choices, chosen: Chosen | None) -> dict[str, Any]:
    if chosen is None or not choices.assistants:
        return {}
    modes = [_named("id", name, choices.about) for name in choices.assistants]
    return {
        "modes": {"currentModeId": chosen.assistant, "availableModes": modes},
        "configOptions": config_options(choices, chosen),
    }


def config_options(choices: Choices, chosen: Chosen) -> list[dict[str, Any]]:
    """What can be chosen for a session, and what is."""
    model = chosen.model or choices.assistants.get(chosen.assistant, "")
    assistants = [_named("value", name, choices.about) for name in choices.assistants]
    models = [_named("value", name, {}) for name in choices.models]
    return [
        _select("assistant", "Assistant", "mode", chosen.assistant, assistants),
        _select("model", "Model", "model", model, models),
    ]


def _named(key: str, name: str, about: Mapping[str, str]) -> dict[str, str]:
    told = about.get(name, "")
    return {key: name, "name": name} | ({"description": told} if told else {})


def _select(
    id: str, name: str, category: str, current: str, options: list[dict[str, str]]
) -> dict[str, Any]:
    return {
        "id": id,
        "name": name,
        "category": category,
        "type": "select",
        "currentValue": current,
        "options": options,
    }


def config_result(id: RequestId, choices: Choices, chosen: Chosen) -> str:
    """The answer to session/set_config_option: all that can be chosen, and what now is."""
    return result(id, {"configOptions": config_options(choices, chosen)})


def prompt_result(id: RequestId, stop: str, seq: int, usage: Usage | None = None) -> str:
    """The answer to session/prompt; `stop` is one of ACP's stop reasons."""
    meta: dict[str, Any] = {"trouper.dev/seq": seq}
    if usage is not None:
        # ACP's own member for it is marked unstable, so it goes where extensions go.
        meta["trouper.dev/usage"] = _tokens(usage)
    return result(id, {"stopReason": stop, "_meta": meta})


def turn_failed(id: RequestId, error: str, seq: int, *, retryable: bool) -> str:
    """The answer to a session/prompt whose turn failed; `error` is for a person."""
    return encode_error(id, TURN_FAILED, error, {"retryable": retryable, "trouper.dev/seq": seq})


def _tokens(usage: Usage) -> dict[str, int | bool]:
    return {
        "inputTokens": usage.input,
        "outputTokens": usage.output,
        "cachedReadTokens": usage.cache_read,
        "cachedWriteTokens": usage.cache_write,
        "thoughtTokens": usage.reasoning,
        "estimated": usage.estimated,
    }
