"""What users ask for by a name: a chain of targets, and how an answer is had from it."""

from collections.abc import Iterator
from typing import Literal, get_args

import attrs

from ..policy.routing import Candidate, Link
from . import checks
from .chain import LinkConfig, Target, links_of

__all__ = ["EFFORTS", "ContextPolicy", "Midstream", "ModelConfig"]

Midstream = Literal["raise", "restart", "buffer"]
ContextPolicy = Literal["refuse", "drop_oldest", "summarise"]

# What any provider's reference has. Which of them a model takes, the catalog knows.
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

# A month: an answer that is older was given in another world.
_LONGEST_KEPT = 31 * 86_400.0


@attrs.frozen(kw_only=True)
class ModelConfig:
    """What users ask for by a name: a chain of targets, and how an answer is had from it.

    An element of `targets` is a link of the chain. The first one is asked
    first, and the next one when all before it have failed or are not to be
    asked now. A link is a target, or a list of targets that are as good as each
    other: among them the one with the fewest calls under way is asked.
    """

    links: tuple[LinkConfig, ...] = attrs.field(
        converter=links_of,
        alias="targets",
        metadata=checks.told("a list of targets, tables and lists of these"),
    )
    """Whom to ask: "provider/model", a table that says more of it, or a list of equals."""
    temperature: float | None = attrs.field(
        default=None, metadata=checks.optional(checks.within(0, 2))
    )
    """How freely words are chosen; without it the provider's default. Models that take none
    are not sent one."""
    max_output_tokens: int | None = attrs.field(
        default=None, metadata=checks.optional(checks.whole(1, 10_000_000))
    )
    """The longest answer, its reasoning included; without it the provider's default."""
    reasoning_effort: str | None = attrs.field(
        default=None, metadata=checks.optional(checks.one_of("reasoning effort", EFFORTS))
    )
    """How long the model thinks before it answers; without it the model's default."""
    # Nothing that was shown is taken back, and nothing is paid twice, unless somebody wants it.
    on_midstream: Midstream = attrs.field(
        default="raise", metadata=checks.one_of("way to go on", get_args(Midstream))
    )
    """What happens when an answer breaks off after its beginning was handed on: an error with
    what there is (raise), a new answer from its beginning (restart), or no word before the
    answer is whole (buffer)."""
    # It may cost a second answer.
    hedge: bool = attrs.field(default=False, metadata=checks.switch())
    """Whether a second attempt is begun when the first one is slower than nearly all are; the
    first that answers wins."""
    cache: float | None = attrs.field(
        default=None, metadata=checks.optional(checks.seconds(_LONGEST_KEPT))
    )
    """Seconds that an answer is kept and given again to an equal request; without it none is."""
    # A long conversation goes on without its beginning rather than not at all.
    context: ContextPolicy = attrs.field(
        default="drop_oldest", metadata=checks.one_of("context policy", get_args(ContextPolicy))
    )
    """What happens to a conversation that is longer than the model's window: an error (refuse),
    its oldest turns are left out (drop_oldest), or told in few words (summarise)."""
    first_event: float | None = attrs.field(
        default=None, metadata=checks.optional(checks.seconds())
    )
    """Seconds to the first event of an answer; without it what the provider's timeouts say."""
    idle: float | None = attrs.field(default=None, metadata=checks.optional(checks.seconds()))
    """Seconds between two events; without it what the provider's timeouts say."""

    def __attrs_post_init__(self) -> None:
        checks.refuse_faults(self, self._across)

    @property
    def targets(self) -> tuple[Target, ...]:
        """All targets of the chain, in their order."""
        return tuple(entry.target for link in self.links for entry in link.targets)

    @property
    def chain(self) -> tuple[Link, ...]:
        """The chain as `policy.routing` decides on it; candidates are named "provider/model"."""
        return tuple(
            Link(tuple(Candidate(str(one.target), one.weight) for one in link.targets), link.on)
            for link in self.links
        )

    def places(self) -> Iterator[tuple[str, Target]]:
        """All targets with their places in `targets`: "[1]", or "[1][0]" among equals."""
        for index, link in enumerate(self.links):
            for inner, entry in enumerate(link.targets):
                place = f"[{index}]" if len(link.targets) == 1 else f"[{index}][{inner}]"
                yield place, entry.target

    def _across(self) -> Iterator[str]:
        if not self.links:
            yield 'targets: names nothing; at least one "provider/model" is needed'
        elif self.links[0].on is not None and len(self.links[0].targets) == 1:
            yield "targets[0].on: the first link is asked in any case; leave it out"
        seen: set[Target] = set()
        for place, target in self.places():
            if target in seen:
                yield f'targets{place}: "{target}" is in this chain already'
            seen.add(target)
