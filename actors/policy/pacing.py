"""How long stream readers wait between two reads, from how busy and how late the loop is.

A loop that is busy with streams reads as often as something comes. Waiting for a
common tick lets the kernel gather several events into one read, which costs a
third. It adds its tick to the delay of each piece of text, so it is off unless
the loop has little time left.

Busy is the loop's own time on a processor, as a share of the time that has passed.
Late is the loop that does not run when it should: it was busy with one thing for
too long, or other programs have the processor, which its own share does not show.
"""

import attrs

__all__ = ["BUSY", "CALM", "IDLE", "LATE", "SAMPLE", "TICKS", "Pacing"]

TICKS = (0.0, 0.05, 0.1, 0.2)
"""Seconds between reads, by level. Above 200 ms people see text come in jerks."""

SAMPLE = 0.05
"""Seconds between two looks at the loop."""

LATE = 0.1
"""Seconds of lag from which the loop counts as late: what a person begins to feel."""

CALM = 0.02
"""Seconds of lag up to which it counts as calm: a full batch of work."""

BUSY = 0.7
"""The share from which the loop counts as busy: beyond it, what comes at random waits in line."""

IDLE = (0.0, 0.2, 0.3, 0.3)
"""The share up to which it counts as calm, by level. The next lower one reads twice as often,
and none at all up to four times, which must not make it busy again."""

# Looks between two rises: a new level shows after its tick.
_RISE_AFTER = 5
# Calm looks before a fall: longer, since a level is calm because of its waiting.
_FALL_AFTER = 40


@attrs.frozen
class Pacing:
    """The level, and for how many looks the loop has been pressed or calm at it."""

    level: int = 0
    pressed: int = 0
    calm: int = 0

    @property
    def tick(self) -> float:
        """Seconds between two reads of one stream; 0 is no waiting."""
        return TICKS[self.level]

    def after(self, lag: float, busy: float) -> "Pacing":
        """The pacing after one more look: the loop was `lag` seconds late, and `busy` for that share."""
        if lag >= LATE or busy >= BUSY:
            if self.pressed + 1 >= _RISE_AFTER and self.level < len(TICKS) - 1:
                return Pacing(self.level + 1)
            return Pacing(self.level, min(self.pressed + 1, _RISE_AFTER), 0)
        if lag <= CALM and busy <= IDLE[self.level] and self.level:
            if self.calm + 1 >= _FALL_AFTER:
                return Pacing(self.level - 1)
            return Pacing(self.level, 0, self.calm + 1)
        return Pacing(self.level, 0, self.calm)
