"""Whether a failed request is tried again, and after how long. Times are in seconds.

What may have been billed is a question of its own. A plain call that was sent
and not answered may be generating its whole answer for nobody, and a second one
is then paid twice: it is made once at most, and only where the configuration
says so (`ambiguous`). A stream that fails before its first word is tried again
as anything is: leaving it closes its connection, which ends the generation, so
that what is paid twice is little more than the prompt. Asking the next target
of a chain is no retry: who names a second one wants to have an answer.
"""

import attrs

from ..errors import ErrorKind, ProviderError

__all__ = ["KEY_IS_DEAD", "LONGEST_SERVER_DELAY", "RetryPolicy", "retry_delay"]

KEY_IS_DEAD = frozenset({ErrorKind.AUTH, ErrorKind.PERMISSION, ErrorKind.QUOTA_EXHAUSTED})
"""Failures of a key that another key may not have, and that no waiting mends."""

# A server that asks for more is left to whoever has another provider to turn to.
LONGEST_SERVER_DELAY = 60.0
# Where nothing is known but that there are too many of us: come back later.
OVERLOADED_BASE = 2.0
# Added to a server's own word, so that not all who heard it come back at once.
_SERVER_JITTER = 0.1


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """`attempts` counts the first try; delays grow from `base_delay` to `max_delay`.

    `ambiguous` says whether a plain call that may have been billed is made once more.
    """

    attempts: int = 3
    base_delay: float = 0.5
    max_delay: float = 8.0
    ambiguous: bool = False


def retry_delay(
    policy: RetryPolicy,
    error: ProviderError,
    attempt: int,
    chance: float,
    *,
    streamed: bool = True,
    ambiguous_before: bool = False,
) -> float | None:
    """Seconds to wait after try number `attempt` (from 1) failed, or None to give up.

    The server's own delay goes first. Else it is "full jitter": a random time
    up to a bound that doubles, which spreads a crowd best (AWS Architecture
    Blog, "Exponential Backoff And Jitter", 2015). `chance` is from 0 to 1;
    `ambiguous_before` says that an earlier try may have been billed, too.
    """
    if error.committed or not error.retryable or attempt >= policy.attempts:
        return None
    unsure = not streamed and error.billed != "no" and error.should_retry is None
    if unsure and (ambiguous_before or not policy.ambiguous):
        return None
    if error.retry_after is not None:
        if error.retry_after > LONGEST_SERVER_DELAY:
            return None
        return error.retry_after * (1 + _SERVER_JITTER * chance)
    overloaded = error.kind is ErrorKind.OVERLOADED
    base = max(OVERLOADED_BASE, policy.base_delay) if overloaded else policy.base_delay
    ceiling = max(policy.max_delay, base)
    # 2 ** 32 is beyond every ceiling, and far from overflow.
    return float(chance * min(ceiling, base * 2 ** min(attempt - 1, 32)))
