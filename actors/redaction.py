"""What must not be read by anybody, found in text and masked.

Three nets, because each has holes: the name of a field (`api_key`), the look
of a value (`sk-…`, `Bearer …`) and the secrets that this process holds. The
last one catches keys of any look, and works because every
`trouper.actors.config.Secret` is remembered here when it is made. The same net
belongs before every way out: logs, errors that quote, crash files, the feed.
"""

import re
import threading
from collections import OrderedDict
from urllib.parse import quote

__all__ = [
    "MASK",
    "LiveSecrets",
    "is_secret_name",
    "live_secrets",
    "printable",
    "printable_line",
    "redact_text",
]

MASK = "[redacted]"

# Shorter ones are words: masking each "key" in a log would hide the log.
_SHORTEST = 8

_NAMES = (
    "api_key",
    "apikey",
    "authorization",
    "cookie",
    "credential",
    "passphrase",
    "password",
    "private_key",
    "secret",
    "token",
)
_NAME = re.compile(rf"(?:^|_)(?:{'|'.join(_NAMES)})s?$")

# Hostile text of 12 KiB takes at most some milliseconds: what may begin anywhere and still
# fail at its end (a JSON web token) looks only so far.
_LOOKS = re.compile(
    r"""
      \bsk-[A-Za-z0-9_-]{8,}                              # OpenAI, Anthropic, many others
    | \bgh[a-z]_[A-Za-z0-9]{16,} | \bgithub_pat_[A-Za-z0-9_]{16,}
    | \bxox[a-z]-[A-Za-z0-9-]{8,}                         # Slack
    | \bAIza[A-Za-z0-9_-]{16,}                            # Google
    | \beyJ[A-Za-z0-9_-]{8,512}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*   # a JSON web token
    | (?<=[Bb]earer\ )[A-Za-z0-9._~+/=-]{6,}
    | (?<=[Bb]asic\ )[A-Za-z0-9+/=_-]{8,}
    | (?<=://)[^\s/@:]*:[^\s/@]+(?=@)                     # user:password@ in a URL
    """,
    re.VERBOSE,
)


# One of these is in all that it finds. To look for them costs a tenth of what it does, and
# most texts have none.
_HINTS = ("sk-", "gh", "xox", "AIza", "eyJ", "earer ", "asic ", "://")


class LiveSecrets:
    """The values of the secrets that a process holds, at most `capacity` of them.

    The oldest one is forgotten when one more comes. A process holds a handful;
    the bound is there so that a program which makes secrets without end does
    not make every log line slower without end.
    """

    def __init__(self, capacity: int = 1_024) -> None:
        self._capacity = capacity
        self._values: OrderedDict[str, None] = OrderedDict()
        self._pattern: re.Pattern[str] | None = None
        # Secrets are made and lines are logged in worker threads, too.
        self._lock = threading.Lock()

    def add(self, value: str) -> None:
        """Mask `value` from now on, also as it stands in a URL. Values under 8 characters are
        not searched for."""
        if len(value) < _SHORTEST:
            return
        with self._lock:
            self._values[value] = None
            self._values.move_to_end(value)
            while len(self._values) > self._capacity:
                self._values.popitem(last=False)
            self._pattern = None

    def mask(self, text: str) -> str:
        """`text` with every live secret in it masked."""
        if not self._values:
            return text
        pattern = self._pattern
        if pattern is None:
            pattern = self._compile()
        return pattern.sub(MASK, text)

    def _compile(self) -> re.Pattern[str]:
        with self._lock:
            forms = {form for value in self._values for form in (value, quote(value, safe=""))}
            # The longest first: else a secret that begins another one leaves its rest to be read.
            ordered = sorted(forms, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, ordered)))
            return self._pattern


live_secrets = LiveSecrets()
"""The secrets of this process."""


def is_secret_name(name: str) -> bool:
    """Whether what a field or header of this name holds is a secret: `x-api-key`, `api_keys`."""
    return _NAME.search(name.lower().replace("-", "_").replace(" ", "_")) is not None


def redact_text(text: str) -> str:
    """`text` without live secrets and without what looks like one."""
    text = live_secrets.mask(text)
    for hint in _HINTS:
        if hint in text:
            return _LOOKS.sub(MASK, text)
    return text


def printable(text: str) -> str:
    """`text` without what a terminal obeys or an eye cannot see: those characters as escapes.

    Line breaks stay. For text from models and strangers, before it is shown to people.
    """
    # (Not a character at a time where there is nothing but line breaks: answers are long.)
    if text.isprintable() or text.replace("\n", "").isprintable():
        return text
    return "".join(
        character if character.isprintable() or character == "\n" else _escape(character)
        for character in text
    )


def printable_line(text: str) -> str:
    """The same in one line: for names, messages and reasons, which begin no other one."""
    return printable(text).replace("\n", " ")


def _escape(character: str) -> str:
    if character <= "\x7f":
        return f"\\x{ord(character):02x}"
    return character.encode("ascii", "backslashreplace").decode()
