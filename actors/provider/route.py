"""A route: a model by the name that callers use, and all that its requests need to know.

Made once for each model of the configuration, and shared by all its requests.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

import attrs

from ...runtime import Ref
from ..catalog.facts import ModelFacts, ModelRef
from ..gate.router_messages import Choose, Left
from ..policy.routing import Candidate, Chain, Link
from ..telemetry.observer import NOBODY, RequestObserver
from .caching import Caching
from .target import Target

__all__ = ["Midstream", "Route", "facts_of", "make_route"]

Midstream = Literal["raise", "restart", "buffer"]
"""What becomes of an answer that breaks off after its beginning was handed on."""


def _total(route: "Route") -> float:
    return max(target.total for target in route.targets.values())


def _several(route: "Route") -> bool:
    return len(route.targets) > 1


@attrs.frozen(kw_only=True)
class Route:
    """A chain of targets, and how an answer is had from it.

    `chain` names the `targets` ("provider/model"). Without a `router` the order
    of the chain decides, nobody counts retries, and nothing is hedged.
    `on_midstream`: an answer that breaks off raises its error (raise), begins
    again at the next target behind a Reset (restart), or is not handed on
    before it is whole (buffer). `hedge` makes a second attempt beside a slow one.
    With `caching`, answers are kept, and given again to equal requests.
    """

    chain: tuple[Link, ...]
    targets: Mapping[str, Target] = attrs.field(hash=False)
    name: str = ""
    router: Ref[Choose | Left] | None = attrs.field(default=None, repr=False)
    on_midstream: Midstream = "raise"
    hedge: bool = False
    observer: RequestObserver = attrs.field(default=NOBODY, repr=False)
    caching: Caching | None = None

    total: float = attrs.field(init=False, default=attrs.Factory(_total, takes_self=True))
    """Seconds for the whole chain: what the most patient of its targets has for itself."""
    several: bool = attrs.field(init=False, default=attrs.Factory(_several, takes_self=True))
    """Whether a request is written for more than one model, and fitted to each."""


def make_route(
    targets: Iterable[Target],
    chain: Chain | None = None,
    *,
    name: str = "",
    router: Ref[Choose | Left] | None = None,
    on_midstream: Midstream = "raise",
    hedge: bool = False,
    observer: RequestObserver = NOBODY,
    caching: Caching | None = None,
) -> Route:
    """The route over `targets`: by `chain`, or one after the other.

    The windows of its candidates are taken from what is known of the models.
    """
    named = {target.name: target for target in targets}
    if chain is None:
        chain = [Link((Candidate(name),)) for name in named]
    return Route(
        chain=tuple(
            attrs.evolve(
                link, candidates=tuple(_with_window(one, named) for one in link.candidates)
            )
            for link in chain
        ),
        targets=named,
        name=name,
        router=router,
        on_midstream=on_midstream,
        hedge=hedge,
        observer=observer,
        caching=caching,
    )


def facts_of(target: Target, model: str = "") -> ModelFacts:
    """What is known of the model that `target` asks; `model` is the request's, for one without."""
    ref = ModelRef(target.provider, target.model or model, target.family)
    return target.knowledge.facts(ref)


def _with_window(one: Candidate, targets: Mapping[str, Target]) -> Candidate:
    if one.window is not None:
        return one
    return attrs.evolve(one, window=facts_of(targets[one.name]).max_input_tokens)
