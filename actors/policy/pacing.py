"""How long stream readers wait between two reads, from how late the loop is.

A loop that is late reads more often than it can use what it reads. Waiting for
a common tick lets the kernel gather several events into one read, which costs
a third. It adds its tick to the delay of each piece of text, so it is off
unless the loop is late already.
"""

import attrs

__all__ = ["CALM", "LATE", "SAMPLE", "TICKS", "Pacing"]

TICKS = (0.0, 0.05, 0.1, 0.2)
"""Seconds between reads, by level. Above 200 ms people see text come in jerks."""

SAMPLE = 0.05
"""Seconds between two looks at the loop's lag."""

LATE = 0.1
"""Seconds of lag from which the loop counts as late: what a person begins to feel."""

CALM = 0.02
"""Seconds of lag up to which it counts as calm: a full batch of work."""

# Looks between two rises: a new level shows after some ticks of it.
_RISE_AFTER = 6
# Calm looks before a fall: longer, since a level is calm because of its waiting.
_FALL_AFTER = 40


@attrs.frozen
class Pacing:
    """The level, and how long the loop has been late or calm at it."""

    level: int = 0
    late: int = 0
    calm: int = 0

    @property
    def tick(self) -> float:
        """Seconds between two reads of one stream; 0 is no waiting."""
        return TICKS[self.level]

    def after(self, lag: float) -> "Pacing":
        """The pacing after one more look, which found the loop `lag` seconds late."""
        if lag >= LATE:
            if self.late + 1 >= _RISE_AFTER and self.level < len(TICKS) - 1:
                return Pacing(self.level + 1)
            return Pacing(self.level, min(self.late + 1, _RISE_AFTER), 0)
        if lag <= CALM and self.level:
            if self.calm + 1 >= _FALL_AFTER:
                return Pacing(self.level - 1)
            return Pacing(self.level, 0, self.calm + 1)
        return Pacing(self.level, 0, self.calm)
