"""Whether each configured model has a target that can be asked now.

A target can be asked where its provider runs and its circuit is not open until
somebody resets it; one that is open for a while is what circuits are for.

Only that makes a program not ready, because who is told so sends its clients
elsewhere, or starts it anew. A budget that is spent, a circuit that probes, a tool
that hangs are the same elsewhere, or pass: they are warnings, in the words that
the console has for them, so that all of its faces and this one agree.

Who asks needs no token, so nothing is said of how anything has crashed, of
conversations or of money: the console has that.
"""

from collections.abc import Iterable, Iterator, Mapping
from math import inf
from typing import Any

from ..runtime import ActorSnapshot, System
from .config import AppConfig
from .gate.circuit import Circuit
from .gate.circuit_messages import GetState
from .gateway.readiness import Readiness
from .policy.routing import Ask, Standing, decide
from .telemetry.reading import ask_each
from .tree import breaker_path

__all__ = ["readiness_of"]

# What an operator reads. Whatever else is not running will run again, or is being stopped.
_DOING = {
    "starting": "is starting",
    "draining": "is stopping",
    "stopped": "has stopped",
    "suspended": "is suspended by hand",
}


async def readiness_of(
    system: System, config: AppConfig, attention: Iterable[Mapping[str, Any]] = ()
) -> Readiness:
    """How the application that runs in `system` stands; `attention` is what its console says."""
    ill = dict(_ill(config, system.snapshot("providers")))
    wanted = {target for model in config.models.values() for target in model.targets}
    circuits = {
        target: system.ref(breaker_path(target.provider, target.model), Circuit)
        for target in sorted(wanted, key=str)
        if target.provider not in ill
    }
    states = await ask_each(circuits, GetState())
    faults = {str(target): ill[target.provider] for target in wanted if target.provider in ill} | {
        str(target): f"the circuit of {target} is open until it is reset"
        for target, state in states.items()
        if state.state == "open" and state.reopens_in == inf
    }
    down = {name: Standing(not_before=inf) for name in faults}
    reasons: list[str] = []
    told: set[str] = set()
    for name, model in config.models.items():
        choice = decide(model.chain, down, now=0.0, deadline=inf, chance=0.0)
        if not isinstance(choice, Ask):
            why = dict.fromkeys(
                faults[str(target)] for target in model.targets if str(target) in faults
            )
            told.update(why)
            reasons.append(f"model {name} has no target that can be asked: {', '.join(why)}")
    others = dict.fromkeys([*ill.values(), *faults.values()])
    # What has been said already in words of its own.
    known = {*ill, *(name.partition("/")[0] for name in faults)}
    others |= dict.fromkeys(_warnings(attention, known))
    return Readiness(tuple(reasons), tuple(each for each in others if each not in told))


def _warnings(attention: Iterable[Mapping[str, Any]], known: Iterable[str]) -> Iterator[str]:
    """What the console says, without what only its users may know; not of the `known` providers."""
    for each in attention:
        where = each["path"].split("/")
        if each["what"] != "actor":
            who = f"{each['what']} {each['name']}" if each["what"] == "budget" else each["name"]
        elif where[0] == "providers" and len(where) > 1:
            if where[1] in known:
                continue
            who = f"provider {where[1]}"
        elif where[0] == "tools" and len(where) > 1:
            who = f"tool {where[1]}"
        else:
            # The names of sessions are those of people.
            who = where[0]
        yield f"{who}: {each['health']}"


def _ill(config: AppConfig, actors: Iterable[ActorSnapshot]) -> Iterator[tuple[str, str]]:
    """The providers of which a part does not run, and what each of them does."""
    running = {actor.path: actor.state for actor in actors if actor.state != "running"}
    for name in config.providers:
        own = f"providers/{name}"
        states = [
            state
            for path, state in running.items()
            if path in ("providers", own) or path.startswith(f"{own}/")
        ]
        if states:
            yield name, f"provider {name} {_DOING.get(states[0], 'is restarting')}"
