"""Whether each configured model has a target that can be asked now.

A target can be asked where its provider runs and its circuit is not open until
somebody resets it; one that is open for a while is what circuits are for. Who
asks needs no token, so nothing is said of how anything has crashed: the log has
that.
"""

from collections.abc import Iterable, Iterator
from math import inf

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


async def readiness_of(system: System, config: AppConfig) -> Readiness:
    """How the application that runs in `system` stands."""
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
    return Readiness(tuple(reasons), tuple(each for each in others if each not in told))


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
