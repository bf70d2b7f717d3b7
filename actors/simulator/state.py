"""What the simulator remembers: its script, how often each rule was used, the last requests."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

import attrs

from .openai import ChatCall
from .reading import answer_from
from .script import Script, ScriptedAnswer

__all__ = ["Outcome", "Record", "Simulator"]

# The log is for tests and for a look by hand; the 1,000 newest tell both enough.
_MAX_RECORDS = 1000
# Characters of a message and bytes of a body that a record keeps: with these
# the whole log stays below 32 MiB, whatever clients send.
_MAX_LAST = 2000
_MAX_BODY = 16 * 1024


class Outcome(Enum):
    """How the response to a request ended."""

    SERVING = "serving"
    """It has not ended."""
    SERVED = "served"
    """It was sent to its end."""
    REFUSED = "refused"
    """The request is none that can be answered; the script had no part in that."""
    BROKEN_OFF = "broken off"
    """The script had it end before its end."""
    CLIENT_LEFT = "client left"
    """The client has closed the connection before."""
    TIMED_OUT = "timed out"
    """It took longer than any answer may."""
    STOPPED = "stopped"
    """The simulator was stopped meanwhile."""


@attrs.define(eq=False, kw_only=True)
class Record:
    """Request `number` to the chat completions, and what became of it.

    `model`, `last`, which is what the user has said last, and `stream` are of the request.
    `status` is the HTTP status of the response, None while there is none, `tokens`
    how many it has told, and `outcome` how it ended. `started` is in seconds since the simulator began; `bytes` counts the
    response's body; `fault` names the fault that struck, `rule` the index of
    the rule that matched (None for the echo and for x-sim); `body` is the
    request's, unless it was larger than 16 KiB. Keys in `headers` are masked.
    """

    number: int
    started: float
    headers: Mapping[str, str]
    model: str = ""
    last: str = ""
    stream: bool = False
    rule: int | None = None
    status: int | None = None
    tokens: int = 0
    bytes: int = 0
    fault: str | None = None
    outcome: Outcome = Outcome.SERVING
    body: Mapping[str, Any] | None = None

    def read(self, call: ChatCall, size: int) -> None:
        """Note what was asked, in a body of `size` bytes."""
        self.model, self.stream = call.model[:_MAX_LAST], call.stream
        self.last = call.last[:_MAX_LAST]
        self.body = call.body if size <= _MAX_BODY else None


@attrs.define(eq=False)
class Simulator:
    """The provider: a script to play and a log of what was asked. It `began` on trio's clock."""

    script: Script
    began: float = 0.0
    _initial: Script = attrs.field(init=False)
    _used: Counter[int] = attrs.field(init=False, factory=Counter[int])
    _records: deque[Record] = attrs.field(init=False)
    _count: int = attrs.field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        self._initial = self.script
        self._records = deque(maxlen=_MAX_RECORDS)

    @property
    def total(self) -> int:
        """Requests so far, also those that the log has forgotten."""
        return self._count

    @property
    def records(self) -> tuple[Record, ...]:
        """The last requests, oldest first."""
        return tuple(self._records)

    def open_record(self, now: float, headers: Iterable[tuple[str, str]]) -> Record:
        """Begin the record of the next request, taken at `now`."""
        self._count += 1
        kept = {name: _masked(name, value) for name, value in headers}
        record = Record(number=self._count, started=now - self.began, headers=kept)
        self._records.append(record)
        return record

    def answer(self, call: ChatCall, record: Record) -> ScriptedAnswer:
        """The answer to `call`: its own, or the first rule's that matches, or the echo.

        Raises ConfigError where the answer that the request carries is none.
        """
        if call.override is not None:
            return answer_from(call.override, source="x-sim")
        for index, rule in enumerate(self.script.rules):
            spent = rule.times is not None and self._used[index] >= rule.times
            if not spent and rule.matches(call.model, call.last, after_tool=call.after_tool):
                self._used[index] += 1
                record.rule = index
                return rule
        return ScriptedAnswer()

    def use(self, script: Script) -> None:
        """Play `script` from now on, from its start."""
        self.script = script
        self._used.clear()

    def reset(self) -> None:
        """Play the first script from its start, and forget all requests."""
        self.use(self._initial)
        self._records.clear()
        self._count = 0


def _masked(name: str, value: str) -> str:
    """A header as the log may show it: of a key, only what tells one from another."""
    if name not in ("authorization", "api-key", "x-api-key", "proxy-authorization", "cookie"):
        return value
    return f"...{value[-4:]}" if len(value) >= 16 else "..."
