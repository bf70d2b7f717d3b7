"""Whether a program can serve, as GET /readyz tells it."""

import attrs

__all__ = ["READY", "Readiness"]


@attrs.frozen
class Readiness:
    """`reasons` why it cannot serve, none if it can; `warnings` of what is ill and can be done
    without. Sentences that anybody may read: no secret, no word of a crash."""

    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether it can serve."""
        return not self.reasons


READY = Readiness()
