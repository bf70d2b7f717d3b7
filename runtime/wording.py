"""What is said of a fault: its words and its traceback, without what nobody may read.

The runtime knows no secrets. Who does gives `System` a function that takes them
out of a text, and every text that the runtime makes of a fault goes through it:
why an actor stopped, what an asker is told, snapshots, events, log lines. The
exception itself stays as it was raised.
"""

import traceback
from collections.abc import Callable

import attrs

__all__ = ["Redact", "Wording", "said"]

Redact = Callable[[str], str]

# Characters: what fits a screen, and some forty frames of a traceback.
_WORDS = 4_000
_TRACEBACK = 16_384

_WITHHELD = "(withheld: what should take secrets out of it has failed)"


def _as_it_is(text: str) -> str:
    return text


def said(error: BaseException) -> str:
    """An error's type and words; users' errors may fail to say theirs."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - a fault in the words must not hide the fault itself
        return type(error).__name__


@attrs.frozen
class Wording:
    """How faults are told in one system. `redact` is called synchronously and must be quick."""

    redact: Redact = _as_it_is

    def of(self, error: BaseException) -> str:
        """Its type and words, the beginning of them where they are long."""
        return self.text(said(error))

    def text(self, text: str) -> str:
        """Any text of a fault, its beginning where it is long."""
        # Twice as much is looked at, so that no secret is cut in two where this is cut.
        return self._redacted(text[: 2 * _WORDS])[:_WORDS]

    def traceback(self, error: BaseException) -> str:
        """The error as Python prints it, its end if it is long."""
        whole = "".join(traceback.format_exception(error))
        return self._redacted(whole[-2 * _TRACEBACK :])[-_TRACEBACK:]

    def _redacted(self, text: str) -> str:
        try:
            return self.redact(text)
        except Exception:  # noqa: BLE001 - it is called while lives end, whose end must not fail
            return _WITHHELD
